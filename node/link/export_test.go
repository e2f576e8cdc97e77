package link

import (
	"crypto/tls"
	"math"
	"time"

	"topicd/node"
)

// What the tests of whole connections look at: they speak WebSocket, whose
// package stands above this one.

const (
	ReadPoll   = readPoll
	ReadStay   = readStay
	HasPoll    = hasPoll
	CloseWait  = closeWait
	DrainFor   = drainFor
	MaxUnread  = maxUnread
	BatchLimit = batchLimit
)

var (
	CloseCode = closeCode
	Remote    = remote
)

func (s *Server) Hub() *node.Hub  { return s.hub }
func (s *Server) Reader() string  { return s.opt.Reader }
func (s *Server) Left() int       { return s.left() }
func (s *Server) Partials() int64 { return s.partials.Held() }
func (s *Server) Unread() int64   { return s.unread.Held() }

// Patient gives peers so long for what they have little time for: to answer a close frame,
// and to read what was stored before it.
func (o Options) Patient(closing, drain time.Duration) Options {
	o.close, o.drain = closing, drain
	return o
}

// Ungreeted has the time be over in which peers have to say their first message. It
// returns how many have not, and the least and the most that they had left.
func (s *Server) Ungreeted() (n int, least, most time.Duration) {
	now := s.millis()
	s.each(func(c *conn) {
		c.mu.Lock()
		defer c.mu.Unlock()
		if c.life != alive || c.at == 0 {
			return
		}
		left := time.Duration(-c.at.since(now)) * time.Millisecond
		if n++; n == 1 {
			least = left
		}
		least, most = min(least, left), max(most, left)
		c.at = momentOf(now - 2)
	})
	return n, least, most
}

// Age has full sockets have taken nothing for d longer.
func (s *Server) Age(d time.Duration) {
	s.eachFull(func(c *conn) { c.behind.at -= d.Milliseconds() })
}

// Stalled is how long full sockets have taken nothing, at most.
func (s *Server) Stalled() (most time.Duration) {
	s.eachFull(func(c *conn) {
		most = max(most, time.Duration(s.millis()-c.behind.at)*time.Millisecond)
	})
	return most
}

func (s *Server) eachFull(do func(*conn)) {
	s.each(func(c *conn) {
		c.mu.Lock()
		defer c.mu.Unlock()
		if c.writer == blocked && c.behind != nil {
			do(c)
		}
	})
}

// Peers are the connections.
func (s *Server) Peers() (peers []node.Peer) {
	s.each(func(c *conn) {
		peers = append(peers, c)
	})
	return peers
}

// Blocked counts connections whose socket is full.
func (s *Server) Blocked() (n int) {
	s.each(func(c *conn) {
		c.mu.Lock()
		if c.writer == blocked {
			n++
		}
		c.mu.Unlock()
	})
	return n
}

// Queued is the most that a connection holds for a peer that does not read:
// bytes of answers and of an interrupted write.
func (s *Server) Queued() (most int) {
	s.each(func(c *conn) {
		c.mu.Lock()
		n := 0
		if c.behind != nil {
			n = cap(c.behind.rest) + cap(c.behind.b)
		}
		c.mu.Unlock()
		most = max(most, n)
	})
	return most
}

// Kept is what waits beyond a batch for each connection, and what is counted of it.
func (s *Server) Kept() (waits, counted int64) {
	s.each(func(c *conn) {
		c.mu.Lock()
		waits += int64(max(0, c.unreadLocked()-batchLimit))
		counted += int64(c.counted)
		c.mu.Unlock()
	})
	return waits, counted
}

// Rest has all connections rest, however quiet they are.
func (s *Server) Rest() { s.each(func(c *conn) { c.sock.rest() }) }

// Resting is how many connections have a goroutine that has not read since it began.
func (s *Server) Resting() (n int) {
	s.each(func(c *conn) {
		if p, ok := c.sock.(*staySocket); ok && !p.grown.Load() {
			n++
		}
	})
	return n
}

