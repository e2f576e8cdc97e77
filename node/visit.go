package node

import (
	"topicd/node/arena"
	"topicd/node/fan"
)

// visit is one look of a session at one topic.
type visit struct {
	s    *Session
	t    *Topic
	e    fan.Entry
	b    *Subscription
	view view
	not  uint32
	live bool
	now  int64

	ending             bool   // of a topic that has ended it may read the rest
	overrun, conflated uint64 // readings that it is not given
	drop               uint64 // both

	shared bool // others hear the topic too: its frames are worth keeping
	room   int  // readings that fit into its window
}

// read copies what the cursor may read and encodes it without a lock. The copy
// of raw records is the price for never encoding under one.
func (v *visit) read(dst []byte, limit int, f Framer, sc *Scratch) []byte {
	s, t := v.s, v.t
	t.mu.Lock()
	from := v.start(t)
	if v.past(t, from) {
		v.awaitUnlock(t, from)
		return dst
	}
	end := t.log.Next()
	to := from
	var cached *batch
	dead := t.dead
	if from < end {
		if v.shared = t.aud != nil && len(t.aud.Subs) > 1; v.shared && v.plain() {
			cached = sc.find(t, from, v.view.format, f)
		}
		if cached != nil {
			to = cached.to
		} else {
			sc.raw, to = t.log.Read(s.hub.arena, from, sc.raw[:0], min(batchQuota, limit-len(dst)))
			if v.view.windowed {
				to = min(to, from+uint64(v.room))
			}
		}
	}
	stored := to < end && !v.live && (to < t.log.First() || s.hub.arrived(t, to) <= v.b.began)
	s.mu.Lock()
	moved := v.advanceLocked(t, from, to, to == end, stored)
	s.mu.Unlock()
	t.mu.Unlock()

	if dead && !moved { // reap was here before, and has counted what is lost
		return dst
	}
	v.countDrop()
	if to == from {
		return dst
	}
	n := int64(to - from)
	if cached != nil {
		dst = append(dst, cached.frames...)
	} else {
		dst, n = v.encode(dst, from, to, f, sc)
	}
	s.out.Add(n)
	s.hub.Stats.Add(Delivered, n)
	return dst
}

// plain: the reader gets every reading of the batch, the first without a drop,
// and as all others do. A copied batch serves only such.
func (v *visit) plain() bool {
	return v.drop == 0 && v.not == 0 && v.view.rate == 0 && !v.view.windowed
}

// start is where the cursor stands, past what it has lost or does not want.
func (v *visit) start(t *Topic) uint64 {
	end := t.log.Next()
	from := end - uint64(uint32(end)-v.e.From())
	first := t.log.First()
	if t.dead && !v.ending {
		first = end
	}
	if from < first {
		if !v.past(t, from) {
			v.overrun = first - from
			from = first
		}
	}
	if (v.view.latest || v.view.rate > 0 && v.live) && end-from > 1 {
		v.conflated = end - 1 - from
		from = end - 1
	}
	v.drop = v.overrun + v.conflated
	return from
}

func (v *visit) countDrop() {
	if v.drop > 0 {
		v.s.drop.Add(int64(v.drop))
		v.s.hub.Stats.Add(DropOverrun, int64(v.overrun))
		v.s.hub.Stats.Add(DropConflated, int64(v.conflated))
	}
}

// encode appends the records in sc.raw, numbered from from on, and remembers the
// batch for the next reader.
func (v *visit) encode(dst []byte, from, to uint64, f Framer, sc *Scratch) ([]byte, int64) {
	start := len(dst)
	raw := sc.raw
	v.begin(sc)
	var n int64
	for seq := from; seq < to; seq++ {
		var rec arena.Record
		rec, raw = arena.Parse(raw)
		var ok bool
		if dst, ok = v.one(dst, seq, &rec, f, sc); ok {
			n++
		}
	}
	if to-from == uint64(n) && v.shared && v.plain() {
		sc.keep(v.t, from, to, v.view.format, f, dst[start:])
	}
	return dst, n
}

// begin sets what all readings of a batch have in common.
func (v *visit) begin(sc *Scratch) {
	sc.reading = Reading{Topic: v.t.name, Ep: v.s.hub.epochOf(v.t), Drop: v.drop, Text: v.view.format.Text()}
}

// one appends one reading; false when the reader does not get it.
func (v *visit) one(dst []byte, seq uint64, rec *arena.Record, f Framer, sc *Scratch) ([]byte, bool) {
	if v.not != 0 && rec.Origin == v.not {
		return dst, false
	}
	r := &sc.reading // not on the stack: a Format could keep it
	r.set(seq, rec)
	if len(rec.Ext) > 0 {
		r.Age = max(0, v.now-v.s.hub.calendar.Mono(rec.TS, rec.Era))
	}
	at := len(dst)
	text := r.Text
	out, ok := v.view.format.Append(f.Begin(dst), r)
	if !ok {
		v.s.hub.Stats.Add(DropFormless, 1)
		return out[:at], false
	}
	dst = f.End(out, at, r.Text)
	r.Drop, r.Text = 0, text
	return dst, true
}

// advanceLocked moves the cursor on, or ends it when it has caught up. The entry
// is still the first of the list unless a new request moved it meanwhile, or the
// topic has ended and its number is another's: then nothing is moved.
func (v *visit) advanceLocked(t *Topic, from, to uint64, done, stored bool) (moved bool) {
	s, b := v.s, v.b
	if !b.live {
		b.stored += uint32(to - from)
	}
	if s.closed || s.ready.Len() == 0 || *s.ready.At(0) != v.e || s.hub.topics.at(t.idx) != t {
		return false
	}
	switch {
	case done && b.view.rate > 0 && b.live && !t.dead && uint32(to) != v.e.From():
		// The mark stays while the rate holds the cursor back: a publish then
		// costs nothing, and the newest is taken when it is due.
		s.popLocked()
		s.holdLocked(b, held{t.idx, uint32(to), v.now + int64(1000/b.view.rate)})
	case done:
		s.popLocked()
		b.setMarkLocked(t, false)
	case stored || s.ready.Len() == 1:
		*s.ready.At(0) = fan.NewEntry(t.idx, b.slot, to)
	default: // the others' turn
		s.popLocked()
		s.appendLocked(fan.NewEntry(t.idx, b.slot, to))
	}
	return true
}
