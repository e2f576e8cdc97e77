package store

import (
	"encoding/binary"
	"sort"
)

// defAgain: a third definition of a stream stands this far behind the first,
// so that a lost block of the device does not take all of them.
const defAgain = 8 << 10

// head is the segment that is being written. The writer alone touches it, but
// for recs, which readers look through under Store.mu up to what is committed.
type head struct {
	seg   *segment
	f     File
	limit int    // bytes of the segment
	base  int    // offset of buf[0]: what is before is written
	buf   []byte // records that are not yet written, or not to their end
	wrote int    // offset up to which buf is written

	defs  []headDef
	byKey map[streamKey]uint32
	names map[string]uint32 // from and dev of the segment, numbered
	recs  []headRec         // readings: its index
	n     int               // recs that are committed; readers see these
	slots map[uint32]struct{}
	dirty bool // something was put since the last sync
	syncs int
	fresh bool // the file's entry in the directory is not yet synced
}

type streamKey struct{ topic, name uint32 }

type headDef struct {
	off   int
	times uint8 // definitions written: 3 are enough
	seq   uint64
	place Place
	ts    int64
}

// headRec is one reading of the head's index. prev chains those of a topic.
type headRec struct {
	seq   uint64
	ts    int64
	topic uint32
	off   uint16 // in units of 4 bytes
	prev  int32  // in recs, -1 = none; set when committed
	place Place
	carry bool
}

func newHead(seg *segment, f File, limit int) *head {
	return &head{seg: seg, f: f, limit: limit, byKey: map[streamKey]uint32{}, names: map[string]uint32{}, slots: map[uint32]struct{}{}}
}

func (h *head) off() int { return h.base + len(h.buf) }

// footRoom is what the footer takes now and with one reading more.
func (h *head) footRoom() int {
	return recSize(footHead + (len(h.slots)+1)*footEntry + (len(h.recs)+1)*2 + (len(h.defs)+1)*2)
}

// fits reports whether a record of n bytes of payload fits with the footer.
func (h *head) fits(n int) bool { return h.off()+recSize(n)+h.footRoom() <= h.limit }

// maxReading is what a reading's names and body may take in a segment.
func maxReading(limit int) int {
	return limit - segStart - recSize(footHead+footEntry+4) - 1024
}

func (h *head) begin() int {
	at := len(h.buf)
	h.buf = append(h.buf, make([]byte, recHead)...)
	return at
}

func (h *head) finish(at int, kind byte) {
	h.buf = h.seg.key.finish(h.buf, at, h.base, kind)
	h.dirty = true
}

// raw puts a record of another kind; the caller has asked fits.
func (h *head) raw(kind byte, payload []byte) int {
	at := h.begin()
	h.buf = append(h.buf, payload...)
	h.finish(at, kind)
	return h.base + at
}

// put puts a reading. The first two of a stream in a segment define it, and one
// some blocks behind them: losing any one record costs no other.
func (h *head) put(r *Reading, topic uint32, carried bool, scratch *[]byte) {
	k := append(append(append((*scratch)[:0], byte(len(r.From))), r.From...), r.Dev...)
	*scratch = k
	name, ok := h.names[string(k)]
	if !ok {
		name = uint32(len(h.names))
		h.names[string(k)] = name
	}
	num, ok := h.byKey[streamKey{topic, name}]
	if !ok {
		num = uint32(len(h.defs))
		h.byKey[streamKey{topic, name}] = num
		h.defs = append(h.defs, headDef{off: h.off(), seq: r.Seq, place: r.Place, ts: r.TS})
	}
	d := &h.defs[num]
	st := stream{ep: r.Ep, from: r.From, dev: r.Dev, seq: d.seq, place: d.place, ts: d.ts}
	var ctl byte
	if d.times < 2 || d.times < 3 && h.off() >= d.off+defAgain {
		d.times++
		ctl = ctlDef
	}
	if carried {
		ctl |= ctlCarried
	}
	at := h.begin()
	if ctl&ctlDef != 0 {
		st.topic = append((*scratch)[:0], r.Topic...)
		*scratch = st.topic
	}
	h.buf = putReading(h.buf, r, ctl, num, &st)
	h.finish(at, kindReading)
	h.index(r, topic, h.base+at, carried)
}

