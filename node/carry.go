package node

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"math"
	"time"

	"topicd/codec"
	"topicd/node/arena"
	"topicd/node/fields"
	"topicd/node/minutes"
)

// A hub that ends in order hands on what it holds, but for what is on disk anyway: of
// each topic its number, its newest reading and its minutes. The next run goes on with
// the same epoch, numbers and clock, so that to whoever comes back nothing looks new.
//
//	"topicd carry 1\n", epoch, topics ever deleted, mono, wall
//	a topic: 1, name, gen, next, cap, stale, keep, passing, reading, retained at,
//	         retained reading, blocks of minutes
//	0, CRC-32C of all before it
//
// Numbers are uvarints; texts, readings and blocks (arena records) stand behind their
// lengths.

const carryMagic = "topicd carry 1\n"

// MaxCarried is the most bytes that a hub hands on.
const MaxCarried = 16 << 20

// mostDeleted is how many deleted topics are counted from run to run: then epochs begin anew.
const mostDeleted = 1 << 29

// Carried is what another run of the hub has handed on.
type Carried struct {
	epoch, deleted uint64
	mono, wall     int64
	newest         int64 // ts of all readings
	topics         []byte
}

var errCarried = errors.New("it is not what a hub hands on")

// ParseCarried takes text, which Carry has written, and keeps it. It believes nothing.
func ParseCarried(text []byte) (*Carried, error) {
	body, ok := bytes.CutPrefix(text, []byte(carryMagic))
	if n := len(text) - 4; !ok || n < len(carryMagic) || binary.LittleEndian.Uint32(text[n:]) != fields.Sum(0, text[:n]) {
		return nil, errCarried
	}
	r := carryReader{fields.Reader{B: body[:len(body)-4]}}
	c := &Carried{epoch: r.number(math.MaxInt64), deleted: r.number(mostDeleted)}
	c.mono, c.wall = int64(r.number(1<<46)), int64(r.number(1<<46))
	c.topics = r.B
	for e := (carriedTopic{}); r.topic(&e); {
		if e.rec.Data != nil {
			c.newest = max(c.newest, e.rec.TS)
		}
	}
	if r.Bad || len(r.B) > 0 {
		return nil, errCarried
	}
	return c, nil
}

// clock goes on where the other run's was, and counts the time between as far as the
// wall tells it.
func (c *Carried) clock(own Clock) Clock {
	wall, mono := own()
	base := c.mono + 1 - mono + max(0, min(wall-c.wall, int64(MaxKeep.Milliseconds())))
	return func() (int64, int64) {
		wall, mono := own()
		return wall, mono + base
	}
}

// carriedTopic is a topic of it.
type carriedTopic struct {
	name             []byte
	gen, next        uint64
	cap, stale, keep uint64 // keep: one more, 0 = the hub's
	passing          bool
	kept             uint64
	rec, copy        arena.Record // without Data: none
	blocks           []arena.Record
}

// carryReader takes it apart; Bad: it is not what it should be.
type carryReader struct{ fields.Reader }

func (r *carryReader) number(most uint64) uint64 {
	v := r.Uint()
	if v > most {
		r.Bad, r.B = true, nil
		return 0
	}
	return v
}

// record reads a reading, or a block of minutes; an empty one is none.
func (r *carryReader) record(block bool) (rec arena.Record) {
	b := r.Bytes()
	if len(b) == 0 || r.Bad {
		return rec
	}
	if !arena.Whole(b) {
		r.Bad = true
		return rec
	}
	rec, _ = arena.Parse(b)
	rec.Era = 0
	if block {
		r.Bad = r.Bad || minutes.Parse(&rec, func(*minutes.Point) bool { return true }) != nil
		return rec
	}
	enc := codec.JSON
	if rec.Origin = 0; rec.Flags&arena.CBOR != 0 {
		enc = codec.CBOR
	}
	if codec.Validate(enc, rec.Data) != nil {
		return arena.Record{}
	}
	return rec
}

// topic reads the next one; false: there is none.
func (r *carryReader) topic(e *carriedTopic) bool {
	if r.number(1) == 0 || r.Bad {
		return false
	}
	*e = carriedTopic{name: r.Bytes(), gen: r.number(mostDeleted), next: r.number(1 << 60), blocks: e.blocks[:0]}
	e.cap, e.stale, e.keep = r.number(MaxCap), r.number(1<<31), r.number(1<<32)
	e.passing, e.rec, e.kept, e.copy = r.number(1) == 1, r.record(false), r.number(1<<60), r.record(false)
	for n := r.number(1 << 20); n > 0 && !r.Bad; n-- {
		e.blocks = append(e.blocks, r.record(true))
	}
	r.Bad = r.Bad || e.next == 0 || e.kept >= e.next || len(e.name) == 0 || e.name[0] == '$' || codec.CheckTopic(e.name) != nil
	return !r.Bad
}

// TakeBack makes the topics that another run has handed on (Options.Carried): at start,
// when those on disk are there and before anybody comes. It returns how many it made.
func (h *Hub) TakeBack() (n int) {
	c := h.opt.Carried
	if c == nil {
		return 0
	}
	h.opt.Carried = nil
	h.mu.Lock()
	defer h.mu.Unlock()
	r := carryReader{fields.Reader{B: c.topics}}
	for e := (carriedTopic{}); r.topic(&e); {
		if t, err := h.topicLocked(string(e.name)); err == nil {
			t.mu.Lock()
			if (t.rare == nil || t.rare.tape == nil) && t.log.Next() == 1 { // else the disk knows better
				h.takeBackLocked(t, &e)
				n++
			}
			t.mu.Unlock()
		}
	}
	return n
}

