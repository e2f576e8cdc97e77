package codec

import (
	"math/big"
	"slices"
	"strconv"
)

// The numbers that CBOR has beyond integers and floats (RFC 8949 sections 3.4.3
// and 3.4.4). They are told as JSON numbers, so a float64 must be able to hold
// their size.

// Limits of their parts, beyond which no float64 holds the value.
const (
	maxBignum   = 128  // bytes: below 2^1024
	maxExponent = 2200 // beyond it the value of a mantissa of 128 bytes is 0 or too large
)

// numberOf says what a tag's content must be.
func numberOf(tag uint64) string {
	if tag <= tagNegBignum {
		return "a byte string of a number that a float64 can hold"
	}
	return "an exponent and a mantissa of a number that a float64 can hold"
}

// tagNumber reads the content of such a tag, which stands at src[i] and has been
// walked over. end is behind it.
func tagNumber(src []byte, tag uint64, i int) (f float64, end int, ok bool) {
	switch tag {
	case tagBignum, tagNegBignum:
		var n *big.Int
		if n, end = bignum(src, tag, i); n != nil {
			f, _ = new(big.Float).SetInt(n).Float64()
			return f, end, finite(f)
		}
	case tagDecimal, tagBigfloat:
		exp, mant, end := fraction(src, i)
		switch {
		case mant == nil || exp < -maxExponent || exp > maxExponent:
		case tag == tagDecimal:
			f, err := strconv.ParseFloat(mant.String()+"e"+strconv.FormatInt(exp, 10), 64)
			return f, end, err == nil
		default:
			m := new(big.Float).SetInt(mant)
			f, _ := m.SetMantExp(m, int(exp)).Float64()
			return f, end, finite(f)
		}
	}
	return 0, i, false
}

// tagFinite is tagNumber's ok. It reads no decimal fraction as a float64 that it
// need not: those near 0 cost microseconds each, and a frame holds thousands.
func tagFinite(src []byte, tag uint64, i int) bool {
	if tag == tagDecimal {
		exp, mant, _ := fraction(src, i)
		if mant != nil && exp >= -maxExponent && exp < maxExponent && exp+int64(mant.BitLen()*3/10)+1 < 308 { // a bit is 0.30 digits
			return true
		}
	}
	_, _, ok := tagNumber(src, tag, i)
	return ok
}

// bignum reads the byte string of tag 2 or 3; nil: it is none, or too large.
func bignum(src []byte, tag uint64, i int) (*big.Int, int) {
	ib, n, i := readHead(src, i)
	if i < 0 || ib>>5 != majBytes || ib&31 == indefinite || n > uint64(len(src)-i) {
		return nil, i
	}
	end := i + int(n)
	for i < end && src[i] == 0 { // leading zeros must be understood
		i++
	}
	if end-i > maxBignum {
		return nil, end
	}
	v := new(big.Int).SetBytes(src[i:end])
	if tag == tagNegBignum {
		v.Not(v) // -1 - v
	}
	return v, end
}

// fraction reads the array of tag 4 or 5; mant is nil where it is none.
func fraction(src []byte, i int) (exp int64, mant *big.Int, end int) {
	ib, n, i := readHead(src, i)
	open := ib&31 == indefinite
	if i < 0 || ib>>5 != majArray || !open && n != 2 {
		return 0, nil, i
	}
	e, i := integer(src, i)
	if e == nil || !e.IsInt64() {
		return 0, nil, i
	}
	m, i := integer(src, i)
	if m == nil || !open {
		return e.Int64(), m, i
	}
	if i >= len(src) || src[i] != cborBreak {
		return 0, nil, i
	}
	return e.Int64(), m, i + 1
}

// integer reads an integer of any size; nil: there is none.
func integer(src []byte, i int) (*big.Int, int) {
	ib, arg, next := readHead(src, i)
	if next < 0 {
		return nil, i
	}
	switch ib >> 5 {
	case majUint:
		return new(big.Int).SetUint64(arg), next
	case majNeg:
		v := new(big.Int).SetUint64(arg)
		return v.Not(v), next
	case majTag:
		if arg == tagBignum || arg == tagNegBignum {
			return bignum(src, arg, next)
		}
	}
	return nil, i
}

// jsonNumber writes the number of a tag whose content stands at src[i]: bignums
// and decimal fractions with all their digits, bigfloats as their float64.
func (e *emitter) jsonNumber(dst []byte, tag uint64, i int) ([]byte, int) {
	if tag <= tagNegBignum {
		n, end := bignum(e.src, tag, i)
		return n.Append(dst, 10), end
	}
	e.next() // the mark of the array
	if tag == tagDecimal {
		exp, mant, end := fraction(e.src, i)
		return appendDecimalFraction(dst, exp, mant), end
	}
	f, end, _ := tagNumber(e.src, tag, i)
	return appendJSONFloat(dst, f), end
}

// appendDecimalFraction appends mant × 10^exp, with a point or with zeros where
// that is short, else with an exponent.
func appendDecimalFraction(dst []byte, exp int64, mant *big.Int) []byte {
	const short = 21
	if mant.Sign() < 0 {
		dst, mant = append(dst, '-'), new(big.Int).Neg(mant)
	}
	at := len(dst)
	dst = mant.Append(dst, 10)
	whole := int64(len(dst)-at) + exp // digits before the point
	switch {
	case exp == 0 || mant.Sign() == 0:
		return dst
	case exp > 0 && whole <= short:
		return append(dst, "000000000000000000000"[:exp]...)
	case exp < 0 && whole > 0:
		return slices.Insert(dst, at+int(whole), '.')
	case exp < 0 && whole > -6:
		return slices.Insert(dst, at, []byte("0.000000")[:2-whole]...)
	}
	return strconv.AppendInt(append(dst, 'e'), exp, 10)
}
