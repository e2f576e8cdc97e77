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
}

// Flags of a record, four bits.
const (
	CBOR    = 1 << iota // Data is CBOR, else JSON
	Passing             // published by MQTT without RETAIN: newcomers by MQTT do not get it (MQTT 5 3.3.1.3)
)

// MaxData is the most bytes that Data can have: its length is kept in 24 bits.
const MaxData = 1<<24 - 1

const tsBits = 44 // until the year 2527

// Size is how many bytes the record takes.
func (r *Record) Size() int { return headSize + len(r.Name) + len(r.Data) }

// putRecordHead writes TS, Flags and Era, the lengths, and Origin.
func putRecordHead(h *[headSize]byte, r *Record) {
	binary.LittleEndian.PutUint64(h[0:], uint64(r.TS)&(1<<tsBits-1)|uint64(r.Flags&15)<<tsBits|uint64(r.Era)<<48)
	binary.LittleEndian.PutUint32(h[8:], uint32(len(r.Data))|uint32(len(r.Name))<<24)
	binary.LittleEndian.PutUint32(h[12:], r.Origin)
}

// Parse splits the first record off b, a run of whole records.
func Parse(b []byte) (r Record, rest []byte) {
	w := binary.LittleEndian.Uint64(b)
	l := binary.LittleEndian.Uint32(b[8:])
	n, d := int(l>>24), int(l&MaxData)
	r.TS, r.Flags, r.Era = splitStamp(w)
	r.Origin = binary.LittleEndian.Uint32(b[12:])
	r.Name = b[headSize : headSize+n : headSize+n]
	r.Data = b[headSize+n : headSize+n+d : headSize+n+d]
	return r, b[headSize+n+d:]
}

func recordSize(head []byte) int {
	l := binary.LittleEndian.Uint32(head[8:])
	return headSize + int(l>>24) + int(l&MaxData)
}

// splitStamp takes the first word of a record's head apart.
func splitStamp(w uint64) (ts int64, flags uint8, era uint16) {
	return int64(w & (1<<tsBits - 1)), uint8(w >> tsBits & 15), uint16(w >> 48)
}
