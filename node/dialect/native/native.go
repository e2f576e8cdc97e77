// Package native is topicd's own grammar: JSON in text frames, CBOR in binary
// ones. The first message, or the subprotocol, says which of them a peer gets.
package native

import (
	"io"
	"math"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"topicd/codec"
	"topicd/node"
	"topicd/node/dialect"
)

// native is one connection.
type native struct {
	// static after construction
	cfg *Config

	cbor atomic.Bool // what the peer speaks; Bye asks from anywhere

	greet bool // a subprotocol was agreed: the hub speaks first; static after construction

	// owned by the peer's reader
	known bool  // what the peer speaks is known to the hub
	bad   uint8 // malformed frames in a row
	ended bool
	named *named // durable subscriptions and who has them, nil = none
}

// Config is what all native connections share.
type Config struct {
	Hub      *node.Hub
	Version  string
	Ping     time.Duration // between the hub's pings
	MaxFrame int
	Door     dialect.Door // nil: nobody needs a token
	Keeper   node.Keeper  // keeps durable subscriptions, nil: nothing can
}

// Subprotocols of the native grammar (RFC 6455 1.9).
const (
	ProtocolJSON = "topicd.v1.json"
	ProtocolCBOR = "topicd.v1.cbor"
)

// Plug is the dialect for the hub's endpoints.
func Plug(cfg Config) dialect.Plug {
	return dialect.Plug{
		Name: "native", Title: "native", Paths: []string{"/ws"}, Protos: []string{ProtocolJSON, ProtocolCBOR},
		Open: func(a node.Arrival) node.Dialect { return cfg.New(a.Protocol) },
	}
}

// retry is when a client tries a lost connection again.
const retry = time.Second

// New makes the dialect of one connection. With one of its subprotocols the
// hub says welcome before the client's first frame.
func (cfg *Config) New(subprotocol string) node.Dialect {
	n := &native{cfg: cfg}
	switch subprotocol {
	case ProtocolJSON:
		n.greet = true
	case ProtocolCBOR:
		n.greet = true
		n.cbor.Store(true)
	}
	return n
}

func (n *native) enc() codec.Encoding {
	if n.cbor.Load() {
		return codec.CBOR
	}
	return codec.JSON
}

// Open implements node.Dialect.
func (n *native) Open(p node.Peer, turn *node.Turn) {
	if n.greet {
		n.describe(p, n.enc(), turn)
		n.welcome(p, n.enc(), &codec.Message{}, "", turn)
	}
}

func (n *native) describe(p node.Peer, enc codec.Encoding, turn *node.Turn) {
	n.known = true
	p.Session().Describe("native", enc.String(), turn)
}

// Close implements node.Dialect.
func (n *native) Close(node.Peer, *node.Turn) { n.named.leave() }

// Bye implements node.Dialect.
func (n *native) Bye(p node.Peer, why *codec.Error, turn *node.Turn) {
	m := codec.Message{Op: codec.OpBye, Err: *why, Has: codec.Fields(0).With(codec.KeyErr)}
	n.send(p, n.enc(), &m, turn)
}

// decoders are lent for the time of one frame: a connection at rest has none.
var decoders = sync.Pool{New: func() any { return new(codec.Decoder) }}

// Frame implements node.Dialect.
func (n *native) Frame(p node.Peer, text bool, payload []byte, turn *node.Turn) {
	enc := codec.CBOR
	if text {
		enc = codec.JSON
	}
	if !n.known {
		n.cbor.Store(enc == codec.CBOR)
		n.describe(p, enc, turn)
	}
	d := decoders.Get().(*codec.Decoder)
	d.Reset(enc, payload)
	size := len(payload)
	for !n.ended {
		var m codec.Message
		err := d.Next(&m)
		if err == io.EOF {
			break
		}
		id, hasID := m.ID, m.Has.Has(codec.KeyID)
		answer := p.Session().Spend(1, size, turn.Mono)
		size = 0 // the bytes are charged once a frame
		if answer == nil && err != nil {
			answer = codec.AsError(err)
			if !m.UnknownOp { // a newer client's op may be refused any number of times
				n.malformed(p, answer, turn)
			}
		} else if answer == nil {
			n.bad = 0
			answer = n.handle(p, enc, &m, turn)
		}
		if answer != nil {
			n.say(p, enc, codec.AppendErr(nil, enc, id, hasID, answer), turn)
		}
	}
	d.Reset(enc, nil)
	decoders.Put(d)
}

