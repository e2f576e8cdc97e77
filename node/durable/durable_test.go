package durable

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"topicd/codec"
	"topicd/node"
	"topicd/node/store"
)

// house is a hub over a store in a directory, which can be opened again.
type house struct {
	t    *testing.T
	dir  string
	disk *Disk
	hub  *node.Hub
}

func (h *house) open() {
	h.t.Helper()
	var err error
	if h.disk, err = Open(store.Options{Dir: h.dir, Bytes: 4 << 20, Sync: time.Millisecond}, []string{"plant/#"}); err != nil {
		h.t.Fatal(err)
	}
	h.hub = node.New(node.Options{TopicCap: 1024, Disk: h.disk, Epoch: h.disk.Store.Epoch()})
	h.disk.Attach(h.hub)
}

func (h *house) close() {
	if err := h.hub.CheckInvariants(); err != nil {
		h.t.Error(err)
	}
	if err := h.disk.Close(); err != nil {
		h.t.Error(err)
	}
	h.hub.Close()
}

// client is a session that the test reads.
type client struct {
	t    *testing.T
	s    *node.Session
	wake chan struct{}
	sc   node.Scratch
}

func (c *client) Wake() {
	select {
	case c.wake <- struct{}{}:
	default:
	}
}
func (c *client) Cut(*codec.Error) {}

func (h *house) client(dev string) *client {
	h.t.Helper()
	c := &client{t: h.t, wake: make(chan struct{}, 1)}
	turn := h.hub.Turn()
	s, err := h.hub.Open(c, "10.0.0.1:1", "/", turn)
	if err == nil && dev != "" {
		err = s.Hello(dev, "", turn)
	}
	if err != nil {
		h.t.Fatal(err)
	}
	c.s = s
	return c
}

func (c *client) pub(topic string, i int, own uint64) node.Published {
	c.t.Helper()
	p, err := c.s.Publish([]byte(topic), node.Body{Enc: codec.JSON, Data: fmt.Append(nil, i)}, own, c.s.Hub().Turn())
	if err != nil {
		c.t.Fatal(err)
	}
	return p
}

type rows struct{}

func (rows) Append(dst []byte, r *node.Reading) ([]byte, bool) {
	return fmt.Appendf(dst, "%s %d %d %s %s", r.Topic, r.Seq, r.Drop, r.From, r.Data), true
}
func (rows) Live(dst []byte, p string, _ uint64, n int64) ([]byte, bool) {
	return fmt.Appendf(dst, "live %d", n), true
}
func (rows) Text() bool { return true }

type lines struct{}

func (lines) Begin(b []byte) []byte              { return b }
func (lines) End(b []byte, _ int, _ bool) []byte { return append(b, '\n') }

// read subscribes and reads until everything stored is there.
func (c *client) read(pattern string, o node.SubOptions) []string {
	c.t.Helper()
	o.Format = rows{}
	turn := c.s.Hub().Turn()
	if _, err := c.s.Subscribe([]byte(pattern), o, turn); err != nil {
		c.t.Fatal(err)
	}
	var text string
	for deadline := time.After(30 * time.Second); !strings.Contains(text, "live "); {
		b, next := c.s.Fill(nil, 4096, c.s.Hub().Mono(), lines{}, &c.sc)
		text += string(b)
		if next == node.Again || strings.Contains(text, "live ") {
			continue
		}
		select {
		case <-c.wake:
		case <-deadline:
			c.t.Fatalf("no end after %d bytes", len(text))
		}
	}
	return strings.Split(strings.TrimSpace(text), "\n")
}

