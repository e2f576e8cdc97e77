package fields

import (
	"bytes"
	"encoding/binary"
	"math"
	"testing"
)

func TestReader(t *testing.T) {
	b := binary.AppendUvarint(nil, math.MaxUint64)
	for _, v := range []int64{math.MinInt64, -1, 0, 1, math.MaxInt64} {
		b = binary.AppendVarint(b, v)
	}
	b = append(append(b, 3), "abcde"...)
	r := Reader{B: b}
	if v := r.Uint(); v != math.MaxUint64 {
		t.Error(v)
	}
	for _, want := range []int64{math.MinInt64, -1, 0, 1, math.MaxInt64} {
		if v := r.Int(); v != want {
			t.Error(v, want)
		}
	}
	if v := r.Bytes(); !bytes.Equal(v, []byte("abc")) || cap(v) != 3 {
		t.Errorf("%q", v)
	}
	if v := r.Take(2); !bytes.Equal(v, []byte("de")) || r.Bad || len(r.B) > 0 {
		t.Errorf("%q %v", v, r)
	}
}

// What is cut or claims too much is bad from there on, and yields zeros.
func TestBad(t *testing.T) {
	for _, b := range []string{"", "\x80", "\x05abcd", "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", "\xff\xff\xff\xff\xff\xff\xff\xff\x7fab"} {
		r := Reader{B: []byte(b)}
		if v := r.Bytes(); v != nil || !r.Bad {
			t.Errorf("%q: %q %v", b, v, r.Bad)
		}
		if r.Uint() != 0 || r.Int() != 0 || r.Take(1) != nil || !r.Bad {
			t.Errorf("%q: something is left", b)
		}
	}
}
