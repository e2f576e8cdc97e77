package codec

import (
	"bytes"
	"hash/maphash"
)

// keySet finds duplicate keys. It is a stack: each open map owns the keys from
// its base upwards. Keys are compared decoded, and CBOR integers by the decimal
// text that they become in JSON, so a body that passes has distinct keys in
// both encodings.
//
// The first keys of a map are compared one by one. A wide map is checked once,
// when it closes, with a hash table and a random seed: linear time whatever the
// keys are.
type keySet struct {
	refs  []keyRef
	text  []byte // keys that do not stand in the input as they are
	table []uint16
	seed  maphash.Seed
}

// keyRef says where a key is: in the input, or with inText in keySet.text. sum
// differs for most different keys (length, first and last byte) and spares the
// comparison of their bytes.
type keyRef struct{ off, n, sum uint32 }

const inText = 1 << 31

// linearKeys is up to where comparing one by one is faster than hashing.
const linearKeys = 12

func (s *keySet) reset() {
	s.refs = s.refs[:0]
	s.text = s.text[:0]
	if cap(s.refs) > keepScratch/8 {
		s.refs = nil
	}
	if cap(s.text) > keepScratch {
		s.text = nil
	}
}

func (s *keySet) bytes(src []byte, r keyRef) []byte {
	if r.off&inText != 0 {
		r.off &^= inText
		return s.text[r.off : r.off+r.n]
	}
	return src[r.off : r.off+r.n]
}

// addKey adds src[off:end] to the map that began at base.
func (w *walker) addKey(base, off, end int) {
	w.add(base, w.src[off:end], keyRef{off: uint32(off)})
}

// addTextKey adds keys.text[off:], the key that was just decoded there.
func (w *walker) addTextKey(base, off int) {
	w.add(base, w.keys.text[off:], keyRef{off: uint32(off) | inText})
}

func (w *walker) add(base int, key []byte, ref keyRef) {
	s := &w.keys
	n := len(key)
	ref.n = uint32(n)
	ref.sum = ref.n << 16
	if n > 0 {
		ref.sum ^= uint32(key[0])<<8 | uint32(key[n-1])
	}
	have := s.refs[base:]
	if len(have) < linearKeys {
		for i := range have {
			if have[i].sum == ref.sum && string(s.bytes(w.src, have[i])) == string(key) {
				w.duplicate(key)
			}
		}
	} else if len(have) >= MaxPairs {
		w.tooWide()
		return
	}
	s.refs = append(s.refs, ref)
}

// closeKeys ends the map that began at base; textBase is where keys.text stood.
func (w *walker) closeKeys(base, textBase int) {
	s := &w.keys
	if len(s.refs)-base > linearKeys {
		w.hashKeys(s.refs[base:])
	}
	s.refs = s.refs[:base]
	s.text = s.text[:textBase]
}

// hashKeys looks for duplicates with an open table, at most half full. Entries
// are positions + 1, 0 is free.
func (w *walker) hashKeys(refs []keyRef) {
	s := &w.keys
	if s.table == nil {
		s.table = make([]uint16, 2*MaxPairs)
		s.seed = maphash.MakeSeed()
	}
	size := 2 * linearKeys
	for size = 32; size < 2*len(refs); size *= 2 {
	}
	table := s.table[:size]
	clear(table)
	for k, r := range refs {
		key := s.bytes(w.src, r)
		at := int(maphash.Bytes(s.seed, key) & uint64(size-1))
		for table[at] != 0 {
			if bytes.Equal(key, s.bytes(w.src, refs[table[at]-1])) {
				w.duplicate(key)
				return
			}
			at = (at + 1) & (size - 1)
		}
		table[at] = uint16(k + 1)
	}
}

func (w *walker) duplicate(key []byte) {
	w.note(CodeMalformed, "the key %s stands twice in one map", quote(key))
}

func (w *walker) tooWide() {
	w.note(CodeTooLarge, "a map with more than %d members", MaxPairs)
}