// Due is how many entries the pacer has.
func (s *Server) Due() int {
	s.pacer.mu.Lock()
	defer s.pacer.mu.Unlock()
	return len(s.pacer.heap)
}

// NewOld makes a server whose clock says age, and whose numbers are about to wrap.
func NewOld(h *node.Hub, o Options, age time.Duration) (*Server, error) {
	o.start = time.Now().Add(-age)
	s, err := New(h, o)
	if err == nil {
		s.next.Store(math.MaxUint32 - 1)
		s.ageSlots()
	}
	return s, err
}

// noSocket takes everything.
type noSocket struct{ out []byte }

func (*noSocket) start(*conn) {}
func (s *noSocket) write(b []byte) (int, error) {
	s.out = append(s.out, b...)
	return len(b), nil
}
func (*noSocket) seal(b []byte, _ *[]byte) ([]byte, error) { return b, nil }
func (*noSocket) owes() bool                               { return false }
func (*noSocket) waitWritable(*conn)                       {}
func (*noSocket) resume(*conn, bool)                       {}
func (*noSocket) rest()                                    {}
func (*noSocket) warm()                                    {}
func (*noSocket) finish()                                  {}
func (*noSocket) shut()                                    {}
func (*noSocket) release()                                 {}

// Fed is a connection without a socket: a test says what comes.
type Fed struct {
	c    *conn
	sock noSocket
	turn *node.Turn
}

// Feeder makes one; w nil is the plain wire.
func Feeder(h *node.Hub, o Options, w Wire, d node.Dialect) (*Fed, error) {
	s := &Server{hub: h, opt: o.withDefaults(), start: time.Now()}
	s.partials.Most, s.unread.Most = s.opt.Partials, s.opt.Unread
	s.flushers.srv, s.pacer.srv = s, s
	s.flushers.cond.L = &s.flushers.mu
	s.pacer.wake = make(chan struct{}, 1)
	f := &Fed{turn: h.Turn()}
	f.c = &conn{carrier: s.on(w), sock: &f.sock}
	f.c.Speak(d)
	sess, err := h.Open(f.c, "", "", f.turn)
	if err != nil {
		return nil, err
	}
	f.c.sess.Store(sess)
	s.add(f.c)
	return f, nil
}

// All feeds b in pieces as a reader would, with the rest in front.
func (f *Fed) All(b []byte, piece int, check func()) {
	for len(b) > 0 && !f.c.over {
		n := min(piece, len(b))
		var buf []byte
		if f.c.in != nil {
			buf = append(buf, f.c.in.part...)
		}
		buf = append(buf, b[:n]...)
		b = b[n:]
		f.c.feed(buf, f.turn)
		check()
	}
}

// Others has others hold so many bytes of answers, and of unfinished messages.
func (f *Fed) Others(answers, parts int) {
	f.c.srv.unread.Move(0, answers)
	f.c.srv.partials.Move(0, parts)
}

// Parked is what it keeps of messages that are not whole, the room that takes,
// and what is counted of it.
func (f *Fed) Parked() (bytes, room int, counted int64) {
	if u := f.c.in; u != nil {
		room = cap(u.part) + cap(u.msg)
	}
	return f.c.in.size(), room, f.c.srv.partials.Held()
}

// End writes what waits, ends the connection and returns all that was written.
func (f *Fed) End() []byte {
	w := newWorker(f.c.srv)
	w.tick()
	w.flush(f.c)
	f.c.gone(f.turn)
	return f.sock.out
}

// SealAndLook seals n batches and tells the most that TLS had to say by itself
// meanwhile, as its reader sees it. t has done its handshake on a socket of Below's.
func SealAndLook(t *tls.Conn, n int) (most int) {
	s := &secure{t, t.NetConn().(*below)}
	s.take(-1, false)
	done := make(chan struct{})
	go func() {
		defer close(done)
		var buf []byte
		for range n {
			_, _ = s.seal(make([]byte, batchLimit), &buf)
		}
	}()
	for {
		select {
		case <-done:
			return most
		default:
			most = max(most, s.unsaid())
		}
	}
}