// malformed counts, and ends a connection that goes on talking nonsense.
func (n *native) malformed(p node.Peer, why *codec.Error, turn *node.Turn) {
	n.cfg.Hub.Stats.Add(node.RefusedMalformed, 1)
	if n.bad++; n.bad < dialect.MaxBad {
		return
	}
	n.ended = true
	n.cfg.Hub.Stats.Add(node.CutMalformed, 1)
	bye := codec.Errorf(why.Code, "%d malformed frames in a row, the last: %s", dialect.MaxBad, why.Msg)
	n.Bye(p, bye, turn)
	p.End(1002, "malformed frames", turn)
}

func (n *native) send(p node.Peer, enc codec.Encoding, m *codec.Message, turn *node.Turn) {
	n.say(p, enc, codec.Append(nil, enc, m), turn)
}

// say sends a message behind the answers that wait for the disk.
func (n *native) say(p node.Peer, enc codec.Encoding, b []byte, turn *node.Turn) {
	if !p.Session().Waits() {
		p.Send(enc == codec.JSON, b, turn)
		return
	}
	dialect.Reply(p, enc == codec.JSON, b, 0, func(*codec.Error) []byte { return b }, turn)
}

// ok answers a request; m brings what the answer says beyond that.
func (n *native) ok(p node.Peer, enc codec.Encoding, req, m *codec.Message, turn *node.Turn) {
	m.Op, m.ID = codec.OpOK, req.ID
	m.Has |= req.Has & codec.Fields(0).With(codec.KeyID)
	n.send(p, enc, m, turn)
}

// hello lets the peer in by what it says of itself.
func (n *native) hello(p node.Peer, enc codec.Encoding, m *codec.Message, o *codec.Opts, turn *node.Turn) *codec.Error {
	s, token := p.Session(), ""
	c := node.Credentials{Dev: o.Dev, Name: o.Name, Token: o.Token}
	if n.cfg.Door != nil {
		now := s.Rights()
		r, given, err := n.cfg.Door.Admit(now, s.Info().Addr, &c)
		if err != nil {
			return err
		}
		if r != now {
			s.SetRights(r)
		}
		token = given
	}
	if err := s.Hello(c.Dev, c.Name, turn); err != nil {
		return err
	}
	if c.Dev != "" {
		n.isDevice(c.Dev)
	}
	n.welcome(p, enc, m, token, turn)
	return nil
}

// welcome tells who the hub is, and a device that joined its token.
func (n *native) welcome(p node.Peer, enc codec.Encoding, req *codec.Message, token string, turn *node.Turn) {
	c := n.cfg
	b := append(make([]byte, 0, 128), `{"hub":`...)
	b = codec.AppendString(b, codec.JSON, c.Hub.Options().Name)
	b = append(b, `,"version":`...)
	b = codec.AppendString(b, codec.JSON, c.Version)
	b = strconv.AppendInt(append(b, `,"now":`...), turn.Wall, 10)
	b = strconv.AppendInt(append(b, `,"mono":`...), turn.Mono, 10)
	b = strconv.AppendInt(append(b, `,"ping":`...), c.Ping.Milliseconds(), 10)
	b = strconv.AppendInt(append(b, `,"maxFrame":`...), int64(c.MaxFrame), 10)
	b = strconv.AppendInt(append(b, `,"retry":`...), retry.Milliseconds(), 10)
	if token != "" {
		b = codec.AppendString(append(b, `,"token":`...), codec.JSON, token)
	}
	n.send(p, enc, &codec.Message{
		Op: codec.OpWelcome, ID: req.ID, Data: append(b, '}'), Ep: c.Hub.Epoch(),
		Has: req.Has&codec.Fields(0).With(codec.KeyID) | codec.Fields(0).With(codec.KeyData).With(codec.KeyEp),
	}, turn)
}