// What was acknowledged is there after a restart, with its number, epoch and sender;
// what other topics held is not; numbers go on.
func TestReadingsOutliveTheHub(t *testing.T) {
	h := &house{t: t, dir: t.TempDir()}
	h.open()
	p := h.client("pump")
	const n = 300
	var last node.Published
	for i := range n {
		last = p.pub("plant/a", i+1, uint64(i+1))
		p.pub("other", i, 0)
	}
	if why := h.hub.Await(last.Commit, nil); why != nil {
		t.Fatal(why)
	}
	ep := h.hub.Info(h.hub.Find([]byte("plant/a")), 0).Epoch
	h.close()

	h.open()
	defer h.close()
	if h.hub.Find([]byte("other")) != nil {
		t.Error("a topic that is not durable is there")
	}
	i := h.hub.Info(h.hub.Find([]byte("plant/a")), h.hub.Mono())
	if i.Epoch != ep || i.Seq != n || !i.Durable {
		t.Errorf("it comes back as %+v, its epoch was %d", i, ep)
	}
	got := h.client("").read("plant/#", node.SubOptions{HasSince: true})
	if len(got) != n+1 || got[n] != fmt.Sprint("live ", n) {
		t.Fatalf("%d of %d readings, the last %q", len(got)-1, n, got[len(got)-1])
	}
	for i, l := range got[:n] {
		if l != fmt.Sprintf("plant/a %d 0 pump %d", i+1, i+1) {
			t.Fatalf("reading %d is %q", i+1, l)
		}
	}
	if got := h.client("").read("plant/a", node.SubOptions{Last: 3}); len(got) != 4 || !strings.HasPrefix(got[0], fmt.Sprint("plant/a ", n-2)) {
		t.Errorf("the last three are %q", got)
	}
	p = h.client("pump")
	if again := p.pub("plant/a", n, n); !again.Dup || again.Seq != n {
		t.Errorf("sent again after the restart it is %+v", again)
	}
	if next := p.pub("plant/a", n+1, n+1); next.Seq != n+1 {
		t.Errorf("after a clean end numbers go on at %d", next.Seq)
	}
}

// A reading of a deleted topic is nobody's any more, and a topic of that name begins
// anew with another epoch.
func TestDeletedIsForgotten(t *testing.T) {
	h := &house{t: t, dir: t.TempDir()}
	h.open()
	p := h.client("")
	first := p.pub("plant/a", 1, 0)
	ep := h.hub.Info(first.Topic, 0).Epoch
	if err := h.hub.Delete([]byte("plant/a"), nil, h.hub.Turn()); err != nil {
		t.Fatal(err)
	}
	again := p.pub("plant/a", 2, 0)
	if now := h.hub.Info(again.Topic, 0).Epoch; again.Seq != 1 || now == ep {
		t.Errorf("made again it begins at %d in epoch %d, that was %d", again.Seq, now, ep)
	}
	h.hub.Await(again.Commit, nil)
	h.close()
	h.open()
	defer h.close()
	if got := h.client("").read("plant/#", node.SubOptions{HasSince: true}); len(got) != 2 || got[0] != "plant/a 1 0  2" {
		t.Errorf("after a restart it holds %q", got)
	}
}

// What is published beside a DELETE goes with the topic that ended, or is the first of the
// new one: nothing of the old epoch is left on disk, which would come back with a restart.
func TestPublishedBesideADelete(t *testing.T) {
	h := &house{t: t, dir: t.TempDir()}
	h.open()
	defer h.close()
	p, name := h.client(""), []byte("plant/a")
	for range 300 {
		ep := h.hub.Info(p.pub("plant/a", 0, 0).Topic, 0).Epoch
		ended := make(chan *codec.Error)
		go func() { ended <- h.hub.Delete(name, nil, h.hub.Turn()) }()
		for i, more := 1, true; more; i++ {
			p.pub("plant/a", i, 0)
			select {
			case err := <-ended:
				if more = false; err != nil {
					t.Fatal(err)
				}
			default:
			}
		}
		if on, ok := h.disk.Store.Topic("plant/a"); ok && on.Ep == ep {
			t.Fatalf("of the topic that was deleted %d to %d are on disk", on.First, on.Last)
		}
		_ = h.hub.Delete(name, nil, h.hub.Turn())
	}
}

// MQTT's marks and a dialect's own go to the disk and back.
func TestMarksOutliveTheHub(t *testing.T) {
	h := &house{t: t, dir: t.TempDir()}
	h.open()
	p := h.client("")
	b := node.Body{Enc: codec.CBOR, Data: []byte{0x01}, Passing: true, QoS: 2, Ext: []byte("props")}
	if _, err := p.s.Publish([]byte("plant/a"), b, 0, h.hub.Turn()); err != nil {
		t.Fatal(err)
	}
	h.close()
	h.open()
	defer h.close()
	topic := h.hub.Find([]byte("plant/a"))
	from, to := h.hub.Span(topic, 0, false, 0, 0)
	var raw []byte
	n := 0
	h.hub.Read(topic, from, to, &raw, func(r *node.Reading) bool {
		if n++; !r.CBOR || !r.Passing || r.QoS != 2 || string(r.Ext) != "props" || string(r.Data) != "\x01" {
			t.Errorf("%+v", r)
		}
		return true
	})
	if n != 1 {
		t.Errorf("%d readings", n)
	}
}
