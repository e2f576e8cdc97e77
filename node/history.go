package node

import (
	"sync"
	"sync/atomic"

	"topicd/codec"
	"topicd/node/arena"
	"topicd/node/fan"
	"topicd/node/minutes"
)

// What leaves a topic's log because newer readings need its place is not quite gone:
// where it says numbers they are counted a minute (package minutes), in a second log of
// the topic. A quarter of its cap holds a day of one value a second and more.

// leaver is told which readings leave a topic's log. It lies in a Turn, or in the hub,
// so that telling costs no allocation. It is used with the topic's lock held.
type leaver struct {
	h     *Hub
	t     *Topic
	cap   uint32 // bytes that the topic may take
	limit uint32 // and those of them that its minutes may
}

// Leaves implements arena.Leaver: it counts what the oldest reading says.
func (v *leaver) Leaves(a *arena.Arena, l *arena.Log) {
	t := v.t
	if t.name[0] == '$' || v.h.past(t).Passes(l.First()) || t.dull&^counted >= dullAt && l.First()%dullAt != 0 {
		return
	}
	if r, ok := l.Oldest(a, nil); ok {
		v.count(l.First(), &r)
		return
	}
	v.inPieces(a, l)
}

// dullAt: a topic whose last so many readings said no number is only asked each so
// many readings whether that has changed.
const dullAt = 32

// counted stands in Topic.dull: the topic has minutes. A field of its own would make all
// topics an eighth larger.
const counted = 1 << 7

// inPieces is Leaves of a reading that lies in several chunks. One that is longer than
// the buffer is not counted: no sensor sends it, and it would take long.
func (v *leaver) inPieces(a *arena.Arena, l *arena.Log) {
	buf := pieces.Get().(*[1024]byte)
	defer pieces.Put(buf)
	if r, ok := l.Oldest(a, buf[:]); ok {
		v.count(l.First(), &r)
	}
}

var pieces = sync.Pool{New: func() any { return new([1024]byte) }}

func (v *leaver) count(seq uint64, r *arena.Record) {
	t, h := v.t, v.h
	if v.limit < minutes.MinRoom { // there are so many topics, or its cap is so small
		if h.past(t) != nil {
			h.forgetPastLocked(t)
			h.Stats.Add(LostMinutes, 1)
		}
		return
	}
	enc := codec.JSON
	if r.Flags&arena.CBOR != 0 {
		enc = codec.CBOR
	}
	var ns [codec.MaxNumbers]codec.Number
	n := codec.Numbers(enc, r.Data, &ns)
	if n == 0 {
		if t.dull&^counted < dullAt {
			t.dull++
		}
		return
	}
	t.dull &= counted
	more := h.history.Load() < h.opt.historyHeap()
	past := h.past(t)
	if past == nil {
		if !more {
			h.Stats.Add(LostMinutes, 1)
			return
		}
		past = h.beginPast(t)
	}
	was := past.Fields()
	if past.Add(h.arena, seq, r, ns[:n], v.limit, more) {
		h.Stats.Add(LostMinutes, 1)
	}
	if n := past.Fields() - was; n > 0 {
		h.history.Add(int64(n) * minutes.FieldCost)
	}
}

// historyHeap is the most that the heads of all topics' minutes may take of the heap.
func (o *Options) historyHeap() int64 { return o.Memory / 8 }

// limitsLocked shares what the topic may hold, and what it may always hold, between its
// readings and its minutes. The caller holds t.mu.
func (v *leaver) limitsLocked(h *Hub, t *Topic, fair uint32) (limit, own uint32) {
	if limit = t.declared().cap; limit == 0 {
		limit = uint32(h.opt.TopicCap)
	}
	v.h, v.t, v.cap, v.limit = h, t, limit, minutes.Share(min(limit, h.fair.Load()))
	past := h.past(t).Bytes()
	if fair > 0 {
		fair = max(1, fair-min(fair, past))
	}
	return limit - min(limit, past), fair
}

// trimLocked has readings of t leave whose place its minutes have grown into, and
// returns how many. The caller holds t.mu.
func (v *leaver) trimLocked() (evicted int) {
	for t := v.t; v.h.heldLocked(t) > v.cap && t.log.Count() > 1; evicted++ {
		t.log.EvictTelling(v.h.arena, v)
	}
	return evicted
}

// shedLocked takes the oldest reading of t, or its oldest minutes, while it holds more
// than fair. It reports how many bytes came free and whether anything went; evicted
// counts readings. The caller holds h.mu and t.mu.
func (h *Hub) shedLocked(t *Topic, fair uint32) (freed int64, evicted int64, more bool) {
	total, past := h.heldLocked(t), h.past(t)
	switch {
	case total <= fair:
		return 0, 0, false
	case past.Bytes() > total/4 && past.Evict(h.arena):
	case t.log.Count() > 1:
		h.leaves.limitsLocked(h, t, fair)
		t.log.EvictTelling(h.arena, &h.leaves)
		evicted = 1
	case past.Bytes() > 0:
		if !past.Evict(h.arena) {
			past.Clear(h.arena)
		}
	default:
		return 0, 0, false
	}
	return int64(total) - int64(h.heldLocked(t)), evicted, true
}

// heldLocked is what the topic takes of the arena for readings and minutes. The caller
// holds t.mu.
func (h *Hub) heldLocked(t *Topic) uint32 { return t.log.Bytes() + h.past(t).Bytes() }

// pasts are the minutes of topics, by their numbers: most topics of a large hub have
// none, and a word in each would make all of them larger.
type pasts [1 << fan.TopicBits >> pageBits]atomic.Pointer[[1 << pageBits]*minutes.Log]

// past is the minutes of t, nil: nothing that says numbers has left it. The caller
// holds t.mu.
func (h *Hub) past(t *Topic) *minutes.Log {
	if t.dull&counted == 0 {
		return nil
	}
	return h.pasts[t.idx>>pageBits].Load()[t.idx&(1<<pageBits-1)]
}

// beginPast makes it.
func (h *Hub) beginPast(t *Topic) *minutes.Log {
	p := &h.pasts[t.idx>>pageBits]
	if p.Load() == nil {
		p.CompareAndSwap(nil, new([1 << pageBits]*minutes.Log)) // another topic's publisher may be first
	}
	m := minutes.New()
	p.Load()[t.idx&(1<<pageBits-1)] = m
	t.dull |= counted
	h.history.Add(m.Heap())
	return m
}

// forgetPastLocked ends the minutes of a topic. The caller holds t.mu.
func (h *Hub) forgetPastLocked(t *Topic) {
	if m := h.past(t); m != nil {
		m.Clear(h.arena)
		h.history.Add(-m.Heap())
		h.pasts[t.idx>>pageBits].Load()[t.idx&(1<<pageBits-1)] = nil
		t.dull &^= counted
	}
}
