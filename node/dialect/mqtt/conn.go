package mqtt

import (
	"strconv"
	"sync"
	"sync/atomic"

	"topicd/codec"
	"topicd/node"
	"topicd/node/dialect/mqtt/packet"
)

// conn is one connection: from CONNECT on it speaks for a client.
type conn struct {
	// static after construction
	srv *Server

	said atomic.Int32 // the version, 0 = no CONNECT yet; Bye asks from anywhere

	// mu: the reader's, and of who goes when this connection takes over
	mu     sync.Mutex
	v      packet.Version
	over   bool
	own    *node.Session // the transport's, which the client's may be another than; from CONNECT on
	client *client
	past   *past
}

// past is what only some connections have: nil for most.
type past struct {
	will    *will
	claim   *claim   // waits for the connection that has its client still
	aliases []string // that the client gave
	piece   *piece   // SUBSCRIBE or UNSUBSCRIBE that is handled in pieces
}

// extra is c.past, made when it is first needed.
func (c *conn) extra() *past {
	if c.past == nil {
		c.past = new(past)
	}
	return c.past
}

// takeWill is the connection's will, once.
func (c *conn) takeWill() (w *will) {
	if c.past != nil {
		w, c.past.will = c.past.will, nil
	}
	return w
}

// Open implements node.Dialect.
func (c *conn) Open(p node.Peer, turn *node.Turn) {
	p.Session().Patient()
	p.Session().Describe("mqtt", "", turn)
}

// Split implements node.Splitter.
func (c *conn) Split(in []byte, most int) (n int, err *codec.Error) {
	pkt, _, bad := packet.Split(in, min(most, c.srv.cfg.MaxPacket))
	if bad != nil {
		code := codec.CodeMalformed
		if bad.Reason == packet.TooLarge {
			code = codec.CodeTooLarge
		}
		return 0, &codec.Error{Code: code, Msg: bad.Msg}
	}
	return len(pkt), nil
}

// Frame implements node.Dialect: one packet.
func (c *conn) Frame(p node.Peer, _ bool, pkt []byte, turn *node.Turn) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.over {
		return
	}
	x := c.past
	if x != nil && x.claim != nil || p.Session().Behind() { // what comes before the CONNACK waits for it
		p.Again()
		return
	}
	if paid := x != nil && x.piece != nil; !paid && p.Session().Overdrawn(1, len(pkt), turn.Mono) {
		c.srv.hub.Stats.Add(node.CutFlood, 1)
		c.end(p, packet.RateTooHigh, "more packets than a client may send", turn)
		return
	}
	c.frame(p, pkt, turn)
}

var (
	errFirst    = &packet.Error{Reason: packet.ProtocolError, Clause: "3.1.0-1", Msg: "the first packet is not a CONNECT"}
	errAgain    = &packet.Error{Reason: packet.ProtocolError, Clause: "3.1.0-2", Msg: "a second CONNECT"}
	errNotYours = &packet.Error{Reason: packet.ProtocolError, Clause: "2.1.2", Msg: "a packet that only a server sends"}
	errNoAuth   = &packet.Error{Reason: packet.ProtocolError, Clause: "4.12", Msg: "AUTH, and the CONNECT named no method"}
)

func (c *conn) frame(p node.Peer, pkt []byte, turn *node.Turn) {
	t := packet.TypeOf(pkt)
	if c.client == nil {
		if t == packet.CONNECT {
			c.connect(p, pkt, turn)
		} else {
			c.fail(p, errFirst, turn)
		}
		return
	}
	var err *packet.Error
	switch t {
	case packet.PUBLISH:
		err = c.published(p, pkt, turn)
	case packet.PUBACK, packet.PUBREC, packet.PUBREL, packet.PUBCOMP:
		err = c.acked(p, pkt, turn)
	case packet.SUBSCRIBE:
		err = c.subscribe(p, pkt, turn)
	case packet.UNSUBSCRIBE:
		err = c.unsubscribe(p, pkt, turn)
	case packet.PINGREQ:
		if err = packet.CheckPing(pkt, c.v); err == nil {
			p.Send(false, pong, turn)
		}
	case packet.DISCONNECT:
		err = c.disconnect(p, pkt, turn)
	case packet.CONNECT:
		err = errAgain
	case packet.AUTH:
		err = errNoAuth
	default:
		err = errNotYours
	}
	if err != nil {
		c.fail(p, err, turn)
	}
}

