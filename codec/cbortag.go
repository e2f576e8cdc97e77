package codec

import (
	"encoding/binary"
	"math"
	"time"
)

// Tags of RFC 8949 section 3.4 that have a JSON form.
const (
	tagTimeText   = 0 // RFC 3339 text
	tagTimeNumber = 1 // seconds since 1970
	tagBignum     = 2
	tagNegBignum  = 3
	tagDecimal    = 4 // [exponent, mantissa] to the base 10: RFC 8428 section 6 allows it for every number
	tagBigfloat   = 5 // to the base 2
	tagBase64URL  = 21
	tagBase64     = 22
	tagBase16     = 23
	tagMap        = 259   // a JavaScript Map, as cbor-x writes it
	tagSelf       = 55799 // this is CBOR (section 3.4.6)
)

// isPlain reports whether a tag adds nothing that JSON could tell: its content is
// the value, and is judged as if it stood alone. The others would make their
// content mean something else (a reference to an earlier value, say), or nobody
// knows what they mean.
func isPlain(tag uint64) bool {
	switch tag {
	case tagTimeText, tagTimeNumber, // checked by themselves
		tagBase64URL, tagBase64, tagBase16, 24, // how to tell bytes; bytes that are CBOR
		32, 33, 34, 35, 36, 37, // URI, base64 texts, regular expression, MIME, UUID
		41, 258, tagMap, // arrays and maps of a kind
		100, 1004, // days since 1970, a date (RFC 8943)
		tagSelf:
		return true
	}
	return false
}

// untag returns the place behind the marks that may stand before any value:
// "this is CBOR" and "this is a Map".
func untag(src []byte, i int) int {
	for n := 0; n < hardDepth && i < len(src) && src[i]>>5 == majTag; n++ {
		_, tag, next := readHead(src, i)
		if next < 0 || tag != tagSelf && tag != tagMap {
			break
		}
		i = next
	}
	return i
}

// typedArray describes a tag of RFC 8746 section 2: size is an element's width
// in bytes, 0 when the tag is not one that is accepted.
type typedArray struct {
	size   int
	float  bool
	signed bool
	little bool
}

// typedArrayOf reads the tag's bits, 0b010_f_s_e_ll (RFC 8746 section 2.1).
// float128 has no JSON form here, 76 is reserved, 68 is uint8 "clamped".
func typedArrayOf(tag uint64) typedArray {
	if tag < 64 || tag > 87 {
		return typedArray{}
	}
	ll := int(tag & 3)
	t := typedArray{float: tag&16 != 0, signed: tag&8 != 0, little: tag&4 != 0, size: 1 << ll}
	switch {
	case t.float && ll == 3 || tag == 76:
		return typedArray{}
	case t.float:
		t.size = 2 << ll
	}
	return t
}

// order is the byte order of the elements.
func (t typedArray) order() binary.ByteOrder {
	if t.little {
		return binary.LittleEndian
	}
	return binary.BigEndian
}

// element returns the bits of the first element of b.
func (t typedArray) element(b []byte) uint64 {
	switch t.size {
	case 1:
		return uint64(b[0])
	case 2:
		return uint64(t.order().Uint16(b))
	case 4:
		return uint64(t.order().Uint32(b))
	}
	return t.order().Uint64(b)
}

// floatValue widens an element of a float array.
func (t typedArray) floatValue(bits uint64) float64 {
	switch t.size {
	case 2:
		return half(uint16(bits))
	case 4:
		return float64(math.Float32frombits(uint32(bits)))
	}
	return math.Float64frombits(bits)
}

// signedValue extends the sign of an element of a signed array.
func (t typedArray) signedValue(bits uint64) int64 {
	shift := 64 - 8*t.size
	return int64(bits<<shift) >> shift
}

// cborTag walks over the content of a tag. A typed array counts as one level of
// nesting, for it is an array in JSON.
func (w *walker) cborTag(tag uint64, i, depth int) int {
	at := i
	if i >= len(w.src) {
		return w.cut()
	}
	if w.tags++; w.tags > hardDepth { // a chain of tags must not recurse without end
		return w.fail(i, "too many tags")
	}
	end := w.cborValue(i, depth)
	w.tags--
	if end < 0 {
		return -1
	}
	isNumber := tag >= tagBignum && tag <= tagBigfloat
	isTyped := typedArrayOf(tag).size > 0
	content := w.src[i] >> 5
	switch {
	case !isNumber && !isTyped && !isPlain(tag):
		w.note(CodeMalformed, "tag %d is not one that can be told to JSON readers, at byte %d", tag, i)
	case isNumber:
		if !tagFinite(w.src, tag, at) {
			w.note(CodeMalformed, "tag %d needs %s at byte %d", tag, numberOf(tag), at)
		}
	case content == majTag && (isTyped || tag <= tagTimeNumber):
		w.note(CodeMalformed, "a tag inside tag %d at byte %d", tag, i)
	case (content == majBytes || content == majText) && w.src[i]&31 == indefinite: // noted by chunks
	case tag == tagTimeText:
		w.timeText(content, at, end)
	case tag == tagTimeNumber:
		if isNumber := content <= majNeg || w.src[i] >= 0xf9 && w.src[i] <= 0xfb; !isNumber {
			w.note(CodeMalformed, "tag 1 needs a number at byte %d", at)
		}
	case isTyped:
		w.typedArray(tag, content, at, end, depth+1)
	}
	return end
}

// timeText checks the content of tag 0 (RFC 8949 section 3.4.1: RFC 3339).
func (w *walker) timeText(content byte, at, end int) {
	if content == majText {
		_, _, from := w.head(at)
		var t time.Time
		if t.UnmarshalText(w.src[from:end]) == nil {
			return
		}
	}
	w.note(CodeMalformed, "tag 0 needs a time like 2026-01-31T12:00:00Z at byte %d", at)
}

// typedArray checks the content of a tag of RFC 8746: whole, finite elements.
func (w *walker) typedArray(tag uint64, content byte, at, end, depth int) {
	if !w.enter(at, depth) {
		return
	}
	if content != majBytes {
		w.note(CodeMalformed, "tag %d needs a byte string at byte %d", tag, at)
		return
	}
	t := typedArrayOf(tag)
	_, _, from := w.head(at)
	if (end-from)%t.size != 0 {
		w.note(CodeMalformed, "tag %d needs a multiple of %d bytes at byte %d", tag, t.size, at)
		return
	}
	if !t.float {
		return
	}
	for b := w.src[from:end]; len(b) > 0; b = b[t.size:] {
		if f := t.floatValue(t.element(b)); math.IsNaN(f) || math.IsInf(f, 0) {
			w.note(CodeMalformed, "NaN or infinity in an array at byte %d", at)
			return
		}
	}
}
