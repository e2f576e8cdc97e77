package node

import (
	"topicd/node/arena"
	"topicd/node/fan"
)

// Fill appends what s has to read to dst, until limit bytes are there, nothing is left,
// or it took a while. next tells when to call again: Idle = not before the sink's
// Wake, Again = at once when there is room, otherwise the time of the hub's
// clock when a reading held back by its rate is due.
//
// One caller at a time; dst's growth past limit is bounded by one batch.
func (s *Session) Fill(dst []byte, limit int, now int64, f Framer, sc *Scratch) (out []byte, next int64) {
	var waits *task // that has nothing to say yet
	sc.read, sc.since = 0, 0
	for len(dst) < limit && !sc.tired(s.hub) {
		s.mu.Lock()
		if s.closed {
			s.mu.Unlock()
			return dst, Idle
		}
		if s.ext != nil || s.tasks != nil {
			var some bool
			if dst, some = s.sayUnlock(dst, limit, now, f, sc, &waits); some {
				continue
			}
		}
		if s.mute {
			s.queued = false
			s.mu.Unlock()
			return dst, Idle
		}
		due := s.dueLocked(now)
		if x := s.ext; x != nil && (x.parked.Len() > 0 || x.marks) && x.fetching == nil && (s.ready.Len() == 0 || x.leftover == nil) {
			s.unparkNextLocked() // the one before had no need of the disk any more
		}
		if s.ready.Len() == 0 {
			s.queued = false
			s.mu.Unlock()
			return dst, due
		}
		s.queued = true // some may have been held back until now
		e := *s.ready.At(0)
		b := s.subs.at(e.Slot())
		if e.IsMark() {
			dst = s.markUnlock(dst, e, b, f)
			continue
		}
		// Found while the entry holds its number: an ended topic's number is given
		// to another only after it has gone from every list.
		v := visit{s: s, t: s.hub.topics.at(e.Topic()), e: e, b: b, view: b.view, not: b.not.Load(), live: b.live, ending: b.ending, now: now, far: s.farLocked(e.Topic())}
		if b.view.windowed {
			if v.room = b.view.format.(Windowed).Room(); v.room <= 0 {
				s.popLocked()
				s.holdLocked(b, held{e.Topic(), e.From(), never})
				s.mu.Unlock()
				continue
			}
		}
		s.mu.Unlock()
		dst = v.read(dst, limit, f, sc)
	}
	return dst, Again
}

// sayUnlock appends what comes before the cursors: answers that waited for the disk,
// a piece of a long answer, a page from the disk, a newcomer's kept readings. some:
// there was something, and s.mu was given back.
func (s *Session) sayUnlock(dst []byte, limit int, now int64, f Framer, sc *Scratch, waits **task) (out []byte, some bool) {
	if s.ext != nil && s.ext.later.n.Load() > 0 {
		if dst, some = s.answerLocked(dst, limit, f); some {
			s.mu.Unlock()
			return dst, true
		}
	}
	if t := s.tasks; t != nil && t != *waits {
		s.mu.Unlock()
		at, done := len(dst), false
		dst, done = t.Step(dst, limit, f)
		switch {
		case done:
			s.mu.Lock()
			if s.tasks == t {
				s.tasks = t.next
			}
			s.mu.Unlock()
		case len(dst) == at: // it waits for the disk, and wakes the session
			*waits = t
		}
		return dst, true
	}
	switch {
	case s.mute:
		return dst, false
	case s.ext != nil && s.ext.page != nil:
		return s.pageUnlock(dst, now, f, sc), true
	case s.newcome:
		return s.welcomeUnlock(dst, now, f, sc)
	}
	return dst, false
}

