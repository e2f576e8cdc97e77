package native

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/gorilla/websocket"

	"topicd/codec"
	"topicd/node"
	"topicd/node/dialect/dialecttest"
)

// TestBothEncodingsMeet: a sensor in CBOR and a browser in JSON on one topic,
// both ways, value for value.
func TestBothEncodingsMeet(t *testing.T) {
	dialecttest.EachReader(t, func(t *testing.T, reader string) {
		h := serve(t, reader)
		sensor, browser := h.Dial(t, "/ws", "", ProtocolCBOR), h.Dial(t, "/ws", "")
		if f := sensor.WantOp("welcome"); !strings.HasPrefix(f, "<< ") {
			t.Errorf("a CBOR client was welcomed with %s", f)
		}
		browser.Say(codec.JSON, `{"op":"sub","id":1,"topic":"#"}`)
		browser.WantOp("live")
		browser.WantOp("ok")
		sensor.Say(codec.CBOR, `{"op":"hello","opts":{"dev":"esp"}}`)
		sensor.WantOp("welcome")
		values := []string{
			`21.5`, `-0.1`, `9007199254740993`, `-18446744073709551616`, `1e300`, `0`, `true`, `null`, `""`, `"é\u0000\"\\"`,
			`[]`, `{}`, `{"n":"temp","u":"Cel","v":21.5,"t":1700000000}`, `[[1,[2]],{"a":{"b":[null]}}]`,
		}
		for i, v := range values {
			enc := codec.Encoding(i % 2)
			sensor.Say(enc, fmt.Sprintf(`{"op":"pub","id":%d,"topic":"t/1","data":%s}`, i, v))
			sensor.WantOp("ok")
			f := browser.WantOp("msg")
			want := fmt.Sprintf(`< {"op":"msg","topic":"t/1","data":%s,`, v)
			if !strings.HasPrefix(f, want) || !strings.HasSuffix(f, fmt.Sprintf(`"seq":%d,"from":"esp"}`, i+1)) {
				t.Errorf("%s in %s arrives as %s", v, enc, f)
			}
		}
		sensor.Say(codec.CBOR, `{"op":"sub","id":1,"topic":"back"}`)
		sensor.WantOp("live")
		sensor.WantOp("ok")
		browser.Say(codec.JSON, `{"op":"pub","topic":"back","data":{"on":true,"level":0.25}}`)
		if f := sensor.WantOp("msg"); !strings.HasPrefix(f, `<< {"op":"msg","topic":"back","data":{"on":true,"level":0.25},`) {
			t.Errorf("got %s", f)
		}
	})
}

// TestSnapshotOverSocket is TestSnapshot with a socket that takes its time.
func TestSnapshotOverSocket(t *testing.T) {
	const topics = 12_500
	dialecttest.EachReader(t, func(t *testing.T, reader string) {
		h := serve(t, reader)
		p := h.Dial(t, "/ws", "")
		for i := 0; i < topics; i += 100 {
			var b strings.Builder
			for k := range 100 {
				fmt.Fprintf(&b, `,{"op":"pub","topic":"t/%d","data":{"v":%d,"pad":"%060d"}}`, i+k, i+k, 0)
			}
			p.Say(codec.JSON, "["+b.String()[1:]+"]")
		}
		p.Say(codec.JSON, `{"op":"ping"}`)
		p.WantOp("pong")
		if n := len(h.Topics("")); n != topics {
			t.Fatalf("%d topics", n)
		}
		for _, enc := range []codec.Encoding{codec.JSON, codec.CBOR} {
			q := h.Dial(t, "/ws", "")
			q.Say(enc, `{"op":"sub","id":1,"topic":"#"}`)
			seen := make(map[string]bool)
			for {
				_, js, _ := strings.Cut(q.Next(), " ")
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
	dialecttest.EachReader(t, func(t *testing.T, reader string) {
		h := serve(t, reader)
		c := h.Dial(t, "/ws", "")
		for range 15 {
			_ = c.WriteMessage(websocket.TextMessage, []byte("nonsense"))
		}
		for range 9 {
			c.WantOp("err")
		}
		c.WantOp("bye")
		if _, b, err := c.ReadMessage(); !websocket.IsCloseError(err, 1002) {
			t.Errorf("ended with %q, %v", b, err)
		}
	})
}

// TestReconnect: a device that lost the answer sends again on a new connection;
// a dashboard that was away gets what it has missed, once.
func TestReconnect(t *testing.T) {
	dialecttest.EachReader(t, func(t *testing.T, reader string) {
		h := serve(t, reader)
		watch := func(since int) *dialecttest.Client {
			c := h.Dial(t, "/ws", "")
			c.Say(codec.JSON, fmt.Sprintf(`{"op":"sub","id":1,"topic":"t","opts":{"since":%d,"ep":%d}}`, since, h.Epoch()))
			return c
		}
		dash := watch(0)
		dash.WantOp("live")
		dash.WantOp("ok")
		for try := range 4 {
			c := h.Dial(t, "/ws", "")
			c.Say(codec.JSON, `{"op":"hello","opts":{"dev":"d1"}}`)
			c.WantOp("welcome")
			for seq := try + 1; seq <= try+3; seq++ { // two of the three were sent before
				c.Say(codec.JSON, fmt.Sprintf(`{"op":"pub","id":%d,"topic":"t","data":"r%d","seq":%d}`, seq, seq, seq))
				if f := c.WantOp("ok"); !strings.Contains(f, fmt.Sprintf(`"seq":%d}`, seq)) {
					t.Errorf("reading %d is answered with %s", seq, f)
				}
			}
			_ = c.Close()
		}
		for seq := 1; seq <= 3; seq++ {
			if f := dash.WantOp("msg"); !strings.Contains(f, fmt.Sprintf(`"data":"r%d"`, seq)) {
				t.Errorf("reading %d is %s", seq, f)
			}
		}
		_ = dash.Close()
		dash = watch(3)
		for seq := 4; seq <= 6; seq++ {
			if f := dash.WantOp("msg"); !strings.Contains(f, fmt.Sprintf(`"data":"r%d"`, seq)) {
				t.Errorf("after the reconnect reading %d is %s", seq, f)
			}
		}
		dash.WantOp("live")
		if f := dash.WantOp("ok"); !strings.Contains(f, `"data":{"topics":1,"from":4,"gap":0}`) {
			t.Errorf("got %s", f)
		}
		if n := h.Stats.Get(node.Duplicates); n != 6 {
			t.Errorf("%d duplicates counted, want 6", n)
		}
	})
}
