package bench

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/gorilla/websocket"

	"topicd/codec"
	"topicd/node/client"
)

// conn is a WebSocket reduced to what a load needs. One goroutine reads; any
// may write.
type conn struct {
	net net.Conn

	wmu  sync.Mutex // held while a frame is written
	wbuf []byte

	// owned by the reader
	rbuf   []byte
	r, w   int       // what was read and not yet taken: rbuf[r:w]
	before func()    // called before each read; may be nil
	began  time.Time // of the clock that readAt is on
	readAt int64     // nanoseconds: when the last read returned
}

// Opcodes of RFC 6455 section 5.2.
const (
	opText   = 1
	opBinary = 2
	opClose  = 8
	opPing   = 9
	opPong   = 10
)

// dial opens a connection, says hello and returns the hub's welcome. So far
// gorilla reads, for a hub that is full says so before it is asked; then its
// buffer is empty, as a hub that was asked for nothing says nothing, and the
// socket is taken.
func dial(ctx context.Context, o *Options, readBuffer int) (*conn, []byte, error) {
	d := websocket.Dialer{ // no proxy: nobody but the hub is to be loaded
		TLSClientConfig: o.TLS,
		ReadBufferSize:  1 << 10,
		WriteBufferSize: 1 << 10,
	}
	header := http.Header{}
	if o.Token != "" {
		header.Set("Authorization", "Bearer "+o.Token)
	}
	ws, resp, err := d.DialContext(ctx, o.URL, header)
	if err != nil {
		if errors.Is(err, websocket.ErrBadHandshake) && resp != nil {
			return nil, nil, client.Refused(o.URL, resp)
		}
		return nil, nil, err
	}
	welcome, err := hello(ws, o)
	if err != nil {
		ws.Close()
		return nil, nil, err
	}
	return &conn{net: ws.NetConn(), rbuf: make([]byte, readBuffer)}, welcome, nil
}

// hello introduces the connection and returns the welcome's data as JSON.
func hello(ws *websocket.Conn, o *Options) ([]byte, error) {
	m := codec.Message{Op: codec.OpHello, Enc: o.Encoding}
	if o.Token != "" {
		m.Has = m.Has.With(codec.KeyOpts)
		m.Opts = codec.AppendOpts(nil, o.Encoding, &codec.Opts{Has: codec.OptToken, Token: o.Token})
	}
	ws.SetReadDeadline(time.Now().Add(answerIn))
	defer ws.SetReadDeadline(time.Time{})
	kind := websocket.TextMessage
	if o.Encoding == codec.CBOR {
		kind = websocket.BinaryMessage
	}
	writeErr := ws.WriteMessage(kind, codec.Append(nil, o.Encoding, &m))
	_, data, err := ws.ReadMessage() // it may have been closed with a reason
	if err != nil {
		return nil, errors.Join(writeErr, err)
	}
	var d codec.Decoder
	enc := codec.JSON
	if len(data) > 0 && data[0] > 0x7f { // a CBOR map or array
		enc = codec.CBOR
	}
	d.Reset(enc, data)
	if err := d.Next(&m); err != nil {
		return nil, fmt.Errorf("the hub sent what cannot be read: %w", err)
	}
	if m.Op == codec.OpErr || m.Op == codec.OpBye {
		e := m.Err
		return nil, &e
	}
	return codec.Transcode(nil, codec.JSON, enc, m.Data)
}

// send writes one frame of a message.
func (c *conn) send(enc codec.Encoding, payload []byte) error {
	if enc == codec.CBOR {
		return c.frame(opBinary, payload)
	}
	return c.frame(opText, payload)
}

// frame writes one frame, masked as RFC 6455 section 5.3 wants it of a client.
func (c *conn) frame(op byte, payload []byte) error {
	c.wmu.Lock()
	defer c.wmu.Unlock()
	b := append(c.wbuf[:0], 0x80|op)
	switch n := len(payload); {
	case n < 126:
		b = append(b, 0x80|byte(n))
	case n < 1<<16:
		b = binary.BigEndian.AppendUint16(append(b, 0x80|126), uint16(n))
	default:
		b = binary.BigEndian.AppendUint64(append(b, 0x80|127), uint64(n))
	}
	key := rand.Uint32() | 1 // never 0: unmasking must cost the hub what it costs
	b = binary.LittleEndian.AppendUint32(b, key)
	at := len(b)
	b = append(b, payload...)
	mask(b[at:], key)
	c.wbuf = b
	_, err := c.net.Write(b)
	return err
}

