package link

import (
	"errors"
	"net"
	"os"
	"sync/atomic"
	"syscall"
	"time"
)

// staySocket stays with Go's poller, on any system. A goroutine waits for
// readiness on it, and has one of a few readers while there is something to read.
type staySocket struct {
	nc  net.Conn // below TLS
	raw syscall.RawConn
	tls *secure // nil = plain

	grown atomic.Bool // its goroutine has read: the stack is no longer the smallest
}

func newStaySocket(nc net.Conn, sec *secure, raw syscall.RawConn) (socket, error) {
	s := &staySocket{nc: nc, raw: raw, tls: sec}
	if s.grown.Store(sec != nil); sec != nil { // TLS may have read on while it shook hands: a look would not tell
		if err := raw.Control(func(fd uintptr) { sec.take(int(fd), false) }); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// reader is what a goroutine needs while it reads: too much for each connection
// to have one.
type reader struct {
	*worker
	buf []byte
}

func (s *Server) startStay() {
	for range cap(s.readers) {
		s.readers <- &reader{newWorker(s), make([]byte, readBuffer)}
	}
}

func (s *staySocket) start(c *conn) {
	c.srv.wg.Add(1)
	go s.readLoop(c)
}

// readLoop stays inside one Read of the poller, and reads until the socket has
// nothing: the end that came together with the last bytes makes no event of its own.
// It begins with a look: what reads would have the stack grow.
func (s *staySocket) readLoop(c *conn) {
	defer c.srv.wg.Done()
	_ = s.nc.SetReadDeadline(time.Time{})
	err := s.raw.Read(func(fd uintptr) bool {
		if !s.grown.Load() && isEmpty(int(fd)) {
			return false
		}
		for s.grown.Store(true); ; {
			switch wait := s.readOnce(c, int(fd)); {
			case wait == isOver:
				return true
			case wait == isDrained:
				return false
			case wait > 0:
				s.leave(c, wait)
			}
		}
	})
	if errors.Is(err, os.ErrDeadlineExceeded) {
		s.start(c)
		return
	}
	r := <-c.srv.readers
	r.tick()
	c.gone(&r.turn)
	r.attend()
	c.srv.readers <- r
}

// rest has the goroutine of a peer that was quiet for a while give its stack back,
// 4 KiB or more after a frame was read and 2 before: another one waits on. The stack
// of one that waits is never made smaller than 4 KiB by itself.
func (s *staySocket) rest() {
	if s.grown.CompareAndSwap(true, false) {
		_ = s.nc.SetReadDeadline(longAgo)
	}
}

var longAgo = time.Unix(1, 0) // never written

// leave leaves the peer unread, for as long as it owes, or as others have their turn.
func (s *staySocket) leave(c *conn, wait time.Duration) {
	for wait > 0 {
		if time.Sleep(wait); c.parked {
			return
		}
		r := <-c.srv.readers
		r.tick()
		wait = time.Duration(c.sess.Load().StillOwes(r.turn.Mono)) * time.Millisecond
		c.mu.Lock()
		if c.life != alive {
			wait = 0
		}
		c.mu.Unlock()
		c.srv.readers <- r
	}
}

// What readOnce found, where it is not how long the peer is to be left unread.
const (
	isOver    = time.Duration(-1)
	isDrained = time.Duration(-2)
)

func (s *staySocket) readOnce(c *conn, fd int) time.Duration {
	r := <-c.srv.readers
	defer func() { c.srv.readers <- r }()
	r.tick()
	if c.parked {
		wait := c.unpark(&r.turn)
		r.attend()
		return time.Duration(wait) * time.Millisecond
	}
	in, have := c.room(r.buf)
	var n int
	var err error
	if s.tls != nil {
		n, err = s.tls.read(in[have:])
	} else {
		n, err = readFD(fd, in[have:])
	}
	if s.owes() {
		c.Wake()
	}
	if err == errAgain {
		return isDrained
	}
	if err != nil {
		c.broke(err)
		return isOver
	}
	wait := c.heard(in[:have+n], &r.turn)
	r.attend()
	return time.Duration(wait) * time.Millisecond
}

func (s *staySocket) seal(b []byte, buf *[]byte) ([]byte, error) {
	if s.tls == nil {
		return b, nil
	}
	return s.tls.seal(b, buf)
}

func (s *staySocket) owes() bool { return s.tls != nil && s.tls.unsaid() > 0 }

func (s *staySocket) write(b []byte) (n int, err error) {
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

func (s *staySocket) warm() {}

// resume has nothing to do: the reader sleeps as long as the peer is left unread.
func (s *staySocket) resume(*conn, bool) {}

// waitWritable writes the rest on a goroutine of its own, which the
// connection has only until it drains.
func (s *staySocket) waitWritable(c *conn) {
	c.srv.wg.Add(1)
	go func() {
		defer c.srv.wg.Done()
		for {
			c.mu.Lock()
			var left []byte
			if c.behind != nil { // nil once the connection is gone
				left = c.behind.rest
			}
			c.mu.Unlock()
			if len(left) == 0 {
				break
			}
			n, err := s.nc.Write(left[:min(len(left), drainStep)])
			c.mu.Lock()
			if err != nil {
				c.life = max(c.life, lost)
				c.mu.Unlock()
				s.shut()
				return
			}
			if b := c.behind; b != nil {
				b.rest = b.rest[min(n, len(b.rest)):]
				b.at = c.srv.millis() // the sweeper cuts who takes nothing, not who takes little
			}
			c.countLocked()
			c.mu.Unlock()
		}
		w := newWorker(c.srv)
		w.tick()
		w.writable(c)
		w.attend()
	}()
}

const drainStep = 8 << 10

func (s *staySocket) finish() {
	if s.tls != nil {
		_, _ = s.write(s.tls.goodbye())
	}
	if cw, ok := s.nc.(interface{ CloseWrite() error }); ok {
		_ = cw.CloseWrite()
	} else {
		s.shut()
	}
}

// shut does not close: that waits until nobody reads, and who reads may call it.
func (s *staySocket) shut() {
	_ = s.raw.Control(func(fd uintptr) { _ = syscall.Shutdown(int(fd), syscall.SHUT_RDWR) })
}

func (s *staySocket) release() { _ = s.nc.Close() }
