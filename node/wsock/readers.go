package wsock

import (
	"errors"
	"io"
	"math"
	"net"
	"syscall"
	"time"

	"github.com/gorilla/websocket"

	"topicd/node"
)

// readAhead is read beyond one largest frame: many small ones come at once.
const readAhead = 64 << 10

// Names of the readers.
const (
	readPoll    = "poll"
	readWait    = "wait"
	readGorilla = "gorilla"
)

func (s *Server) startReaders() error {
	if s.opt.Reader == "" {
		s.opt.Reader = readWait
		if hasPoll {
			s.opt.Reader = readPoll
		}
	}
	switch s.opt.Reader {
	case readPoll:
		return s.startPoll()
	case readWait:
		s.startWait()
	case readGorilla:
	default:
		return errors.New("unknown reader " + s.opt.Reader)
	}
	return nil
}

func (s *Server) stopReaders() {
	s.stopPoll()
	if s.waiters != nil {
		s.waiters.stop()
	}
}

// newSocket makes the socket that fits the connection and the options.
func (s *Server) newSocket(c *conn, ws *websocket.Conn, wire *tap) socket {
	if tcp, plain := wire.Conn.(*net.TCPConn); plain {
		switch s.opt.Reader {
		case readPoll:
			if sock, err := s.newPollSocket(tcp); err == nil {
				return sock
			}
		case readWait:
			return &waitSocket{netSocket: *newNetSocket(tcp), c: c, pool: s.waiters}
		}
	}
	wire.c = c
	return &gorillaSocket{netSocket: *newNetSocket(wire.Conn), ws: ws, wire: wire}
}

// gorillaSocket is read by gorilla on a goroutine of its own.
type gorillaSocket struct {
	netSocket
	ws   *websocket.Conn
	wire *tap
}

func (g *gorillaSocket) start(c *conn) {
	c.srv.wg.Add(1)
	go c.srv.gorillaLoop(c, g.ws, g.wire)
}

// netSocket is a socket that stays with Go's poller.
type netSocket struct {
	nc  net.Conn
	raw syscall.RawConn // nil where the bytes cannot be written directly (TLS)
}

func newNetSocket(nc net.Conn) *netSocket {
	s := &netSocket{nc: nc}
	if tcp, ok := nc.(*net.TCPConn); ok {
		s.raw, _ = tcp.SyscallConn()
	}
	return s
}

func (s *netSocket) write(b []byte) (n int, err error) {
	if s.raw == nil {
		return 0, nil // a goroutine will, blocking
	}
	werr := s.raw.Write(func(fd uintptr) bool {
		n, err = syscall.Write(int(fd), b)
		return true
	})
	if err == syscall.EAGAIN || err == syscall.EINTR {
		return 0, nil
	}
	if err == nil {
		err = werr
	}
	return max(n, 0), err
}

func (s *netSocket) warm() {}

// waitWritable writes the rest on a goroutine of its own, which the
// connection has only until it drains.
func (s *netSocket) waitWritable(c *conn) {
	c.srv.wg.Add(1)
	go func() {
		defer c.srv.wg.Done()
		for {
			c.mu.Lock()
			rest := c.pending // nil once the connection is gone
			c.mu.Unlock()
			if len(rest) == 0 {
				break
			}
			n, err := s.nc.Write(rest[:min(len(rest), drainStep)])
			if err != nil {
				c.mu.Lock()
				c.dead = true
				c.mu.Unlock()
				s.shut()
				return
			}
			c.mu.Lock()
			c.pending = c.pending[min(n, len(c.pending)):]
			c.countLocked()
			c.blockedAt = c.srv.millis() // the sweeper cuts who takes nothing, not who takes little
			c.mu.Unlock()
		}
		w := newWorker(c.srv)
		w.tick()
		w.writable(c)
		w.attend()
	}()
}

const drainStep = 8 << 10

func (s *netSocket) finish() {
	if cw, ok := s.nc.(interface{ CloseWrite() error }); ok {
		_ = cw.CloseWrite()
	} else {
		s.shut()
	}
}