var pong = packet.AppendPing(nil, packet.PINGRESP)

// fail ends a connection that broke the protocol (4.13), or that the hub has no room for.
func (c *conn) fail(p node.Peer, err *packet.Error, turn *node.Turn) {
	why := node.CutProtocol
	switch {
	case err == errNotReading:
		why = node.CutReplies
	case err.Reason == packet.QuotaExceeded:
		why = node.CutRoom
	case err.Reason == packet.Malformed:
		why = node.CutMalformed
	}
	c.srv.hub.Stats.Add(why, 1)
	c.end(p, err.Reason, err.Msg, turn)
}

// end ends the connection; MQTT 5 is told why.
func (c *conn) end(p node.Peer, why packet.Reason, msg string, turn *node.Turn) {
	c.over = true
	if c.v == packet.V5 && c.client != nil && why.In(packet.DISCONNECT) {
		e := packet.End{Type: packet.DISCONNECT, Reason: why, Props: packet.Props(nil).AppendVal(packet.ReasonString, []byte(msg))}
		p.Send(false, e.Append(nil, c.v), turn)
	}
	p.End(closeCode(why), msg, turn)
}

// closeCode is the close code of RFC 6455 for a reason, where MQTT comes that way.
func closeCode(why packet.Reason) int {
	switch why {
	case packet.Success:
		return 1000
	case packet.ShuttingDown:
		return 1001
	case packet.TooLarge:
		return 1009
	case packet.Malformed, packet.ProtocolError:
		return 1002
	}
	return 1008
}

// disconnect handles a DISCONNECT (3.14).
func (c *conn) disconnect(p node.Peer, pkt []byte, turn *node.Turn) *packet.Error {
	var e packet.End
	if err := e.Decode(pkt, c.v); err != nil {
		return err
	}
	for v := range e.Props.All {
		if v.ID == packet.SessionExpiry {
			if !c.srv.expire(c.client, v.Num) {
				return errExpiry
			}
		}
	}
	if e.Reason != packet.DisconnectWithWill { // 3.14.4-3
		c.srv.forget(c.takeWill())
	}
	c.over = true
	p.End(closeCode(packet.Success), "", turn)
	return nil
}

var errExpiry = &packet.Error{Reason: packet.ProtocolError, Clause: "3.14.2.2.2", Msg: "a session expiry interval where CONNECT had none"}

// expire changes how long a client is kept. false: it was not to be kept at all.
func (s *Server) expire(c *client, expiry uint32) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if c.expiry == 0 && expiry > 0 {
		return false
	}
	c.expiry = s.allowed(expiry)
	return true
}

// Bye implements node.Dialect.
func (c *conn) Bye(p node.Peer, why *codec.Error, turn *node.Turn) {
	if packet.Version(c.said.Load()) != packet.V5 {
		return // there is no such word
	}
	r := reasonOf(why, packet.DISCONNECT)
	switch {
	case why == errTakenOver:
		r = packet.TakenOver
	case why.Code == codec.CodeMalformed:
		r = packet.Malformed
	}
	e := packet.End{Type: packet.DISCONNECT, Reason: r, Props: packet.Props(nil).AppendVal(packet.ReasonString, []byte(why.Msg))}
	p.Send(false, e.Append(nil, packet.V5), turn)
}

// Close implements node.Dialect.
func (c *conn) Close(p node.Peer, turn *node.Turn) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.over = true
	x := c.past
	if x != nil {
		for _, name := range x.aliases {
			c.srv.names.Give(len(name))
		}
		x.aliases = nil
		if x.claim != nil {
			c.srv.withdraw(c)
			x.claim = nil
		}
	}
	if c.client == nil {
		c.srv.forget(c.takeWill()) // it never was in
		return
	}
	if c.client.kept {
		p.Adopt(c.own)
	}
	c.srv.leave(c, turn)
}

// withdraw: the connection waits no longer.
func (s *Server) withdraw(cn *conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if id := cn.past.claim.id; s.next[id] == cn {
		delete(s.next, id)
	}
}

// anonymous is an identifier for a client that brought none (3.1.3-6).
func (s *Server) anonymous() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	for {
		s.anon++
		id := "topicd-" + strconv.FormatUint(s.hub.Run(), 36) + "-" + strconv.FormatUint(s.anon, 36)
		if s.clientLocked(id) == nil {
			return id
		}
	}
}
