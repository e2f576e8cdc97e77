package scd

import (
	"bytes"
	"strconv"
	"unicode/utf8"

	"topicd/codec"
	"topicd/node"
)

// request is one parsed frame:
//
//	frame   = header [ LF body ]
//	header  = "SCDTMH:" version TAB CMD ":" topic *( TAB field )
//
// Blanks round names and values do not count, nor do empty fields.
type request struct {
	cmd   string
	topic []byte
	body  []byte // all behind the first LF; nil without one
	long  bool   // the header is longer than it may be
}

// maxHeader is how long a header may be, as in the original (which cuts it
// there and takes the rest for body).
const maxHeader = 1024

// parse takes a frame apart; its parts lie in the frame. ok is false for
// what the original does not answer.
func parse(frame []byte) (q request, ok bool) {
	header := frame
	if i := bytes.IndexByte(frame, '\n'); i >= 0 {
		header, q.body = frame[:i], frame[i+1:]
	}
	if len(header) > maxHeader {
		header, q.long = []byte(cut(string(header[:maxHeader+1]), maxHeader)), true
	}
	magic, rest := cutField(header)
	name, _, colon := bytes.Cut(magic, []byte(":"))
	if !colon || string(bytes.TrimSpace(name)) != "SCDTMH" {
		return q, false
	}
	command, _ := cutField(rest)
	cmd, topic, colon := bytes.Cut(command, []byte(":"))
	if !colon {
		return q, false
	}
	q.cmd, q.topic = string(bytes.TrimSpace(cmd)), bytes.TrimSpace(topic)
	return q, true
}

// cutField is the first field that is not empty, and what follows it.
func cutField(header []byte) (field, rest []byte) {
	for len(header) > 0 && len(field) == 0 {
		field, header, _ = bytes.Cut(header, []byte("\t"))
	}
	return field, header
}

var (
	errNoName  = &codec.Error{Code: codec.CodeMalformed, Msg: "Undefined topic name"} // the original's words
	errBadName = &codec.Error{Code: codec.CodeMalformed, Msg: "a topic's name may not hold a bar, an at sign, a closing bracket or a colon here"}
	errHeader  = &codec.Error{Code: codec.CodeMalformed, Msg: "the header is longer than 1024 bytes"}
)

// check refuses what this dialect cannot carry.
func (q *request) check() *codec.Error {
	switch {
	case q.long:
		return errHeader
	case len(q.topic) == 0:
		return errNoName
	case bytes.ContainsAny(q.topic, "|@]:\t\n"):
		return errBadName
	}
	return codec.CheckTopic(q.topic)
}

// refused is the answer to a request that is refused: TDL has a code of its own.
func (q *request) refused(err *codec.Error) answer {
	if q.cmd == "TDL" && err != errNoName {
		return answer{code: -1, text: err.Msg}
	}
	return answer{code: 0, text: err.Msg}
}

type answer struct {
	code int
	text string

	commit node.Commit // what it waits for
}

// appendReply appends a reply: the client splits it at | and needs one @ in
// the brackets and the LF at the end.
func appendReply(dst []byte, cmd string, topic []byte, a answer) []byte {
	dst = append(dst, "[server@notify]:"...)
	dst = append(appendSafe(dst, cut(cmd, 16)), '|')
	dst = append(appendSafe(dst, cut(string(topic), codec.MaxTopic)), '|')
	dst = append(strconv.AppendInt(dst, int64(a.code), 10), '|')
	return append(appendSafe(dst, a.text), '\n')
}

// cut shortens a foreign text to n bytes or a little less.
func cut(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && !utf8.RuneStart(s[n]) { // a binary frame may have no letter at all
		n--
	}
	return s[:n]
}

// appendSafe appends what may hold anything, without what would take a frame
// apart.
func appendSafe(dst []byte, s string) []byte {
	for i := range len(s) {
		c := s[i]
		switch {
		case c == '|' || c == '@' || c == ']' || c < ' ' || c == 0x7f:
			c = '_'
		}
		dst = append(dst, c)
	}
	return dst
}
