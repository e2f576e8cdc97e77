package bench

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"strconv"
	"strings"

	"topicd/codec"
)

// A reading is {"t": stamp, "p": padding}. The stamp is nanoseconds on this
// process's clock plus stampBase, so that it has as many digits or bytes at any
// time and the readings' length is the one asked for.
const (
	stampBase   = 1_000_000_000_000_000
	stampDigits = 16
	// MinSize is the smallest body that holds a stamp.
	MinSize = 32
)

// layout knows how the readings of one encoding look, and where things stand in
// the frames that bring them.
type layout struct {
	enc    codec.Encoding
	prefix string // of all topics
	body   []byte // a reading, its stamp to be filled in
	stamp  int    // where it stands in body
	msg    []byte // how a JSON frame with a reading begins, up to the topic's last level
}

func newLayout(enc codec.Encoding, prefix string, size int) *layout {
	l := &layout{enc: enc, prefix: prefix}
	if enc == codec.CBOR {
		l.body = []byte{0xa2, 0x61, 't', 0x1b, 0, 0, 0, 0, 0, 0, 0, 0, 0x61, 'p', 0x7a}
		l.stamp = 4
		binary.BigEndian.PutUint64(l.body[4:], stampBase)
		// A four-byte length whatever it is: then every size can be had.
		n := size - len(l.body) - 4
		l.body = binary.BigEndian.AppendUint32(l.body, uint32(n))
		l.body = append(l.body, padding(n)...)
		return l
	}
	l.body = append(l.body, `{"t":`...)
	l.stamp = len(l.body)
	l.body = strconv.AppendInt(l.body, stampBase, 10)
	l.body = append(l.body, `,"p":"`...)
	l.body = append(l.body, padding(size-len(l.body)-2)...)
	l.body = append(l.body, `"}`...)
	l.msg = []byte(`{"op":"msg","topic":"` + prefix)
	return l
}

// padding is a text that does not look like all the same.
func padding(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = "temp23.41hum51.20bat3.71"[i%24]
	}
	return b
}

// frame is how a topic's publishing frame looks around the reading.
type frame struct{ head, tail string }

func (l *layout) frame(topic string) frame {
	f := codec.Append(nil, l.enc, &codec.Message{
		Op: codec.OpPub, Topic: []byte(topic), Enc: l.enc, Data: l.body,
		Has: codec.Fields(0).With(codec.KeyTopic).With(codec.KeyData),
	})
	head, tail, _ := bytes.Cut(f, l.body)
	return frame{string(head), string(tail)}
}

// publish appends the frame that publishes a reading stamped with now.
func (l *layout) publish(dst []byte, f *frame, now int64) []byte {
	dst = append(append(dst, f.head...), l.body...)
	at := dst[len(f.head)+l.stamp:]
	if l.enc == codec.CBOR {
		binary.BigEndian.PutUint64(at, uint64(now+stampBase))
	} else {
		strconv.AppendInt(at[:0], now+stampBase, 10)
	}
	return append(dst, f.tail...)
}

// heardAs is the layout of the same readings for who listens in enc.
func (l *layout) heardAs(enc codec.Encoding) *layout {
	if enc == l.enc {
		return l
	}
	body, err := codec.Transcode(nil, enc, l.enc, l.body)
	if err != nil {
		panic(err) // a body of our own making
	}
	if enc == codec.JSON {
		return newLayout(codec.JSON, l.prefix, len(body))
	}
	// CBOR of the hub's making has a shorter head before the padding.
	other := newLayout(codec.CBOR, l.prefix, MinSize)
	other.body = body
	return other
}

// reading is what a frame with a reading says.
type reading struct {
	topic int // number of the topic
	stamp int64
	seq   uint64
	drop  uint64
}

// scan reads a frame that looks as the hub writes readings. ok is false for all
// else, which the codec reads.
func (l *layout) scan(frame []byte) (r reading, ok bool) {
	if l.enc == codec.CBOR {
		return l.scanCBOR(frame)
	}
	return l.scanJSON(frame)
}

