package dialect

import (
	"topicd/codec"
	"topicd/node"
)

// Record is one of a SenML pack (RFC 8428), on its way to a topic of its own.
type Record struct {
	Topic []byte
	Body  node.Body
}

// Records takes a pack apart: a record of the name n becomes a reading of base/n.
// wall is the time that relative times count from.
func Records(enc codec.Encoding, base, data []byte, wall int64) ([]Record, *codec.Error) {
	parts, err := codec.Split(enc, data, wall)
	if err != nil {
		return nil, codec.AsError(err)
	}
	list := make([]Record, 0, len(parts))
	for _, part := range parts {
		topic := append(append(append([]byte(nil), base...), '/'), part.Name...)
		list = append(list, Record{topic, node.Body{Enc: enc, Data: part.Data}})
	}
	return list, nil
}
