package webchannel

import (
	"bytes"
	"encoding/json"
	"math/bits"
	"strconv"
	"time"

	"topicd/codec"
	"topicd/node"
	"topicd/node/dialect"
)

// heard writes readings as a page hears them: as one signal, or as several at once
// where it is connected to a conversation and subscribed to its topic too.
type heard struct {
	dialect.Plain // the protocol has no marker

	srv  *server
	bits uint8
}

// What readings are written as.
const (
	toChat   = 1 << iota // chatserver.newMessage
	toCore               // core.sendText
	toDialog             // dialog.sendText
	toTopics             // topics.message
	allBits  = toChat | toCore | toDialog | toTopics
)

// targets are the signals by bit.
var targets = [...]struct {
	object string
	signal int
}{{"chatserver", newMessage}, {"core", sendText}, {"dialog", sendText}, {"topics", topicMessage}}

// Append implements node.Format. A page that hears a reading as several signals
// gets them in one property update without properties: all versions of
// qwebchannel.js call the signals' callbacks then, and a reading is one frame.
func (f *heard) Append(dst []byte, r *node.Reading) ([]byte, bool) {
	if bits.OnesCount8(f.bits) == 1 {
		t := &targets[bits.TrailingZeros8(f.bits)]
		dst, ok := f.args(beginSignal(dst), f.bits, r)
		return endSignal(dst, t.object, t.signal), ok
	}
	dst = append(dst, `{"data":[`...)
	n := 0
	for i := range targets {
		bit := uint8(1) << i
		if f.bits&bit == 0 {
			continue
		}
		at := len(dst)
		if n > 0 {
			dst = append(dst, ',')
		}
		dst = append(append(dst, `{"object":"`...), targets[i].object...)
		dst = append(dst, `","properties":{},"signals":{"`...)
		dst = append(strconv.AppendInt(dst, int64(targets[i].signal), 10), `":`...)
		var ok bool
		if dst, ok = f.args(dst, bit, r); !ok {
			dst = dst[:at]
			continue
		}
		dst = append(dst, `}}`...)
		n++
	}
	return append(dst, `],"type":2}`...), n > 0
}

// args appends the arguments of one signal.
func (f *heard) args(dst []byte, bit uint8, r *node.Reading) ([]byte, bool) {
	switch bit {
	case toTopics:
		return appendMessage(dst, r), true
	case toChat:
		return f.srv.appendChat(dst, r)
	}
	dst = codec.AppendString(append(dst, '['), codec.JSON, said(r))
	return append(dst, ']'), true
}

// appendMessage: topic, data, seq, ts.
func appendMessage(dst []byte, r *node.Reading) []byte {
	dst = codec.AppendString(append(dst, '['), codec.JSON, r.Topic)
	dst = appendData(append(dst, ','), r)
	dst = strconv.AppendUint(append(dst, ','), r.Seq, 10)
	dst = strconv.AppendInt(append(dst, ','), r.TS, 10)
	return append(dst, ']')
}

// appendData appends the reading's data as JSON. qwebchannel.js takes objects
// with the member __QObject*__ for published objects: a reading that has one
// would make the page throw, so it is told as a string.
func appendData(dst []byte, r *node.Reading) []byte {
	at := len(dst)
	if r.CBOR {
		var err error
		if dst, err = codec.Transcode(dst, codec.JSON, codec.CBOR, r.Data); err != nil {
			return append(dst[:at], null...) // cannot be: it was validated when it came in
		}
	} else {
		dst = append(dst, r.Data...)
	}
	if hasQObject(dst[at:]) {
		dst = codec.AppendString(dst[:at], codec.JSON, string(dst[at:]))
	}
	return dst
}

var qobject = []byte("__QObject*__")

// hasQObject looks for the member's name, in escapes too.
func hasQObject(data []byte) bool {
	if bytes.Contains(data, qobject) {
		return true
	}
	if !bytes.Contains(data, []byte(`\u00`)) {
		return false
	}
	plain := make([]byte, 0, len(data))
	for i := 0; i < len(data); i++ {
		c := data[i]
		if c == '\\' && i+6 <= len(data) && data[i+1] == 'u' {
			if n, err := strconv.ParseUint(string(data[i+2:i+6]), 16, 16); err == nil && n < 0x80 {
				c = byte(n)
				i += 5
			}
		}
		plain = append(plain, c)
	}
	return bytes.Contains(plain, qobject)
}

// json is the reading's data as JSON, to look into.
func jsonOf(r *node.Reading) []byte {
	if !r.CBOR {
		return trim(r.Data)
	}
	b, _ := codec.Transcode(nil, codec.JSON, codec.CBOR, r.Data)
	return b
}

// sender is what a reading's publisher is called.
func sender(r *node.Reading) string {
	switch {
	case len(r.From) > 0:
		return string(r.From)
	case r.Origin == 0:
		return "hub"
	}
	return node.NameFor(r.Origin)
}

// appendChat: time, user, text. A message is {"user","text"}, or a string, which
// its publisher says; other readings are none.
func (s *server) appendChat(dst []byte, r *node.Reading) ([]byte, bool) {
	var m struct{ User, Text *string }
	from := sender(r)
	switch data := jsonOf(r); {
	case len(data) == 0:
		return dst, false
	case data[0] == '"':
		m.Text = new(string)
		*m.Text = text(data)
	case data[0] != '{' || json.Unmarshal(data, &m) != nil || m.Text == nil:
		return dst, false
	}
	user := from
	if m.User != nil {
		user = *m.User
	}
	dst = time.UnixMilli(r.TS).In(s.zone).AppendFormat(append(dst, '['), `"15:04:05"`)
	dst = codec.AppendString(append(dst, ','), codec.JSON, s.whose(user, from, r.Origin))
	dst = codec.AppendString(append(dst, ','), codec.JSON, *m.Text)
	return append(dst, ']'), true
}

// said is what an operator's reading says: a string, the text of {"text"}, or
// else the JSON as it stands.
func said(r *node.Reading) string {
	data := jsonOf(r)
	if len(data) > 0 && data[0] == '"' {
		return text(data)
	}
	var m struct{ Text *string }
	if len(data) > 0 && data[0] == '{' && json.Unmarshal(data, &m) == nil && m.Text != nil {
		return *m.Text
	}
	return string(data)
}
