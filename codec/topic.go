package codec

import (
	"cmp"
	"strings"
	"unicode/utf8"
)

// Names are the bounds of topics' names. The zero value of a field means its
// default: MaxTopic, MaxLevels.
type Names struct {
	MaxBytes  int
	MaxLevels int
}

// CheckTopic checks the grammar of a topic's name: 1 to MaxBytes bytes of UTF-8,
// at most MaxLevels levels split by '/', which may be empty but not "." or "..", no
// control characters, no '+' or '#'. It does not ask whose the name is: see
// IsReserved.
func (n Names) CheckTopic(name []byte) *Error { return n.check(name, "topic", false) }

// CheckPattern checks a subscription's pattern: a topic's name in which '+' may
// stand for one whole level and '#' for the last ones (MQTT 5, section 4.7.1).
func (n Names) CheckPattern(p []byte) *Error { return n.check(p, "pattern", true) }

// CheckTopic is Names.CheckTopic with the default bounds.
func CheckTopic(name []byte) *Error { return Names{}.CheckTopic(name) }

// CheckPattern is Names.CheckPattern with the default bounds.
func CheckPattern(p []byte) *Error { return Names{}.CheckPattern(p) }

func (n Names) check(b []byte, what string, wild bool) *Error {
	most, mostLevels := cmp.Or(n.MaxBytes, MaxTopic), cmp.Or(n.MaxLevels, MaxLevels)
	if len(b) == 0 {
		return Errorf(CodeMalformed, "an empty %s", what)
	}
	if len(b) > most {
		return Errorf(CodeMalformed, "a %s of %d bytes, at most %d are allowed", what, len(b), most)
	}
	levels, start, high := 1, 0, false
	for i, c := range b {
		switch {
		case c == '/':
			if e := checkLevel(b, start, i, what); e != nil {
				return e
			}
			levels++
			start = i + 1
		case c < ' ' || c == 0x7f:
			return Errorf(CodeMalformed, "a control character in the %s %s", what, quote(b))
		case c >= utf8.RuneSelf:
			high = true
		case c == '+' || c == '#':
			if !wild {
				return Errorf(CodeMalformed, "%c is for patterns, not for the topic %s", c, quote(b))
			}
			whole := i == start && (i+1 == len(b) || b[i+1] == '/')
			if !whole || c == '#' && i+1 != len(b) {
				return Errorf(CodeMalformed, "in a pattern + is a whole level and # the last one, not so in %s", quote(b))
			}
		}
	}
	if e := checkLevel(b, start, len(b), what); e != nil {
		return e
	}
	if levels > mostLevels {
		return Errorf(CodeMalformed, "a %s of %d levels, at most %d are allowed", what, levels, mostLevels)
	}
	if high {
		return checkRunes(b, what)
	}
	return nil
}

// checkLevel looks at the level b[i:end]. Browsers and most HTTP clients take "."
// and ".." out of a path before they send it, however they are escaped: such a
// topic could not be reached by its URL, and another could be deleted for it.
func checkLevel(b []byte, i, end int, what string) *Error {
	switch level := b[i:end]; {
	case len(level) == 0: // MQTT has them (4.7.1.1)
	case len(level) <= 2 && level[0] == '.' && level[len(level)-1] == '.':
		return Errorf(CodeMalformed, `a level "%s" in the %s %s: URLs cannot have it, give it another name`, level, what, quote(b))
	}
	return nil
}

// checkRunes looks at a name that is not ASCII: valid UTF-8 and none of the
// C1 control characters.
func checkRunes(b []byte, what string) *Error {
	if !utf8.Valid(b) {
		return Errorf(CodeMalformed, "a %s that is not UTF-8", what)
	}
	for _, r := range string(b) {
		if r >= 0x80 && r < 0xa0 {
			return Errorf(CodeMalformed, "a control character in the %s %s", what, quote(b))
		}
	}
	return nil
}

// IsReserved reports whether the name is one of the hub's own ('$' first).
func IsReserved(name []byte) bool { return len(name) > 0 && name[0] == '$' }

// HasWildcard reports whether the pattern is more than one topic's name.
func HasWildcard(p string) bool { return strings.ContainsAny(p, "+#") }

// Match reports whether topic fits pattern. Both must have passed their checks.
// "a/#" fits "a" too (MQTT 5, 4.7.1.2); '#' and '+' in the first level do not
// fit names that begin with '$' (4.7.2).
func Match(pattern, topic string) bool {
	if topic != "" && topic[0] == '$' && pattern != "" && (pattern[0] == '+' || pattern[0] == '#') {
		return false
	}
	for {
		if pattern == "#" {
			return true
		}
		p, morePattern, pMore := strings.Cut(pattern, "/")
		t, moreTopic, tMore := strings.Cut(topic, "/")
		if p != t && p != "+" {
			return false
		}
		if !tMore {
			return !pMore || morePattern == "#"
		}
		if !pMore {
			return false
		}
		pattern, topic = morePattern, moreTopic
	}
}

// Covers reports whether every topic that fits pattern fits granted too. Both
// must have passed CheckPattern. It ignores that names are at most MaxLevels
// long: what only that would cover is not covered.
func Covers[P string | []byte](granted string, pattern P) bool {
	first := func(c byte) bool { return c == '$' }
	if granted == "" || len(pattern) == 0 || first(granted[0]) != first(pattern[0]) {
		return false // a wildcard in the first level does not fit $ names
	}
	if string(pattern) == "#" {
		return Covers(granted, "+/#") // a name has one level at least
	}
	for {
		if granted == "#" {
			return true
		}
		g, moreGranted, gMore := strings.Cut(granted, "/")
		end := 0
		for end < len(pattern) && pattern[end] != '/' {
			end++
		}
		if p := pattern[:end]; string(p) == "#" || g != string(p) && g != "+" {
			return false
		}
		if end == len(pattern) {
			return !gMore || moreGranted == "#"
		}
		if !gMore {
			return false
		}
		granted, pattern = moreGranted, pattern[end+1:]
	}
}
