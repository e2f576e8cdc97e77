package scd

import (
	"bytes"

	"topicd/node"
	"topicd/node/dialect"
)

// format writes readings as [SENDER@topic]:body. Only topics that the
// dialect can name are subscribed to, so every reading has a form.
type format struct{ dialect.Plain }

// Append implements node.Format.
func (format) Append(dst []byte, r *node.Reading) ([]byte, bool) {
	dst = appendSender(append(dst, '['), r)
	dst = append(append(append(dst, '@'), r.Topic...), "]:"...)
	return dialect.AppendPlain(dst, r), true
}

// appendSender appends who published: the session's name, made harmless where a
// peer of another dialect chose it.
func appendSender(dst []byte, r *node.Reading) []byte {
	name := r.From
	switch {
	case len(name) > 0:
	case r.Origin == 0:
		return append(dst, "hub"...)
	default:
		return append(dst, node.NameFor(r.Origin)...)
	}
	if isName(name) {
		return append(dst, name...)
	}
	at := len(dst)
	dst = appendSafe(dst, string(name))
	for i, c := range dst[at:] {
		if c == ':' || c == '[' {
			dst[at+i] = '_'
		}
	}
	if string(dst[at:]) == "server" { // replies come from server@notify
		dst = append(dst, '_')
	}
	return dst
}

// isName: hexadecimal digits, one colon between them.
func isName(name []byte) bool {
	ip, port, ok := bytes.Cut(name, []byte(":"))
	return ok && isHex(ip) && isHex(port)
}

func isHex(b []byte) bool {
	return len(b) > 0 && len(bytes.Trim(b, "0123456789ABCDEF")) == 0
}

// End implements node.Ender: every subscriber gets the reply to TDL, whoever
// deleted the topic, and before it what it had not read.
func (format) End(dst []byte, topic string) []byte {
	return appendReply(dst, "TDL", []byte(topic), done)
}
