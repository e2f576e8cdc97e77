package mqtt

import (
	"testing"

	"topicd/node"
	"topicd/node/dialect/dialecttest"
	"topicd/node/dialect/mqtt/packet"
)

// A member that ends after it was picked is handed out nothing: what of QoS 1 it was to
// get is the next one's, and nothing of it stays counted.
func TestMemberThatEndsWhenItIsPicked(t *testing.T) {
	h, s, as := strict(t, node.Options{Rate: -1})
	a, b := as("").connect("a"), as("").connect("b")
	a.sub(1, "$share/g/s")
	b.sub(1, "$share/g/s")
	g, c := s.shareOf(a.x, "$share/g/s"), clientOf(t, s, "a")
	as("").connect("pub").pub(1, "s", "0")
	a.want("q1 s 0")
	a.answer(packet.PUBACK, a.id)
	a.quiet()
	g.mu.Lock()
	m := g.memberLocked(c)
	g.mu.Unlock()
	a.bye()
	dialecttest.Await(t, "it has left", func() bool {
		g.mu.Lock()
		defer g.mu.Unlock()
		return len(g.members) == 1 && !g.busy
	})

	topic := h.Hub.Find(b.x.filter("s"))
	num, ep := h.Hub.ID(topic)
	r := node.Reading{Topic: topic.Name(), Num: num, Ep: ep, Seq: 1}
	g.mu.Lock()
	g.busy = true
	g.mu.Unlock()
	g.taking = m
	if _, ok := g.Append(nil, &r); ok || !r.Unwanted {
		t.Errorf("it was given a message: %v, %+v", ok, r)
	}
	g.taking = nil
	g.mu.Lock()
	g.busy = false
	g.mu.Unlock()
	g.handOut()
	b.want("q1 s 0")
	b.quiet()

	if m.takeOver(flight{qos: 1}) {
		t.Error("it took over what another one had")
	}
	was := s.boxes.Held()
	turn := h.Hub.Turn()
	m.put([]byte("message"), turn)
	turn.Wake()
	if now := s.boxes.Held(); now != was || c.out.box != nil {
		t.Errorf("%d bytes stay counted", now-was)
	}
}