// handle does one request. Its error is answered by the caller.
func (n *native) handle(p node.Peer, enc codec.Encoding, m *codec.Message, turn *node.Turn) *codec.Error {
	if m.Op == codec.OpPub {
		return n.pub(p, enc, m, turn)
	}
	var o codec.Opts
	if m.Has.Has(codec.KeyOpts) {
		if err := codec.ParseOpts(enc, m.Opts, &o); err != nil {
			return codec.AsError(err)
		}
	}
	switch m.Op {
	case codec.OpHello:
		return n.hello(p, enc, m, &o, turn)
	case codec.OpSub:
		return n.sub(p, enc, m, &o, turn)
	case codec.OpUnsub:
		return n.unsub(p, enc, m, &o, turn)
	case codec.OpPing:
		n.pong(p, enc, m, turn)
	case codec.OpPong:
	case codec.OpGet:
		return n.get(p, enc, m, &o, turn)
	case codec.OpList:
		return n.list(p, enc, m, &o, turn)
	case codec.OpMake:
		return n.make(p, enc, m, &o, turn)
	case codec.OpDelete:
		topic, err := n.topic(p, m)
		if err == nil {
			err = p.Session().MayManage(topic)
		}
		if err == nil {
			err = n.cfg.Hub.Delete(topic, p.Session(), turn)
		}
		if err != nil {
			return err
		}
		n.ok(p, enc, m, &codec.Message{}, turn)
	default:
		return codec.Errorf(codec.CodeMalformed, "op %q is the hub's to say", m.Op.String())
	}
	return nil
}

var (
	errNoTopic = &codec.Error{Code: codec.CodeMalformed, Msg: "topic is missing"}
	errNoData  = &codec.Error{Code: codec.CodeMalformed, Msg: "data is missing"}
	errAlias   = &codec.Error{Code: codec.CodeNotFound, Msg: "no such topic alias on this connection: use the name"}
)

// topic is the request's topic by name.
func (n *native) topic(p node.Peer, m *codec.Message) ([]byte, *codec.Error) {
	if m.IsAlias {
		t := p.Session().Aliased(m.Alias)
		if t == nil {
			return nil, errAlias
		}
		return []byte(t.Name()), nil
	}
	if !m.Has.Has(codec.KeyTopic) {
		return nil, errNoTopic
	}
	return m.Topic, nil
}

func (n *native) pong(p node.Peer, enc codec.Encoding, m *codec.Message, turn *node.Turn) {
	a := codec.Message{Op: codec.OpPong, ID: m.ID, Data: m.Data, Enc: enc}
	a.Has = m.Has & codec.Fields(0).With(codec.KeyID).With(codec.KeyData).With(codec.KeyTS)
	a.TS = turn.Wall // whoever says its own time is told ours
	n.send(p, enc, &a, turn)
}

func (n *native) sub(p node.Peer, enc codec.Encoding, m *codec.Message, o *codec.Opts, turn *node.Turn) *codec.Error {
	topic, err := n.topic(p, m)
	if err != nil {
		return err
	}
	if m.Has.Has(codec.KeyAck) {
		if done, err := n.ack(p, enc, m, topic, o.Name, turn); done {
			return err
		}
	}
	so, err := dialect.Subscription(o, n.cfg.Hub.Epoch())
	if err != nil {
		return err
	}
	var kept node.Kept
	if o.Name != "" {
		if kept, err = n.keep(p, o.Name, topic, m); err != nil {
			return err
		}
		so.Cursor = kept
	}
	if m.Has.Has(codec.KeyID) {
		so.Tag = m.ID + 1
	}
	if o.Has&codec.OptEnc != 0 {
		so.Format = formatOf(o.Enc)
	} else {
		so.Format = formatOf(enc)
	}
	if o.Has&codec.OptPace != 0 {
		p.SetPace(int(max(0, min(o.Pace, math.MaxInt32))))
	}
	done, err := p.Session().Subscribe(topic, so, turn)
	if err != nil {
		if kept != nil {
			kept.Leave()
		}
		return err
	}
	n.holds(o.Name, string(topic), kept)
	a := codec.Message{
		Data: dialect.AppendSubscribed(make([]byte, 0, 64), &done), Ep: done.Ep,
		Has: codec.Fields(0).With(codec.KeyData).With(codec.KeyEp),
	}
	if done.Topic != nil && m.Has.Has(codec.KeyID) { // without an id nobody waits for it
		n.alias(p.Session(), &a, done.Topic)
	}
	n.ok(p, enc, m, &a, turn)
	return nil
}

func (n *native) make(p node.Peer, enc codec.Encoding, m *codec.Message, o *codec.Opts, turn *node.Turn) *codec.Error {
	topic, err := n.topic(p, m)
	if err != nil {
		return err
	}
	if err := p.Session().MayManage(topic); err != nil {
		return err
	}
	t, _, err := p.Session().Make(topic, dialect.Make(o), turn)
	if err != nil {
		return err
	}
	var a codec.Message
	n.alias(p.Session(), &a, t)
	n.ok(p, enc, m, &a, turn)
	return nil
}
