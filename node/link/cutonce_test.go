package link

import (
	"testing"

	"topicd/codec"
	"topicd/node"
)

// shutOnly is a socket whose reader is late: it does not see that it was shut.
type shutOnly struct {
	socket
	shuts int
}

func (s *shutOnly) shut() { s.shuts++ }
func (s *shutOnly) rest() {}

// A connection whose reader is not there yet when the next sweep comes is counted once, and
// one that was ended for something else not at all.
func TestSweptOnceIsCountedOnce(t *testing.T) {
	h := node.New(node.Options{})
	defer h.Close()
	srv, err := New(h, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer srv.Shutdown(t.Context())
	for _, was := range []life{alive, ending} {
		sock := &shutOnly{}
		c := &conn{carrier: srv.on(nil), sock: sock, life: was, at: 1}
		if was == ending {
			c.at = momentOf(srv.millis())
		}
		turn := h.Turn()
		s, refused := h.Open(node.Deaf{}, "10.0.0.1:1", "/", turn)
		if refused != nil {
			t.Fatal((*codec.Error)(refused))
		}
		c.sess.Store(s)
		turn.Mono += DefaultDead.Milliseconds() + 1
		before := h.Stats.Get(node.CutDead)
		for range 3 {
			srv.judge(c, turn)
		}
		if n := h.Stats.Get(node.CutDead) - before; n != map[life]int64{alive: 1}[was] || sock.shuts != 3 {
			t.Errorf("life %d: counted %d times, shut %d times", was, n, sock.shuts)
		}
		s.Close(turn)
	}
}
