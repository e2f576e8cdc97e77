package codec

import (
	"strconv"
	"unicode/utf8"
)

// jsonString walks over a string whose first character is src[i] and returns
// the place of the closing quote, or -1, and whether there were escapes.
func (w *walker) jsonString(i int) (end int, escaped bool) {
	src, start, high := w.src, i, false
	for {
		if i = plain(src, i); i >= len(src) {
			return w.cut(), false
		}
		switch charClass[src[i]] {
		case charHigh:
			high = true
			i++
		case charQuote:
			if high && !utf8.Valid(src[start:i]) {
				w.note(CodeMalformed, "a string that is not UTF-8 at byte %d", start)
			}
			return i, escaped
		case charEscape:
			escaped = true
			if i = w.jsonEscape(i); i < 0 {
				return -1, true
			}
		default:
			w.bad(i, "a control character inside a string must be written as an escape")
			i++
		}
	}
}

// jsonEscape walks over the escape at src[i]. A surrogate needs its partner
// (RFC 8259 section 8.2 leaves that open; a lone one has no UTF-8).
func (w *walker) jsonEscape(i int) int {
	if i+1 >= len(w.src) {
		return w.cut()
	}
	switch w.src[i+1] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return i + 2
	case 'u':
	default:
		w.bad(i, "unknown escape in a string")
		return i + 2
	}
	r := hex4(w.src[i+2:])
	if r < 0 {
		w.bad(i, "\\u needs four hexadecimal digits")
		return i + 2
	}
	i += 6
	if r < 0xd800 || r > 0xdfff {
		return i
	}
	if r < 0xdc00 && len(w.src)-i >= 6 && w.src[i] == '\\' && w.src[i+1] == 'u' {
		if low := hex4(w.src[i+2:]); low >= 0xdc00 && low <= 0xdfff {
			return i + 6
		}
	}
	w.note(CodeMalformed, "half a surrogate pair in a string at byte %d", i-6)
	return i
}

// hex4 reads four hexadecimal digits, or returns -1.
func hex4(b []byte) rune {
	if len(b) < 4 {
		return -1
	}
	var r rune
	for _, c := range b[:4] {
		switch {
		case c >= '0' && c <= '9':
			c -= '0'
		case c|0x20 >= 'a' && c|0x20 <= 'f':
			c = c | 0x20 - 'a' + 10
		default:
			return -1
		}
		r = r<<4 | rune(c)
	}
	return r
}

// jsonNumber walks over the number at src[i]. What float64 cannot hold (1e999)
// is noted: it would be an infinity for everybody who reads it.
func (w *walker) jsonNumber(i int) int {
	src, start, exp := w.src, i, 0
	if src[i] == '-' {
		i++
	}
	switch {
	case i >= len(src):
		return w.cut()
	case src[i] == '0':
		i++
	case src[i]-'1' < 9:
		i = digits(src, i)
	default:
		return w.junk(start, "a number needs a digit here")
	}
	whole := i - start
	if i < len(src) && src[i] == '.' {
		frac := i + 1
		if i = digits(src, frac); i == frac {
			return w.junk(start, "a number needs a digit behind its point")
		}
	}
	if i < len(src) && src[i]|0x20 == 'e' {
		i++
		neg := i < len(src) && src[i] == '-'
		if neg || i < len(src) && src[i] == '+' {
			i++
		}
		first := i
		for i < len(src) && src[i]-'0' < 10 {
			if exp < 1000 && !neg {
				exp = exp*10 + int(src[i]-'0')
			}
			i++
		}
		if i == first {
			return w.junk(start, "a number needs a digit in its exponent")
		}
	}
	// whole digits times 10^exp stay below 10^(whole+exp).
	if whole+exp > 308 {
		if _, err := strconv.ParseFloat(string(src[start:i]), 64); err != nil {
			w.note(CodeMalformed, "a number too large for anybody at byte %d", start)
		}
	}
	return i
}

func digits(src []byte, i int) int {
	for i < len(src) && src[i]-'0' < 10 {
		i++
	}
	return i
}
