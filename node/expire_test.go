package node

import (
	"fmt"
	"testing"
	"time"
)

// Who publishes over HTTP has a session for a moment only, and is never seen by
// a sweep: its topics stay while readings come.
func TestTopicOfPassingPublishersStays(t *testing.T) {
	h := newClocked(t, Options{Keep: time.Minute})
	for i := range 20 {
		p := open(t, h.Hub)
		p.pub(t, "meter", fmt.Sprint(i), h.turn)
		p.s.Close(h.turn)
		h.wait(20 * time.Second)
		h.sweep()
	}
	if topic := h.Find([]byte("meter")); topic == nil || h.Info(topic, h.now).Seq != 20 {
		t.Fatal("it went, and its history with it")
	}
	h.wait(41 * time.Second)
	h.sweep()
	if h.Find([]byte("meter")) != nil {
		t.Error("it stays for ever")
	}
}
