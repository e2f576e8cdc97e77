package node

import (
	"encoding/binary"
	"math"

	"topicd/node/arena"
	"topicd/node/fan"
)

// A topic's kept reading is what newcomers get who ask for it (SubOptions.Kept):
// the newest that was not published as Passing. It is the newest of the log, or it
// lies in t.kept since a passing one came behind it, and stays there whatever
// leaves the log. So the topics of a hub where nothing is passing, or everything
// is, pay eight bytes.

// keepLocked puts the newest reading aside if r, which comes next, is passing and
// the newest is not. The caller holds t.mu.
func (h *Hub) keepLocked(t *Topic, r *arena.Record, how Keep) {
	if r.Flags&arena.Passing == 0 || how == KeepNone || t.kept != nil || t.log.Count() == 0 {
		return
	}
	seq := t.log.Next() - 1
	if t.log.Flags(h.arena, seq)&arena.Passing != 0 {
		return
	}
	raw, _ := t.log.Read(h.arena, seq, nil, 0)
	last, _ := arena.Parse(raw)
	k := new(arena.Log)
	k.Begin(seq)
	if _, ok := k.Append(h.arena, &last, math.MaxUint32, 0); ok {
		t.kept = k
	} else {
		h.Stats.Add(Evicted, 1) // a full arena: it leaves with the log
	}
}

// releaseLocked forgets what is kept aside when r has taken its place or ended it.
func (h *Hub) releaseLocked(t *Topic, r *arena.Record, how Keep) {
	if t.kept != nil && (r.Flags&arena.Passing == 0 || how == KeepNone) {
		t.kept.Clear(h.arena)
		t.kept = nil
	}
}

// keptLocked is the log that holds the kept reading and its number; nil: the topic
// has none.
func (h *Hub) keptLocked(t *Topic) (*arena.Log, uint64) {
	if t.kept != nil {
		return t.kept, t.kept.Next() - 1
	}
	if t.log.Count() == 0 {
		return nil, 0
	}
	seq := t.log.Next() - 1
	if t.log.Flags(h.arena, seq)&arena.Passing != 0 {
		return nil, 0
	}
	return &t.log, seq
}

// Kept copies the topic's kept reading to r, which points into raw. false: the
// topic has none.
func (h *Hub) Kept(t *Topic, raw *[]byte, r *Reading) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	log, seq := h.keptLocked(t)
	if log == nil || t.dead {
		return false
	}
	*raw, _ = log.Read(h.arena, seq, (*raw)[:0], 0)
	rec, _ := arena.Parse(*raw)
	*r = Reading{Topic: t.name, Ep: h.epoch + uint64(t.gen), Seq: seq}
	r.take(h, &rec)
	return true
}

// take fills in what the record tells.
func (r *Reading) take(h *Hub, rec *arena.Record) {
	r.TS, r.Origin, r.From, r.Data, r.Own = rec.TS, rec.Origin, rec.Name, rec.Data, nil
	r.CBOR, r.Passing, r.Once = rec.Flags&arena.CBOR != 0, rec.Flags&arena.Passing != 0, rec.Flags&arena.Once != 0
	r.era = rec.Era
	if rec.Flags&arena.Own != 0 {
		n := OwnHead + int(binary.LittleEndian.Uint16(r.Data))
		r.Own, r.Data = r.Data[OwnHead:n:n], r.Data[n:]
	}
}

// OwnHead is how many bytes stand before what a dialect keeps with a reading: its
// length, little endian.
const OwnHead = 2

// Age is how long ago the reading arrived, in milliseconds, at that time of the
// hub's clock.
func (h *Hub) Age(r *Reading, mono int64) int64 { return mono - h.calendar.Mono(r.TS, r.era) }

// newcomer is what a session is still to be given of kept readings. They are read
// before everything else, in the order in which they were asked for.
type newcomer struct {
	list   fan.List
	format Format
}

// keptEntry puts the kept reading of t on the list of the session.
func (r *replay) keptEntry(t *Topic) {
	if log, seq := r.b.s.hub.keptLocked(t); log != nil {
		r.b.s.pushKept(fan.NewEntry(t.idx, 0, seq), r.opt.Kept, r.turn)
	}
}

func (s *Session) pushKept(e fan.Entry, f Format, turn *Turn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return
	}
	x := s.extraLocked()
	if x.kept == nil {
		x.kept, s.newcome = new(newcomer), true
	}
	x.kept.format = f
	if grown := x.kept.list.Push(e); grown > 0 && s.hub.growReady(int64(grown), s) {
		s.hub.Stats.Add(CutBehind, 1)
		s.sink.Cut(errBehind)
	}
	s.queueLocked(turn)
}

// keptUnlock appends the next kept reading. It gives s.mu back.
func (s *Session) keptUnlock(dst []byte, f Framer, sc *Scratch) []byte {
	h, k := s.hub, s.ext.kept
	e, format := *k.list.At(0), k.format
	h.readyBytes.Add(-int64(k.list.Pop()))
	if k.list.Len() == 0 {
		s.dropKeptLocked()
	}
	var t *Topic
	if !e.IsMark() {
		t = h.topics.at(e.Topic())
	}
	s.mu.Unlock()
	at := len(dst)
	if t == nil {
		out, ok := format.Live(f.Begin(dst), "", 0, 0)
		if !ok {
			return out[:at]
		}
		return f.End(out, at, format.Text())
	}
	r := &sc.reading
	if !h.Kept(t, &sc.raw, r) || uint32(r.Seq) != e.From() {
		return dst // it has ended, or its successor came to who was there by then
	}
	r.Text = format.Text()
	out, ok := format.Append(f.Begin(dst), r)
	if !ok {
		h.Stats.Add(DropFormless, 1)
		return out[:at]
	}
	s.out.Add(1)
	h.Stats.Add(Delivered, 1)
	return f.End(out, at, r.Text)
}

// forgetKeptLocked drops entries of ended topics.
func (s *Session) forgetKeptLocked(ended map[uint32]dying) {
	if !s.newcome {
		return
	}
	l, keep := &s.ext.kept.list, int32(0)
	for i := range l.Len() {
		if e := *l.At(i); ended[e.Topic()].t == nil {
			*l.At(keep) = e
			keep++
		}
	}
	s.hub.readyBytes.Add(-int64(l.Truncate(keep)))
	if keep == 0 {
		s.dropKeptLocked()
	}
}

// dropKeptLocked ends the list of kept readings.
func (s *Session) dropKeptLocked() {
	if s.newcome {
		s.hub.readyBytes.Add(-int64(s.ext.kept.list.Truncate(0)))
		s.ext.kept, s.newcome = nil, false
	}
}

// keptBytes is what the list takes.
func (s *Session) keptBytes() int64 {
	if !s.newcome {
		return 0
	}
	return s.ext.kept.list.Bytes()
}
