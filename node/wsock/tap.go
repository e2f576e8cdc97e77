package wsock

import (
	"bufio"
	"net"
	"net/http"

	"topicd/node"
)

// tap stands between gorilla and the socket. The answer to the handshake it
// holds until the hub knows the peer; after that, what gorilla itself writes (its
// answer to a message over the limit, say) goes to the connection's answers: every
// byte must pass one place, or frames would cut into each other.
type tap struct {
	net.Conn
	c    *conn  // nil during the handshake
	held []byte // the answer to it

	since int // bytes read since a message was whole; owned by the reader
}

// Read counts: gorilla reads fragments without anything in them for ever.
func (t *tap) Read(b []byte) (int, error) {
	n, err := t.Conn.Read(b)
	if t.c == nil {
		return n, err
	}
	if t.since += n; t.since > wireFactor*t.c.srv.opt.MaxFrame {
		return n, errFlood
	}
	return n, err
}

// wireFactor: a fragment of one byte has a head of six, and pings may come
// between them.
const wireFactor = 16

func (t *tap) Write(b []byte) (int, error) {
	if t.c == nil {
		t.held = append(t.held, b...)
		return len(b), nil
	}
	t.c.mu.Lock()
	if !t.c.ending && !t.c.closed {
		a := t.c.queueLocked()
		a.b = append(a.b, b...)
		t.c.ending, t.c.endAt = true, t.c.srv.millis()
	}
	t.c.done = true // gorilla writes nothing but close frames, to who broke the protocol
	t.c.mu.Unlock()
	t.c.srv.hub.Stats.Add(node.CutProtocol, 1)
	return len(b), nil
}

// hijacker makes gorilla take the tap for the socket.
type hijacker struct {
	http.ResponseWriter
	tap *tap
}

func (h hijacker) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	nc, rw, err := http.NewResponseController(h.ResponseWriter).Hijack()
	h.tap.Conn = nc
	return h.tap, rw, err
}
