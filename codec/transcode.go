package codec

import (
	"encoding/base64"
	"math"
	"strconv"
)

// Transcode appends data, one body in from, as a body in to. The same encoding
// is a copy after validation. dst is returned unchanged with the *Error where
// data does not validate. Values keep their value, not their form:
//
//   - CBOR byte strings become JSON base64url strings without padding, inside tag
//     22 base64 and inside tag 23 base16 (RFC 8949 section 6.1); JSON strings
//     always become CBOR texts.
//   - Integers keep all their digits both ways as far as CBOR has them (-2^64 to
//     2^64-1); a JSON integer beyond becomes the nearest float64.
//   - A JSON number with a point or an exponent becomes a float in the shortest
//     of the three widths that holds the same float64; so does -0.
//   - A CBOR float becomes the shortest decimal that reads back as the same
//     float64, whatever its width: 21.0 is written 21.
//   - CBOR map keys: text as it is; integers as decimal strings, but a map whose
//     keys are all integers -6…8 is a SenML record and gets SenML's names
//     (RFC 8428 section 6). JSON keys stay texts: no label is ever invented.
//   - Bignums (tags 2 and 3) become all their digits, decimal fractions and
//     bigfloats (4 and 5) the shortest decimal of their float64; typed arrays
//     (RFC 8746) arrays of numbers. The tags that isPlain lists are dropped and
//     leave their content.
//
// The order of members is kept. What was transcoded validates.
func Transcode(dst []byte, to, from Encoding, data []byte) ([]byte, error) {
	dst, e := transcode(dst, to, from, data, MaxDepth)
	if e != nil {
		return dst, e
	}
	return dst, nil
}

func transcode(dst []byte, to, from Encoding, data []byte, limit int) ([]byte, *Error) {
	w := getWalker(data)
	defer putWalker(w)
	w.limit = limit
	w.marking = to != from
	if e := w.body(from); e != nil {
		return dst, e
	}
	if to == from {
		return append(dst, data...), nil
	}
	e := emitter{src: data, marks: w.marks}
	if to == CBOR {
		dst, _ = e.cbor(dst, w.space(0))
	} else {
		dst, _ = e.json(dst, 0)
	}
	return dst, nil
}

// appendBody appends a body that was validated when it came in.
func appendBody(dst []byte, to, from Encoding, data []byte) []byte {
	if to == from && len(data) > 0 {
		return append(dst, data...)
	}
	dst, e := transcode(dst, to, from, data, pageDepth)
	if e != nil {
		if to == CBOR {
			return append(dst, 0xf6)
		}
		return append(dst, "null"...)
	}
	return dst
}

// emitter writes a body that a walker has just found valid in the other
// encoding. marks is what the walker learnt of each container, in their order:
// the number of items of a JSON one, 1 for a CBOR map that is a SenML record.
type emitter struct {
	src     []byte
	marks   []uint32
	bytesAs uint64 // tag 21, 22 or 23 around: how byte strings are told
}

// next takes the next mark.
func (e *emitter) next() uint32 {
	m := e.marks[0]
	e.marks = e.marks[1:]
	return m
}

// space skips JSON's white space.
func (e *emitter) space(i int) int {
	for e.src[i] <= ' ' {
		i++
	}
	return i
}

// cbor writes the JSON value at src[i] and returns its end.
func (e *emitter) cbor(dst []byte, i int) ([]byte, int) {
	switch e.src[i] {
	case '"':
		return e.cborString(dst, i+1)
	case 't':
		return append(dst, 0xf5), i + 4
	case 'f':
		return append(dst, 0xf4), i + 5
	case 'n':
		return append(dst, 0xf6), i + 4
	case '[':
		n := e.next()
		dst = appendHead(dst, majArray, uint64(n))
		if n == 0 {
			i = e.space(i + 1)
		}
		for ; n > 0; n-- {
			dst, i = e.cbor(dst, e.space(i+1))
			i = e.space(i)
		}
		return dst, i + 1
	case '{':
		n := e.next()
		dst = appendHead(dst, majMap, uint64(n))
		if n == 0 {
			i = e.space(i + 1)
		}
		for ; n > 0; n-- {
			dst, i = e.cborString(dst, e.space(i+1)+1)
			dst, i = e.cbor(dst, e.space(e.space(i)+1))
			i = e.space(i)
		}
		return dst, i + 1
	}
	end := i + 1
	for end < len(e.src) && numberByte(e.src[end]) {
		end++
	}
	return appendJSONNumber(dst, e.src[i:end]), end
}

func numberByte(c byte) bool {
	return c-'0' < 10 || c == '.' || c == '-' || c == '+' || c|0x20 == 'e'
}

// cborString writes the JSON string whose inside begins at i. The length of one
// with escapes is known only behind it, so its head is made for the longest it
// can be and moved where that was too wide.
func (e *emitter) cborString(dst []byte, i int) ([]byte, int) {
	end, escaped := i, false
	for e.src[end] != '"' {
		if e.src[end] == '\\' {
			escaped = true
			end++
		}
		end++
	}
	raw := e.src[i:end]
	if !escaped {
		return appendCBORText(dst, raw), end + 1
	}
	at := len(dst)
	dst = appendHead(dst, majText, uint64(len(raw)))
	body := len(dst)
	dst = unescape(dst, raw)
	n := len(dst) - body
	head := appendHead(dst[:at], majText, uint64(n))
	if len(head) < body {
		copy(dst[len(head):], dst[body:])
	}
	return dst[:len(head)+n], end + 1
}

