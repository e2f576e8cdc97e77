package dialect

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"topicd/codec"
	"topicd/node"
	"topicd/node/wsock"
)

// mwsHub is a hub with Managed WebSockets at /?token= and native peers at /ws,
// on a clock of its own.
type mwsHub struct {
	*MWS
	t     *testing.T
	url   string
	clock atomic.Int64
}

func serveMWS(t *testing.T, reader string, o node.Options) *mwsHub {
	t.Helper()
	m := &mwsHub{t: t}
	m.clock.Store(time.Now().UnixMilli())
	o.Clock = func() (wall, mono int64) { return m.clock.Load(), m.clock.Load() }
	h := node.New(o)
	m.MWS = NewMWS(h)
	cfg := &NativeConfig{Hub: h, Version: "1.0", MaxFrame: 64 << 10}
	ws, err := wsock.New(h, wsock.Options{Reader: reader, Subprotocols: []string{ProtocolJSON, ProtocolCBOR}, Dialect: func(r *http.Request, sub string) node.Dialect {
		if r.URL.Path == "/" {
			return m.Connect(r.URL.Query().Get("token"))
		}
		return cfg.New(sub)
	}})
	if err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewServer(ws)
	m.url = "ws" + strings.TrimPrefix(srv.URL, "http")
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		ws.Shutdown(ctx)
		srv.Close()
		if len(m.live)+len(m.tags) != 0 {
			t.Errorf("%d sockets and %d tags are left", len(m.live), len(m.tags))
		}
		m.Close()
		if n := h.Counts().Sessions; n != 0 {
			t.Errorf("%d sessions are left", n)
		}
		if err := h.Check(); err != nil {
			t.Errorf("hub: %v", err)
		}
		h.Close()
	})
	return m
}

// open opens a socket with these tags.
func (m *mwsHub) open(tags ...string) (id string, c *client) {
	m.t.Helper()
	id, _, err := m.Ticket(tags, true, nil)
	if err != nil {
		m.t.Fatal(err)
	}
	c = dial(m.t, m.url+"/?token="+id, "")
	for end := time.Now().Add(10 * time.Second); ; time.Sleep(time.Millisecond) {
		if _, _, ok := m.Socket(id); ok {
			return id, c
		}
		if time.Now().After(end) {
			m.t.Fatal("the socket does not open")
		}
	}
}

func (m *mwsHub) send(data string, sockets, tags []string) {
	m.t.Helper()
	if err := m.Send(data, sockets, tags); err != nil {
		m.t.Fatal(err)
	}
}

// hear wants exactly this text frame next.
func (c *client) hear(want string) {
	c.t.Helper()
	kind, b, err := c.ReadMessage()
	if err != nil || kind != websocket.TextMessage || string(b) != want {
		c.t.Fatalf("got %q, %v, want %q", b, err, want)
	}
}

func (c *client) wantClose(code int) {
	c.t.Helper()
	if _, b, err := c.ReadMessage(); !websocket.IsCloseError(err, code) {
		c.t.Fatalf("got %q, %v, want the end with %d", b, err, code)
	}
}

// Each message arrives once, as it is, whichever and however many of its
// receivers fit, and in one order.
func TestMWSReceivers(t *testing.T) {
	eachReader(t, func(t *testing.T, reader string) {
		m := serveMWS(t, reader, node.Options{})
		idA, a := m.open("red", "round")
		_, b := m.open("red")
		_, c := m.open()
		m.send("to all", []string{"*"}, nil)
		m.send("red", nil, []string{"red"})
		m.send("red and round", nil, []string{"red", "round", "red"})
		m.send("thrice", []string{idA, "*", idA}, []string{"red"})
		m.send("nobody", []string{"not there"}, []string{"*", "blue"})
		m.send(" {\"as\": \"it is\"}\n\u00e9", []string{idA}, nil)
		m.send("the end", []string{"*"}, nil)
		for _, w := range []string{"to all", "red", "red and round", "thrice", " {\"as\": \"it is\"}\n\u00e9", "the end"} {
			a.hear(w)
		}
		for _, w := range []string{"to all", "red", "red and round", "thrice", "the end"} {
			b.hear(w)
		}
		for _, w := range []string{"to all", "thrice", "the end"} {
			c.hear(w)
		}
	})
}

