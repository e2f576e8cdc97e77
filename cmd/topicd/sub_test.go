package main

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
	l := losses{note: note}
	l.add(client.Message{Topic: "a", Live: true}, now)
	l.add(client.Message{Topic: "a", Drop: 1}, now)
	for range 3 {
		l.add(client.Message{Topic: "b", Drop: 2, Live: true}, now)
	}
	l.add(client.Message{Topic: "c", Drop: 1, Live: true}, now.Add(time.Second))
	l.add(client.Message{Topic: "d", Drop: 5, Live: true}, now.Add(time.Second))
	for _, topic := range []string{"a", "b"} {
		l.add(client.Message{Topic: topic, Restart: true}, now.Add(2*time.Second))
	}
	l.close()
	want := []string{
		"a reading of a was lost", "7 readings were lost, the last of them of c",
		"the hub was restarted: what came while it was away is not known", "5 readings were lost, the last of them of d",
	}
	if !slices.Equal(said, want) {
		t.Errorf("%q", said)
	}
	said = nil
	l = losses{note: note, meant: true}
	l.add(client.Message{Topic: "a", Drop: 9, Live: true}, now)
	l.close()
	if said != nil {
		t.Errorf("what was left out on purpose is told: %q", said)
	}
}
