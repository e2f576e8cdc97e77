package link

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"sync"
	"time"

	"topicd/node"
)

// crypto/tls blocks where its socket does, and a record that was written by half
// is lost for ever. So what is below TLS is ours: once the handshake is done it
// gives TLS what the socket has and not a byte more, and keeps what TLS writes
// until whoever writes for the connection takes it to the socket. No goroutine
// waits in TLS, and a delivery over TLS costs what its encryption costs.

// Below wraps a listener that TLS is to stand on: Accept takes no other
// connections with TLS.
func Below(l net.Listener) net.Listener { return belowListener{l} }

type belowListener struct{ net.Listener }

// Accept implements net.Listener.
func (l belowListener) Accept() (net.Conn, error) {
	nc, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &below{Conn: nc, fd: -1}, nil
}

// below is what TLS takes for its socket.
type below struct {
	net.Conn

	// owned by the reader
	fd    int  // -1 as long as TLS may block
	level bool // who waits for the socket is told again what is left in it
	dry   bool // the last read took all that was there: to ask again would cost as much

	mu      sync.Mutex
	taken   bool   // TLS may not block any more
	sealing bool   // out is what the writer has TLS make, and what TLS says meanwhile
	out     []byte // what TLS wrote since; guarded by mu
}

// errAgain: the socket has no more. It is temporary to TLS, which goes on where it was.
var errAgain error = again{}

type again struct{}

func (again) Error() string   { return "nothing more to read" }
func (again) Timeout() bool   { return true }
func (again) Temporary() bool { return true }

// Read implements net.Conn.
func (b *below) Read(p []byte) (int, error) {
	if b.fd < 0 {
		return b.Conn.Read(p)
	}
	if b.dry {
		return 0, errAgain
	}
	n, err := readFD(b.fd, p)
	b.dry = b.level && err == nil && n < len(p)
	return n, err
}

// Write implements net.Conn. TLS calls it with its own lock held, so that records
// lie in the order that they were numbered in.
func (b *below) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.taken {
		return b.Conn.Write(p)
	}
	b.out = append(b.out, p...)
	return len(p), nil
}

// secure is TLS on a socket that does not block.
type secure struct {
	tls   *tls.Conn
	below *below
}

// handshakeTime is for who comes without front, which has its own bound: enough for
// hundreds of peers at once where each takes the processor 20 ms.
const handshakeTime = 30 * time.Second

var errNotBelow = errors.New("TLS on a socket that is not link.Below's")

// newSecure does the handshake, unless that is done, and returns what is below
// TLS. Both are nil where nc has no TLS.
func newSecure(nc net.Conn) (*secure, net.Conn, error) {
	t, ok := nc.(*tls.Conn)
	if !ok {
		return nil, nc, nil
	}
	b, ok := t.NetConn().(*below)
	if !ok {
		return nil, nil, errNotBelow
	}
	ctx, cancel := context.WithTimeout(context.Background(), handshakeTime)
	defer cancel()
	if err := t.HandshakeContext(ctx); err != nil {
		return nil, nil, err
	}
	return &secure{t, b}, b.Conn, nil
}

// take has TLS read from fd and block no more. level tells that the end of a
// connection makes an event of its own, also where it came with the last bytes.
func (s *secure) take(fd int, level bool) {
	s.below.fd, s.below.level = fd, level
	s.below.mu.Lock()
	s.below.taken = true
	s.below.mu.Unlock()
}

// read takes what TLS makes of all that the socket has, as read(2) would: less
// than a buffer full is all that there is. An error comes by itself, and again.
func (s *secure) read(b []byte) (n int, err error) {
	s.below.dry = false
	for n < len(b) && err == nil {
		var more int
		more, err = s.tls.Read(b[n:])
		n += more
	}
	switch {
	case s.unsaid() > maxAside:
		return n, errAside
	case n > 0:
		return n, nil
	}
	return 0, err
}

// maxAside is what TLS itself may have to say to a peer that does not read it:
// answers to new keys, of which an honest peer sends one in 2^24 records.
const maxAside = 4 << 10

var errAside = errors.New("the peer makes TLS talk and does not listen")

// broke counts an end that is not the peer's: reading has failed.
func (c *conn) broke(err error) {
	if err == errAside {
		c.srv.hub.Stats.Add(node.CutReplies, 1)
	}
}

// unsaid is how many bytes TLS has to say by itself that nobody takes yet.
func (s *secure) unsaid() int {
	s.below.mu.Lock()
	defer s.below.mu.Unlock()
	if s.below.sealing {
		return 0
	}
	return len(s.below.out)
}

// seal is what the socket is to write for b: see socket.
func (s *secure) seal(b []byte, buf *[]byte) ([]byte, error) {
	w := s.below
	w.mu.Lock()
	w.out = append((*buf)[:0], w.out...)
	w.sealing = true
	w.mu.Unlock()
	var err error
	if len(b) > 0 {
		_, err = s.tls.Write(b)
	}
	w.mu.Lock()
	out := w.out
	w.out, w.sealing = nil, false
	w.mu.Unlock()
	keepBuf(buf, out)
	return out, err
}

// goodbye is what TLS says last (RFC 8446 6.1).
func (s *secure) goodbye() []byte {
	_ = s.tls.CloseWrite()
	var buf []byte
	b, _ := s.seal(nil, &buf)
	return b
}
