package node

import "testing"

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
