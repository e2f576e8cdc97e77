package show

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"topicd/node/client"
)

// A loss is told, a flood of them once a second, and what is left at the end.
func TestLossesAreTold(t *testing.T) {
	var said []string
	note := func(format string, args ...any) { said = append(said, fmt.Sprintf(format, args...)) }
	now := time.Now()
	l := Losses{Note: note}
	l.Add(client.Message{Topic: "a", Live: true}, now)
	l.Add(client.Message{Topic: "a", Drop: 1}, now)
	for range 3 {
		l.Add(client.Message{Topic: "b", Drop: 2, Live: true}, now)
	}
	l.Add(client.Message{Topic: "c", Drop: 1, Live: true}, now.Add(time.Second))
	l.Add(client.Message{Topic: "d", Drop: 5, Live: true}, now.Add(time.Second))
	for _, topic := range []string{"a", "b"} {
		l.Add(client.Message{Topic: topic, Restart: true}, now.Add(2*time.Second))
	}
	l.Close()
	want := []string{
		"a reading of a was lost", "7 readings were lost, the last of them of c",
		"the hub was restarted: what came while it was away is not known", "5 readings were lost, the last of them of d",
	}
	if !slices.Equal(said, want) {
		t.Errorf("%q", said)
	}
	said = nil
	l = Losses{Note: note, Meant: true}
	l.Add(client.Message{Topic: "a", Drop: 9, Live: true}, now)
	l.Close()
	if said != nil {
		t.Errorf("what was left out on purpose is told: %q", said)
	}
}