// markUnlock takes an entry that is no cursor off the list and gives s.mu back: the
// stored readings of b are through, or its topic has ended.
func (s *Session) markUnlock(dst []byte, e fan.Entry, b *Subscription, f Framer) []byte {
	if e.Topic() == fan.EndMark {
		return s.endUnlock(dst, b, f)
	}
	s.popLocked()
	if b.waitsForDisk() {
		b.markWaits, s.ext.marks = true, true
		s.mu.Unlock()
		return dst
	}
	if b.markAgain {
		b.markAgain = false
		s.appendLocked(e)
		s.mu.Unlock()
		return dst
	}
	b.live = true
	stored, tag, format := int64(b.stored), b.view.tag, b.view.format
	s.mu.Unlock()
	at := len(dst)
	out, ok := format.Live(f.Begin(dst), b.pattern, tag, stored)
	if !ok {
		return out[:at]
	}
	return f.End(out, at, format.Text())
}

// endUnlock writes that the topic of b has ended, once what was left of it has been
// read. It gives s.mu back.
func (s *Session) endUnlock(dst []byte, b *Subscription, f Framer) []byte {
	if b.ready.Load() > 0 { // the cursor is behind it on the list
		s.popLocked()
		s.appendLocked(fan.NewEntry(fan.EndMark, b.slot, 0))
		s.mu.Unlock()
		return dst
	}
	as := s.endLocked(b)
	s.mu.Unlock()
	if as == nil {
		return dst
	}
	at := len(dst)
	return f.End(as.End(f.Begin(dst), b.pattern), at, as.Text())
}

// Idle and Again are values of Fill's next.
const (
	Idle  = int64(-1)
	Again = int64(0)
)

// dueLocked moves held cursors that are due to the ready list and returns when
// the next one is, or Idle.
func (s *Session) dueLocked(now int64) int64 {
	if s.nheld == 0 {
		return Idle
	}
	next := Idle
	for b := range s.subs.all {
		if b.held == nil {
			continue
		}
		l := b.held
		for l.head < len(l.list) && l.list[l.head].due <= now {
			h := l.list[l.head]
			l.head++
			s.appendLocked(fan.NewEntry(h.topic, b.slot, uint64(h.from)))
		}
		if l.head == len(l.list) {
			s.nheld--
			b.held = nil
		} else if d := l.list[l.head].due; d < onDisk && (next == Idle || d < next) {
			next = d
		}
	}
	return next
}

func (s *Session) holdLocked(b *Subscription, h held) {
	if b.held == nil {
		s.nheld++
		b.held = new(heldList)
	}
	l := b.held
	if l.head > 64 && l.head > len(l.list)/2 {
		l.list = l.list[:copy(l.list, l.list[l.head:])]
		l.head = 0
	}
	l.list = append(l.list, h)
}

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
	far  uint64 // of the session's
	end  uint64 // of the topic's log

	ending             bool   // of a topic that has ended it may read the rest
	overrun, conflated uint64 // readings that it is not given
	drop               uint64 // both

	ep     uint64 // the topic's
	lasts  bool   // the topic is durable
	shared bool   // others hear the topic too: its frames are worth keeping
	room   int    // readings that fit into its window
}

// read copies what the cursor may read and encodes it without a lock. The copy
// of raw records is the price for never encoding under one.
func (v *visit) read(dst []byte, limit int, f Framer, sc *Scratch) []byte {
	s, t := v.s, v.t
	t.mu.Lock()
	from := v.start(t)
	if v.past(t, from) {
		return v.pastUnlock(dst, t, from, f, sc)
	}
	v.ep, v.lasts = s.hub.epochOf(t), t.tapedLocked()
	end := t.log.Next()
	to := from
	var cached *batch
	dead := t.dead
	if from < end {
		if v.shared = t.aud != nil && len(t.aud.Listeners()) > 1; v.shared && v.plain() {
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
	sc.read += to - from
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
	from := numberOf(v.e, end, v.far)
	first := t.log.First()
	v.end = end
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
	sc.reading = Reading{Topic: v.t.name, Num: v.t.idx, Ep: v.ep, Drop: v.drop, Durable: v.lasts, Text: v.view.format.Text()}
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
		if !r.Unwanted {
			v.s.hub.Stats.Add(DropFormless, 1)
		}
		r.Unwanted = false
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
	s.standLocked(t.idx, to, v.end)
	return true
}
