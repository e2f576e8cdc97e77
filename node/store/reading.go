package store

import (
	"encoding/binary"
	"slices"

	"topicd/node/fields"
)

// Control bits of a reading's record.
const (
	ctlDef     = 1 << iota // the stream's definition is in this record
	ctlCarried             // copied here from a segment that was given up
	ctlDevSeq
)

// stream is what the readings of one publisher on one topic share. A segment
// writes it once and once or twice again (see head.put); the other records
// name it by its number in the segment.
type stream struct {
	topic     []byte
	ep        uint64
	from, dev []byte
	seq       uint64 // the base that records of the stream count from
	place     Place
	ts        int64
}

// clone copies the names out of the buffer that they lie in.
func (st stream) clone() stream {
	b := append(append(append([]byte(nil), st.topic...), st.from...), st.dev...)
	n, m := len(st.topic), len(st.topic)+len(st.from)
	st.topic, st.from, st.dev = b[:n:n], b[n:m:m], b[m:]
	return st
}

// rec is a reading's record taken apart.
type rec struct {
	flags  Flags
	ctl    byte
	stream uint32
	def    stream // with ctlDef
	seq    uint64 // less the stream's base until resolve
	place  uint64
	ts     int64
	devSeq uint64
	data   []byte
}

// putReading appends a reading's payload.
func putReading(b []byte, r *Reading, ctl byte, num uint32, st *stream) []byte {
	if r.DevSeq != 0 {
		ctl |= ctlDevSeq
	}
	b = append(b, ctl)
	b = binary.AppendUvarint(b, uint64(r.Flags))
	b = binary.AppendUvarint(b, uint64(num))
	if ctl&ctlDef != 0 {
		b = putBytes(b, st.topic)
		b = binary.AppendUvarint(b, st.ep)
		b = putBytes(b, st.from)
		b = putBytes(b, st.dev)
		b = binary.AppendUvarint(b, st.seq)
		b = binary.AppendUvarint(b, uint64(st.place))
		b = binary.AppendUvarint(b, zig(st.ts))
	}
	b = binary.AppendUvarint(b, zig(int64(r.Seq-st.seq)))
	b = binary.AppendUvarint(b, zig(int64(r.Place-st.place)))
	b = binary.AppendUvarint(b, zig(r.TS-st.ts))
	if r.DevSeq != 0 {
		b = binary.AppendUvarint(b, r.DevSeq)
	}
	return append(b, r.Data...)
}

// parseReading takes a payload apart; its slices stay in b.
func parseReading(b []byte) (r rec, ok bool) {
	if len(b) == 0 {
		return r, false
	}
	r.ctl = b[0]
	f := fields.Reader{B: b[1:]}
	r.flags = Flags(f.Uint())
	r.stream = uint32(f.Uint())
	if r.ctl&ctlDef != 0 {
		d := &r.def
		d.topic = f.Bytes()
		d.ep = f.Uint()
		d.from = f.Bytes()
		d.dev = f.Bytes()
		d.seq = f.Uint()
		d.place = Place(f.Uint())
		d.ts = f.Int()
	}
	r.seq = uint64(f.Int())
	r.place = uint64(f.Int())
	r.ts = f.Int()
	if r.ctl&ctlDevSeq != 0 {
		r.devSeq = f.Uint()
	}
	r.data = f.B
	return r, !f.Bad
}

// in makes the reading of a record whose stream is st.
func (r *rec) in(st *stream, topic string) Reading {
	return Reading{
		Topic: topic, Ep: st.ep, Seq: r.seq + st.seq, TS: r.ts + st.ts, From: st.from, Dev: st.dev,
		DevSeq: r.devSeq, Flags: r.flags, Data: r.data, Place: Place(r.place) + st.place,
	}
}

// streams are the definitions found in a segment's bytes.
type streams []stream

func (s *streams) add(num uint32, d stream) {
	if num >= maxSegment/4 {
		return // a segment has no room for so many
	}
	for int(num) >= len(*s) {
		*s = append(*s, stream{})
	}
	if (*s)[num].topic == nil {
		(*s)[num] = d
	}
}

func (s streams) get(num uint32) *stream {
	if int(num) >= len(s) || s[num].topic == nil {
		return nil
	}
	return &s[num]
}

// parsed is a segment's bytes, read once for its definitions and once more for
// what they define: a record does not depend on one before it.
type parsed struct {
	streams streams
	recs    []span // of all records
	bad     []span
	end     int // of the records: what lies behind a footer the file held before
}

func parseSegment(k key, b []byte) parsed {
	var p parsed
	p.bad, p.end = k.scan(b, min(segStart, len(b)), func(off int, kind byte, payload []byte) {
		p.recs = append(p.recs, span{off, off + recSize(len(payload))})
		if kind != kindReading || payload[0]&ctlDef == 0 {
			return
		}
		if r, ok := parseReading(payload); ok {
			p.streams.add(r.stream, r.def)
		}
	})
	p.undefined(b, k)
	return p
}

// undefined takes the readings whose stream's definitions are lost for damage:
// the number of their stream may be given to another one.
func (p *parsed) undefined(b []byte, k key) {
	n := len(p.bad)
	p.recs = slices.DeleteFunc(p.recs, func(at span) bool {
		kind, payload, _ := k.record(b, at.off, at.off)
		if kind != kindReading {
			return false
		}
		r, ok := parseReading(payload)
		if ok && p.streams.get(r.stream) != nil {
			return false
		}
		p.bad = append(p.bad, at)
		return true
	})
	if len(p.bad) > n {
		slices.SortFunc(p.bad, func(x, y span) int { return x.off - y.off })
	}
}
