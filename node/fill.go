package node

import (
	"topicd/codec"

	"topicd/node/arena"
	"topicd/node/fan"
)

// Reading is one stored reading as a Format sees it. Its slices are good
// until the Format returns.
type Reading struct {
	Topic  string
	Seq    uint64
	Ep     uint64 // the topic's epoch
	TS     int64  // hub time of arrival, milliseconds since 1970
	Drop   uint64
	Origin uint32 // session that published it, 0 = the hub
	CBOR   bool   // encoding of Data
	Text   bool   // what Format.Text says; a Format whose messages are not all of one kind sets it
	From   []byte
	Data   []byte
}

// Enc is the encoding of Data.
func (r *Reading) Enc() codec.Encoding {
	if r.CBOR {
		return codec.CBOR
	}
	return codec.JSON
}

// Format is how a dialect writes readings to its peers. A Format is compared
// and must be a pointer or a small value without state of one peer.
type Format interface {
	// Append appends one message. ok is false when this reading has no form in
	// the dialect: nothing is then sent.
	Append(dst []byte, r *Reading) (out []byte, ok bool)
	// Live appends the marker behind the stored readings of a subscription;
	// nothing where the dialect has none.
	Live(dst []byte, pattern string, tag uint64, stored int64) (out []byte, ok bool)
	// Text reports whether the messages are text.
	Text() bool
}

// Framer puts messages into the transport's frames.
type Framer interface {
	Begin(dst []byte) []byte                     // makes room for a frame's head
	End(dst []byte, begin int, text bool) []byte // completes the frame that Begin started at begin
}

// Scratch is what one flusher needs. It remembers the frames of the last
// batches: where many readers stand at the same place a batch is encoded, and
// transcoded, once and copied for the rest. Measured (1,000 readers × 64
// readings): 3–5 ns a delivery instead of 27; kept with the flusher and not at
// the topic it has a fixed size and needs no lock. The zero value is ready.
type Scratch struct {
	raw     []byte
	large   [2]batch // the last ones over smallBatch, of two formats: saturated fan-out
	next    int      // the one of them that goes when a third format comes
	small   []batch  // by place and encoding: a gateway's sensors, dashboards that read in turn
	reading Reading
}

// batch is the frames of a topic's readings [from, to) in one format.
type batch struct {
	topic    *Topic
	format   Format
	from, to uint64
	frames   []byte
}

const (
	smallBatch   = 512 // bytes of frames
	smallBatches = 64  // with smallBatch: at most 32 KiB a flusher
)

// find is where the frames of t from a number on are kept, if they are.
func (sc *Scratch) find(t *Topic, from uint64, f Format) *batch {
	for i := range sc.large {
		if b := &sc.large[i]; b.topic == t && b.from == from && b.format == f {
			return b
		}
	}
	if sc.small == nil {
		return nil
	}
	if b := &sc.small[slotOf(t, from, f)]; b.topic == t && b.from == from && b.format == f {
		return b
	}
	return nil
}

// keep remembers the frames of a batch.
func (sc *Scratch) keep(t *Topic, from, to uint64, f Format, frames []byte) {
	var b *batch
	switch {
	case len(frames) <= smallBatch:
		if sc.small == nil {
			sc.small = make([]batch, smallBatches)
		}
		b = &sc.small[slotOf(t, from, f)]
	case len(frames) <= 4*batchQuota:
		i := sc.next
		if sc.large[1-i].format == f {
			i = 1 - i
		}
		b, sc.next = &sc.large[i], 1-i
	default:
		return
	}
	b.topic, b.format, b.from, b.to = t, f, from, to
	b.frames = append(b.frames[:0], frames...)
}

func slotOf(t *Topic, from uint64, f Format) int {
	i := int(t.idx)<<1 + int(from)*101
	if f.Text() {
		i++
	}
	return i & (smallBatches - 1)
}

// batchQuota is how many raw bytes one visit to a topic copies at most; with
// it, a session with many ready topics is fair to all of them.
const batchQuota = 16 << 10

