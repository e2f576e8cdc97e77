// Package fields takes apart what was written as varints and as texts behind their
// lengths: records of the store, minutes, what a hub hands on to its next run. Their
// checksum is here too.
package fields

import (
	"encoding/binary"
	"hash/crc32"
)

// Sum goes on with a CRC-32C, which begins with 0: processors have an instruction for it.
func Sum(sum uint32, b []byte) uint32 { return crc32.Update(sum, crc32.MakeTable(crc32.Castagnoli), b) }

// Reader reads B from its front. A read past the end, or of a varint that is none,
// makes Bad true and leaves nothing; such a read and all behind it yield zeros.
type Reader struct {
	B   []byte
	Bad bool
}

// Uint reads a varint without sign.
func (r *Reader) Uint() uint64 {
	v, n := binary.Uvarint(r.B)
	if n <= 0 {
		r.Bad, r.B = true, nil
		return 0
	}
	r.B = r.B[n:]
	return v
}

// Int reads a varint with a sign (zigzag).
func (r *Reader) Int() int64 {
	v := r.Uint()
	return int64(v>>1) ^ -int64(v&1)
}

// Bytes reads what stands behind its length. The slice stays in B's array.
func (r *Reader) Bytes() []byte {
	n := r.Uint()
	if n > uint64(len(r.B)) {
		r.Bad, r.B = true, nil
		return nil
	}
	return r.Take(int(n))
}

// Take reads n bytes. The slice stays in B's array.
func (r *Reader) Take(n int) []byte {
	if n > len(r.B) {
		r.Bad, r.B = true, nil
		return nil
	}
	b := r.B[:n:n]
	r.B = r.B[n:]
	return b
}
