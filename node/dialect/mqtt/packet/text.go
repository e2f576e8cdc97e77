package packet

import (
	"encoding/binary"
	"strings"
	"unicode/utf8"
)

var (
	errText      = malformed("1.5.4-1", "a string that is not UTF-8 or has a NUL")
	errNoName    = &Error{BadTopic, "4.7.3-1", "an empty topic name"}
	errWildcard  = &Error{BadTopic, "3.3.2-2", "a wildcard in a topic name"}
	errNoFilter  = &Error{BadFilter, "4.7.3-1", "an empty topic filter"}
	errFilter    = &Error{BadFilter, "4.7.1-1", "in a filter + is a whole level and # the last one"}
	errShareName = &Error{BadFilter, "4.8.2-1", "$share is followed by a name without wildcards and a filter"}
)

const (
	ones  = 0x0101010101010101
	highs = 0x8080808080808080
)

// zeros has the high bit of at least one byte set if a byte of x is 0.
func zeros(x uint64) uint64 { return (x - ones) &^ x & highs }

// ValidText reports whether s is a UTF-8 string as 1.5.4 wants it.
func ValidText(s []byte) bool {
	for b := s; ; b = b[8:] {
		if len(b) < 8 {
			for _, c := range b {
				if c-1 >= utf8.RuneSelf-1 {
					return validRunes(s)
				}
			}
			return true
		}
		if x := binary.LittleEndian.Uint64(b); x&highs != 0 || zeros(x) != 0 {
			return validRunes(s)
		}
	}
}

func validRunes(s []byte) bool {
	for _, c := range s {
		if c == 0 {
			return false
		}
	}
	return utf8.Valid(s)
}

// CheckName checks a topic's name: at least one character, UTF-8, no wildcards
// (4.7.3, 3.3.2-2). Eight bytes at a time: it is half of what a PUBLISH costs.
func CheckName(s []byte) *Error {
	if len(s) == 0 {
		return errNoName
	}
	b := s
	for len(b) >= 8 {
		x := binary.LittleEndian.Uint64(b)
		// '#' with bit 3 set is '+'
		if x&highs|zeros(x)|zeros((x|0x08*ones)^'+'*ones) != 0 {
			return checkNameSlow(s)
		}
		b = b[8:]
	}
	for _, c := range b {
		if c-1 >= utf8.RuneSelf-1 || c|8 == '+' {
			return checkNameSlow(s)
		}
	}
	return nil
}

func checkNameSlow(s []byte) *Error {
	if !validRunes(s) {
		return errText
	}
	for _, c := range s {
		if c == '+' || c == '#' {
			return errWildcard
		}
	}
	return nil
}

// CheckFilter checks a topic filter (4.7.1, 4.7.3), and with $share/ in front
// also the share's name (4.8.2).
func CheckFilter(f []byte) *Error {
	if !ValidText(f) {
		return errText
	}
	if IsShared(f) {
		name, filter := Share(f)
		if len(name) == 0 || strings.ContainsAny(string(name), "+#") || len(filter) == 0 {
			return errShareName
		}
		f = filter
	}
	if len(f) == 0 {
		return errNoFilter
	}
	for i, c := range f {
		if c != '+' && c != '#' {
			continue
		}
		if i > 0 && f[i-1] != '/' || i+1 < len(f) && (c == '#' || f[i+1] != '/') {
			return errFilter
		}
	}
	return nil
}

const shared = "$share/"

// IsShared reports whether the filter is of a shared subscription (4.8.2).
func IsShared(f []byte) bool { return len(f) >= len(shared) && string(f[:len(shared)]) == shared }

// Share is the name of the share and the filter in f, which IsShared.
func Share(f []byte) (name, filter []byte) {
	f = f[len(shared):]
	for i, c := range f {
		if c == '/' {
			return f[:i], f[i+1:]
		}
	}
	return f, nil
}

// ValidUTF8 reports whether a payload is what payload format 1 promises (3.3.2.3.2).
func ValidUTF8(s []byte) bool { return utf8.Valid(s) }