// A tag is a topic: both ways, once each.
func TestMWSTagIsTopic(t *testing.T) {
	eachReader(t, func(t *testing.T, reader string) {
		m := serveMWS(t, reader, node.Options{})
		_, sock := m.open("red", "round", "no/topic/", "#", strings.Repeat("x", 200))
		native := dial(t, m.url+"/ws", ProtocolCBOR)
		native.want("welcome")
		native.say(codec.CBOR, `{"op":"sub","id":1,"topic":"mws/#"}`)
		native.want("live")
		native.want("ok")
		m.send("by REST", []string{"*"}, []string{"red", "#", "no/topic/", "red"})
		sock.hear("by REST")
		if f := native.want("msg"); !strings.HasPrefix(f, `<< {"op":"msg","topic":"mws/tag/red","data":"by REST",`) || !strings.HasSuffix(f, `"from":"mws"}`) {
			t.Errorf("the native peer got %s", f)
		}
		for _, v := range []struct{ topic, data, text string }{
			{"red", `"plain"`, "plain"},
			{"round", `"a\"b\n\u0001"`, "a\"b\n\u0001"},
			{"red", `""`, ""},
			{"red", `21.5`, "21.5"},
			{"round", `{"a":[1,null,"x"]}`, `{"a":[1,null,"x"]}`},
			{"blue", `"not for it"`, ""},
			{"red", `null`, "null"},
		} {
			for _, enc := range []codec.Encoding{codec.JSON, codec.CBOR} {
				native.say(enc, fmt.Sprintf(`{"op":"pub","topic":"mws/tag/%s","data":%s}`, v.topic, v.data))
				native.want("msg")
				if v.topic != "blue" {
					sock.hear(v.text)
				}
			}
		}
	})
}

// URIs are good once and for five minutes; the handshake succeeds always.
func TestMWSTokens(t *testing.T) {
	m := serveMWS(t, "", node.Options{})
	for _, token := range []string{"", "nonsense", strings.Repeat("0", 64)} {
		dial(t, m.url+"/?token="+token, "").wantClose(1000)
	}
	id, c := m.open()
	dial(t, m.url+"/?token="+id, "").wantClose(1000) // used
	m.send("still there", []string{"*"}, nil)
	c.hear("still there")

	old, expires, _ := m.Ticket(nil, false, nil)
	if left := expires - m.clock.Load(); left != (5 * time.Minute).Milliseconds() {
		t.Errorf("a URI is good for %d ms", left)
	}
	m.clock.Add((5 * time.Minute).Milliseconds() - 1)
	young, _, _ := m.Ticket(nil, true, nil)
	m.clock.Add(1)
	dial(t, m.url+"/?token="+old, "").wantClose(1000)
	last := dial(t, m.url+"/?token="+young, "")
	for end := time.Now().Add(10 * time.Second); time.Now().Before(end); time.Sleep(time.Millisecond) {
		if _, _, ok := m.Socket(young); ok {
			break
		}
	}
	m.send("you too", []string{young}, nil)
	last.hear("you too")
	if n := m.hub.Stats.Get(node.RefusedForbidden); n != 5 {
		t.Errorf("%d refused tokens counted, want 5", n)
	}
	if m.free.old.Len()+m.made.old.Len()+len(m.free.byID)+len(m.made.byID) != 0 {
		t.Errorf("tickets are left: %d, %d", m.free.old.Len(), m.made.old.Len())
	}
}

// A socket that is removed is on no list from then on, however long its
// connection takes to end.
func TestMWSRemoved(t *testing.T) {
	m := serveMWS(t, "", node.Options{})
	id, c := m.open("red")
	_, other := m.open("red")
	if !m.Remove(id) || m.Remove(id) {
		t.Error("a socket is removed once")
	}
	if _, _, ok := m.Socket(id); ok {
		t.Error("it is there still")
	}
	m.send("red", []string{"*", id}, []string{"red"})
	other.hear("red")
	c.wantClose(1000)
}