// scanJSON: {"op":"msg","topic":"bench/x/7","data":{…},"ts":…,"seq":…[,"drop":…]}
func (l *layout) scanJSON(b []byte) (r reading, ok bool) {
	if !bytes.HasPrefix(b, l.msg) {
		return r, false
	}
	n, b := digits(b[len(l.msg):])
	r.topic = int(n)
	const data, ts, seq, drop = `","data":`, `,"ts":`, `,"seq":`, `,"drop":`
	if len(b) < len(data)+len(l.body) || string(b[:len(data)]) != data || string(b[len(data):len(data)+l.stamp]) != string(l.body[:l.stamp]) {
		return r, false
	}
	b = b[len(data):]
	n, _ = digits(b[l.stamp : l.stamp+stampDigits])
	r.stamp = int64(n) - stampBase
	if b = b[len(l.body):]; !bytes.HasPrefix(b, []byte(ts)) {
		return r, false
	}
	if _, b = digits(b[len(ts):]); !bytes.HasPrefix(b, []byte(seq)) {
		return r, false
	}
	r.seq, b = digits(b[len(seq):])
	if bytes.HasPrefix(b, []byte(drop)) {
		r.drop, b = digits(b[len(drop):])
	}
	return r, len(b) == 1 && b[0] == '}'
}

// digits reads a number and returns what follows.
func digits(b []byte) (n uint64, rest []byte) {
	for i, c := range b {
		if c < '0' || c > '9' {
			return n, b[i:]
		}
		n = n*10 + uint64(c-'0')
	}
	return n, nil
}

// scanCBOR: {0: 3, 2: "bench/x/7", 3: {…}, 4: ts, 5: seq[, 11: drop]}
func (l *layout) scanCBOR(b []byte) (r reading, ok bool) {
	if len(b) < 6+len(l.body) || b[0] != 0xa5 && b[0] != 0xa6 || b[1] != byte(codec.KeyOp) || b[2] != byte(codec.OpMsg) || b[3] != byte(codec.KeyTopic) {
		return r, false
	}
	fields := b[0] & 0x1f
	n, b, ok := head(b[4:], 3)
	if !ok || n < uint64(len(l.prefix)) || n+1+uint64(len(l.body)) > uint64(len(b)) || string(b[:len(l.prefix)]) != l.prefix {
		return r, false
	}
	number, _ := digits(b[len(l.prefix):n])
	r.topic = int(number)
	if b = b[n:]; b[0] != byte(codec.KeyData) || string(b[1:1+l.stamp]) != string(l.body[:l.stamp]) {
		return r, false
	}
	b = b[1:]
	r.stamp = int64(binary.BigEndian.Uint64(b[l.stamp:])) - stampBase
	b = b[len(l.body):]
	for key := codec.KeyTS; fields > 3; fields-- {
		if len(b) == 0 || b[0] != byte(key) {
			return r, false
		}
		if n, b, ok = head(b[1:], 0); !ok {
			return r, false
		}
		switch key {
		case codec.KeyTS:
			key = codec.KeySeq
		case codec.KeySeq:
			r.seq, key = n, codec.KeyDrop
		case codec.KeyDrop:
			r.drop = n
		}
	}
	return r, len(b) == 0
}

// head reads the head of a CBOR item of the major type (RFC 8949 section 3).
func head(b []byte, major byte) (n uint64, rest []byte, ok bool) {
	if len(b) == 0 || b[0]>>5 != major {
		return 0, nil, false
	}
	short := b[0] & 0x1f
	if short < 24 {
		return uint64(short), b[1:], true
	}
	size := 1 << (short - 24)
	if short > 27 || len(b) < 1+size {
		return 0, nil, false
	}
	for _, c := range b[1 : 1+size] {
		n = n<<8 | uint64(c)
	}
	return n, b[1+size:], true
}

// understand takes a reading from a message that the codec has read.
func (l *layout) understand(m *codec.Message) (r reading, ok bool) {
	name, ours := strings.CutPrefix(string(m.Topic), l.prefix)
	if !ours {
		return r, false
	}
	n, rest := digits([]byte(name))
	text, err := codec.Transcode(nil, codec.JSON, m.Enc, m.Data)
	var body struct {
		T int64 `json:"t"`
	}
	if err != nil || len(rest) > 0 || json.Unmarshal(text, &body) != nil {
		return r, false
	}
	return reading{topic: int(n), stamp: body.T - stampBase, seq: m.Seq, drop: m.Drop}, true
}
