package web

import (
	"strconv"

	"topicd/codec"
	"topicd/node"
)

// events writes readings as events of a stream. It is a value: streams of the
// same kind share what was encoded.
type events struct {
	ids bool // each event has an id: epoch and number
}

// Append implements node.Format.
func (f events) Append(dst []byte, r *node.Reading) ([]byte, bool) {
	if f.ids {
		dst = strconv.AppendUint(append(dst, "id: "...), r.Ep, 10)
		dst = append(strconv.AppendUint(append(dst, '-'), r.Seq, 10), '\n')
	}
	dst = append(dst, "data: "...)
	dst = appendRow(dst, r)
	if r.Drop > 0 {
		dst = strconv.AppendUint(append(dst[:len(dst)-1], `,"drop":`...), r.Drop, 10)
		dst = append(dst, '}')
	}
	return append(dst, "\n\n"...), true
}

// appendRow appends a reading as one line of JSON.
func appendRow(dst []byte, r *node.Reading) []byte {
	return codec.AppendRow(dst, codec.JSON, r.Topic, r.Seq, r.TS, r.From, r.Data, r.Enc())
}

// Live implements node.Format.
func (f events) Live(dst []byte, pattern string, _ uint64, stored int64) ([]byte, bool) {
	dst = codec.AppendString(append(dst, "event: live\ndata: {\"topic\":"...), codec.JSON, pattern)
	return append(strconv.AppendInt(append(dst, `,"count":`...), stored, 10), "}\n\n"...), true
}

// Text implements node.Format.
func (f events) Text() bool { return true }
