package front

import (
	"bufio"
	"bytes"
	"io"
	"net"
	"net/http"
	"strconv"

	"topicd/codec"
	"topicd/node"
)

// net/http bounds the bytes of a request's head, not its lines, and makes a map
// entry of each: 5 bytes become 117. An event stream keeps that as long as it
// lasts, a head that does not end for 5 s; 250 of them were 55 MiB.

// maxFields of a head: browsers send twenty. Apache has the same.
const maxFields = 100

// headListener counts the lines of heads while they come. Over TLS, where they
// cannot be seen, guard counts the fields once they are there.
type headListener struct {
	net.Listener
	stats *node.Stats
}

// Accept implements net.Listener.
func (l *headListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if tcp, ok := c.(*net.TCPConn); ok {
		return &headConn{TCPConn: tcp, stats: l.stats}, err
	}
	return c, err
}

// headConn is a connection as long as net/http has it.
type headConn struct {
	*net.TCPConn
	stats *node.Stats

	// owned by who reads
	lines int
	text  bool // the line has begun
	body  bool // the head is over
}

// Read implements net.Conn.
func (c *headConn) Read(b []byte) (int, error) {
	n, err := c.TCPConn.Read(b)
	if !c.body && !c.take(b[:n]) {
		c.stats.Add(node.RefusedLarge, 1)
		say(c.TCPConn, fieldsAnswer)
		return 0, io.EOF
	}
	return n, err
}

// take counts lines until an empty one. false: they are too many.
func (c *headConn) take(b []byte) bool {
	for !c.body {
		i := bytes.IndexByte(b, '\n')
		if i < 0 {
			c.text = c.text || len(bytes.TrimSuffix(b, []byte("\r"))) > 0
			break
		}
		switch text := c.text || len(bytes.TrimSuffix(b[:i], []byte("\r"))) > 0; {
		case text:
			c.lines++
		case c.lines > 0:
			c.body = true
		}
		c.text, b = false, b[i+1:]
	}
	return c.lines <= maxFields+1
}

// next is for the head of the next request.
func (c *headConn) next() { c.lines, c.text, c.body = 0, false, false }

// handover gives who takes the connection over the socket itself.
type handover struct{ http.ResponseWriter }

// Hijack implements http.Hijacker.
func (h handover) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	nc, rw, err := http.NewResponseController(h.ResponseWriter).Hijack()
	if c, ok := nc.(*headConn); ok {
		nc = c.TCPConn
	}
	return nc, rw, err
}

// judgeFields refuses heads of too many fields.
func (f *Front) judgeFields(r *http.Request) *codec.Error {
	n := 0
	for _, v := range r.Header {
		n += len(v)
	}
	if n <= maxFields {
		return nil
	}
	f.in.Stats.Add(node.RefusedLarge, 1)
	return errFields
}

var errFields = &codec.Error{Code: http.StatusRequestHeaderFieldsTooLarge, Msg: "a request may have " + strconv.Itoa(maxFields) + " header fields"}

var fieldsAnswer = errorAnswer(errFields)
