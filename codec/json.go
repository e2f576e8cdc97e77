package codec

import (
	"strings"
	"unicode/utf8"
)

// What a byte is inside a JSON string.
const (
	charPlain = iota
	charQuote
	charEscape
	charHigh    // part of a UTF-8 sequence
	charControl // must have been escaped
)

var charClass = func() (t [256]uint8) {
	for c := range t {
		switch {
		case c < ' ':
			t[c] = charControl
		case c >= utf8.RuneSelf:
			t[c] = charHigh
		}
	}
	t['"'], t['\\'] = charQuote, charEscape
	return t
}()

// space returns the first byte at or behind i that is not white space.
func (w *walker) space(i int) int {
	if i < len(w.src) && w.src[i] > ' ' {
		return i
	}
	return w.moreSpace(i)
}

func (w *walker) moreSpace(i int) int {
	for i < len(w.src) {
		if c := w.src[i]; c != ' ' && c != '\n' && c != '\r' && c != '\t' {
			break
		}
		i++
	}
	return i
}

// jsonValue walks over the value whose first byte is src[i]; depth counts the
// containers around it. It returns the end, or -1.
func (w *walker) jsonValue(i, depth int) int {
	if i >= len(w.src) {
		return w.cut()
	}
	switch c := w.src[i]; c {
	case '"':
		end := plain(w.src, i+1)
		if end >= len(w.src) || w.src[end] != '"' {
			if end, _ = w.jsonString(i + 1); end < 0 {
				return -1
			}
		}
		return end + 1
	case '{':
		return w.jsonObject(i, depth+1)
	case '[':
		return w.jsonArray(i, depth+1)
	case 't':
		return w.jsonWord(i, "true")
	case 'f':
		return w.jsonWord(i, "false")
	case 'n':
		return w.jsonWord(i, "null")
	default:
		if c == '-' || c-'0' < 10 {
			return w.jsonNumber(i)
		}
		return w.junk(i, "no JSON value begins with %s", quote(w.src[i:i+1]))
	}
}

// plain passes over plain characters of a string. It is what most strings are
// made of, and inlined.
func plain(src []byte, i int) int {
	for i < len(src) && charClass[src[i]] == charPlain {
		i++
	}
	return i
}

// junk notes what no value is made of, such as NaN, True, 0x10 or a key without
// quotes, and returns its end, or -1 where its end cannot be seen.
func (w *walker) junk(i int, format string, a ...any) int {
	end := i
	for end < len(w.src) && junkByte(w.src[end]) {
		end++
	}
	if end == i {
		return w.fail(i, format, a...)
	}
	if text := w.src[i:end]; isNaN(text) {
		format, a = "%s cannot be told to JSON readers: send null,", []any{quote(text)}
	}
	w.bad(i, format, a...)
	return end
}

// junkTo is junk inside a container: it returns what stands behind it.
func (w *walker) junkTo(i int, what string) int {
	if i = w.junk(i, "%s", what); i < 0 {
		return -1
	}
	if i = w.space(i); i >= len(w.src) {
		return w.cut()
	}
	return i
}

func junkByte(c byte) bool {
	return c-'0' < 10 || c|0x20-'a' < 26 || c == '+' || c == '-' || c == '.' || c == '_'
}

// isNaN: what C's printf and other languages write for a number that is none.
func isNaN(text []byte) bool {
	s := strings.ToLower(strings.Trim(string(text[:min(len(text), 20)]), "+-"))
	return s == "nan" || s == "inf" || s == "infinity"
}

func (w *walker) jsonWord(i int, word string) int {
	if len(w.src)-i < len(word) || string(w.src[i:i+len(word)]) != word {
		return w.junk(i, "expected %s", word)
	}
	return i + len(word)
}

func (w *walker) jsonObject(i, depth int) int {
	if !w.enter(i, depth) {
		return -1
	}
	mark, base, textBase := w.mark(), len(w.keys.refs), len(w.keys.text)
	count := uint32(0)
	i = w.space(i + 1)
	if i < len(w.src) && w.src[i] == '}' {
		return i + 1
	}
	for {
		// The usual key, without white space and escapes, costs one call.
		end := i
		if i < len(w.src) && w.src[i] == '"' {
			end = plain(w.src, i+1)
		}
		if end+1 < len(w.src) && w.src[end] == '"' && w.src[end+1] == ':' && end > i {
			w.addKey(base, i+1, end)
			i = w.space(end + 2)
		} else if i = w.jsonKey(i, base); i < 0 {
			return -1
		}
		if i = w.jsonValue(i, depth); i < 0 {
			return -1
		}
		count++
		if i = w.space(i); i >= len(w.src) {
			return w.cut()
		}
		if w.src[i] != ',' && w.src[i] != '}' {
			if i = w.junkTo(i, "expected , or } in an object"); i < 0 {
				return -1
			}
		}
		if w.src[i] != ',' {
			break
		}
		if i = w.space(i + 1); i < len(w.src) && w.src[i] == '}' {
			w.bad(i, "expected a key in quotes")
			break
		}
	}
	if w.src[i] != '}' {
		return w.fail(i, "expected , or } in an object")
	}
	w.closeKeys(base, textBase)
	if w.marking {
		w.marks[mark] = count
	}
	return i + 1
}

// jsonKey walks over a key and its colon to the value, and keeps the key in the
// map that began at base.
func (w *walker) jsonKey(i, base int) int {
	if i >= len(w.src) {
		return w.cut()
	}
	if w.src[i] != '"' {
		if i = w.junkTo(i, "expected a key in quotes"); i < 0 {
			return -1
		}
		return w.jsonColon(i)
	}
	end, escaped := w.jsonString(i + 1)
	if end < 0 {
		return -1
	}
	if escaped {
		off := len(w.keys.text)
		w.keys.text = unescape(w.keys.text, w.src[i+1:end])
		w.addTextKey(base, off)
	} else {
		w.addKey(base, i+1, end)
	}
	return w.jsonColon(end + 1)
}

// jsonColon walks from behind a key to its value.
func (w *walker) jsonColon(i int) int {
	if i = w.space(i); i >= len(w.src) {
		return w.cut()
	}
	if w.src[i] != ':' {
		return w.fail(i, "expected : behind a key")
	}
	return w.space(i + 1)
}

func (w *walker) jsonArray(i, depth int) int {
	if !w.enter(i, depth) {
		return -1
	}
	mark := w.mark()
	count := uint32(0)
	i = w.space(i + 1)
	if i < len(w.src) && w.src[i] == ']' {
		return i + 1
	}
	for {
		if i = w.jsonValue(i, depth); i < 0 {
			return -1
		}
		count++
		if i = w.space(i); i >= len(w.src) {
			return w.cut()
		}
		if w.src[i] != ',' && w.src[i] != ']' {
			if i = w.junkTo(i, "expected , or ] in an array"); i < 0 {
				return -1
			}
		}
		if w.src[i] != ',' {
			break
		}
		if i = w.space(i + 1); i < len(w.src) && w.src[i] == ']' {
			w.bad(i, "expected a value")
			break
		}
	}
	if w.src[i] != ']' {
		return w.fail(i, "expected , or ] in an array")
	}
	if w.marking {
		w.marks[mark] = count
	}
	return i + 1
}
