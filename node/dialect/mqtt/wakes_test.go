package mqtt

import (
	"fmt"
	"testing"
	"time"

	"topicd/node"
	"topicd/node/dialect/dialecttest"
	"topicd/node/dialect/mqtt/packet"
)

// What a full window holds back comes when its subscription is asked for anew with
// QoS 0, which has no window.
func TestWindowThatIsGivenUp(t *testing.T) {
	_, _, as := strict(t, node.Options{Rate: -1})
	p, pub := as("").connect("reader", num(packet.ReceiveMaximum, 1)), as("").connect("pub")
	p.sub(1, "a/+")
	for i := range 3 {
		pub.pub(1, "a/b", fmt.Sprint(i))
	}
	p.want("q1 a/b 0")
	p.quiet()
	p.subscribe(nil, packet.Filter{Filter: p.x.n("a/+"), RetainHandling: 2})
	p.wantSet("SUBACK 7 00", "q0 a/b 1", "q0 a/b 2")
	pub.pub(1, "a/b", "3")
	p.want("q0 a/b 3")
}

// shareOf is a share, by its filter.
func (s *Server) shareOf(x *run, filter string) *share {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.shares[string(x.filter(filter))]
}

// What a member of QoS 1 has left is another's of QoS 1 as soon as that has room, though
// one of QoS 0 was there meanwhile, who is not given it.
func TestLeftToAMemberThatIsFull(t *testing.T) {
	_, s, as := strict(t, node.Options{Rate: -1})
	a, b, c := as("").connect("a"), as("").connect("b", num(packet.ReceiveMaximum, 1)), as("").connect("c", num(packet.ReceiveMaximum, 1))
	for i, p := range []*peer{a, b, c} {
		p.sub(min(byte(i), 1), "$share/g/s")
	}
	g, pub := s.shareOf(a.x, "$share/g/s"), as("").connect("pub")
	for i := range 3 {
		pub.pub(1, "s", fmt.Sprint(i))
	}
	a.want("q0 s 0")
	b.want("q1 s 1")
	c.want("q1 s 2")
	c.bye()
	dialecttest.Await(t, "what it had is the share's", func() bool {
		g.mu.Lock()
		defer g.mu.Unlock()
		return len(g.again) == 1 && !g.busy
	})
	a.quiet()
	b.answer(packet.PUBACK, b.id)
	b.want("q1 s 2")
	b.answer(packet.PUBACK, b.id)
	a.quiet()
}

// A share whose members could take no more because others' boxes were full goes on when
// they are not any more.
func TestRoomInOthersBoxes(t *testing.T) {
	h, s, as := strict(t, node.Options{Rate: -1})
	a, b := as("").connect("a"), as("").connect("b")
	b.sub(1, "$share/g/s")
	g, full := s.shareOf(b.x, "$share/g/s"), clientOf(t, s, "a")
	full.mu.Lock()
	full.out.put(pong)
	full.out.box.shared = int(s.boxes.Most) + 1
	s.boxes.Move(0, full.out.box.shared)
	full.mu.Unlock()
	as("").connect("pub").pub(1, "s", "1")
	dialecttest.Await(t, "the share has a message", func() bool {
		g.mu.Lock()
		defer g.mu.Unlock()
		return g.pending
	})
	b.quiet()
	turn := h.Hub.Turn()
	full.attend(turn)
	turn.Wake()
	a.want("PINGRESP")
	b.want("q1 s 1")
}

// Notes are written however often the server is woken meanwhile: when clients come and
// go all the time.
func TestNotesThoughTheServerIsWoken(t *testing.T) {
	_, s, _ := strict(t, node.Options{Rate: -1})
	s.unsaved.Store(true)
	next := time.Now()
	dialecttest.Await(t, "notes are written", func() bool {
		if time.Now().After(next) {
			s.wake()
			next = time.Now().Add(50 * time.Millisecond)
		}
		return !s.unsaved.Load()
	})
}
