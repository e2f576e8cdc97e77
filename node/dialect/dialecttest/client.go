package dialecttest

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"topicd/codec"
)

// Client is a peer over a real socket.
type Client struct {
	t testing.TB
	*websocket.Conn
}

// Dial connects to a path of the hub. may names the only topic that it has
// rights to, "" = all.
func (h *Hub) Dial(t testing.TB, path, may string, protocols ...string) *Client {
	t.Helper()
	d := *websocket.DefaultDialer
	d.Subprotocols = protocols
	header := http.Header{}
	if may != "" {
		header.Set("May", may)
	}
	c, _, err := d.Dial(h.WS(path), header)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return &Client{t, c}
}

// ReadMessage reads the next message, for which it waits no longer than Patience.
func (c *Client) ReadMessage() (kind int, b []byte, err error) {
	_ = c.SetReadDeadline(time.Now().Add(Patience))
	return c.Conn.ReadMessage()
}

// Text sends a text frame.
func (c *Client) Text(text string) {
	c.t.Helper()
	if err := c.WriteMessage(websocket.TextMessage, []byte(text)); err != nil {
		c.t.Fatal(err)
	}
}

// Binary sends a binary frame.
func (c *Client) Binary(b string) {
	c.t.Helper()
	if err := c.WriteMessage(websocket.BinaryMessage, []byte(b)); err != nil {
		c.t.Fatal(err)
	}
}

// Hear is the next message: a text as it is, bytes as <hex>.
func (c *Client) Hear() string {
	c.t.Helper()
	kind, b, err := c.ReadMessage()
	if err != nil {
		c.t.Fatal(err)
	}
	if kind == websocket.BinaryMessage {
		return fmt.Sprintf("<%x>", b)
	}
	return string(b)
}

// Want wants exactly this message next, as Hear shows it.
func (c *Client) Want(want string) {
	c.t.Helper()
	if got := c.Hear(); got != want {
		c.t.Fatalf("got %q, want %q", got, want)
	}
}

// WantClose wants the end with that code next.
func (c *Client) WantClose(code int) {
	c.t.Helper()
	if _, b, err := c.ReadMessage(); !websocket.IsCloseError(err, code) {
		c.t.Fatalf("got %q, %v, want the end with %d", b, err, code)
	}
}

// Say says JSON, or the same in CBOR.
func (c *Client) Say(enc codec.Encoding, js string) {
	c.t.Helper()
	if enc == codec.JSON {
		c.Text(js)
		return
	}
	b, err := codec.Transcode(nil, codec.CBOR, codec.JSON, []byte(js))
	if err != nil {
		c.t.Fatal(err)
	}
	c.Binary(string(b))
}

// Next is the next frame of the native grammar as transcripts show it.
func (c *Client) Next() string {
	c.t.Helper()
	kind, b, err := c.ReadMessage()
	if err != nil {
		c.t.Fatal(err)
	}
	return Show(kind == websocket.TextMessage, b)
}

// WantOp wants that op next.
func (c *Client) WantOp(op string) string {
	c.t.Helper()
	f := c.Next()
	if !strings.Contains(f, fmt.Sprintf(`"op":%q`, op)) {
		c.t.Fatalf("got %s, want %s", f, op)
	}
	return f
}

// Answer is what came back to a request.
type Answer struct {
	Status int
	Header http.Header
	Body   string
}

// Do asks over HTTP. A header is "Name: value".
func (h *Hub) Do(t testing.TB, method, path, body string, header ...string) Answer {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), Patience)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, method, h.URL+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range header {
		name, v, _ := strings.Cut(line, ": ")
		r.Header.Set(name, v)
	}
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatalf("%s %s: %v", method, path, err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatalf("%s %s: %v", method, path, err)
	}
	return Answer{res.StatusCode, res.Header, string(b)}
}
