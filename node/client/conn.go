package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gorilla/websocket"

	"topicd/codec"
)

// conn is one connection to the hub.
type conn struct {
	// static after construction
	ws  *websocket.Conn
	now func() time.Duration

	wmu sync.Mutex // held while a frame is written

	heard atomic.Int64 // by now: last sign of life
	busy  atomic.Bool  // the reader is in a callback, not reading
	bye   atomic.Pointer[codec.Error]
	why   atomic.Pointer[error] // why this side ended it
	done  chan struct{}         // closed when the reader has ended

	// owned by the reader
	dec    codec.Decoder
	buf    []byte
	clock  time.Duration // the hub's clock on the wall less ours
	ep     uint64        // the hub's epoch
	mono   int64         // the hub's own clock at monoAt, 0 = it did not tell
	monoAt time.Time

	lastRead          time.Time // when the last message was read
	lagNow, lagBefore time.Duration
	lagTurn           time.Time
}

const writeTimeout = 30 * time.Second

// connect opens a connection and introduces the client.
func (c *Client) connect(ctx context.Context) (*conn, error) {
	ctx, cancel := context.WithTimeout(ctx, connectTimeout)
	defer cancel()
	d := websocket.Dialer{
		Proxy:           http.ProxyFromEnvironment,
		TLSClientConfig: c.opt.TLS,
		ReadBufferSize:  16 << 10,
		WriteBufferSize: 4 << 10,
		Subprotocols:    []string{"topicd.v1." + c.opt.Encoding.String()},
	}
	ws, resp, err := d.DialContext(ctx, c.opt.URL, c.opt.Header)
	if err != nil {
		if errors.Is(err, websocket.ErrBadHandshake) && resp != nil {
			return nil, Refused(c.opt.URL, resp)
		}
		return nil, err
	}
	k := &conn{ws: ws, now: c.opt.now, done: make(chan struct{})}
	ws.SetReadLimit(int64(c.opt.MaxFrame))
	ping := ws.PingHandler()
	ws.SetPingHandler(func(s string) error { k.alive(); return ping(s) })
	ws.SetPongHandler(func(string) error { k.alive(); return nil })
	stop := context.AfterFunc(ctx, func() { ws.SetReadDeadline(time.Now()) })
	w, err := c.hello(k)
	if !stop() && err == nil {
		err = ctx.Err()
	}
	if err != nil {
		ws.Close()
		if ctx.Err() != nil {
			err = ctx.Err()
		}
		return nil, fmt.Errorf("no welcome from %s: %w", Shown(c.opt.URL), err)
	}
	ws.SetReadDeadline(time.Time{})
	if w.Token != "" {
		c.opt.Token = w.Token // for the next connection; only this goroutine reads it
	}
	c.mu.Lock()
	if c.welcome.Ep != 0 && c.welcome.Ep != w.Ep {
		for _, s := range c.subs {
			s.restart()
		}
	}
	c.welcome = w
	c.mu.Unlock()
	return k, nil
}

// Refused is why a hub did not take a WebSocket, by its answer.
func Refused(url string, resp *http.Response) error {
	text, _ := io.ReadAll(io.LimitReader(resp.Body, 1<<10))
	var e struct{ Error codec.Error }
	if json.Unmarshal(text, &e) != nil || e.Error.Code == 0 {
		said := strings.TrimSpace(string(text))
		if said = strings.Join(strings.Fields(said), " "); said == "" || len(said) > 200 || said[0] == '<' { // a page for people
			said = "no WebSocket of a hub"
		}
		return &noSocket{fmt.Sprintf("%s answers %s: %s", Shown(url), resp.Status, said)}
	}
	return fmt.Errorf("%s refused the WebSocket: %w", Shown(url), &e.Error)
}

// noSocket is ErrNoHub with what was said instead.
type noSocket struct{ text string }

func (e *noSocket) Error() string { return e.text }
func (e *noSocket) Unwrap() error { return ErrNoHub }