// Fill appends what s has to read to dst, until limit bytes are there or
// nothing is left. next tells when to call again: Idle = not before the sink's
// Wake, Again = at once when there is room, otherwise the time of the hub's
// clock when a reading held back by its rate is due.
//
// One caller at a time; dst's growth past limit is bounded by one batch.
func (s *Session) Fill(dst []byte, limit int, now int64, f Framer, sc *Scratch) (out []byte, next int64) {
	for len(dst) < limit {
		s.mu.Lock()
		if s.closed {
			s.mu.Unlock()
			return dst, Idle
		}
		if t := s.tasks; t != nil {
			s.mu.Unlock()
			var done bool
			if dst, done = t.Step(dst, limit, f); done {
				s.mu.Lock()
				if s.tasks == t {
					s.tasks = t.next
				}
				s.mu.Unlock()
			}
			continue
		}
		due := s.dueLocked(now)
		if s.ready.Len() == 0 {
			s.queued = false
			s.mu.Unlock()
			return dst, due
		}
		e := *s.ready.At(0)
		b := s.subs[e.Slot()]
		if e.Topic() == fan.EndMark {
			dst = s.endUnlock(dst, b, f)
			continue
		}
		if e.Topic() == fan.LiveMark {
			s.popLocked()
			b.live = true
			stored, tag, format := int64(b.stored), b.view.tag, b.view.format
			s.mu.Unlock()
			at := len(dst)
			out, ok := format.Live(f.Begin(dst), b.pattern, tag, stored)
			if dst = out[:at]; ok {
				dst = f.End(out, at, format.Text())
			}
			continue
		}
		// Found while the entry holds its number: an ended topic's number is given
		// to another only after it has gone from every list.
		v := visit{s: s, t: s.hub.topics.at(e.Topic()), e: e, b: b, view: b.view, not: b.not.Load(), live: b.live, ending: b.ending, now: now}
		s.mu.Unlock()
		dst = v.read(dst, limit, f, sc)
	}
	return dst, Again
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
	for _, b := range s.subs {
		if b == nil || b.held == nil {
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
		} else if d := l.list[l.head].due; next == Idle || d < next {
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

	ending             bool   // of a topic that has ended it may read the rest
	overrun, conflated uint64 // readings that it is not given
	drop               uint64 // both

	shared bool // others hear the topic too: its frames are worth keeping
}

// read copies what the cursor may read and encodes it without a lock. The copy
// of raw records is the price for never encoding under one.
func (v *visit) read(dst []byte, limit int, f Framer, sc *Scratch) []byte {
	s, t := v.s, v.t
	t.mu.Lock()
	from := v.start(t)
	end := t.log.Next()
	to := from
	var cached *batch
	dead := t.dead
	if from < end {
		if v.shared = t.aud != nil && len(t.aud.Subs) > 1; v.shared && v.plain() {
			cached = sc.find(t, from, v.view.format)
		}
		if cached != nil {
			to = cached.to
		} else {
			sc.raw, to = t.log.Read(s.hub.arena, from, sc.raw[:0], min(batchQuota, limit-len(dst)))
		}
	}
	stored := to < end && !v.live && s.hub.arrived(t, to) <= v.b.began
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
		dst, n = v.encode(dst, t, from, to, f, sc)
	}
	s.out.Add(n)
	s.hub.Stats.Add(Delivered, n)
	return dst
}

// plain: the reader gets every reading of the batch, the first without a drop.
// A copied batch serves only such.
func (v *visit) plain() bool { return v.drop == 0 && v.not == 0 && v.view.rate == 0 }

// start is where the cursor stands, past what it has lost or does not want.
func (v *visit) start(t *Topic) uint64 {
	end := t.log.Next()
	from := end - uint64(uint32(end)-v.e.From())
	first := t.log.First()
	if t.dead && !v.ending {
		first = end
	}
	if from < first {
		v.overrun = first - from
		from = first
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

// encode appends the records in sc.raw and remembers the batch for the next reader.
func (v *visit) encode(dst []byte, t *Topic, from, to uint64, f Framer, sc *Scratch) ([]byte, int64) {
	start := len(dst)
	raw := sc.raw
	format := v.view.format
	text := format.Text()
	r := &sc.reading // not on the stack: a Format could keep it
	*r = Reading{Topic: t.name, Ep: v.s.hub.epoch + uint64(t.gen), Drop: v.drop}
	var n int64
	for seq := from; seq < to; seq++ {
		var rec arena.Record
		rec, raw = arena.Parse(raw)
		if v.not != 0 && rec.Origin == v.not {
			continue
		}
		r.Seq, r.TS, r.Origin, r.CBOR, r.From, r.Data = seq, rec.TS, rec.Origin, rec.Flags&arena.CBOR != 0, rec.Name, rec.Data
		r.Text = text
		at := len(dst)
		out, ok := format.Append(f.Begin(dst), r)
		if !ok {
			dst = out[:at]
			v.s.hub.Stats.Add(DropFormless, 1)
			continue
		}
		dst = f.End(out, at, r.Text)
		r.Drop = 0
		n++
	}
	if v.plain() && to-from == uint64(n) && v.shared {
		sc.keep(t, from, to, format, dst[start:])
	}
	return dst, n
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
