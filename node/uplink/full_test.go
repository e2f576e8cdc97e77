package uplink

import (
	"fmt"
	"strings"
	"sync/atomic"
	"testing"

	"topicd/codec"
	"topicd/node"
	"topicd/node/arena"
	"topicd/node/durable"
	"topicd/node/store"
	"topicd/node/uplink/natstest"
)

// fillable is a disk that is full, or slow, when the test says so.
type fillable struct {
	node.Disk
	full, slow atomic.Bool
}

func (d *fillable) Committed(c node.Commit) (bool, *codec.Error) {
	if d.slow.Load() {
		return false, nil
	}
	return d.Disk.Committed(c)
}

func (d *fillable) Tape(topic string, declared bool, ep, next uint64) (node.Tape, uint64, uint64) {
	t, ep, next := d.Disk.Tape(topic, declared, ep, next)
	return &fillableTape{t, d}, ep, next
}

type fillableTape struct {
	node.Tape
	d *fillable
}

func (t *fillableTape) Append(seq, ep uint64, r *arena.Record, own uint64) (node.Commit, *codec.Error) {
	if t.d.full.Load() {
		return 0, &codec.Error{Code: codec.CodeNoRoom, Msg: "full"}
	}
	return t.Tape.Append(seq, ep, r, own)
}

// What the centre's disk does not take stays in the stream, and comes when there is room
// again: also where a slow disk is behind by more than the store lets wait.
func TestTheCentreAcksWhatIsOnDisk(t *testing.T) {
	s, _, g := site(t)
	const n = 2000
	long := strings.Repeat("x", 1000)
	send := func(from, to int) {
		for i := from; i < to; i++ {
			p := g.pub(fmt.Sprintf("plant/%d", i%10), fmt.Sprintf(`{"i":%d,"x":%q}`, i, long))
			if i%200 == 199 { // the gateway's disk is no faster
				if why := g.hub.Await(p.Commit, t.Context().Done()); why != nil {
					t.Fatal(why)
				}
			}
		}
		g.drained(patience)
	}

	h, disk := onFillable(t)
	f := startFeed(t, s.URL, h)
	defer f.Stop()

	send(0, n/2)
	await(t, patience, "half is there", func() bool { return f.Status().Received == n/2 })
	disk.full.Store(true)
	g.pub("plant/0", `"while it is full"`)
	await(t, patience, "the feed says what is the matter", func() bool {
		st := f.Status()
		return st.State != Up && strings.Contains(st.Words, "disk")
	})
	if got := f.Status().Received; got != n/2 {
		t.Errorf("%d readings are counted, %d are on disk", got, n/2)
	}
	disk.full.Store(false)
	send(n/2, n)
	await(t, 2*patience, "all is there", func() bool { return f.Status().Received == n+1 })
	if got := inOrder(h, 10); got != n {
		t.Errorf("%d of %d readings are there, in their order", got, n)
	}
}

// What is published and not yet on disk is not acked either when it has come again: on
// another connection, or because the server waited in vain for the ack.
func TestTheCentreAcksNothingTooEarly(t *testing.T) {
	const n = 50
	s, nc, g := site(t)
	for i := range n {
		g.pub(fmt.Sprintf("plant/%d", i%10), fmt.Sprintf(`{"i":%d}`, i))
	}
	g.drained(patience)
	h, disk := onFillable(t)
	disk.slow.Store(true)
	line := natstest.NewProxy(t, s.Port)
	f := startFeed(t, line.URL, h)
	defer f.Stop()
	await(t, patience, "all is published", func() bool { return f.Status().Received == n })
	line.Cut(true)
	line.Cut(false)
	await(t, patience, "all has come again, from both consumers", func() bool { return f.Status().Duplicates >= 2*n })
	if a := natstest.API(t, nc, "CONSUMER.INFO.SITES.topicd-centre", nil); a["num_ack_pending"] != float64(n) {
		t.Errorf("%v readings of %d wait for an ack, and the disk has none", a["num_ack_pending"], n)
	}
	disk.slow.Store(false)
	allAcked(t, nc, f)
	if st := f.Status(); st.Received != n {
		t.Errorf("%+v", st)
	}
}

// onFillable is a centre's hub that keeps everything on a disk that can be full or slow.
func onFillable(t *testing.T) (*node.Hub, *fillable) {
	t.Helper()
	real, err := durable.Open(store.Options{Dir: t.TempDir()}, []string{"#"})
	if err != nil {
		t.Fatal(err)
	}
	disk := &fillable{Disk: real}
	h := node.New(node.Options{Disk: disk, Epoch: real.Store.Epoch(), Memory: 32 << 20, Reserved: []string{Client, Center}})
	real.Attach(h)
	t.Cleanup(func() {
		if err := real.Close(); err != nil {
			t.Error(err)
		}
		h.Close()
	})
	return h, disk
}

// startFeed starts a centre's feed.
func startFeed(t *testing.T, url string, h *node.Hub) *Feed {
	t.Helper()
	f, err := NewFeed(Options{URLs: []string{url}, Site: "centre", Stream: "SITES", Hub: h}, "")
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Start(); err != nil {
		t.Fatal(err)
	}
	return f
}

// inOrder counts the readings of farm7's topics that say {"i": a number} larger than the
// one before.
func inOrder(h *node.Hub, topics int) (n int) {
	for i := range topics {
		topic := h.Find(fmt.Appendf(nil, "farm7/plant/%d", i))
		from, to := h.Span(topic, 0, false, 0, h.Turn().Mono)
		var raw []byte
		last := -1
		h.Read(topic, from, to, &raw, func(r *node.Reading) bool {
			var k int
			if _, err := fmt.Sscanf(string(r.Data), `{"i":%d`, &k); err == nil && k > last {
				last = k
				n++
			}
			return true
		})
	}
	return n
}
