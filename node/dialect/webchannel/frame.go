package webchannel

import (
	"bytes"
	"encoding/json"
	"strconv"

	"topicd/codec"
)

// Types of messages. A client that gets one of its own types reports an error.
const (
	typeSignal         = 1  // hub to page
	typePropertyUpdate = 2  // hub to page
	typeInit           = 3  // page to hub, as all up to 9
	typeIdle           = 4  // after init and after every property update
	typeDebug          = 5  // text for the server's log
	typeInvoke         = 6  // answered with a response
	typeConnect        = 7  // never answered
	typeDisconnect     = 8  // never answered
	typeSetProperty    = 9  // never answered
	typeResponse       = 10 // hub to page
)

// message is what a page says.
type message struct {
	Type   int
	ID     json.RawMessage
	Object string
	Method json.RawMessage // a number, a name or a full signature
	Signal int
	Args   json.RawMessage
}

const (
	maxID   = 64 // bytes: clients count, an id is echoed as it stands
	maxArgs = 10 // as in Qt 5
)

// parse reads one frame. What is no message is nobody's: Qt says nothing then.
func parse(payload []byte) (m message, ok bool) {
	m.Signal = -1
	if err := json.Unmarshal(payload, &m); err != nil || len(m.ID) > maxID {
		return message{}, false
	}
	return m, m.Type >= typeInit && m.Type <= typeSetProperty
}

// sniff: an object with one of the types that clients send, wherever in it that
// stands, and no op.
func sniff(text bool, first []byte) bool {
	if !text || !bytes.Contains(first, []byte(`"type"`)) {
		return false
	}
	var m struct {
		Type int
		Op   json.RawMessage
	}
	return json.Unmarshal(first, &m) == nil && m.Op == nil && m.Type >= typeInit && m.Type <= typeSetProperty
}

// args are the elements of m.Args; no array is no argument.
func (m *message) args() (list [][]byte, ok bool) {
	raw := m.Args
	if len(raw) == 0 || raw[0] != '[' {
		return nil, true
	}
	depth, from, quoted := 0, 1, false
	end := func(at int) {
		if e := trim(raw[from:at]); len(e) > 0 {
			list = append(list, e)
		}
		from = at + 1
	}
	for i := 0; i < len(raw); i++ { // it is valid JSON: encoding/json has read it
		switch c := raw[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '[' || c == '{':
			depth++
		case c == ']' || c == '}':
			if depth--; depth == 0 {
				end(i)
			}
		case c == ',' && depth == 1:
			if end(i); len(list) > maxArgs {
				return nil, false
			}
		}
	}
	return list, len(list) <= maxArgs
}

func trim(b []byte) []byte {
	space := func(c byte) bool { return c == ' ' || c == '\t' || c == '\n' || c == '\r' }
	for len(b) > 0 && space(b[0]) {
		b = b[1:]
	}
	for len(b) > 0 && space(b[len(b)-1]) {
		b = b[:len(b)-1]
	}
	return b
}

// text converts an argument to a string as Qt does: numbers and booleans are
// written out, what has no text is "".
func text(raw []byte) string {
	switch c := raw[0]; {
	case c == '"':
		var s string
		_ = json.Unmarshal(raw, &s)
		return s
	case c == 't' || c == 'f':
		return string(raw)
	case c == '-' || c >= '0' && c <= '9':
		if _, err := strconv.ParseInt(string(raw), 10, 64); err == nil {
			return string(raw)
		}
		f, err := strconv.ParseFloat(string(raw), 64)
		if err != nil {
			return ""
		}
		return strconv.FormatFloat(f, 'g', -1, 64)
	}
	return ""
}

// appendResponse is the answer to the call with that id. value is JSON.
func appendResponse(dst, id, value []byte) []byte {
	dst = append(append(dst, `{"data":`...), value...)
	dst = append(append(dst, `,"id":`...), id...)
	return append(dst, `,"type":10}`...)
}

// beginSignal and endSignal stand around the arguments of a signal.
func beginSignal(dst []byte) []byte { return append(dst, `{"args":`...) }

func endSignal(dst []byte, object string, signal int) []byte {
	dst = append(append(dst, `,"object":"`...), object...)
	dst = strconv.AppendInt(append(dst, `","signal":`...), int64(signal), 10)
	return append(dst, `,"type":1}`...)
}

// plainSignal is a signal without arguments: Qt leaves args out.
func plainSignal(object string, signal int) []byte {
	b := append(append([]byte(`{"object":"`), object...), `","signal":`...)
	return append(strconv.AppendInt(b, int64(signal), 10), `,"type":1}`...)
}

// Values of responses.
var (
	null    = []byte("null") // a void method: it must be there, or 6.x promises reject
	failed  = []byte("[]")   // no such method, wrong number of arguments
	isTrue  = []byte("true")
	isFalse = []byte("false")
)

func boolean(b bool) []byte {
	if b {
		return isTrue
	}
	return isFalse
}

// failure is how the methods of topics tell what went wrong: a page asks for
// the result's error.
func failure(err *codec.Error) []byte {
	b := strconv.AppendInt([]byte(`{"error":{"code":`), int64(err.Code), 10)
	b = codec.AppendString(append(b, `,"msg":`...), codec.JSON, err.Msg)
	if err.Retry > 0 {
		b = strconv.AppendInt(append(b, `,"retry":`...), int64(err.Retry), 10)
	}
	return append(b, "}}"...)
}
