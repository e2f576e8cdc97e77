package store

import (
	"encoding/binary"
	"math/bits"

	"topicd/node/fields"
)

// Kinds of records.
const (
	kindReading = 1 + iota
	kindState   // where the log stands: first in a segment, and at each open
	kindForget  // a topic was deleted
	kindCursor  // a durable cursor, or what of it moved
	kindMark    // a topic's next number, where no reading says it
	kindClean   // the store was closed and nothing is missing
	kindVoid    // what was here could not be read and was set aside
	kindFooter  // the index of a sealed segment, its last record
	kinds
)

const (
	recHead    = 8
	maxPayload = 1<<18 - 1
)

// key binds records to their store and segment: it is mixed into every check
// together with the offset, so a block of another time, place or store never
// passes, and nobody who sends readings can make up a record inside one.
type key uint64

func keyOf(salt, segment uint64) key { return key(mix(salt ^ mix(segment))) }

func mix(x uint64) uint64 {
	hi, lo := bits.Mul64(x^0x9E3779B97F4A7C15, 0xD6E8FEB86659FD93)
	x = hi ^ lo
	hi, lo = bits.Mul64(x^0xE7037ED1A0B428DB, 0x8EBC6AF09C88C6E3)
	return hi ^ lo
}

// word packs kind and length with ten bits that check them at this place, so
// that a length is believed before the body is read only where a record is.
func (k key) word(off int, kind byte, n int) uint32 {
	w := uint32(kind) | uint32(n)<<4
	return w | uint32(mix(uint64(k)^uint64(off)<<32^uint64(w)))<<22
}

func (k key) crc(off int, b []byte) uint32 {
	return fields.Sum(uint32(mix(uint64(k)+uint64(off))), b)
}

// begun reports whether a record may have begun at off: its head is there.
func (k key) begun(buf []byte, off int) bool {
	if len(buf)-off < recHead {
		return true
	}
	w := binary.LittleEndian.Uint32(buf[off+4:])
	return w == k.word(off, byte(w&15), int(w>>4&maxPayload))
}

// recSize is what a record with n bytes of payload takes.
func recSize(n int) int { return (recHead + n + 3) &^ 3 }

// finish writes the head of the record at buf[at:], which ends at len(buf), and
// pads it. base is the offset of buf[0] in the segment.
func (k key) finish(buf []byte, at, base int, kind byte) []byte {
	n := len(buf) - at - recHead
	binary.LittleEndian.PutUint32(buf[at+4:], k.word(base+at, kind, n))
	binary.LittleEndian.PutUint32(buf[at:], k.crc(base+at, buf[at+4:]))
	for len(buf)&3 != at&3 {
		buf = append(buf, 0)
	}
	return buf
}

// record splits the record at buf[at:], whose offset in the segment is off.
// size 0: there is none.
func (k key) record(buf []byte, at, off int) (kind byte, payload []byte, size int) {
	if len(buf)-at < recHead {
		return 0, nil, 0
	}
	w := binary.LittleEndian.Uint32(buf[at+4:])
	kind = byte(w & 15)
	n := int(w >> 4 & maxPayload)
	if kind == 0 || kind >= kinds || n > len(buf)-at-recHead || w != k.word(off, kind, n) {
		return 0, nil, 0
	}
	end := at + recHead + n
	if binary.LittleEndian.Uint32(buf[at:]) != k.crc(off, buf[at+4:end]) {
		return 0, nil, 0
	}
	return kind, buf[at+recHead : end : end], recSize(n)
}

// span is a run of bytes of a segment.
type span struct{ off, end int }

// scan calls each for every record of a segment's bytes from offset off on, up to
// the footer, and returns what could not be read; a last span that ends at len(buf)
// may be a torn tail. After damage it goes on at the next place where a record is.
func (k key) scan(buf []byte, off int, each func(off int, kind byte, payload []byte)) (bad []span, end int) {
	for off < len(buf) {
		kind, payload, size := k.record(buf, off, off)
		if size > 0 {
			each(off, kind, payload)
			off += size
			if kind == kindFooter {
				break
			}
			continue
		}
		start := off
		for off += 4; off < len(buf); off += 4 {
			if _, _, size = k.record(buf, off, off); size > 0 {
				break
			}
		}
		off = min(off, len(buf))
		bad = append(bad, span{start, off})
	}
	return bad, off
}

func zig(v int64) uint64 { return uint64(v<<1) ^ uint64(v>>63) }

func putBytes(b, v []byte) []byte {
	return append(binary.AppendUvarint(b, uint64(len(v))), v...)
}

func putString(b []byte, v string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(v))), v...)
}
