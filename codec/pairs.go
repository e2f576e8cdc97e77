package codec

import (
	"math"
	"strconv"
)

// kind is what a scalar is.
type kind uint8

const (
	kindOther kind = iota // typed arrays, …
	kindNull              // and undefined
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
	isInt   bool    // kindNumber: a whole one, see whole
	int     int64   // when isInt
	num     float64 // kindNumber
	text    []byte  // kindText decoded, kindBytes: valid until the walker is reset
	at, end int     // where it stands, without its tags
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
		s.kind = kindNull
	case '-', '0', '1', '2', '3', '4', '5', '6', '7', '8', '9':
		s.kind = kindNumber
		s.num, _ = strconv.ParseFloat(string(raw), 64)
		s.int, s.isInt = wholeJSON(raw)
	}
	return s
}

func (w *walker) cborScalar(i int) scalar {
	s := scalar{at: i, end: w.cborValue(i, 0)}
	if s.end < 0 {
		return s
	}
	s.at = untag(w.src, i)
	ib, arg, next := w.head(s.at)
	for ib>>5 == majTag && isPlain(arg) {
		s.at = next
		ib, arg, next = w.head(s.at)
	}
	switch ib >> 5 {
	case majUint, majNeg:
		s.int, s.isInt = wholeCBOR(w.src, s.at)
		s.kind = kindNumber
		s.num = float64(arg)
		if ib>>5 == majNeg {
			s.num = -1 - s.num
		}
	case majTag:
		if f, _, ok := tagNumber(w.src, arg, next); ok {
			s.kind = kindNumber
			s.num = f
			s.int, s.isInt = whole(f)
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
		case 22, 23:
			s.kind = kindNull
		case 25, 26, 27:
			s.kind = kindNumber
			s.num = floatOf(info, arg)
			s.int, s.isInt = whole(s.num)
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
	for it.key(&key) {
		if s = it.w.scalar(it.enc, it.i); s.end < 0 {
			break
		}
		it.i = s.end
		if key != nil {
			return key, s, true
		}
	}
	return nil, s, false
}

// key reads the next member's key and stands before its value. It is nil for an
// integer that means nothing here.
func (it *items) key(key *[]byte) bool {
	if !it.more() {
		return false
	}
	k := it.w.scalar(it.enc, it.i)
	if it.i = k.end; it.i >= 0 && it.enc == JSON {
		it.i = it.w.jsonColon(it.i)
	}
	*key = nil
	switch {
	case k.kind == kindText:
		*key = k.text
	case k.kind == kindNumber && k.isInt && it.senml && k.int >= -6 && k.int <= 8:
		*key = senmlNames[k.int+6]
	}
	return it.i >= 0
}

// given walks to the value that it stands before and reports whether there is
// one: null and undefined mean that the member was left out.
func (it *items) given() bool {
	if it.enc == JSON {
		it.i = it.w.space(it.i)
	}
	if it.i >= len(it.w.src) {
		return true
	}
	switch c := it.w.src[it.i]; it.enc {
	case JSON:
		return c != 'n'
	default:
		return c != cborNull && c != cborUndefined
	}
}

// skip passes over a value that is thrown away.
func (it *items) skip() bool {
	it.i = it.w.ignored(it.enc, it.i)
	return it.i >= 0
}

// untagged is where the value of src stands, behind white space or tags.
func (w *walker) untagged(enc Encoding) int {
	if enc == JSON {
		return w.space(0)
	}
	return untag(w.src, 0)
}
