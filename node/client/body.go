package client

import (
	"encoding/base64"
	"encoding/json"
	"fmt"

	"topicd/codec"
)

// Body is data that is written already: one value in Enc. Beside it, data may
// be a json.RawMessage, a []byte (a byte string in CBOR, base64url in JSON), or
// anything that encoding/json takes.
type Body struct {
	Enc  codec.Encoding
	Data []byte
}

// body writes data in the client's encoding and makes sure that it is valid: it
// becomes part of a frame as it is.
func (c *Client) body(data any) (Body, error) {
	enc := c.opt.Encoding
	b := Body{Enc: codec.JSON}
	switch v := data.(type) {
	case Body:
		b = v
	case json.RawMessage:
		b.Data = v
	case []byte:
		b = Body{enc, byteString(enc, v)}
	default:
		text, err := json.Marshal(v)
		if err != nil {
			return b, err
		}
		b.Data = text
	}
	if b.Enc == enc {
		return b, codec.Validate(enc, b.Data)
	}
	out, err := codec.Transcode(nil, enc, b.Enc, b.Data)
	return Body{enc, out}, err
}

// byteString is v as the body of a reading.
func byteString(enc codec.Encoding, v []byte) []byte {
	if enc == codec.JSON {
		return codec.AppendString(nil, enc, base64.RawURLEncoding.EncodeToString(v))
	}
	out := codec.AppendString(make([]byte, 0, len(v)+9), codec.CBOR, string(v))
	out[0] = out[0]&0x1f | 2<<5 // RFC 8949 section 3.1: texts and byte strings differ in the major type only
	return out
}

// setOpts gives m its options, if there are any.
func setOpts(m *codec.Message, enc codec.Encoding, o *codec.Opts) {
	if o.Has == 0 {
		return
	}
	m.Enc = enc
	m.Opts = codec.AppendOpts(nil, enc, o)
	m.Has = m.Has.With(codec.KeyOpts)
}

// Message is one reading.
type Message struct {
	Topic string
	Seq   uint64 // its number in the topic
	TS    int64  // hub time of arrival, milliseconds since 1970
	Enc   codec.Encoding
	Data  []byte // one value in Enc; the receiver's to keep
	From  string // who published it, when known
	// Drop is how many readings of the topic just before this one this
	// subscription did not get: conflated, overrun, or gone in an outage.
	Drop uint64
	Live bool // false: it was stored when the subscription began or went on
	// Restart: the hub restarted and numbers began anew. What came between is
	// unknown.
	Restart bool

	sub *Subscription // that heard it
}

// Ack acknowledges the reading, and all of its topic before it, to the durable
// subscription that heard it (SubOptions.Name). It does not wait, and does nothing
// for any other.
func (m *Message) Ack() {
	if m.sub != nil {
		m.sub.Ack(m.Topic, m.Seq)
	}
}

// JSON is the data as JSON.
func (m *Message) JSON() json.RawMessage {
	if m.Enc == codec.JSON {
		return m.Data
	}
	text, err := codec.Transcode(nil, codec.JSON, m.Enc, m.Data)
	if err != nil {
		return json.RawMessage("null") // cannot be: the decoder has checked it
	}
	return text
}

// Decode stores the data in v as json.Unmarshal does.
func (m *Message) Decode(v any) error { return json.Unmarshal(m.JSON(), v) }

// Value understands the data as a measurement: a number, or a SenML record.
func (m *Message) Value() (v float64, unit string, ok bool) { return codec.Reading(m.Enc, m.Data) }

// into stores an answer's data in v.
func (a *answer) into(v any) error {
	text, err := codec.Transcode(nil, codec.JSON, a.enc, a.data)
	if err == nil {
		err = json.Unmarshal(text, v)
	}
	if err != nil {
		return fmt.Errorf("the hub's answer makes no sense: %w", err)
	}
	return nil
}
