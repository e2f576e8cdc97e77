// Package durable keeps topics on disk: it is the hub's Disk, over a store.
//
//	hub ──Append──► Tape ──► store ──fsync──► Changed ──► Hub.Committed ──► answers go out
//	hub ◄──page──── Tape.Read ◄── Go: a few goroutines that may wait for the disk
//
// The hub knows no file and the store knows no topic's listeners; what a record of
// the arena is on disk stands here.
package durable

import (
	"encoding/binary"
	"math"
	"sync"
	"sync/atomic"

	"topicd/codec"
	"topicd/node"
	"topicd/node/arena"
	"topicd/node/store"
)

// Disk is a store as the hub sees it. Its zero value is not ready: Open.
type Disk struct {
	// static after construction
	Store    *store.Store
	patterns []string

	hub    atomic.Pointer[node.Hub]
	notify atomic.Pointer[func()]

	mu     sync.Mutex
	work   []func()
	idle   int // workers that wait for work
	n      int // workers
	more   sync.Cond
	closed bool
	done   sync.WaitGroup
}

// maxWorkers: a card has one head, so to say; more readers only wait for it together.
const maxWorkers = 4

// Open opens the store with those options and makes it a disk for topics that fit a
// pattern, or are declared durable.
func Open(o store.Options, patterns []string) (*Disk, error) {
	d := &Disk{patterns: patterns}
	d.more.L = &d.mu
	o.Changed = d.changed
	var err error
	d.Store, err = store.Open(o)
	return d, err
}

// Attach makes the hub's topics of what the store holds, before anybody comes.
func (d *Disk) Attach(h *node.Hub) {
	var names []string
	d.Store.Topics(func(t store.TopicInfo) { names = append(names, t.Name) })
	h.Restore(names)
	d.Store.Devices(func(dev string, last []store.Seen) {
		sent := make([]node.Sent, len(last))
		for i, s := range last {
			sent[i] = node.Sent{Own: s.DevSeq, Sum: s.Sum, Seq: s.Seq}
		}
		h.Recall(dev, sent)
	})
	d.hub.Store(h)
}

// Close ends the workers, then the store: what waits is written.
func (d *Disk) Close() error {
	d.mu.Lock()
	d.closed = true
	d.work = nil
	d.mu.Unlock()
	d.more.Broadcast()
	d.done.Wait()
	return d.Store.Close()
}

// Notify has f called, too, when the store has more on disk. It must not wait.
func (d *Disk) Notify(f func()) { d.notify.Store(&f) }

// changed is called by the store when it has more on disk, or its state is another.
func (d *Disk) changed() {
	if h := d.hub.Load(); h != nil {
		h.Committed()
	}
	if f := d.notify.Load(); f != nil {
		(*f)()
	}
}

// Tape implements node.Disk.
func (d *Disk) Tape(topic string, declared bool, ep, next uint64) (node.Tape, uint64, uint64) {
	if t, ok := d.Store.Topic(topic); ok {
		return &tape{d, topic}, t.Ep, max(t.Next, 1)
	}
	if !declared && !d.fits(topic) {
		return nil, 0, 0
	}
	return &tape{d, topic}, ep, next
}

func (d *Disk) fits(topic string) bool {
	for _, p := range d.patterns {
		if p == topic || codec.Match(p, topic) {
			return true
		}
	}
	return false
}

// Committed implements node.Disk.
func (d *Disk) Committed(c node.Commit) (bool, *codec.Error) {
	switch d.Store.Status(store.Place(c)) {
	case store.Synced:
		return true, nil
	case store.Failed:
		return false, d.Store.Err()
	}
	return false, nil
}

// Go implements node.Disk.
func (d *Disk) Go(work func()) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		return
	}
	d.work = append(d.work, work)
	if d.idle == 0 && d.n < maxWorkers {
		d.n++
		d.done.Go(d.workLoop)
		return
	}
	d.more.Signal()
}

