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

// A short keep is kept within two seconds of its time, however many topics there
// are and whoever sweeps, as long as sweeps come when they are due.
func TestShortKeepIsKept(t *testing.T) {
	const topics = 12_000
	h := newClocked(t, Options{Keep: 5 * time.Second, Topics: 2 * topics, Memory: 16 << 20, Rate: -1})
	p := open(t, h.Hub)
	for i := range topics {
		p.pub(t, fmt.Sprint("t/", i), "1", h.turn)
	}
	p.s.Close(h.turn)
	gone := func() int {
		n := 0
		for i := range topics {
			if h.Find(fmt.Append(nil, "t/", i)) == nil {
				n++
			}
		}
		return n
	}
	for past := time.Duration(0); past < 7*time.Second; past += h.SweepIn() {
		if n := gone(); past < 4*time.Second && n > 0 {
			t.Fatalf("%d went after %v", n, past)
		}
		h.wait(h.SweepIn())
		h.Sweep(h.turn)
	}
	if n := gone(); n != topics {
		t.Errorf("%d of %d went", n, topics)
	}
	if in := newClocked(t, Options{}).SweepIn(); in < time.Second {
		t.Error("a hub whose topics live long does not sleep:", in)
	}
}
