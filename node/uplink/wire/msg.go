package wire

import (
	"bytes"
	"iter"
	"strings"
)

// Msg is a message that came.
type Msg struct {
	Subject, Reply string
	Head           []byte // headers as they are on the wire, "NATS/1.0" first; nil = none
	Data           []byte

	sub *Sub // that it waits for
}

// Taken says that the message waits no longer: see Bound. To be called once.
func (m *Msg) Taken() {
	if m.sub != nil {
		m.sub.held.Add(-int64(len(m.Head) + len(m.Data)))
		m.sub = nil
	}
}

// headLine begins all headers.
const headLine = "NATS/1.0"

// Header is the first value of a header, "" = it has none.
func (m *Msg) Header(key string) string {
	for k, v := range EachHeader(m.Head) {
		if k == key {
			return v
		}
	}
	return ""
}

// Status is the number behind NATS/1.0, "" = there is none: 503 nobody is there to
// answer, 404 and 408 nothing came, 100 still alive.
func (m *Msg) Status() (code, words string) {
	line, _, _ := bytes.Cut(m.Head, crlf)
	rest, ok := bytes.CutPrefix(line, []byte(headLine+" "))
	if !ok {
		return "", ""
	}
	code, words, _ = strings.Cut(strings.TrimSpace(string(rest)), " ")
	return code, words
}

// EachHeader yields the headers of a message as they are on the wire.
func EachHeader(b []byte) iter.Seq2[string, string] {
	return func(yield func(key, value string) bool) {
		_, rest, _ := bytes.Cut(b, crlf)
		for len(rest) > 0 {
			var line []byte
			line, rest, _ = bytes.Cut(rest, crlf)
			if k, v, ok := strings.Cut(string(line), ":"); ok && !yield(k, strings.TrimSpace(v)) {
				return
			}
		}
	}
}

// AppendHead begins headers.
func AppendHead(b []byte) []byte { return append(b, headLine+"\r\n"...) }

// AppendHeader appends one. Line breaks in the value would be another header: they
// become spaces.
func AppendHeader(b []byte, key, value string) []byte {
	b = append(append(b, key...), ": "...)
	for i := range len(value) {
		if c := value[i]; c == '\r' || c == '\n' {
			b = append(b, ' ')
		} else {
			b = append(b, c)
		}
	}
	return append(b, "\r\n"...)
}

// EndHead ends headers.
func EndHead(b []byte) []byte { return append(b, "\r\n"...) }

var crlf = []byte("\r\n")