// Shown is a hub's URL for messages and logs: without its query, where a token
// may stand.
func Shown(url string) string {
	url, _, _ = strings.Cut(url, "?")
	return url
}

// hello introduces the client and waits for the welcome.
func (c *Client) hello(k *conn) (Welcome, error) {
	m := codec.Message{Op: codec.OpHello, ID: helloID, Has: codec.Fields(0).With(codec.KeyID)}
	o := codec.Opts{Dev: c.opt.Dev, Name: c.opt.Name, Token: c.opt.Token}
	for bit, s := range map[codec.OptSet]string{codec.OptDev: o.Dev, codec.OptName: o.Name, codec.OptToken: o.Token} {
		if s != "" {
			o.Has |= bit
		}
	}
	setOpts(&m, c.opt.Encoding, &o)
	if err := k.send(c.opt.Encoding, codec.Append(nil, c.opt.Encoding, &m)); err != nil {
		return Welcome{}, err
	}
	for {
		enc, err := k.read()
		if err != nil {
			return Welcome{}, err
		}
		k.dec.Reset(enc, k.buf)
		for {
			err := k.dec.Next(&m)
			if err == io.EOF {
				break
			}
			if err != nil {
				return Welcome{}, err
			}
			switch m.Op {
			case codec.OpWelcome:
				if m.ID == helloID { // not the greeting, which knows nothing of the token
					return k.welcomed(&m)
				}
			case codec.OpErr, codec.OpBye:
				e := m.Err
				return Welcome{}, &e
			}
		}
	}
}

// helloID is never the id of another request: those count from 2.
const helloID = 1

func (k *conn) welcomed(m *codec.Message) (Welcome, error) {
	w := Welcome{Ep: m.Ep}
	text, err := codec.Transcode(nil, codec.JSON, m.Enc, m.Data)
	if err == nil {
		err = json.Unmarshal(text, &w)
	}
	if err != nil {
		return w, fmt.Errorf("its welcome makes no sense: %w", err)
	}
	k.ep, k.mono, k.monoAt = w.Ep, w.Mono, k.lastRead
	if w.Now > 0 {
		k.clock = time.Duration(w.Now-time.Now().UnixMilli()) * time.Millisecond
	}
	return w, nil
}

func (k *conn) alive() { k.heard.Store(int64(k.now())) }

// send writes one frame.
func (k *conn) send(enc codec.Encoding, frame []byte) error {
	k.wmu.Lock()
	defer k.wmu.Unlock()
	return k.sendLocked(enc, frame)
}

func (k *conn) sendLocked(enc codec.Encoding, frame []byte) error {
	kind := websocket.TextMessage
	if enc == codec.CBOR {
		kind = websocket.BinaryMessage
	}
	k.ws.SetWriteDeadline(time.Now().Add(writeTimeout))
	if err := k.ws.WriteMessage(kind, frame); err != nil {
		k.end(err) // a frame half written cannot be taken back
		return err
	}
	return nil
}

// end ends the connection from this side.
func (k *conn) end(why error) {
	k.why.CompareAndSwap(nil, &why)
	k.ws.Close()
}

// goodbye closes in the way of RFC 6455: a close frame, then what the hub still
// sends is read until it has closed too. A socket closed with unread bytes would
// be reset, and what was sent last with it.
func (k *conn) goodbye() {
	k.why.CompareAndSwap(nil, &errClosed)
	msg := websocket.FormatCloseMessage(websocket.CloseNormalClosure, "")
	if k.ws.WriteControl(websocket.CloseMessage, msg, time.Now().Add(time.Second)) == nil {
		select {
		case <-k.done:
		case <-time.After(time.Second):
		}
	}
	k.ws.Close()
}

var errClosed = ErrClosed

