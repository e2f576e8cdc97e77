package codec

import (
	"math"
)

// Number is a number that a body says, and what the body calls it.
type Number struct {
	Name  []byte
	Value float64
}

// MaxNumbers is how many numbers of a body count: a plot has so many lines of a topic.
const MaxNumbers = 4

// Numbers finds what the dashboard draws of a validated body: a number, true and false
// as 1 and 0, the value of a SenML record, those of a pack by their names, or else the
// numeric members of an object. It returns how many it found, at most MaxNumbers, and
// allocates nothing. The hub calls it for each reading that leaves a topic's log, so it
// reads the body once and does not check it again. A value with more than 19 digits may
// be off by its last bit; a name with an escape or of more than 64 bytes does not count.
func Numbers(enc Encoding, data []byte, into *[MaxNumbers]Number) int {
	s := sayer{src: data, cbor: enc == CBOR}
	switch s.kind() {
	case kindNumber, kindBool:
		if v, ok := s.value(); ok {
			s.say(nil, v)
		}
	case kindMap:
		s.object(false)
	case kindArray:
		for left := s.enter(); s.n < MaxNumbers && s.more(&left); {
			if s.kind() != kindMap {
				return 0
			}
			s.object(true)
		}
	}
	copy(into[:s.n], s.said[:]) // not written where it lies: it would have to be on the heap
	return s.n
}

// sayer reads through a body that is known to be well-formed.
type sayer struct {
	src  []byte
	i    int
	cbor bool
	base float64 // of the pack's records
	said [MaxNumbers]Number
	n    int
}

func (s *sayer) say(name []byte, v float64) {
	if s.n < MaxNumbers && len(name) <= 64 && finite(v) {
		s.said[s.n] = Number{name, v}
		s.n++
	}
}

// object reads an object, or a record of a pack.
func (s *sayer) object(pack bool) {
	var name []byte
	var v float64
	has, from := false, s.n
	for left := s.enter(); s.more(&left); {
		key := s.key()
		k := s.kind()
		numeric := k == kindNumber
		if !numeric && k != kindBool {
			if text := s.skip(); k == kindText && len(key) == 1 && key[0] == 'n' {
				name = text
			}
			continue
		}
		x, ok := s.value()
		switch {
		case !ok || key == nil:
		case string(key) == "v" && numeric, string(key) == "vb" && !numeric && !has:
			v, has = x, true
		case string(key) == "bv" && numeric && pack:
			s.base = x
		case numeric && !pack:
			s.say(key, x)
		}
	}
	if !has {
		return
	}
	if s.n = from; !pack {
		name = nil
	}
	s.say(name, v+s.base)
}

// kind is that of the value that s goes on to.
func (s *sayer) kind() kind {
	if s.cbor {
		for ib, tag, next := readHead(s.src, s.i); ib>>5 == majTag && next > 0 && isPlain(tag); ib, tag, next = readHead(s.src, s.i) {
			s.i = next
		}
		k := shape(CBOR, s.src, s.i)
		if k == kindOther && s.i < len(s.src) && s.src[s.i]>>5 == majText {
			return kindText
		}
		if k == kindNumber && (s.src[s.i] == majSimple<<5|20 || s.src[s.i] == majSimple<<5|21) {
			return kindBool
		}
		return k
	}
	if s.space(); s.i < len(s.src) {
		switch s.src[s.i] {
		case '"':
			return kindText
		case 't', 'f':
			return kindBool
		}
	}
	return shape(JSON, s.src, s.i)
}

// enter goes into an array or map and returns how many items CBOR says it has.
func (s *sayer) enter() (left uint64) {
	if !s.cbor {
		s.i++
		return 0
	}
	ib, n, next := readHead(s.src, s.i)
	if s.i = next; ib&31 == indefinite {
		n = math.MaxUint64
	}
	return n
}

// more goes on to the next item, or behind the last one.
func (s *sayer) more(left *uint64) bool {
	if s.i < 0 || s.i >= len(s.src) {
		return false
	}
	if s.cbor {
		if *left > math.MaxUint64/2 && s.src[s.i] == cborBreak {
			s.i++
			*left = 0
			return false
		}
		if *left == 0 {
			return false
		}
		*left--
		return true
	}
	for s.space(); s.i < len(s.src); s.space() {
		switch s.i++; s.src[s.i-1] {
		case ',':
		case ']', '}':
			return false
		default:
			s.i--
			return true
		}
	}
	return false
}

// key reads a member's key; nil: one that says nothing here.
func (s *sayer) key() []byte {
	if !s.cbor {
		return s.skip()
	}
	ib, arg, next := readHead(s.src, s.i)
	switch ib >> 5 {
	case majUint:
		s.i = next
		if arg <= 8 {
			return senmlNames[arg+6]
		}
	case majNeg:
		s.i = next
		if arg <= 5 {
			return senmlNames[5-arg]
		}
	default:
		return s.skip()
	}
	return nil
}

