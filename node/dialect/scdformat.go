package dialect

import (
	"bytes"

	"topicd/codec"
	"topicd/node"
)

// scdFormat writes readings as [SENDER@topic]:body. Only topics that the
// dialect can name are subscribed to, so every reading has a form.
type scdFormat struct{ textual }

// Append implements node.Format.
func (scdFormat) Append(dst []byte, r *node.Reading) ([]byte, bool) {
	dst = appendSender(append(dst, '['), r)
	dst = append(append(append(dst, '@'), r.Topic...), "]:"...)
	return appendPlain(dst, r), true
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
	if isSCDName(name) {
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

// isSCDName: hexadecimal digits, one colon between them.
func isSCDName(name []byte) bool {
	ip, port, ok := bytes.Cut(name, []byte(":"))
	return ok && isHex(ip) && isHex(port)
}

func isHex(b []byte) bool {
	return len(b) > 0 && len(bytes.Trim(b, "0123456789ABCDEF")) == 0
}

// appendPlain appends a reading as a text for people: a string as its text,
// anything else as JSON.
func appendPlain(dst []byte, r *node.Reading) []byte {
	if text, ok := codec.AppendText(dst, r.Enc(), r.Data); ok {
		return text
	}
	if !r.CBOR {
		return append(dst, r.Data...)
	}
	js, err := codec.Transcode(nil, codec.JSON, codec.CBOR, r.Data)
	if err != nil {
		return dst // cannot be: it was validated when it came in
	}
	if text, ok := codec.AppendText(dst, codec.JSON, js); ok { // a byte string, a time
		return text
	}
	return append(dst, js...)
}

// End implements node.Ender: every subscriber gets the reply to TDL, whoever
// deleted the topic, and before it what it had not read.
func (scdFormat) End(dst []byte, topic string) []byte {
	return appendSCDReply(dst, "TDL", []byte(topic), scdDone)
}