func (h *head) index(r *Reading, topic uint32, off int, carried bool) {
	h.slots[topic] = struct{}{}
	h.recs = append(h.recs, headRec{seq: r.Seq, ts: r.TS, topic: topic, off: uint16(off / 4), prev: -1, carry: carried, place: r.Place})
}

// The footer: counts, then an entry per topic sorted by hash, the offsets of
// each topic's readings in order, and where each stream is defined. All numbers
// are little-endian. It can be made anew from the records.
const (
	footHead  = 16
	footEntry = 44
)

// entry is a topic's line in the footer of a segment.
type entry struct {
	hash        uint64 // of name and epoch
	first, last uint64
	maxTS       int64
	start       uint32 // its first offset in the list
	count       uint32
}

func (e *entry) put(b []byte) []byte {
	at := len(b)
	b = binary.LittleEndian.AppendUint64(b, e.hash)
	b = binary.LittleEndian.AppendUint64(b, e.first)
	b = binary.LittleEndian.AppendUint64(b, e.last)
	b = binary.LittleEndian.AppendUint64(b, uint64(e.maxTS))
	b = binary.LittleEndian.AppendUint32(b, e.start)
	b = binary.LittleEndian.AppendUint32(b, e.count)
	return binary.LittleEndian.AppendUint32(b, uint32(mix(uint64(key(e.hash).crc(0, b[at:])))))
}

func parseEntry(b []byte) (e entry, ok bool) {
	e.hash = binary.LittleEndian.Uint64(b)
	e.first = binary.LittleEndian.Uint64(b[8:])
	e.last = binary.LittleEndian.Uint64(b[16:])
	e.maxTS = int64(binary.LittleEndian.Uint64(b[24:]))
	e.start = binary.LittleEndian.Uint32(b[32:])
	e.count = binary.LittleEndian.Uint32(b[36:])
	return e, binary.LittleEndian.Uint32(b[40:]) == uint32(mix(uint64(key(e.hash).crc(0, b[:40]))))
}

// putFooter appends the footer's payload. hash yields the hash of a topic, 0
// when the topic is gone.
func putFooter(b []byte, recs []headRec, defs []headDef, hash func(topic uint32) uint64) []byte {
	order := make([]int32, len(recs))
	for i := range order {
		order[i] = int32(i)
	}
	sort.SliceStable(order, func(x, y int) bool { return recs[order[x]].topic < recs[order[y]].topic })
	var list []byte
	var entries []entry
	for i := 0; i < len(order); {
		first := recs[order[i]]
		e := entry{hash: hash(first.topic), first: first.seq, start: uint32(len(list) / 2), maxTS: first.ts}
		for ; i < len(order) && recs[order[i]].topic == first.topic; i++ {
			r := &recs[order[i]]
			e.last, e.maxTS = r.seq, max(e.maxTS, r.ts)
			e.count++
			list = binary.LittleEndian.AppendUint16(list, r.off)
		}
		entries = append(entries, e)
	}
	sort.Slice(entries, func(x, y int) bool { return entries[x].hash < entries[y].hash })
	b = binary.LittleEndian.AppendUint32(b, uint32(len(entries)))
	b = binary.LittleEndian.AppendUint32(b, uint32(len(recs)))
	b = binary.LittleEndian.AppendUint32(b, uint32(len(defs)))
	b = binary.LittleEndian.AppendUint32(b, 0)
	for i := range entries {
		b = entries[i].put(b)
	}
	b = append(b, list...)
	for i := range defs {
		b = binary.LittleEndian.AppendUint16(b, uint16(defs[i].off/4))
	}
	return b
}