// shut closes what is below TLS: TLS itself would say goodbye first, and wait 5 s
// for a peer that takes nothing, while the sweeper waits for it.
func (s *netSocket) shut() {
	if t, ok := s.nc.(interface{ NetConn() net.Conn }); ok {
		_ = t.NetConn().Close()
		return
	}
	_ = s.nc.Close()
}

func (s *netSocket) release() { s.shut() }

// gorillaLoop reads with gorilla, for TLS above all.
func (s *Server) gorillaLoop(c *conn, ws *websocket.Conn, wire *tap) {
	defer s.wg.Done()
	turn := s.hub.Turn()
	ws.SetReadLimit(int64(s.opt.MaxFrame))
	ws.SetPingHandler(func(p string) error {
		return c.control(opPing, []byte(p), turn)
	})
	ws.SetPongHandler(func(p string) error {
		return c.control(opPong, []byte(p), turn)
	})
	ws.SetCloseHandler(func(code int, _ string) error {
		c.finish(code, "", turn)
		return nil
	})
	buf := make([]byte, 0, 256)
	for !c.over {
		op, r, err := ws.NextReader()
		if err == nil {
			buf, err = c.readAll(r, buf[:0])
		}
		s.hub.Tick(turn)
		c.sess.Heard(turn.Mono)
		switch {
		case err == errPartials:
			c.fail(errPartials, turn)
		case err == errFlood:
			c.fail(errFlood, turn)
		case err == websocket.ErrReadLimit && !c.isDone():
			c.fail(errTooBig, turn) // gorilla says nothing where a length is no int64
		}
		if err != nil {
			break
		}
		wire.since = 0
		if b := c.message(op == websocket.TextMessage, buf, turn); b != nil {
			c.fail(b, turn)
		}
		turn.Wake()
		if wait := c.sess.Owes(); wait > 0 && !c.over {
			time.Sleep(time.Duration(wait) * time.Millisecond)
		}
		if !c.waitDrained() {
			break
		}
		if cap(buf) > 4096 {
			buf = make([]byte, 0, 256)
		}
	}
	c.Wake() // for gorilla's own close frame
	turn.Wake()
	if c.isDone() { // let the peer read our close frame before the socket goes
		_ = wire.Conn.SetReadDeadline(time.Now().Add(closeWait * time.Millisecond))
		_, _ = io.Copy(io.Discard, wire.Conn)
	}
	c.gone(turn)
	turn.Wake()
}

// control handles a ping or a pong. It is what conn.frame does for the other
// readers.
func (c *conn) control(op byte, p []byte, turn *node.Turn) error {
	c.srv.hub.Tick(turn)
	c.sess.Heard(turn.Mono)
	if err := c.frame(head{op: op, fin: true}, p, turn); err != nil {
		c.fail(err, turn)
		return err
	}
	turn.Wake()
	if !c.waitDrained() {
		return errUnread
	}
	return nil
}

var errUnread = errors.New("answers are not read")

// waitDrained is drains for a reader with a goroutine of its own: it waits for
// the peer, as long as that reads.
func (c *conn) waitDrained() bool {
	const nap = 10 // milliseconds
	least := math.MaxInt
	for left := closeWait / nap; ; left-- {
		c.mu.Lock()
		n := c.unreadLocked()
		if left == 0 && !c.excess {
			c.exceedLocked()
		}
		wait := n > relieveAt && !c.excess && !c.closed && !c.dead
		c.mu.Unlock()
		if !wait {
			return c.drains()
		}
		if n < least {
			least, left = n, closeWait/nap
		}
		time.Sleep(nap * time.Millisecond)
	}
}

func (c *conn) isDone() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.done
}

// readAll is io.ReadAll into a buffer that is kept, within the budget for
// unfinished messages.
func (c *conn) readAll(r io.Reader, b []byte) (_ []byte, err error) {
	held := 0
	defer func() { c.srv.hold(-held) }()
	for {
		if len(b) == cap(b) {
			b = append(b, 0)[:len(b)]
		}
		n, err := r.Read(b[len(b):cap(b)])
		if !c.srv.hold(n) {
			return b, errPartials
		}
		held += n
		b = b[:len(b)+n]
		if err == io.EOF {
			return b, nil
		}
		if err != nil {
			return b, err
		}
	}
}