func mask(b []byte, key uint32) {
	for k := uint64(key)<<32 | uint64(key); len(b) >= 8; b = b[8:] {
		binary.LittleEndian.PutUint64(b, binary.LittleEndian.Uint64(b)^k)
	}
	for i := range b {
		b[i] ^= byte(key >> (8 * (i & 3)))
	}
}

var errFragment = errors.New("the hub sent a fragmented message, which it never does")

// next returns the next message. data is void at the following call. Pings are
// answered within; a close frame is an error.
func (c *conn) next() (enc codec.Encoding, data []byte, err error) {
	for {
		op, payload, err := c.nextFrame()
		if err != nil {
			return 0, nil, err
		}
		switch op {
		case 0x80 | opText:
			return codec.JSON, payload, nil
		case 0x80 | opBinary:
			return codec.CBOR, payload, nil
		case 0x80 | opPing:
			if err := c.frame(opPong, payload); err != nil {
				return 0, nil, err
			}
		case 0x80 | opPong:
		case 0x80 | opClose:
			return 0, nil, closeError(payload)
		default:
			return 0, nil, errFragment
		}
	}
}

func closeError(p []byte) error {
	if len(p) < 2 {
		return &websocket.CloseError{Code: websocket.CloseNoStatusReceived}
	}
	return &websocket.CloseError{Code: int(binary.BigEndian.Uint16(p)), Text: string(p[2:])}
}

// nextFrame returns the first byte and the payload of the next frame. A client
// hears unmasked frames only (RFC 6455 section 5.1).
func (c *conn) nextFrame() (byte, []byte, error) {
	for {
		b := c.rbuf[c.r:c.w]
		head, n := 2, 0
		if len(b) >= 2 {
			switch n = int(b[1]); {
			case n == 126:
				if head = 4; len(b) >= head {
					n = int(binary.BigEndian.Uint16(b[2:]))
				}
			case n == 127:
				if head = 10; len(b) >= head {
					big := binary.BigEndian.Uint64(b[2:])
					if big > maxFrame {
						return 0, nil, fmt.Errorf("a frame of %d bytes", big)
					}
					n = int(big)
				}
			case n > 127:
				return 0, nil, errors.New("the hub masks its frames")
			}
			if len(b) >= head+n {
				c.r += head + n
				return b[0], b[head : head+n], nil
			}
		}
		if err := c.fill(head + n); err != nil {
			return 0, nil, err
		}
	}
}

// maxFrame bounds what one frame may claim: the largest --max-frame and an
// envelope.
const maxFrame = 65 << 20

// fill reads more, with room for a frame of n bytes.
func (c *conn) fill(n int) error {
	if c.r == c.w {
		c.r, c.w = 0, 0
	}
	if n > len(c.rbuf)-c.r || c.w == len(c.rbuf) {
		to := c.rbuf
		if n > len(to) {
			to = make([]byte, n+n/2)
		}
		c.w = copy(to, c.rbuf[c.r:c.w])
		c.r, c.rbuf = 0, to
	}
	if c.before != nil {
		c.before()
	}
	m, err := c.net.Read(c.rbuf[c.w:])
	c.readAt = int64(time.Since(c.began))
	c.w += m
	if m > 0 {
		return nil
	}
	return err
}

// request sends m and returns the answer with its id, reading what comes
// before it: for the time before the connection has a reader.
func (c *conn) request(enc codec.Encoding, m *codec.Message, wait time.Duration) (*codec.Message, error) {
	m.ID, m.Has = requestID, m.Has.With(codec.KeyID)
	c.net.SetDeadline(time.Now().Add(wait))
	defer c.net.SetDeadline(time.Time{})
	if err := c.send(enc, codec.Append(nil, enc, m)); err != nil {
		return nil, err
	}
	var d codec.Decoder
	for {
		enc, data, err := c.next()
		if err != nil {
			return nil, err
		}
		a := new(codec.Message)
		d.Reset(enc, data)
		for err = d.Next(a); err != io.EOF; err = d.Next(a) {
			switch {
			case err != nil:
				return nil, fmt.Errorf("the hub sent what cannot be read: %w", err)
			case a.Op == codec.OpErr || a.Op == codec.OpBye:
				e := a.Err
				return nil, &e
			case a.Op == codec.OpWelcome || a.Op == codec.OpOK || a.Op == codec.OpPong:
				return a, nil
			}
		}
	}
}

// requestID is the only id this package uses: there is one request at a time on
// a connection.
const requestID = 1

// close says goodbye and closes, without waiting for the hub's.
func (c *conn) close() {
	c.net.SetWriteDeadline(time.Now().Add(100 * time.Millisecond))
	c.frame(opClose, []byte{0x03, 0xe8}) // 1000: done
	c.net.Close()
}