func (d *Disk) workLoop() {
	d.mu.Lock()
	defer d.mu.Unlock()
	for !d.closed {
		if len(d.work) == 0 {
			d.idle++
			d.more.Wait()
			d.idle--
			continue
		}
		w := d.work[0]
		d.work[0] = nil
		d.work = d.work[1:]
		d.mu.Unlock()
		w()
		d.mu.Lock()
	}
}

// tape is one topic of the store.
type tape struct {
	d     *Disk
	topic string
}

// What a reading is on disk beside the store's own flags.
const (
	qosBit = 2      // two bits: arena.QoS
	hasExt = 1 << 4 // its data begins with Ext, behind Ext's length in two bytes
)

// Append implements node.Tape.
func (t *tape) Append(seq, ep uint64, r *arena.Record, own uint64) (node.Commit, *codec.Error) {
	g := store.Reading{Topic: t.topic, Ep: ep, Seq: seq, TS: r.TS, From: r.Name, Data: r.Data}
	if r.Flags&arena.CBOR != 0 {
		g.Flags |= store.CBOR
	}
	if r.Flags&arena.Passing == 0 {
		g.Flags |= store.Retained
	}
	g.Flags |= store.Flags(r.Flags&arena.QoS>>arena.QoSBit) << qosBit
	if own > 0 {
		g.Dev, g.DevSeq = r.Name, own
	}
	if len(r.Ext) > 0 {
		g.Flags |= hasExt
		g.Data = append(append(binary.LittleEndian.AppendUint16(nil, uint16(len(r.Ext))), r.Ext...), r.Data...)
	}
	p, err := t.d.Store.Append(&g)
	return node.Commit(p), err
}

// record is a reading of the store as the hub keeps it.
func record(g *store.Reading) arena.Record {
	r := arena.Record{TS: g.TS, Name: g.From, Data: g.Data, Flags: uint8(g.Flags>>qosBit) << arena.QoSBit & arena.QoS}
	if g.Flags&store.CBOR != 0 {
		r.Flags |= arena.CBOR
	}
	if g.Flags&store.Retained == 0 {
		r.Flags |= arena.Passing
	}
	if g.Flags&hasExt != 0 && len(r.Data) >= 2 {
		if n := 2 + int(binary.LittleEndian.Uint16(r.Data)); n <= len(r.Data) {
			r.Ext, r.Data = r.Data[2:n], r.Data[n:]
		}
	}
	return r
}

// Data is what a reading of the store says, without what a dialect keeps beside.
func Data(g *store.Reading) []byte {
	r := record(g)
	return r.Data
}

// First implements node.Tape.
func (t *tape) First() uint64 {
	if i, ok := t.d.Store.Topic(t.topic); ok && i.First > 0 {
		return i.First
	}
	return math.MaxUint64
}

// Newest implements node.Tape.
func (t *tape) Newest() (uint64, int64) {
	i, _ := t.d.Store.Topic(t.topic)
	return i.Last, i.TS
}

// Limit implements node.Tape.
func (t *tape) Limit() uint64 {
	if n := t.d.Store.Limit(t.topic); n > 0 {
		return n
	}
	return math.MaxUint64
}

// Since implements node.Tape.
func (t *tape) Since(ts int64) (uint64, error) { return t.d.Store.Since(t.topic, ts) }

// Last implements node.Tape.
func (t *tape) Last(n int) (uint64, error) { return t.d.Store.Last(t.topic, n) }

// Forget implements node.Tape.
func (t *tape) Forget() { t.d.Store.Forget(t.topic) }

var storePages = sync.Pool{New: func() any { return new(store.Page) }}

// Read implements node.Tape.
func (t *tape) Read(dst []byte, from, to uint64, quota int) ([]byte, uint64, error) {
	p := storePages.Get().(*store.Page)
	defer storePages.Put(p)
	if err := t.d.Store.Read(t.topic, from, quota, p); err != nil {
		return dst, to, err
	}
	for i := range p.Readings {
		g := &p.Readings[i]
		if g.Seq >= to {
			return dst, to, nil
		}
		r := record(g)
		dst = node.AppendPaged(dst, g.Seq, &r)
	}
	if p.More && p.Next > from && p.Next < to {
		return dst, p.Next, nil
	}
	return dst, to, nil
}
