package link

import (
	"errors"
	"math/rand/v2"
	"net"
	"net/url"
	"strings"
	"syscall"
	"time"

	"topicd/codec"
	"topicd/node"
)

// Accept carries the connection from now on, and returns when it has begun. Both
// doors lead here: an upgraded request brings the wire and the answer to its
// handshake, which is written last of all, when the hub knows the peer. From a
// bare listener w is nil: the bytes are the dialect's (node.Splitter). Whatever such a
// dialect comes by, its first message has to come within Options.Greet.
//
// A connection with TLS stands on Below. Its handshake is done here, which takes
// up to half a minute, unless it is done. a.Addr may be empty. Options.Gone is called for
// whatever was given to Accept.
func (s *Server) Accept(nc net.Conn, a node.Arrival, d node.Dialect, w Wire, answer []byte) {
	if a.Addr == "" {
		a.Addr = remote(nc.RemoteAddr())
	}
	c := &conn{carrier: s.on(w), pace: s.pace(), writer: busy} // nobody writes before the answer
	c.Speak(d)
	if w != nil {
		c.nextPing = momentOf(s.millis() + s.pingAfter())
	}
	if c.packets {
		c.at = momentOf(s.millis() + s.opt.Greet.Milliseconds())
	}
	if !s.begin() {
		s.discard(nc, a.Addr)
		return
	}
	defer s.begun()
	_ = nc.SetDeadline(time.Time{})
	sock, err := s.newSocket(nc)
	if err != nil {
		s.hub.Stats.Add(node.RefusedSessions, 1)
		s.opt.Log.Debug("a connection could not be taken", "from", a.Addr, "why", err)
		s.discard(nc, a.Addr)
		return
	}
	c.sock = sock
	turn := s.hub.Turn()
	sess, refused := s.hub.Open(c, a.Addr, uri(a), turn)
	if refused != nil {
		c.say(c.wire.Bye(answer, closeCode(refused.Code), refused.Msg))
		sock.finish()
		sock.shut()
		sock.release()
		s.opt.Gone(a.Addr)
		return
	}
	sess.SetRights(a.Rights)
	c.sess.Store(sess)
	c.enter(answer, turn)
}

// on is what connections on that wire share, nil being the plain one. A server has
// one or two.
func (s *Server) on(w Wire) *carrier {
	if w == nil {
		w = plain{}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, k := range s.carriers {
		if k.wire == w {
			return k
		}
	}
	k := &carrier{s, w}
	s.carriers = append(s.carriers, k)
	return k
}

// enter puts the connection among the others.
func (c *conn) enter(answer []byte, turn *node.Turn) {
	s := c.srv
	late := s.add(c)
	c.dialect.Open(c, turn)
	if late {
		s.cut(c, errGoingAway, turn)
	}
	if !c.say(answer) {
		c.sock.shut()
	}
	c.mu.Lock()
	c.writer = resting
	again := c.again
	c.mu.Unlock()
	if again {
		c.Wake()
	}
	turn.Wake()
	c.sock.start(c)
}

// say writes b to a socket that nobody has written to: there is room.
func (c *conn) say(b []byte) bool {
	var buf []byte
	b, err := c.sock.seal(b, &buf)
	if err != nil || len(b) == 0 {
		return err == nil
	}
	n, err := c.sock.write(b)
	return err == nil && n == len(b)
}

func (s *Server) discard(nc net.Conn, addr string) {
	if t, ok := nc.(interface{ NetConn() net.Conn }); ok {
		nc = t.NetConn() // TLS would say goodbye first, and wait for who does not listen
	}
	_ = nc.Close()
	s.opt.Gone(addr)
}

// Gone tells that a connection that was handed over went before Accept.
func (s *Server) Gone(addr string) { s.opt.Gone(addr) }

// newSocket makes the socket that fits the connection and the options.
func (s *Server) newSocket(nc net.Conn) (socket, error) {
	sec, nc, err := newSecure(nc)
	if err != nil {
		return nil, err
	}
	sc, ok := nc.(syscall.Conn)
	if !ok {
		return nil, errNoDescriptor
	}
	raw, err := sc.SyscallConn()
	if err != nil {
		return nil, err
	}
	if s.opt.Reader == readPoll {
		return s.newPollSocket(nc, sec, raw)
	}
	return newStaySocket(nc, sec, raw)
}

var errNoDescriptor = errors.New("not a socket of the system")

// uri is the path and query that the peer came by, without the request's buffer
// behind it: it stays as long as the connection.
func uri(a node.Arrival) string {
	if a.Path == "" {
		return ""
	}
	switch u := (&url.URL{Path: a.Path, RawQuery: a.Query}).RequestURI(); {
	case u == "/":
		return "/"
	case u == "/ws":
		return "/ws"
	default:
		return strings.Clone(u)
	}
}

// pingAfter is the time to the next ping: up to a tenth early, so that ten
// thousand connections are not pinged at once.
func (s *Server) pingAfter() int64 {
	d := s.opt.Ping.Milliseconds()
	return d - rand.Int64N(d/10+1)
}

// remote is the peer's address.
func remote(a net.Addr) string {
	if a == nil {
		return ""
	}
	return a.String()
}

// cut tells a peer why it is cut, in its dialect's words, and closes.
func (s *Server) cut(c *conn, why *codec.Error, turn *node.Turn) {
	c.mu.Lock()
	d := c.dialect
	c.mu.Unlock()
	d.Bye(c, why, turn)
	c.End(closeCode(why.Code), why.Msg, turn)
	if why.Code == codec.CodeConflict {
		c.mu.Lock()
		c.life = max(c.life, replaced)
		c.mu.Unlock()
	}
}

// closeCode is the RFC 6455 close code for an error code of the protocol.
func closeCode(code int) int {
	switch code {
	case codec.CodeGoingAway:
		return CloseGoingAway
	case codec.CodeMalformed:
		return CloseProtocol
	case codec.CodeTooLarge:
		return CloseTooBig
	case codec.CodeNoRoom, codec.CodeTooFast:
		return CloseTryLater
	default:
		return ClosePolicy
	}
}