// value reads the number or boolean that s stands before.
func (s *sayer) value() (v float64, ok bool) {
	if !s.cbor {
		return s.jsonNumber(), true
	}
	ib, arg, next := readHead(s.src, s.i)
	s.i = next
	switch major, info := ib>>5, ib&31; {
	case major == majUint:
		return float64(arg), true
	case major == majNeg:
		return -1 - float64(arg), true
	case major == majTag:
		v, _, ok = tagNumber(s.src, arg, next)
		s.i = s.cborSkip(next)
		return v, ok
	case info == 20 || info == 21:
		return float64(info - 20), true
	case info >= 25 && info <= 27:
		return floatOf(info, arg), true
	}
	return 0, false
}

// jsonNumber reads a number, or true and false as 1 and 0.
func (s *sayer) jsonNumber() float64 {
	b, i := s.src, s.i
	switch b[i] {
	case 't':
		s.i += 4
		return 1
	case 'f':
		s.i += 5
		return 0
	}
	neg := b[i] == '-'
	if neg {
		i++
	}
	var m uint64
	exp, point := 0, 0
	for ; i < len(b); i++ {
		switch c := b[i] - '0'; {
		case c < 10 && m < math.MaxUint64/10-1:
			m = m*10 + uint64(c)
			exp -= point
		case c < 10:
			exp += 1 - point
		case b[i] == '.':
			point = 1
		default:
			goto whole
		}
	}
whole:
	if i < len(b) && b[i]|0x20 == 'e' {
		i++
		sign, e := 1, 0
		for ; i < len(b) && (b[i]-'0' < 10 || b[i] == '-' || b[i] == '+'); i++ {
			if b[i] == '-' {
				sign = -1
			} else if b[i] != '+' {
				e = min(10*e+int(b[i]-'0'), 9999)
			}
		}
		exp += sign * e
	}
	s.i = i
	v := float64(m)
	switch {
	case exp < -300:
		v = v / 1e300 / math.Pow10(-exp-300)
	case exp < 0:
		v /= math.Pow10(-exp) // exact for what sensors send
	case exp > 0 && m > 0:
		v *= math.Pow10(exp)
	}
	if neg {
		return -v
	}
	return v
}

// skip passes over any value; of a plain text it returns what it says.
func (s *sayer) skip() []byte {
	if s.cbor {
		at := s.i
		ib, n, next := readHead(s.src, at)
		if s.i = s.cborSkip(at); ib>>5 == majText && ib&31 != indefinite {
			return s.src[next : next+int(n)]
		}
		return nil
	}
	b, i := s.src, s.i
	if b[i] == '"' {
		end, escaped := plain(b, i+1), false
		for end < len(b) && b[end] != '"' {
			if b[end] == '\\' {
				escaped = true
				end++
			}
			end++
		}
		if s.i = end + 1; escaped {
			return nil
		}
		return b[i+1 : end]
	}
	for depth := 0; i < len(b); i++ {
		switch b[i] {
		case '{', '[':
			depth++
			continue
		case '"':
			s.i = i
			s.skip()
			i = s.i - 1
			continue
		case '}', ']':
			if depth == 0 { // behind a bare word, at its container's end
				s.i = i
				return nil
			}
			if depth--; depth > 0 {
				continue
			}
			i++
		case ',':
			if depth > 0 {
				continue
			}
		default:
			continue
		}
		break
	}
	s.i = i
	return nil
}

// cborSkip is the place behind the item at i.
func (s *sayer) cborSkip(i int) int {
	ib, n, next := readHead(s.src, i)
	if next < 0 {
		return len(s.src)
	}
	switch major := ib >> 5; major {
	case majBytes, majText:
		if ib&31 != indefinite {
			return next + int(n)
		}
		n = math.MaxUint64
	case majArray, majMap:
		if ib&31 == indefinite {
			n = math.MaxUint64
		} else if major == majMap {
			n *= 2
		}
	case majTag:
		return s.cborSkip(next)
	default:
		return next
	}
	for ; n > 0 && next < len(s.src); n-- {
		if n > math.MaxUint64/2 && s.src[next] == cborBreak {
			return next + 1
		}
		next = s.cborSkip(next)
	}
	return next
}

// space passes over white space, and over the colon behind a key.
func (s *sayer) space() {
	for s.i < len(s.src) && (s.src[s.i] == ' ' || s.src[s.i] == ':' || s.src[s.i] == '\n' || s.src[s.i] == '\r' || s.src[s.i] == '\t') {
		s.i++
	}
}
