package codec

import (
	"encoding/binary"
	"math"
	"strconv"
	"unicode/utf8"
)

// CBOR's major types (RFC 8949 section 3.1).
const (
	majUint = iota
	majNeg
	majBytes
	majText
	majArray
	majMap
	majTag
	majSimple
)

// cborBreak ends an indefinite-length item; indefinite is its additional
// information.
const (
	cborBreak  = 0xff
	indefinite = 31
)

// null and undefined.
const (
	cborNull      = 0xf6
	cborUndefined = 0xf7
)

// head reads the initial byte at i and its argument. next is behind them, or -1.
func (w *walker) head(i int) (ib byte, arg uint64, next int) {
	if i < len(w.src) && w.src[i]&31 < 24 {
		return w.src[i], uint64(w.src[i] & 31), i + 1
	}
	if ib, arg, next = readHead(w.src, i); next < 0 {
		w.badHead(i)
	}
	return ib, arg, next
}

// readHead is head for an input that may be trusted: it tells no reason.
func readHead(src []byte, i int) (ib byte, arg uint64, next int) {
	if i >= len(src) {
		return 0, 0, -1
	}
	ib = src[i]
	if ib&31 < 24 {
		return ib, uint64(ib & 31), i + 1
	}
	b := src[i+1:]
	switch ib & 31 {
	case 24:
		if len(b) >= 1 {
			return ib, uint64(b[0]), i + 2
		}
	case 25:
		if len(b) >= 2 {
			return ib, uint64(binary.BigEndian.Uint16(b)), i + 3
		}
	case 26:
		if len(b) >= 4 {
			return ib, uint64(binary.BigEndian.Uint32(b)), i + 5
		}
	case 27:
		if len(b) >= 8 {
			return ib, binary.BigEndian.Uint64(b), i + 9
		}
	case indefinite:
		if m := ib >> 5; m >= majBytes && m <= majMap {
			return ib, 0, i + 1
		}
	}
	return ib, 0, -1
}

// badHead says why there is no head at i.
func (w *walker) badHead(i int) {
	switch {
	case i >= len(w.src) || w.src[i]&31 < 28:
		w.cut()
	case w.src[i] == cborBreak:
		w.fail(i, "a break where a value is needed")
	default:
		w.fail(i, "0x%02x is not CBOR", w.src[i])
	}
}

// cborValue walks over the item at i; depth counts the containers around it. It
// returns the end, or -1.
func (w *walker) cborValue(i, depth int) int {
	if i >= len(w.src) {
		return w.cut()
	}
	at := i
	ib := w.src[i]
	arg := uint64(ib & 31)
	i++
	if arg >= 24 {
		if ib, arg, i = w.head(at); i < 0 {
			return -1
		}
	}
	switch ib >> 5 {
	case majUint, majNeg:
		return i
	case majBytes, majText:
		if ib&31 == indefinite {
			return w.chunks(ib>>5, i)
		}
		if arg > uint64(len(w.src)-i) {
			return w.cut()
		}
		end := i + int(arg)
		if ib>>5 == majText && !utf8.Valid(w.src[i:end]) {
			w.note(CodeMalformed, "a text that is not UTF-8 at byte %d", at)
		}
		return end
	case majArray:
		return w.cborArray(ib, arg, i, depth+1)
	case majMap:
		return w.cborMap(ib, arg, i, depth+1)
	case majTag:
		return w.cborTag(arg, i, depth)
	}
	w.simple(ib, arg, at)
	if ib == 0xf8 && arg < 32 {
		w.bad(at, "a simple value in two bytes that needs one")
	}
	return i
}

// simple checks the values of major type 7.
func (w *walker) simple(ib byte, arg uint64, at int) {
	switch ib & 31 {
	case 20, 21, 22:
	case 25, 26, 27:
		if f := floatOf(ib&31, arg); math.IsNaN(f) || math.IsInf(f, 0) {
			w.note(CodeMalformed, "NaN and infinities cannot be told to JSON readers, at byte %d: send null", at)
		}
	default:
		w.note(CodeMalformed, "undefined or an unknown simple value at byte %d", at)
	}
}

// floatOf widens a float16, 32 or 64 given by its additional information.
func floatOf(info byte, bits uint64) float64 {
	switch info {
	case 25:
		return half(uint16(bits))
	case 26:
		return float64(math.Float32frombits(uint32(bits)))
	}
	return math.Float64frombits(bits)
}

// half widens a float16 (RFC 8949 appendix D).
func half(h uint16) float64 {
	exp, frac := int(h>>10&31), float64(h&0x3ff)
	var f float64
	switch exp {
	case 0:
		f = math.Ldexp(frac, -24)
	case 31:
		if f = math.Inf(1); frac != 0 {
			f = math.NaN()
		}
	default:
		f = math.Ldexp(frac+1024, exp-25)
	}
	if h&0x8000 != 0 {
		return -f
	}
	return f
}