func (h *Hub) takeBackLocked(t *Topic, e *carriedTopic) {
	t.gen = uint32(e.gen)
	if e.cap > 0 || e.stale > 0 || e.keep > 0 {
		d := &t.rareLocked().declaration
		d.cap, d.stale = uint32(e.cap), uint32(min(e.stale, 1<<31))
		if e.keep > 0 {
			d.keep = uint32(e.keep - 1)
			h.brief = h.brief || d.keep > 0 && d.keep < uint32(briefKeep/time.Second)
		}
	}
	t.log.Begin(e.next)
	limit, _ := h.leaves.limitsLocked(h, t, h.fair.Load())
	if over := h.excess(e.rec.Size()); e.rec.Data != nil && e.next > 1 && h.admitLocked(t, over) {
		t.log.Begin(e.next - 1)
		_, ok := t.log.Append(h.arena, &e.rec, limit, 0)
		if h.settleLocked(t, over, ok); !ok {
			t.log.Begin(e.next)
		}
	}
	if len(e.blocks) > 0 && h.leaves.limit >= minutes.MinRoom && h.history.Load() < h.opt.historyHeap() {
		m := h.beginPast(t)
		for i := range e.blocks {
			m.TakeBack(h.arena, &e.blocks[i], h.leaves.limit)
		}
	}
	if e.passing {
		x := t.rareLocked()
		x.passing, x.kept = true, e.kept
		if e.copy.Data != nil && e.kept > 0 {
			h.copyLocked(t, e.kept, &e.copy)
		}
	}
}

// Carry writes what the next run is to take back, at most about MaxCarried bytes, while
// goOn says so. Nobody may use the hub any more but to Close it. It returns how many
// topics it wrote and how many it had to leave out.
func (h *Hub) Carry(w io.Writer, goOn func() bool) (topics, left int, err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	wall, mono := h.opt.Clock()
	sum, total := uint32(0), 0
	put := func(b []byte) {
		if err == nil {
			sum = fields.Sum(sum, b)
			total += len(b)
			_, err = w.Write(b)
		}
	}
	b := append([]byte(nil), carryMagic...)
	for _, v := range []uint64{h.epoch, min(uint64(h.deleted), mostDeleted), uint64(max(0, mono)), uint64(max(0, wall))} {
		b = binary.AppendUvarint(b, v)
	}
	put(b)
	for t := range h.topics.all {
		if t.name[0] == '$' || t.rare != nil && t.rare.tape != nil {
			continue
		}
		if total >= MaxCarried || !goOn() || h.deleted >= mostDeleted {
			left++
			continue
		}
		t.mu.Lock()
		b = h.carryLocked(b[:0], t)
		t.mu.Unlock()
		if total+len(b) > MaxCarried {
			left++
			continue
		}
		put(b)
		topics++
	}
	put([]byte{0})
	put(binary.LittleEndian.AppendUint32(nil, sum))
	return topics, left, err
}

// carryLocked appends a topic; its readings but the newest become minutes.
func (h *Hub) carryLocked(b []byte, t *Topic) []byte {
	h.leaves.limitsLocked(h, t, 0)
	for t.log.Count() > 1 {
		t.log.EvictTelling(h.arena, &h.leaves)
	}
	d := t.declared()
	b = append(binary.AppendUvarint(append(b, 1), uint64(len(t.name))), t.name...)
	for _, v := range []uint64{uint64(t.gen), t.log.Next(), uint64(d.cap), uint64(d.stale), uint64(d.keep + 1)} { // keepDefault is 0
		b = binary.AppendUvarint(b, v)
	}
	var newest []byte
	if t.log.Count() > 0 {
		newest, _ = t.log.Read(h.arena, t.log.Next()-1, nil, 1)
	}
	passing, kept, copied := uint64(0), uint64(0), []byte(nil)
	if x := t.rare; x != nil && x.passing {
		passing = 1
		if t.keepsCopy(x.kept) {
			kept = x.kept
			copied, _ = x.copy.Read(h.arena, x.kept, nil, 1)
		} else if x.kept == t.log.Next()-1 {
			kept = x.kept
		}
	}
	b = appendCarried(binary.AppendUvarint(b, passing), newest)
	b = appendCarried(binary.AppendUvarint(b, kept), copied)
	m := h.past(t)
	if m == nil {
		return binary.AppendUvarint(b, 0)
	}
	m.Close(h.arena, h.leaves.limit)
	raw, _, _ := m.Read(h.arena, 0, nil, math.MaxInt)
	n, list := 0, raw
	for len(list) > 0 {
		_, list = arena.Parse(list)
		n++
	}
	b = binary.AppendUvarint(b, uint64(n))
	for len(raw) > 0 {
		_, rest := arena.Parse(raw)
		b = appendCarried(b, raw[:len(raw)-len(rest)])
		raw = rest
	}
	return b
}

func appendCarried(b, rec []byte) []byte {
	return append(binary.AppendUvarint(b, uint64(len(rec))), rec...)
}
