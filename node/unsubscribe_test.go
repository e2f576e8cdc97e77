package node

import (
	"testing"
	"time"
)

// What the rate of an exact subscription holds back is for another of its session that
// fits, as soon as the exact one has ended; a session that ends takes it with it.
func TestWhatARateHeldBackOutlivesIt(t *testing.T) {
	for _, close := range []bool{false, true} {
		h := newClocked(t, Options{})
		p, s := open(t, h.Hub), open(t, h.Hub)
		s.sub(t, "a", SubOptions{Rate: 1}, h.turn)
		s.sub(t, "#", SubOptions{}, h.turn)
		s.fill(h.now, 0)
		p.pub(t, "a", "0", h.turn)
		want(t, s.fill(h.now, 0), "a 1 0 0")
		p.pub(t, "a", "1", h.turn)
		want(t, s.fill(h.now, 0))
		if close {
			s.s.Close(h.turn)
		} else if err := s.s.Unsubscribe([]byte("a"), h.turn); err != nil {
			t.Fatal(err)
		}
		if err := h.CheckInvariants(); err != nil {
			t.Fatal(err)
		}
		if !close {
			want(t, s.fill(h.now, 0), "a 2 0 1")
		}
	}
}

// What a pattern's rate holds back goes to an exact subscription of its session, also
// where another pattern serves the topic by then: else the exact one would hear no more.
func TestExactTakesWhatAnEarlierPatternHoldsBack(t *testing.T) {
	h := newClocked(t, Options{})
	p, s := open(t, h.Hub), open(t, h.Hub)
	s.sub(t, "+", SubOptions{Rate: 1}, h.turn)
	s.fill(h.now, 0)
	p.pub(t, "a", "0", h.turn)
	want(t, s.fill(h.now, 0), "a 1 0 0")
	p.pub(t, "a", "1", h.turn)
	want(t, s.fill(h.now, 0))
	s.sub(t, "#", SubOptions{Rate: 1, HasSince: true, Since: 100}, h.turn)
	s.sub(t, "a", SubOptions{HasSince: true, Since: 100}, h.turn)
	h.wait(2 * time.Second)
	s.fill(h.now, 0)
	if err := h.CheckInvariants(); err != nil {
		t.Fatal(err)
	}
	p.pub(t, "a", "2", h.turn)
	if got := s.fill(h.now, 0); len(got) != 1 {
		t.Fatal(got)
	}
}
