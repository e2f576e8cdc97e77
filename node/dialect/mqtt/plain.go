package mqtt

import (
	"topicd/node"
	"topicd/node/dialect/mqtt/packet"
)

// plainFormat is how everybody reads who wants QoS 0 and nothing else: one value
// for all, so that the hub encodes a reading once for all of them.
type plainFormat struct {
	node.Binary
	v      packet.Version
	values bool
}

var (
	plain4, plain5 = &plainFormat{v: packet.V4}, &plainFormat{v: packet.V5}
	value4, value5 = &plainFormat{v: packet.V4, values: true}, &plainFormat{v: packet.V5, values: true}
)

func plainly(v packet.Version, values bool) *plainFormat {
	switch {
	case v == packet.V5 && values:
		return value5
	case v == packet.V5:
		return plain5
	case values:
		return value4
	}
	return plain4
}

// Append implements node.Format.
func (f *plainFormat) Append(dst []byte, r *node.Reading) ([]byte, bool) {
	x := parseExt(r.Ext)
	p, ok := x.hand(nil, f.v, r.Age)
	if !ok || r.Stored && isEmpty(r) {
		r.Unwanted = true
		return dst, false
	}
	return appendReading(dst, r, &message{v: f.v, retain: r.Stored, values: f.values}, r.Topic, p, x.raw)
}
