package codec

import (
	"encoding/binary"
	"math"
	"strconv"
)

// AppendString appends s as a JSON string literal or a CBOR text. s must be
// UTF-8.
func AppendString(dst []byte, enc Encoding, s string) []byte {
	if enc == CBOR {
		return appendCBORText(dst, s)
	}
	return appendJSONString(dst, s)
}

// appendHead appends an item's head in its shortest form.
func appendHead(dst []byte, major byte, arg uint64) []byte {
	major <<= 5
	switch {
	case arg < 24:
		return append(dst, major|byte(arg))
	case arg <= math.MaxUint8:
		return append(dst, major|24, byte(arg))
	case arg <= math.MaxUint16:
		return binary.BigEndian.AppendUint16(append(dst, major|25), uint16(arg))
	case arg <= math.MaxUint32:
		return binary.BigEndian.AppendUint32(append(dst, major|26), uint32(arg))
	}
	return binary.BigEndian.AppendUint64(append(dst, major|27), arg)
}

func appendInt(dst []byte, n int64) []byte {
	if n < 0 {
		return appendHead(dst, majNeg, uint64(-1-n))
	}
	return appendHead(dst, majUint, uint64(n))
}

func appendCBORText[T string | []byte](dst []byte, s T) []byte {
	return append(appendHead(dst, majText, uint64(len(s))), s...)
}

func appendBool(dst []byte, enc Encoding, yes bool) []byte {
	switch {
	case enc == JSON:
		return strconv.AppendBool(dst, yes)
	case yes:
		return append(dst, 0xf5)
	}
	return append(dst, 0xf4)
}

// appendFloat appends f. One that is integral is written as the integer: the
// value is the same and it is shorter.
func appendFloat(dst []byte, enc Encoding, f float64) []byte {
	if enc == JSON {
		return appendJSONFloat(dst, f)
	}
	if f == math.Trunc(f) && math.Abs(f) <= MaxUint && !(f == 0 && math.Signbit(f)) {
		return appendInt(dst, int64(f))
	}
	return appendCBORFloat(dst, f)
}
