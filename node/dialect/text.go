package dialect

import (
	"topicd/codec"
	"topicd/node"
)

// What dialects that speak text to people have in common.

// Plain is for formats of text frames without a mark between stored readings
// and new ones.
type Plain struct{}

// Live implements node.Format.
func (Plain) Live(dst []byte, _ string, _ uint64, _ int64) ([]byte, bool) { return dst, false }

// Text implements node.Format.
func (Plain) Text() bool { return true }

// AppendPlain appends a reading as people read it: a string as its text,
// anything else as JSON.
func AppendPlain(dst []byte, r *node.Reading) []byte {
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

// TextBody is a text as a reading: a string. In CBOR, where it needs no escapes:
// JSON within it would grow by a fifth, beyond the largest reading.
func TextBody(text []byte) node.Body {
	return node.Body{Enc: codec.CBOR, Data: codec.AppendString(make([]byte, 0, len(text)+9), codec.CBOR, string(text))}
}

// Transient are the options of a topic that ends with its last subscriber.
func Transient(h *node.Hub) node.MakeOptions {
	return node.MakeOptions{Keep: new(int), Cap: BurstCap(h)}
}

// BurstCap is the cap of topics whose subscribers have no word for a gap: what a
// peer sends in one go, up to 1 MiB that a worker reads before it writes, is
// there for who reads as fast. With the usual 64 KiB, 50 messages of 10 KB that
// came at once left 18 (measured). A small hub gives an eighth of its memory.
func BurstCap(h *node.Hub) int64 {
	o := h.Options()
	return max(int64(o.TopicCap), min(2<<20, o.Memory/8))
}

// MaxBad malformed frames in a row end a connection.
const MaxBad = 10

// Reply sends an answer in its order: at once, or when c is on disk; then refused
// makes the answer of it if it will not be.
func Reply(p node.Peer, text bool, b []byte, c node.Commit, refused func(*codec.Error) []byte, turn *node.Turn) {
	s := p.Session()
	if c == 0 && !s.Waits() {
		p.Send(text, b, turn)
		return
	}
	if err := s.Later(c, &reply{text, b, refused}, turn); err != nil {
		p.Send(text, refused(err), turn)
	}
}

// reply is an answer that waits.
type reply struct {
	text    bool
	b       []byte
	refused func(*codec.Error) []byte
}

// Append implements node.Answer.
func (r *reply) Append(dst []byte, f node.Framer, why *codec.Error) []byte {
	b := r.b
	if why != nil {
		b = r.refused(why)
	}
	at := len(dst)
	return f.End(append(f.Begin(dst), b...), at, r.text)
}

// Make is what the options of a request say of a topic.
func Make(o *codec.Opts) node.MakeOptions {
	return node.MakeOptions{
		Static: o.Static, Cap: o.Cap, Stale: o.Stale, Durable: o.Durable, Writable: o.Writable, Min: o.Min, Max: o.Max,
	}
}
