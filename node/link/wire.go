package link

import (
	"topicd/codec"
	"topicd/node"
)

// A Wire is how messages lie in the bytes of a connection. It has no state of its
// own: all connections share one, and the hub keeps the frames that it made for
// the next reader on the same wire.
type Wire interface {
	node.Framer
	// Split takes what stands first in in, which is changed (unmasked, say). A
	// message of kind More says that it is not whole yet: rest is then in. What
	// is larger than most bytes is refused as soon as its head tells.
	Split(in []byte, open Open, most int) (m Message, rest []byte, err *Broken)
	// Ping asks the peer for a sign of life; a wire that cannot appends nothing.
	Ping(dst []byte) []byte
	// Pong answers a message of kind Ping.
	Pong(dst, payload []byte) []byte
	// Bye says goodbye, with a close code of RFC 6455 where there is room for
	// one; a wire that knows no such thing appends nothing.
	Bye(dst []byte, code int, why string) []byte
}

// Message is what a wire has found.
type Message struct {
	Kind    Kind
	Text    bool   // of a Whole and of the first Piece
	Last    bool   // of a Piece
	Payload []byte // lies in what was split
	Code    int    // of a Bye
}

// Kind is what a message is.
type Kind uint8

// Kinds of messages. The pieces of a message are put together by the connection,
// which bounds what all of them keep.
const (
	More  Kind = iota // nothing is whole yet
	Whole             // a message for the dialect
	Piece             // of a message
	Ping              // wants its payload back
	Pong              // a sign of life
	Bye               // the peer goes
)

// Open is how far a message in pieces has come.
type Open struct {
	Pieces bool // there were some
	Bytes  int32
}

// Broken is why a connection must end: a close code of RFC 6455 7.4.1, and why.
type Broken struct {
	Code   int
	Reason string
}

func (b *Broken) Error() string { return b.Reason }

// Close codes, RFC 6455 7.4.1. Other wires have no use for them.
const (
	CloseNormal      = 1000
	CloseGoingAway   = 1001
	CloseProtocol    = 1002
	CloseUnsupported = 1003
	CloseNoStatus    = 1005
	CloseInvalidText = 1007
	ClosePolicy      = 1008
	CloseTooBig      = 1009
	CloseTryLater    = 1013
)

var (
	errUTF8     = &Broken{CloseInvalidText, "text is not UTF-8: CBOR goes in a binary frame"}
	errPings    = &Broken{ClosePolicy, "too many pings"}
	errFlood    = &Broken{ClosePolicy, "too many fragments"}
	errPartials = &Broken{CloseTryLater, errParts.Msg}
	errText     = &Broken{CloseUnsupported, "this protocol is binary"} // MQTT 5 6.0.0-1, say
)

// errParts is errPartials in the dialects' words.
var errParts = &codec.Error{Code: codec.CodeNoRoom, Msg: "the hub is busy with unfinished messages", Retry: 1000}

// plain is the wire of protocols that frame themselves: the bytes are the
// dialect's, as they come and as it makes them (node.Splitter).
type plain struct{ node.Unframed }

func (plain) Ping(dst []byte) []byte                 { return dst }
func (plain) Pong(dst, _ []byte) []byte              { return dst }
func (plain) Bye(dst []byte, _ int, _ string) []byte { return dst }
func (plain) Split(in []byte, _ Open, _ int) (m Message, rest []byte, err *Broken) {
	if len(in) > 0 {
		m = Message{Kind: Whole, Payload: in}
	}
	return m, nil, nil
}