// appendJSONNumber appends the JSON number tok as CBOR.
func appendJSONNumber(dst, tok []byte) []byte {
	neg := tok[0] == '-'
	abs := tok
	if neg {
		abs = tok[1:]
	}
	if v, ok := allDigits(abs); ok && !(neg && v == 0) {
		if neg {
			return appendHead(dst, majNeg, v-1)
		}
		return appendHead(dst, majUint, v)
	}
	if neg && string(abs) == "18446744073709551616" { // -2^64, CBOR's smallest
		return appendHead(dst, majNeg, math.MaxUint64)
	}
	f, _ := strconv.ParseFloat(string(tok), 64)
	return appendCBORFloat(dst, f)
}

// allDigits reads a number of digits only that uint64 holds.
func allDigits(b []byte) (v uint64, ok bool) {
	if len(b) > 20 {
		return 0, false
	}
	for _, c := range b {
		c -= '0'
		if c > 9 || v > math.MaxUint64/10 || v*10 > math.MaxUint64-uint64(c) {
			return 0, false
		}
		v = v*10 + uint64(c)
	}
	return v, true
}

// json writes the CBOR item at src[i] and returns its end.
func (e *emitter) json(dst []byte, i int) ([]byte, int) {
	ib, arg, i := readHead(e.src, i)
	switch ib >> 5 {
	case majUint, majNeg:
		return appendDecimal(dst, ib>>5 == majNeg, arg), i
	case majBytes:
		end := i + int(arg)
		dst = append(dst, '"')
		switch e.bytesAs {
		case tagBase64:
			dst = base64.StdEncoding.AppendEncode(dst, e.src[i:end])
		case tagBase16:
			for _, c := range e.src[i:end] {
				dst = append(dst, hexDigits[c>>4], hexDigits[c&15])
			}
		default:
			dst = base64.RawURLEncoding.AppendEncode(dst, e.src[i:end])
		}
		return append(dst, '"'), end
	case majText:
		end := i + int(arg)
		return appendJSONString(dst, e.src[i:end]), end
	case majArray:
		return e.jsonArray(dst, ib, arg, i)
	case majMap:
		return e.jsonMap(dst, ib, arg, i)
	case majTag:
		return e.jsonTag(dst, arg, i)
	}
	switch info := ib & 31; info {
	case 20:
		return append(dst, "false"...), i
	case 21:
		return append(dst, "true"...), i
	case 25, 26, 27:
		return appendJSONFloat(dst, floatOf(info, arg)), i
	}
	return append(dst, "null"...), i
}

const hexDigits = "0123456789ABCDEF" // RFC 8949 section 6.1: upper case

// jsonTag writes the content at src[i] of a tag.
func (e *emitter) jsonTag(dst []byte, tag uint64, i int) ([]byte, int) {
	if tag >= tagBignum && tag <= tagBigfloat {
		return e.jsonNumber(dst, tag, i)
	}
	if t := typedArrayOf(tag); t.size > 0 {
		return e.jsonTyped(dst, t, i)
	}
	was := e.bytesAs
	if tag >= tagBase64URL && tag <= tagBase16 {
		e.bytesAs = tag
	}
	dst, i = e.json(dst, i)
	e.bytesAs = was
	return dst, i
}

func (e *emitter) jsonArray(dst []byte, ib byte, n uint64, i int) ([]byte, int) {
	e.next()
	open := ib&31 == indefinite
	dst = append(dst, '[')
	for k := uint64(0); open || k < n; k++ {
		if open && e.src[i] == cborBreak {
			i++
			break
		}
		if k > 0 {
			dst = append(dst, ',')
		}
		dst, i = e.json(dst, i)
	}
	return append(dst, ']'), i
}

func (e *emitter) jsonMap(dst []byte, ib byte, n uint64, i int) ([]byte, int) {
	senml := e.next() == 1
	open := ib&31 == indefinite
	dst = append(dst, '{')
	for k := uint64(0); open || k < n; k++ {
		if open && e.src[i] == cborBreak {
			i++
			break
		}
		if k > 0 {
			dst = append(dst, ',')
		}
		dst, i = e.jsonKey(dst, i, senml)
		dst, i = e.json(append(dst, ':'), i)
	}
	return append(dst, '}'), i
}

func (e *emitter) jsonKey(dst []byte, i int, senml bool) ([]byte, int) {
	ib, arg, next := readHead(e.src, i)
	if ib>>5 == majText {
		return e.json(dst, i)
	}
	dst = append(dst, '"')
	neg := ib>>5 == majNeg
	switch {
	case senml && neg:
		dst = append(dst, senmlNames[5-int(arg)]...)
	case senml:
		dst = append(dst, senmlNames[6+int(arg)]...)
	default:
		dst = appendDecimal(dst, neg, arg)
	}
	return append(dst, '"'), next
}

// jsonTyped writes a typed array whose byte string stands at i.
func (e *emitter) jsonTyped(dst []byte, t typedArray, i int) ([]byte, int) {
	_, n, i := readHead(e.src, i)
	end := i + int(n)
	dst = append(dst, '[')
	for ; i < end; i += t.size {
		if dst[len(dst)-1] != '[' {
			dst = append(dst, ',')
		}
		v := t.element(e.src[i:end])
		switch {
		case t.float:
			dst = appendJSONFloat(dst, t.floatValue(v))
		case t.signed:
			dst = strconv.AppendInt(dst, t.signedValue(v), 10)
		default:
			dst = strconv.AppendUint(dst, v, 10)
		}
	}
	return append(dst, ']'), end
}