// read reads the next message into buf.
func (k *conn) read() (codec.Encoding, error) {
	kind, r, err := k.ws.NextReader()
	if err != nil {
		return 0, err
	}
	k.buf = k.buf[:0]
	for {
		if len(k.buf) == cap(k.buf) {
			k.buf = append(k.buf, 0)[:len(k.buf)]
		}
		n, err := r.Read(k.buf[len(k.buf):cap(k.buf)])
		k.buf = k.buf[:len(k.buf)+n]
		if err == io.EOF {
			break
		}
		if err != nil {
			return 0, err
		}
	}
	k.lastRead = time.Now()
	k.alive()
	if cap(k.buf) > 1<<20 && len(k.buf) < 1<<16 {
		k.buf = append([]byte(nil), k.buf...) // one large answer does not stay for ever
	}
	if kind == websocket.BinaryMessage {
		return codec.CBOR, nil
	}
	return codec.JSON, nil
}

// serve uses conn until it ends, and says why and how long the hub asked to
// stay away.
func (c *Client) serve(k *conn) (retry time.Duration, err error) {
	var side sync.WaitGroup
	k.wmu.Lock() // nothing goes before what is owed from the connection before
	frames := c.install(k)
	side.Go(func() {
		defer k.wmu.Unlock()
		for _, f := range frames {
			if k.sendLocked(f.enc, f.bytes) != nil {
				return
			}
		}
	})
	side.Go(func() { c.keepLoop(k) })
	if c.isClosed() {
		k.end(ErrClosed)
	}
	c.opt.OnState(Online, nil)
	err = c.readLoop(k)
	close(k.done)
	k.ws.Close()
	c.uninstall(k)
	side.Wait()
	if why := k.why.Load(); why != nil {
		err = *why
	}
	retry = time.Duration(c.Welcome().Retry) * time.Millisecond
	if bye := k.bye.Load(); bye != nil {
		err, retry = bye, max(retry, retryOf(bye))
	}
	return min(retry, time.Minute), err
}

// readLoop hands on what the hub sends.
func (c *Client) readLoop(k *conn) error {
	var m codec.Message
	for {
		enc, err := k.read()
		if err != nil {
			return err
		}
		k.busy.Store(true)
		k.dec.Reset(enc, k.buf)
		for {
			err := k.dec.Next(&m)
			if err == io.EOF {
				break
			}
			if err != nil {
				c.opt.OnError(fmt.Errorf("the hub sent what cannot be read: %w", err))
				continue
			}
			c.handle(k, &m)
		}
		k.alive()
		k.busy.Store(false)
	}
}

// handle does what one message asks for.
func (c *Client) handle(k *conn, m *codec.Message) {
	switch m.Op {
	case codec.OpMsg:
		c.deliver(k, m)
	case codec.OpOK, codec.OpErr, codec.OpPong:
		c.answered(m)
	case codec.OpLive:
		c.live(m)
	case codec.OpPing:
		m.Op = codec.OpPong
		m.Has &= codec.Fields(0).With(codec.KeyID).With(codec.KeyData)
		k.send(m.Enc, codec.Append(nil, m.Enc, m))
	case codec.OpBye:
		e := m.Err
		k.bye.Store(&e)
	}
}

// keepLoop notices a connection that is dead without a word: after the quiet
// time it asks for a sign, and without one in the dead time it ends it. While a
// callback keeps the reader it cannot hear, but goes on showing that this side
// lives.
func (c *Client) keepLoop(k *conn) {
	step := max(c.opt.dead/8, time.Millisecond)
	tick := time.NewTicker(min(step, time.Second))
	defer tick.Stop()
	var asked time.Duration
	for {
		select {
		case <-k.done:
			return
		case <-tick.C:
		}
		c.retrySubs(k)
		now := k.now()
		heard := time.Duration(k.heard.Load())
		busy := k.busy.Load()
		if now-heard > c.opt.quiet+c.opt.dead && asked > heard && now-asked > c.opt.dead && !busy {
			k.end(errSilent)
			return
		}
		if now-heard > c.opt.quiet && (asked <= heard || busy && now-asked > c.opt.quiet) {
			asked = now
			k.ws.WriteControl(websocket.PingMessage, nil, time.Now().Add(time.Second))
		}
	}
}

var errSilent = errors.New("the hub went silent")
