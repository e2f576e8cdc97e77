package codec

import (
	"encoding/binary"
	"math"
	"strconv"
)

// appendJSONFloat appends the shortest decimal that reads back as f, in the
// form that JavaScript prints (ECMA-262 Number::toString). Integral values from
// 2^53 to 2^64 get all their digits instead: read back as an integer they are
// still the same value.
func appendJSONFloat(dst []byte, f float64) []byte {
	abs := math.Abs(f)
	switch {
	case abs >= 1<<53 && abs <= 1<<64:
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
