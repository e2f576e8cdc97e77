package mqtt

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"topicd/codec"
	"topicd/node"
	"topicd/node/dialect"
	"topicd/node/dialect/dialecttest"
	"topicd/node/dialect/mqtt/packet"
	"topicd/node/durable"
	"topicd/node/store"
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

// heldDisk is a disk whose reads wait until it is let go.
type heldDisk struct {
	*durable.Disk
	goOn chan struct{}
}

// Go implements node.Disk.
func (d heldDisk) Go(work func()) {
	d.Disk.Go(func() { <-d.goOn; work() })
}

// A client that is to be sent again what only the disk holds still is answered meanwhile,
// however long the disk takes.
func TestAnswersWhileTheDiskIsWaitedFor(t *testing.T) {
	disk, err := durable.Open(store.Options{Dir: t.TempDir(), Sync: 5 * time.Millisecond}, []string{"z/#"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = disk.Close() })
	held := heldDisk{disk, make(chan struct{})}
	goOn := sync.OnceFunc(func() { close(held.goOn) })
	defer goOn()
	h := dialecttest.Start(t, dialecttest.Options{
		Hub: node.Options{Rate: -1, TopicCap: 1024, Disk: held, Epoch: disk.Store.Epoch()},
		Plugs: func(h *node.Hub) []dialect.Plug {
			disk.Attach(h)
			return []dialect.Plug{Plug(Config{Hub: h})}
		},
	})
	addr := h.Bare(t, "mqtt")
	x := &run{T: t, v: packet.V5, b: overTCP(addr)}
	p, pub := x.persistent("p", num(packet.ReceiveMaximum, 1)), x.connect("pub")
	p.sub(1, "z/a")
	for i := range 100 {
		pub.pub(1, "z/a", fmt.Sprint(i))
	}
	p.want("q1 z/a 0")
	p.cut()
	p = x.persistent("p", num(packet.ReceiveMaximum, 1))
	p.subscribe(nil, packet.Filter{Filter: []byte("no/#/filter")})
	p.want("SUBACK 7 8f")
	goOn()
	p.want("q1 z/a 0 dup")
}

// asking is a framer in whose hands somebody asks for the box: between the task's turn
// and the end of the filling.
type asking struct {
	node.Unframed
	ask func()
}

// End implements node.Framer.
func (a asking) End(dst []byte, _ int, _ bool) []byte {
	a.ask()
	return dst
}

// wakes counts how often its session is woken.
type wakes struct{ n int }

func (w *wakes) Wake()          { w.n++ }
func (*wakes) Cut(*codec.Error) {}

// What is put into the box while its task waits for the disk, and the session is being
// filled, has the session filled once more.
func TestBoxIsAskedForWhileItsTaskWaits(t *testing.T) {
	disk, err := durable.Open(store.Options{Dir: t.TempDir(), Sync: 5 * time.Millisecond}, []string{"z/#"})
	if err != nil {
		t.Fatal(err)
	}
	held := heldDisk{disk, make(chan struct{})}
	h := node.New(node.Options{Rate: -1, TopicCap: 1024, Disk: held, Epoch: disk.Store.Epoch()})
	disk.Attach(h)
	defer h.Close()
	defer disk.Close()
	defer close(held.goOn)
	turn, sink := h.Turn(), new(wakes)
	sess, bad := h.Open(sink, "10.0.0.1:1", "", turn)
	if bad != nil {
		t.Fatal(bad)
	}
	defer sess.Close(turn)
	c := &client{srv: newServer(Config{Hub: h}), sess: sess}
	for range 100 {
		_, bad = sess.Publish([]byte("z/a"), node.Body{Data: []byte("1")}, 0, turn)
	}
	if bad == nil {
		_, bad = sess.Subscribe([]byte("b"), node.SubOptions{Format: flat{c: c}}, turn)
	}
	if bad == nil {
		_, bad = sess.Publish([]byte("b"), node.Body{Data: []byte("1")}, 0, turn)
	}
	if bad != nil {
		t.Fatal(bad)
	}
	c.out.subs.put(sub{filter: "b"})
	num, ep := h.ID(h.Find([]byte("z/a")))
	c.out.rest().flights = []flight{{id: 1, qos: 1, due: true, topicID: topicID{num, ep}, seq: 1}}
	c.out.more.dues = true
	c.attend(turn)
	turn.Wake()
	var scratch node.Scratch
	fill := func(ask func()) (out []byte) {
		out, _ = sess.Fill(nil, 1<<20, turn.Mono, asking{ask: ask}, &scratch)
		return out
	}
	sink.n = 0
	once := sync.OnceFunc(func() { c.say(pong, turn) })
	if got := fill(once); string(got) == "" || sink.n == 0 {
		t.Errorf("%x: it is woken %d times", got, sink.n)
	}
	turn.Wake()
	if got := fill(func() {}); string(got) != string(pong) {
		t.Errorf("then comes %x", got)
	}
}
