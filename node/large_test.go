package node

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"topicd/codec"
)

// One peer with large readings, and with such as MQTT retains beside what came later,
// leaves room for everybody else's small ones: on topics that are there and on new ones.
func TestLargeReadingsLeaveRoom(t *testing.T) {
	for name, passing := range map[string]bool{"the newest": false, "what is retained": true} {
		t.Run(name, func(t *testing.T) {
			h := newClocked(t, Options{Memory: 1 << 20, Rate: -1})
			p := open(t, h.Hub)
			p.pub(t, "canary", "1", h.turn)
			big := `"` + strings.Repeat("x", 30_000) + `"`
			refused := 0
			say := func(topic, data string, passing bool) {
				_, err := p.s.Publish([]byte(topic), Body{Enc: codec.JSON, Data: []byte(data), Passing: passing}, 0, h.turn)
				if err != nil && err.Code != codec.CodeNoRoom {
					t.Fatal(err)
				} else if err != nil {
					refused++
				}
			}
			for i := range 100 {
				say(fmt.Sprint("big/", i), big, false)
				if passing {
					say(fmt.Sprint("big/", i), "1", true)
				}
			}
			if refused == 0 && !passing {
				t.Error("3 MB of newest readings in an arena of one")
			}
			p.pub(t, "canary", "2", h.turn)
			for i := range 300 {
				p.pub(t, fmt.Sprint("new/", i), "1", h.turn)
			}
			if err := h.CheckInvariants(); err != nil {
				t.Error(err)
			}
			for i := range 100 { // they give back what they took
				say(fmt.Sprint("big/", i), "1", false)
			}
			refused = 0
			for i := range 8 {
				say(fmt.Sprint("big/", i), big, false)
			}
			if refused > 0 {
				t.Errorf("%d are refused when there is room again", refused)
			}
			h.PublishOwn("$sys/long", []byte(`"`+strings.Repeat("x", 3000)+`"`), h.turn) // charged to nobody
			h.wait(time.Second)
			if err := h.CheckInvariants(); err != nil {
				t.Error(err)
			}
		})
	}
}