// Unused URIs are bounded: anybody's give way, the administrator's are refused.
func TestMWSTicketBounds(t *testing.T) {
	m := serveMWS(t, "", node.Options{})
	mine, _, _ := m.Ticket([]string{"x"}, true, nil)
	first, _, _ := m.Ticket(nil, false, nil)
	for range maxFree {
		if _, _, err := m.Ticket(nil, false, nil); err != nil {
			t.Fatal(err)
		}
	}
	dial(t, m.url+"/?token="+first, "").wantClose(1000)
	if !m.Remove(mine) || m.Remove(mine) {
		t.Error("an unused URI is withdrawn once")
	}
	dial(t, m.url+"/?token="+mine, "").wantClose(1000)
	for i := 0; ; i++ {
		_, _, err := m.Ticket(nil, true, nil)
		if err != nil && (i != maxMade || err.Code != codec.CodeNoRoom || err.Retry == 0) {
			t.Errorf("after %d: %v", i, err)
		}
		if err != nil {
			break
		}
	}
	m.clock.Add((5 * time.Minute).Milliseconds())
	if _, _, err := m.Ticket(nil, true, nil); err != nil || m.made.old.Len() != 1 {
		t.Errorf("after five minutes: %v, %d left", err, m.made.old.Len())
	}
	if _, _, err := m.Ticket([]string{strings.Repeat("x", maxTagBytes+1)}, true, nil); err == nil || err.Code != codec.CodeTooLarge {
		t.Errorf("a long tag: %v", err)
	}
	if _, _, err := m.Ticket(strings.Split(strings.Repeat("same,", 100)+"one,two", ","), true, nil); err != nil {
		t.Errorf("the same tag many times: %v", err)
	}
	if err := m.Send("x", nil, make([]string, maxTagged+1)); err == nil || err.Code != codec.CodeTooLarge {
		t.Errorf("many tags: %v", err)
	}
	if err := m.Send(strings.Repeat("x", 64<<10), nil, nil); err == nil || err.Code != codec.CodeTooLarge {
		t.Errorf("a large message: %v", err)
	}
}

// What a socket says is nobody's; who says too much goes. A removed socket
// closes, and messages that nobody fits are lost.
func TestMWSOnlyListens(t *testing.T) {
	m := serveMWS(t, "", node.Options{Rate: 20})
	id, c := m.open("red")
	m.send("early", nil, []string{"blue"})
	_, blue := m.open("blue")
	for range 5 {
		c.say(codec.JSON, `{"op":"pub","id":1,"topic":"mws/tag/blue","data":"forged"}`)
		c.say(codec.JSON, `SCDTMH:`)
	}
	m.send("late", []string{"*"}, nil)
	c.hear("late")
	blue.hear("late")
	if !m.Remove(id) || m.Remove("nothing") {
		t.Error("Remove")
	}
	c.wantClose(1000)
	for range 100 {
		if blue.WriteMessage(websocket.TextMessage, []byte("x")) != nil {
			break
		}
	}
	blue.wantClose(1008)
}

// REST that goes on publishing does not keep the topics of tags that nobody
// has, as a session that stays would; one that is used stays.
func TestMWSTopicsExpire(t *testing.T) {
	m := serveMWS(t, "", node.Options{Keep: time.Minute})
	sweep := func() {
		turn := m.hub.Turn()
		m.hub.Sweep(turn)
		turn.Wake()
	}
	m.open("kept")
	m.send("x", nil, []string{"once", "often", "kept"})
	for range 10 {
		m.clock.Add(20_000)
		m.send("x", nil, []string{"often"})
		sweep()
	}
	for tag, want := range map[string]bool{"once": false, "often": true, "kept": true} {
		if got := m.hub.Find([]byte(MWSTopic+tag)) != nil; got != want {
			t.Errorf("the topic of %s is there: %t", tag, got)
		}
	}
}

// A large message to many sockets does not wait in as many copies.
func TestMWSOutflow(t *testing.T) {
	m := serveMWS(t, "", node.Options{})
	const n = 40
	var socks []*client
	for range n {
		_, c := m.open()
		socks = append(socks, c)
	}
	text := strings.Repeat("x", 60<<10)
	m.send(text, []string{"*"}, nil)
	for _, c := range socks {
		c.hear(text)
	}
}

// A socket that reads gets every message, of as many at once as may wait for it.
func TestMWSManyAtOnce(t *testing.T) {
	eachReader(t, func(t *testing.T, reader string) {
		m := serveMWS(t, reader, node.Options{})
		_, c := m.open()
		text := strings.Repeat("x", 60<<10)
		for i := 0; i < 200; i += 4 { // as many as may wait for a peer
			for j := range 4 {
				if err := m.Send(fmt.Sprint(i+j, text), []string{"*"}, nil); err != nil {
					t.Error(err)
				}
			}
			for j := range 4 {
				c.hear(fmt.Sprint(i+j, text))
			}
		}
	})
}