// chunks walks over an indefinite-length string, which is noted: it could not
// be handed on as one slice of the frame.
func (w *walker) chunks(major byte, i int) int {
	w.note(CodeMalformed, "a string of indefinite length at byte %d: send it with its length", i-1)
	for {
		if i < len(w.src) && w.src[i] == cborBreak {
			return i + 1
		}
		at := i
		ib, n, next := w.head(i)
		if next < 0 {
			return -1
		}
		if ib>>5 != major || ib&31 == indefinite {
			return w.fail(at, "a string's chunk of another type")
		}
		if n > uint64(len(w.src)-next) {
			return w.cut()
		}
		i = next + int(n)
	}
}

func (w *walker) cborArray(ib byte, n uint64, i, depth int) int {
	if !w.enter(i-1, depth) {
		return -1
	}
	mark := w.mark()
	if ib&31 == indefinite {
		n = math.MaxUint64
	} else if n > uint64(len(w.src)-i) {
		return w.cut()
	}
	count := uint64(0)
	for ; count < n; count++ {
		if n == math.MaxUint64 && i < len(w.src) && w.src[i] == cborBreak {
			i++
			break
		}
		if i = w.cborValue(i, depth); i < 0 {
			return -1
		}
	}
	if w.marking {
		w.marks[mark] = uint32(count)
	}
	return i
}

func (w *walker) cborMap(ib byte, n uint64, i, depth int) int {
	if !w.enter(i-1, depth) {
		return -1
	}
	mark, base, textBase := w.mark(), len(w.keys.refs), len(w.keys.text)
	if ib&31 == indefinite {
		n = math.MaxUint64
	} else if n > uint64(len(w.src)-i)/2 {
		return w.cut()
	}
	labels, count := labelSet(0), uint64(0)
	for ; count < n; count++ {
		if n == math.MaxUint64 && i < len(w.src) && w.src[i] == cborBreak {
			i++
			break
		}
		if bit, next := w.label(i); bit != 0 && len(w.keys.refs) == base {
			if labels&bit != 0 {
				w.note(CodeMalformed, "a key stands twice in one map, at byte %d", i)
			}
			labels |= bit
			i = next
		} else {
			if len(w.keys.refs) == base {
				w.spill(labels, base)
			}
			if i = w.cborKey(i, depth, base); i < 0 {
				return -1
			}
		}
		if i = w.cborValue(i, depth); i < 0 {
			return -1
		}
	}
	record := count > 0 && len(w.keys.refs) == base
	w.closeKeys(base, textBase)
	if w.marking && record {
		w.marks[mark] = 1
	}
	return i
}

// cborKey walks over a map's key and keeps it in the map that began at base.
func (w *walker) cborKey(i, depth, base int) int {
	at := i
	if i < len(w.src) && w.src[i]-majText<<5 < 24 { // the usual key: a short text
		end := i + 1 + int(w.src[i]&31)
		if end <= len(w.src) && utf8.Valid(w.src[i+1:end]) {
			w.addKey(base, i+1, end)
			return end
		}
	}
	ib, arg, i := w.head(i)
	if i < 0 {
		return -1
	}
	switch ib >> 5 {
	case majUint, majNeg:
		off := len(w.keys.text)
		w.keys.text = appendDecimal(w.keys.text, ib>>5 == majNeg, arg)
		w.addTextKey(base, off)
		return i
	case majText:
		if ib&31 == indefinite {
			return w.chunks(majText, i)
		}
		if arg > uint64(len(w.src)-i) {
			return w.cut()
		}
		end := i + int(arg)
		if !utf8.Valid(w.src[i:end]) {
			w.note(CodeMalformed, "a key that is not UTF-8 at byte %d", at)
		}
		w.addKey(base, i, end)
		return end
	}
	w.note(CodeMalformed, "a map's key must be a text or an integer, at byte %d", at)
	return w.cborValue(at, depth)
}

// labelSet is a set of SenML's labels (RFC 8428 section 6). A map whose keys are
// nothing else needs no keySet, and that is what most sensors send.
type labelSet uint32

// label returns the bit of the key at i where that is a label, 0 to 8 or -1 to -6.
func (w *walker) label(i int) (labelSet, int) {
	if i >= len(w.src) || w.src[i] > majNeg<<5|27 {
		return 0, i
	}
	ib, arg, next := readHead(w.src, i)
	switch {
	case next < 0:
	case ib>>5 == majUint && arg <= 8:
		return 1 << arg, next
	case ib>>5 == majNeg && arg <= 5:
		return 1 << (16 + arg), next
	}
	return 0, i
}

// spill moves labels to the keySet, for another kind of key has appeared.
func (w *walker) spill(labels labelSet, base int) {
	for b := 0; labels != 0; b++ {
		if labels&1 != 0 {
			off := len(w.keys.text)
			w.keys.text = appendDecimal(w.keys.text, b >= 16, uint64(b&15))
			w.addTextKey(base, off)
		}
		labels >>= 1
	}
}

// appendDecimal appends a CBOR integer: arg, or -1-arg when neg.
func appendDecimal(dst []byte, neg bool, arg uint64) []byte {
	if !neg {
		return strconv.AppendUint(dst, arg, 10)
	}
	if arg == math.MaxUint64 {
		return append(dst, "-18446744073709551616"...)
	}
	dst = append(dst, '-')
	return strconv.AppendUint(dst, arg+1, 10)
}
