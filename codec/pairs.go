package codec

import (
	"math"
	"strconv"
)

// kind is what a scalar is.
type kind uint8

const (
	kindOther kind = iota // null, byte arrays with a tag, …
	kindNumber
	kindText
	kindBool
	kindBytes
	kindArray
	kindMap
)

// scalar is one value of a body, for the places that read values (options, err,
// SenML). The hot path does not come here.
type scalar struct {
	kind    kind
	yes     bool    // kindBool
	isInt   bool    // kindNumber: written as an integer that int64 holds
	int     int64   // when isInt
	num     float64 // kindNumber
	text    []byte  // kindText decoded, kindBytes: valid until the walker is reset
	at, end int     // where it stands
}

// scalar reads the value at or behind i. After a broken grammar end is -1.
func (w *walker) scalar(enc Encoding, i int) scalar {
	if enc == JSON {
		return w.jsonScalar(w.space(i))
	}
	return w.cborScalar(i)
}

func (w *walker) jsonScalar(i int) scalar {
	s := scalar{at: i, end: w.jsonValue(i, 0)}
	if s.end < 0 {
		return s
	}
	raw := w.src[i:s.end]
	switch raw[0] {
	case '"':
		s.kind = kindText
		s.text = raw[1 : len(raw)-1]
		for _, c := range s.text {
			if c == '\\' {
				off := len(w.text)
				w.text = unescape(w.text, s.text)
				s.text = w.text[off:len(w.text):len(w.text)]
				break
			}
		}
	case '{':
		s.kind = kindMap
	case '[':
		s.kind = kindArray
	case 't', 'f':
		s.kind = kindBool
		s.yes = raw[0] == 't'
	case 'n':
	default:
		s.kind = kindNumber
		s.num, _ = strconv.ParseFloat(string(raw), 64)
		s.int, s.isInt = jsonInt(raw)
	}
	return s
}

// jsonInt reads a number that is written as an integer, where int64 holds it.
func jsonInt(tok []byte) (int64, bool) {
	neg := tok[0] == '-'
	if neg {
		tok = tok[1:]
	}
	v, ok := allDigits(tok)
	switch {
	case !ok || v > math.MaxInt64:
		return 0, false
	case neg:
		return -int64(v), v != 0
	}
	return int64(v), true
}

func (w *walker) cborScalar(i int) scalar {
	s := scalar{at: i, end: w.cborValue(i, 0)}
	if s.end < 0 {
		return s
	}
	ib, arg, next := w.head(i)
	if ib>>5 == majTag && arg <= tagTimeNumber {
		ib, arg, next = w.head(next)
	}
	switch ib >> 5 {
	case majUint, majNeg:
		s.kind = kindNumber
		s.num = float64(arg)
		s.isInt = arg <= math.MaxInt64
		s.int = int64(arg)
		if ib>>5 == majNeg {
			s.num = -1 - s.num
			s.int = -1 - s.int
		}
	case majText, majBytes:
		if ib&31 == indefinite {
			return s
		}
		s.kind = kindText
		if ib>>5 == majBytes {
			s.kind = kindBytes
		}
		s.text = w.src[next:s.end]
	case majArray:
		s.kind = kindArray
	case majMap:
		s.kind = kindMap
	case majSimple:
		switch info := ib & 31; info {
		case 20, 21:
			s.kind = kindBool
			s.yes = info == 21
		case 25, 26, 27:
			s.kind = kindNumber
			s.num = floatOf(info, arg)
		}
	}
	return s
}

// items goes through the members of a map or the elements of an array.
type items struct {
	w    *walker
	enc  Encoding
	i    int    // next unread byte
	left uint64 // CBOR: items left
	open bool   // CBOR: until a break
	any  bool   // JSON: one was read
	// senml lets integer keys become SenML's names instead of being skipped.
	senml bool
}

// items begins to go through the map or array that stands at i.
func (w *walker) items(enc Encoding, i int) items {
	it := items{w: w, enc: enc, i: i + 1}
	if enc == CBOR {
		var ib byte
		ib, it.left, it.i = w.head(i)
		if it.open = ib&31 == indefinite; it.open {
			it.left = math.MaxUint64
		}
	}
	return it
}

// more reports whether there is another item, and stands before it.
func (it *items) more() bool {
	w := it.w
	if it.i < 0 {
		return false
	}
	if it.enc == CBOR {
		if it.left == 0 || it.open && it.i < len(w.src) && w.src[it.i] == cborBreak {
			return false
		}
		it.left--
		return true
	}
	it.i = w.space(it.i)
	if it.i >= len(w.src) || w.src[it.i] == '}' || w.src[it.i] == ']' {
		return false
	}
	if it.any {
		if w.src[it.i] != ',' {
			w.fail(it.i, "expected a comma")
			return false
		}
		it.i = w.space(it.i + 1)
	}
	it.any = true
	return true
}

// element reads the next element of an array.
func (it *items) element() (scalar, bool) {
	if !it.more() {
		return scalar{}, false
	}
	s := it.w.scalar(it.enc, it.i)
	it.i = s.end
	return s, s.end >= 0
}

// member reads the next member of a map. Members whose key is an integer that
// means nothing here are passed over.
func (it *items) member() (key []byte, s scalar, ok bool) {
	for it.more() {
		var k scalar
		if k = it.w.scalar(it.enc, it.i); k.end < 0 {
			break
		}
		it.i = k.end
		if it.enc == JSON {
			if it.i = it.w.jsonColon(it.i); it.i < 0 {
				break
			}
		}
		if s = it.w.scalar(it.enc, it.i); s.end < 0 {
			break
		}
		it.i = s.end
		switch {
		case k.kind == kindText:
			return k.text, s, true
		case k.kind == kindNumber && k.isInt && it.senml && k.int >= -6 && k.int <= 8:
			return senmlNames[k.int+6], s, true
		}
	}
	return nil, s, false
}
