package native

import (
	"strconv"

	"topicd/codec"
	"topicd/node"
)

// format writes readings in the native grammar.
type format struct{ enc codec.Encoding }

var jsonFormat, cborFormat = &format{codec.JSON}, &format{codec.CBOR}

func formatOf(e codec.Encoding) *format {
	if e == codec.CBOR {
		return cborFormat
	}
	return jsonFormat
}

// Append implements node.Format.
func (f *format) Append(dst []byte, r *node.Reading) ([]byte, bool) {
	return codec.AppendMsg(dst, f.enc, r.Topic, r.Seq, r.TS, r.From, r.Drop, r.Data, r.Enc()), true
}

// Live implements node.Format.
func (f *format) Live(dst []byte, pattern string, tag uint64, stored int64) ([]byte, bool) {
	m := codec.Message{
		Op: codec.OpLive, Topic: []byte(pattern),
		Data: append(strconv.AppendInt([]byte(`{"count":`), stored, 10), '}'),
		Has:  codec.Fields(0).With(codec.KeyTopic).With(codec.KeyData),
	}
	if tag > 0 {
		m.ID, m.Has = tag-1, m.Has.With(codec.KeyID)
	}
	return codec.Append(dst, f.enc, &m), true
}

// Text implements node.Format.
func (f *format) Text() bool { return f.enc == codec.JSON }
