package dialect

import (
	"bytes"
	"encoding/json"

	"topicd/codec"
	"topicd/node"
)

// First finds out what a peer on / speaks from its first frame and hands the
// connection over. It has no state: all connections share one. A dialect that
// is nil is not served there.
type First struct {
	Native     func() node.Dialect
	SCD        func() node.Dialect // SCD-TopicServer: facts/scd.md
	WebChannel func() node.Dialect // QWebChannel: facts/webchannel.md
}

// Open implements node.Dialect.
func (f *First) Open(node.Peer, *node.Turn) {}

// Close implements node.Dialect.
func (f *First) Close(node.Peer, *node.Turn) {}

// Bye implements node.Dialect.
func (f *First) Bye(p node.Peer, why *codec.Error, turn *node.Turn) { f.Native().Bye(p, why, turn) }

// Frame implements node.Dialect.
func (f *First) Frame(p node.Peer, text bool, payload []byte, turn *node.Turn) {
	d := f.pick(text, payload)()
	p.Speak(d)
	d.Open(p, turn)
	d.Frame(p, text, payload, turn)
}

func (f *First) pick(text bool, payload []byte) func() node.Dialect {
	switch {
	case !text:
	case f.SCD != nil && bytes.HasPrefix(payload, []byte(scdMagic)):
		return f.SCD
	case f.WebChannel != nil && isWebChannel(payload):
		return f.WebChannel
	}
	return f.Native
}

const scdMagic = "SCDTMH:"

// isWebChannel: an object with one of the types that clients send, 3 to 9, in
// whatever place, and no op.
func isWebChannel(payload []byte) bool {
	if !bytes.Contains(payload, []byte(`"type"`)) {
		return false
	}
	var m struct {
		Type int
		Op   json.RawMessage
	}
	return json.Unmarshal(payload, &m) == nil && m.Op == nil && m.Type >= 3 && m.Type <= 9
}
