package codec

import (
	"encoding/binary"
	"math"
	"strconv"
)

// appendJSONFloat appends the shortest decimal that reads back as f, in the
// form that JavaScript prints (ECMA-262 Number::toString). Integral values from
// 2^53 to 2^64 get all their digits instead: read back as an integer they are
// still the same value. -2^64 does not, for the integer that it would be read
// back as is not what a bignum next to it becomes.
func appendJSONFloat(dst []byte, f float64) []byte {
	abs := math.Abs(f)
	switch {
	case abs >= 1<<53 && abs <= 1<<64 && f != -1<<64: // -2^64 would be read as an integer
		return strconv.AppendFloat(dst, f, 'f', 0, 64)
	case abs == 0 || abs >= 1e-6 && abs < 1e21:
		return strconv.AppendFloat(dst, f, 'f', -1, 64)
	}
	dst = strconv.AppendFloat(dst, f, 'e', -1, 64)
	if n := len(dst); dst[n-4] == 'e' && dst[n-2] == '0' { // e-09 is e-9
		dst[n-2] = dst[n-1]
		dst = dst[:n-1]
	}
	return dst
}

// whole returns v where it is a number that ids and options count with: to
// 2^53-1 both ways. It is the one rule for whole numbers, however they are
// written: 5, 5.0 and 5e0 are one number (RFC 8259 section 6, RFC 8949 section
// 6.2), and some encoders write every number beyond 2^32 as a float.
func whole(f float64) (int64, bool) {
	if f != math.Trunc(f) || math.Abs(f) > MaxUint { // NaN is not even itself
		return 0, false
	}
	return int64(f), true
}

// wholeJSON is whole for a JSON number. It goes by all of its digits: a float64
// would make a whole number of 9007199254740990.9.
func wholeJSON(tok []byte) (int64, bool) {
	neg := tok[0] == '-'
	if neg {
		tok = tok[1:]
	}
	v, exp, zeros, point := uint64(0), 0, 0, false
	i := 0
	for ; i < len(tok); i++ {
		c := tok[i]
		if c == '.' {
			point = true
			continue
		}
		if c -= '0'; c > 9 {
			break
		}
		if point {
			exp--
		}
		if c == 0 { // those at the end do not count, nor do those at the beginning
			zeros++
			continue
		}
		for ; zeros > 0 && v > 0; zeros-- {
			if v *= 10; v > MaxUint {
				return 0, false
			}
		}
		zeros = 0
		if v = v*10 + uint64(c); v > MaxUint {
			return 0, false
		}
	}
	if v == 0 {
		return 0, i > 0
	}
	if i < len(tok) { // e or E: the walker has seen that it is a number
		e, err := strconv.Atoi(string(tok[i+1:]))
		if err != nil {
			return 0, false
		}
		exp += e
	}
	if exp += zeros; exp < 0 || exp > 16 {
		return 0, false
	}
	for ; exp > 0; exp-- {
		if v *= 10; v > MaxUint {
			return 0, false
		}
	}
	if neg {
		return -int64(v), true
	}
	return int64(v), true
}

// wholeCBOR is whole for the CBOR number at src[i] that a walker has seen.
func wholeCBOR(src []byte, i int) (int64, bool) {
	ib, arg, next := readHead(src, untag(src, i))
	switch ib >> 5 {
	case majUint, majNeg:
		if ib>>5 == majNeg {
			arg++ // 0 beyond 2^64-1, which is as far out of range
			return -int64(arg), arg-1 < MaxUint
		}
		return int64(arg), arg <= MaxUint
	case majSimple:
		if info := ib & 31; info >= 25 && info <= 27 {
			return whole(floatOf(info, arg))
		}
	case majTag:
		if f, _, ok := tagNumber(src, arg, next); ok {
			return whole(f)
		}
	}
	return 0, false
}

// appendCBORFloat appends f in the shortest width that holds it exactly
// (RFC 8949 section 4.2.1).
func appendCBORFloat(dst []byte, f float64) []byte {
	f32 := float32(f)
	if float64(f32) != f {
		return binary.BigEndian.AppendUint64(append(dst, 0xfb), math.Float64bits(f))
	}
	if h, ok := toHalf(f32); ok {
		return binary.BigEndian.AppendUint16(append(dst, 0xf9), h)
	}
	return binary.BigEndian.AppendUint32(append(dst, 0xfa), math.Float32bits(f32))
}

// toHalf returns f as a float16 where that holds it exactly.
func toHalf(f float32) (uint16, bool) {
	b := math.Float32bits(f)
	sign, exp, frac := uint16(b>>16&0x8000), int(b>>23&0xff)-127, b&0x7fffff
	switch {
	case b<<1 == 0: // ±0
		return sign, true
	case exp >= -14 && exp <= 15 && frac&0x1fff == 0: // normal
		return sign | uint16(exp+15)<<10 | uint16(frac>>13), true
	case exp >= -24 && exp < -14: // subnormal: multiples of 2^-24
		frac |= 0x800000
		if shift := uint(-1 - exp); frac&(1<<shift-1) == 0 {
			return sign | uint16(frac>>shift), true
		}
	}
	return 0, false
}
