package arena

import "encoding/binary"

const headSize = 16

// Record is what is stored of one reading. Its slices lie in a scratch buffer.
type Record struct {
	TS     int64  // milliseconds since 1970
	Era    uint16 // of the calendar: with it TS says how old the reading is
	Origin uint32 // session that published it
	Flags  uint8
	Name   []byte
	Data   []byte
	Ext    []byte // what a dialect has to say of it beside, up to MaxExt bytes; lies before Data
}

// Flags of a record, four bits.
const (
	CBOR    = 1 << 0 // Data is CBOR, else JSON
	Passing = 1 << 1 // published by MQTT without RETAIN: newcomers by MQTT do not get it (MQTT 5 3.3.1.3)
	QoS     = 3 << 2 // one more than the QoS it was published with by MQTT, 0 = not by MQTT
	QoSBit  = 2      // where QoS begins
)

// The most bytes that Data and Ext can have: their length together is kept in 23
// bits, that of Ext in 16 before it, and one more bit says that there is Ext.
const (
	MaxExt  = 1<<16 - 1
	MaxData = 1<<23 - 1 - MaxExt - 2
	lenMask = 1<<23 - 1
	hasExt  = 1 << 23
)

const tsBits = 44 // until the year 2527

// Size is how many bytes the record takes.
func (r *Record) Size() int { return headSize + len(r.Name) + r.extSize() + len(r.Data) }

func (r *Record) extSize() int {
	if len(r.Ext) == 0 {
		return 0
	}
	return 2 + len(r.Ext)
}

// putRecordHead writes TS, Flags and Era, the lengths, and Origin.
func putRecordHead(h *[headSize]byte, r *Record) {
	binary.LittleEndian.PutUint64(h[0:], uint64(r.TS)&(1<<tsBits-1)|uint64(r.Flags&15)<<tsBits|uint64(r.Era)<<48)
	n := uint32(r.extSize() + len(r.Data))
	if len(r.Ext) > 0 {
		n |= hasExt
	}
	binary.LittleEndian.PutUint32(h[8:], n|uint32(len(r.Name))<<24)
	binary.LittleEndian.PutUint32(h[12:], r.Origin)
}

// Append appends the record as Parse reads it.
func (r *Record) Append(b []byte) []byte {
	var h [headSize]byte
	putRecordHead(&h, r)
	b = append(append(b, h[:]...), r.Name...)
	if len(r.Ext) > 0 {
		b = append(binary.LittleEndian.AppendUint16(b, uint16(len(r.Ext))), r.Ext...)
	}
	return append(b, r.Data...)
}

// Parse splits the first record off b, a run of whole records.
func Parse(b []byte) (r Record, rest []byte) {
	w := binary.LittleEndian.Uint64(b)
	l := binary.LittleEndian.Uint32(b[8:])
	n, d := int(l>>24), int(l&lenMask)
	r.TS, r.Flags, r.Era = splitStamp(w)
	r.Origin = binary.LittleEndian.Uint32(b[12:])
	r.Name = b[headSize : headSize+n : headSize+n]
	b = b[headSize+n:]
	r.Data, rest = b[:d:d], b[d:]
	if l&hasExt != 0 {
		e := 2 + int(binary.LittleEndian.Uint16(r.Data))
		r.Ext, r.Data = r.Data[2:e:e], r.Data[e:]
	}
	return r, rest
}

func recordSize(head []byte) int {
	l := binary.LittleEndian.Uint32(head[8:])
	return headSize + int(l>>24) + int(l&lenMask)
}

// splitStamp takes the first word of a record's head apart.
func splitStamp(w uint64) (ts int64, flags uint8, era uint16) {
	return int64(w & (1<<tsBits - 1)), uint8(w >> tsBits & 15), uint16(w >> 48)
}

// Whole tells whether b, from wherever it comes, is exactly one record that Parse reads.
func Whole(b []byte) bool {
	if len(b) < headSize || len(b) != recordSize(b) {
		return false
	}
	l := binary.LittleEndian.Uint32(b[8:])
	data := b[headSize+int(l>>24):]
	return l&hasExt == 0 || len(data) >= 2 && len(data)-2 >= int(binary.LittleEndian.Uint16(data))
}
