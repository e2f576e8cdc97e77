package dialect

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"topicd/codec"
	"topicd/node"
	"topicd/node/wsock"
)

// serve runs a hub with native peers on a port.
func serve(t *testing.T, reader string) (url string, h *node.Hub) {
	t.Helper()
	h = node.New(node.Options{Rate: -1, Name: "gw"})
	cfg := &NativeConfig{Hub: h, Version: "1.0", Ping: 50_000, MaxFrame: 64 << 10, Retry: 1000}
	ws, err := wsock.New(h, wsock.Options{
		Dialect:      func(_ *http.Request, sub string) node.Dialect { return cfg.New(sub) },
		Subprotocols: []string{ProtocolJSON, ProtocolCBOR}, Reader: reader,
	})
	if err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewServer(ws)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		ws.Shutdown(ctx)
		srv.Close()
		if err := h.Check(); err != nil {
			t.Errorf("hub: %v", err)
		}
		h.Close()
	})
	return "ws" + strings.TrimPrefix(srv.URL, "http"), h
}

// client is a native peer over a real socket.
type client struct {
	t *testing.T
	*websocket.Conn
}

func dial(t *testing.T, url, subprotocol string) *client {
	t.Helper()
	d := *websocket.DefaultDialer
	if subprotocol != "" {
		d.Subprotocols = []string{subprotocol}
	}
	c, _, err := d.Dial(url, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	_ = c.SetReadDeadline(time.Now().Add(20 * time.Second))
	return &client{t, c}
}

func (c *client) say(enc codec.Encoding, js string) {
	c.t.Helper()
	kind, b := websocket.TextMessage, []byte(js)
	if enc == codec.CBOR {
		var err error
		kind = websocket.BinaryMessage
		if b, err = codec.Transcode(nil, codec.CBOR, codec.JSON, b); err != nil {
			c.t.Fatal(err)
		}
	}
	if err := c.WriteMessage(kind, b); err != nil {
		c.t.Fatal(err)
	}
}

// next is the next frame as transcripts show it.
func (c *client) next() string {
	c.t.Helper()
	kind, b, err := c.ReadMessage()
	if err != nil {
		c.t.Fatal(err)
	}
	return show(kind == websocket.TextMessage, b)
}

func (c *client) want(op string) string {
	c.t.Helper()
	f := c.next()
	if !strings.Contains(f, fmt.Sprintf(`"op":%q`, op)) {
		c.t.Fatalf("got %s, want %s", f, op)
	}
	return f
}

func eachReader(t *testing.T, test func(t *testing.T, reader string)) {
	for _, r := range []string{"poll", "wait", "gorilla"} {
		t.Run(r, func(t *testing.T) {
			t.Parallel()
			test(t, r)
		})
	}
}

// TestBothEncodingsMeet: a sensor in CBOR and a browser in JSON on one topic,
// both ways, value for value.
func TestBothEncodingsMeet(t *testing.T) {
	eachReader(t, func(t *testing.T, reader string) {
		url, _ := serve(t, reader)
		sensor, browser := dial(t, url, ProtocolCBOR), dial(t, url, "")
		if f := sensor.want("welcome"); !strings.HasPrefix(f, "<< ") {
			t.Errorf("a CBOR client was welcomed with %s", f)
		}
		browser.say(codec.JSON, `{"op":"sub","id":1,"topic":"#"}`)
		browser.want("live")
		browser.want("ok")
		sensor.say(codec.CBOR, `{"op":"hello","opts":{"dev":"esp"}}`)
		sensor.want("welcome")
		values := []string{
			`21.5`, `-0.1`, `9007199254740993`, `-18446744073709551616`, `1e300`, `0`, `true`, `null`, `""`, `"é\u0000\"\\"`,
			`[]`, `{}`, `{"n":"temp","u":"Cel","v":21.5,"t":1700000000}`, `[[1,[2]],{"a":{"b":[null]}}]`,
		}
		for i, v := range values {
			enc := codec.Encoding(i % 2)
			sensor.say(enc, fmt.Sprintf(`{"op":"pub","id":%d,"topic":"t/1","data":%s}`, i, v))
			sensor.want("ok")
			f := browser.want("msg")
			want := fmt.Sprintf(`< {"op":"msg","topic":"t/1","data":%s,`, v)
			if !strings.HasPrefix(f, want) || !strings.HasSuffix(f, fmt.Sprintf(`"seq":%d,"from":"esp"}`, i+1)) {
				t.Errorf("%s in %s arrives as %s", v, enc, f)
			}
		}
		sensor.say(codec.CBOR, `{"op":"sub","id":1,"topic":"back"}`)
		sensor.want("live")
		sensor.want("ok")
		browser.say(codec.JSON, `{"op":"pub","topic":"back","data":{"on":true,"level":0.25}}`)
		if f := sensor.want("msg"); !strings.HasPrefix(f, `<< {"op":"msg","topic":"back","data":{"on":true,"level":0.25},`) {
			t.Errorf("got %s", f)
		}
	})
}

// TestSnapshotOverSocket is TestSnapshot with a socket that takes its time.
func TestSnapshotOverSocket(t *testing.T) {
	const topics = 12_500
	eachReader(t, func(t *testing.T, reader string) {
		url, h := serve(t, reader)
		p := dial(t, url, "")
		for i := 0; i < topics; i += 100 {
			var b strings.Builder
			for k := range 100 {
				fmt.Fprintf(&b, `,{"op":"pub","topic":"t/%d","data":{"v":%d,"pad":"%060d"}}`, i+k, i+k, 0)
			}
			p.say(codec.JSON, "["+b.String()[1:]+"]")
		}
		p.say(codec.JSON, `{"op":"ping"}`)
		p.want("pong")
		if n := len(h.Topics("")); n != topics {
			t.Fatalf("%d topics", n)
		}
		for _, enc := range []codec.Encoding{codec.JSON, codec.CBOR} {
			q := dial(t, url, "")
			q.say(enc, `{"op":"sub","id":1,"topic":"#"}`)
			seen := make(map[string]bool)
			for {
				_, js, _ := strings.Cut(q.next(), " ")
				var m struct {
					Op    string
					Topic any
					Data  struct{ V, Count int }
				}
				if err := json.Unmarshal([]byte(js), &m); err != nil {
					t.Fatal(err)
				}
				if m.Op == "ok" { // it may come between readings
					continue
				}
				if m.Op == "live" {
					if m.Data.Count != topics || len(seen) != topics {
						t.Errorf("%s: live with %d behind %d topics", enc, m.Data.Count, len(seen))
					}
					break
				}
				name, _ := m.Topic.(string)
				if name != fmt.Sprint("t/", m.Data.V) || seen[name] {
					t.Fatalf("%s: got %s", enc, js)
				}
				seen[name] = true
			}
		}
	})
}

// TestNonsenseOverSocket: ten malformed frames get nine errors, bye and 1002.
func TestNonsenseOverSocket(t *testing.T) {
	eachReader(t, func(t *testing.T, reader string) {
		url, _ := serve(t, reader)
		c := dial(t, url, "")
		for range 15 {
			_ = c.WriteMessage(websocket.TextMessage, []byte("nonsense"))
		}
		for range 9 {
			c.want("err")
		}
		c.want("bye")
		if _, b, err := c.ReadMessage(); !websocket.IsCloseError(err, 1002) {
			t.Errorf("ended with %q, %v", b, err)
		}
	})
}

// TestReconnect: a device that lost the answer sends again on a new connection;
// a dashboard that was away gets what it has missed, once.
func TestReconnect(t *testing.T) {
	eachReader(t, func(t *testing.T, reader string) {
		url, h := serve(t, reader)
		watch := func(since int) *client {
			c := dial(t, url, "")
			c.say(codec.JSON, fmt.Sprintf(`{"op":"sub","id":1,"topic":"t","opts":{"since":%d,"ep":%d}}`, since, h.Epoch()))
			return c
		}
		dash := watch(0)
		dash.want("live")
		dash.want("ok")
		for try := range 4 {
			c := dial(t, url, "")
			c.say(codec.JSON, `{"op":"hello","opts":{"dev":"d1"}}`)
			c.want("welcome")
			for seq := try + 1; seq <= try+3; seq++ { // two of the three were sent before
				c.say(codec.JSON, fmt.Sprintf(`{"op":"pub","id":%d,"topic":"t","data":"r%d","seq":%d}`, seq, seq, seq))
				if f := c.want("ok"); !strings.Contains(f, fmt.Sprintf(`"seq":%d}`, seq)) {
					t.Errorf("reading %d is answered with %s", seq, f)
				}
			}
			_ = c.Close()
		}
		for seq := 1; seq <= 3; seq++ {
			if f := dash.want("msg"); !strings.Contains(f, fmt.Sprintf(`"data":"r%d"`, seq)) {
				t.Errorf("reading %d is %s", seq, f)
			}
		}
		_ = dash.Close()
		dash = watch(3)
		for seq := 4; seq <= 6; seq++ {
			if f := dash.want("msg"); !strings.Contains(f, fmt.Sprintf(`"data":"r%d"`, seq)) {
				t.Errorf("after the reconnect reading %d is %s", seq, f)
			}
		}
		dash.want("live")
		if f := dash.want("ok"); !strings.Contains(f, `"data":{"topics":1,"from":4,"gap":0}`) {
			t.Errorf("got %s", f)
		}
		if n := h.Stats.Get(node.Duplicates); n != 6 {
			t.Errorf("%d duplicates counted, want 6", n)
		}
	})
}
