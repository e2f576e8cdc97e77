package packet

// MaxRemaining is the largest remaining length that a head can say (1.5.5).
const MaxRemaining = 1<<28 - 1

var (
	errType      = malformed("2.1.2", "packet type 0 is reserved")
	errFlags     = malformed("2.1.3-1", "the reserved flags of the head have other values")
	errQoS3      = malformed("3.3.1-4", "both QoS bits are set")
	errDup0      = malformed("3.3.1-2", "DUP is set with QoS 0")
	errVarint    = malformed("1.5.5", "a variable byte integer of more than four bytes")
	errLongForm  = malformed("1.5.5-1", "a variable byte integer longer than need be")
	errTooLarge  = &Error{TooLarge, "3.1.2.11.4", "the packet is larger than the maximum packet size"}
	errCut       = malformed("2.1.4", "the packet ends in the middle of a field")
	errTrailing  = malformed("2.1.4", "bytes behind the end of the packet's content")
	errWrongType = protocol("2.1.2", "a packet of another type")
)

// Split cuts one packet from the front of in. A packet of nil says that in does
// not hold all of it yet; rest is then in. A packet of more than max bytes, head
// included, is refused as soon as its length is there, a first byte that can
// begin no packet at once. Nothing is copied: a caller keeps rest, which is less
// than max bytes, until more comes.
func Split(in []byte, max int) (pkt, rest []byte, err *Error) {
	if len(in) < 2 {
		if len(in) == 1 {
			err = checkFirst(in[0])
		}
		return nil, in, err
	}
	if err = checkFirst(in[0]); err != nil {
		return nil, in, err
	}
	n, size := uint32(in[1]), 2
	if n >= 0x80 {
		n &= 0x7f
		for shift := 7; ; shift += 7 {
			if shift > 21 {
				return nil, in, errVarint
			}
			if size == len(in) {
				return nil, in, nil
			}
			c := in[size]
			size++
			n |= uint32(c&0x7f) << shift
			if c < 0x80 {
				break
			}
		}
	}
	if int64(n)+int64(size) > int64(max) {
		return nil, in, errTooLarge
	}
	end := size + int(n)
	if len(in) < end {
		return nil, in, nil
	}
	return in[:end:end], in[end:], nil
}

// headFlags are the flags that 2.1.3 wants of each type; PUBLISH has its own.
var headFlags = [16]byte{PUBREL: 2, SUBSCRIBE: 2, UNSUBSCRIBE: 2}

func checkFirst(b byte) *Error {
	t := Type(b >> 4)
	switch {
	case t == PUBLISH:
		if b&6 == 6 {
			return errQoS3
		}
		if b&0xe == 8 {
			return errDup0
		}
	case t == 0:
		return errType
	case b&15 != headFlags[t]:
		return errFlags
	}
	return nil
}

// reader walks over a packet's content. A field that is not whole sets err,
// and everything after it is empty.
type reader struct {
	b   []byte
	err *Error
}

// open checks a packet's head and returns a reader of what is behind it.
func open(pkt []byte, t Type, v Version) (r reader) {
	if len(pkt) < 2 {
		return reader{err: errCut}
	}
	if Type(pkt[0]>>4) != t {
		return reader{err: errWrongType}
	}
	if err := checkFirst(pkt[0]); err != nil {
		return reader{err: err}
	}
	if n := int(pkt[1]); n < 0x80 && n == len(pkt)-2 {
		return reader{b: pkt[2:]}
	}
	r.b = pkt[1:]
	n := int(r.varint(v))
	switch {
	case r.err != nil:
	case n > len(r.b):
		r.err = errCut
	case n < len(r.b):
		r.err = errTrailing
	}
	return r
}

func (r *reader) fail(err *Error) {
	if r.err == nil {
		r.err = err
	}
	r.b = nil
}

// varint reads a variable byte integer (1.5.5). That it be as short as can be
// is a rule of MQTT 5 only.
func (r *reader) varint(v Version) uint32 {
	var n uint32
	for i := 0; i < 4; i++ {
		if i == len(r.b) {
			r.fail(errCut)
			return 0
		}
		c := r.b[i]
		n |= uint32(c&0x7f) << (7 * i)
		if c < 0x80 {
			if c == 0 && i > 0 && v == V5 {
				r.fail(errLongForm)
				return 0
			}
			r.b = r.b[i+1:]
			return n
		}
	}
	r.fail(errVarint)
	return 0
}

func (r *reader) byte() byte {
	if len(r.b) == 0 {
		r.fail(errCut)
		return 0
	}
	c := r.b[0]
	r.b = r.b[1:]
	return c
}

func (r *reader) uint16() uint16 {
	if len(r.b) < 2 {
		r.fail(errCut)
		return 0
	}
	n := uint16(r.b[0])<<8 | uint16(r.b[1])
	r.b = r.b[2:]
	return n
}

func (r *reader) uint32() uint32 {
	hi := r.uint16()
	return uint32(hi)<<16 | uint32(r.uint16())
}

// binary reads two bytes of length and as many bytes (1.5.6).
func (r *reader) binary() []byte {
	if len(r.b) < 2 {
		r.fail(errCut)
		return nil
	}
	n := int(r.b[0])<<8 | int(r.b[1])
	if len(r.b)-2 < n {
		r.fail(errCut)
		return nil
	}
	s := r.b[2 : 2+n : 2+n]
	r.b = r.b[2+n:]
	return s
}

// text is binary that must be UTF-8 without NUL (1.5.4).
func (r *reader) text() []byte {
	s := r.binary()
	if !ValidText(s) {
		r.fail(errText)
		return nil
	}
	return s
}

// id is a packet identifier (2.2.1).
func (r *reader) id() uint16 {
	n := r.uint16()
	if n == 0 {
		r.fail(errID)
	}
	return n
}

var errID = protocol("2.2.1-3", "a packet identifier of 0")

// end is the error of the whole walk: nothing may be left.
func (r *reader) end() *Error {
	if r.err == nil && len(r.b) > 0 {
		return errTrailing
	}
	return r.err
}

func appendVarint(dst []byte, n uint32) []byte {
	for n >= 0x80 {
		dst = append(dst, byte(n)|0x80)
		n >>= 7
	}
	return append(dst, byte(n))
}

func varintSize(n int) int {
	switch {
	case n < 1<<7:
		return 1
	case n < 1<<14:
		return 2
	case n < 1<<21:
		return 3
	}
	return 4
}

// maxString is what two bytes of length can say.
const maxString = 1<<16 - 1

func clip(b []byte) []byte { return b[:min(len(b), maxString)] }

func appendBinary(dst, b []byte) []byte {
	b = clip(b)
	return append(append(dst, byte(len(b)>>8), byte(len(b))), b...)
}

func appendHead(dst []byte, t Type, flags byte, remaining int) []byte {
	return appendVarint(append(dst, byte(t)<<4|flags), uint32(remaining))
}
