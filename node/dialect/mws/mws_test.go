package mws

import (
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"topicd/codec"
	"topicd/node"
	"topicd/node/dialect"
	"topicd/node/dialect/dialecttest"
	"topicd/node/dialect/native"
)

// mwsHub is a hub with Managed WebSockets and native peers, on a clock of its own.
type mwsHub struct {
	*dialecttest.Hub
	*sockets
	t     *testing.T
	clock atomic.Int64
}

func serveMWS(t *testing.T, reader string, o node.Options) *mwsHub {
	t.Helper()
	m := &mwsHub{t: t}
	m.clock.Store(time.Now().UnixMilli())
	o.Clock = func() (wall, mono int64) { return m.clock.Load(), m.clock.Load() }
	t.Cleanup(func() { // everybody has left before this
		if len(m.live)+len(m.tags) != 0 {
			t.Errorf("%d sockets and %d tags are left", len(m.live), len(m.tags))
		}
	})
	m.Hub = dialecttest.Start(t, dialecttest.Options{Hub: o, Reader: reader, Plugs: func(h *node.Hub) []dialect.Plug {
		m.sockets = newSockets(h)
		return []dialect.Plug{native.Plug(native.Config{Hub: h, Version: "1.0"}), plug(Config{Hub: h, Access: "none"}, m.sockets)}
	}})
	return m
}

// open opens a socket with these tags.
func (m *mwsHub) open(tags ...string) (id string, c *dialecttest.Client) {
	m.t.Helper()
	id, _, err := m.ticket(tags, true, nil)
	if err != nil {
		m.t.Fatal(err)
	}
	c = m.Dial(m.t, "/?token="+id, "")
	m.opens(id)
	return id, c
}

// opens waits until the socket with that URI is open.
func (m *mwsHub) opens(id string) {
	m.t.Helper()
	dialecttest.Await(m.t, "the socket opens", func() bool { _, _, ok := m.find(id); return ok })
}

func (m *mwsHub) send(data string, sockets, tags []string) {
	m.t.Helper()
	if _, err := m.sockets.send(data, sockets, tags); err != nil {
		m.t.Fatal(err)
	}
}

// Each message arrives once, as it is, whichever and however many of its
// receivers fit, and in one order.
func TestMWSReceivers(t *testing.T) {
	dialecttest.EachReader(t, func(t *testing.T, reader string) {
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
			a.Want(w)
		}
		for _, w := range []string{"to all", "red", "red and round", "thrice", "the end"} {
			b.Want(w)
		}
		for _, w := range []string{"to all", "thrice", "the end"} {
			c.Want(w)
		}
	})
}

// A tag is a topic: both ways, once each.
func TestMWSTagIsTopic(t *testing.T) {
	dialecttest.EachReader(t, func(t *testing.T, reader string) {
		m := serveMWS(t, reader, node.Options{})
		_, sock := m.open("red", "round", "no/topic/", "#", strings.Repeat("x", 200))
		peer := m.Dial(t, "/ws", "", native.ProtocolCBOR)
		peer.WantOp("welcome")
		peer.Say(codec.CBOR, `{"op":"sub","id":1,"topic":"mws/#"}`)
		peer.WantOp("live")
		peer.WantOp("ok")
		m.send("by REST", []string{"*"}, []string{"red", "#", "no/topic/", "red"})
		sock.Want("by REST")
		if f := peer.WantOp("msg"); !strings.HasPrefix(f, `<< {"op":"msg","topic":"mws/tag/red","data":"by REST",`) || !strings.HasSuffix(f, `"from":"mws"}`) {
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
				peer.Say(enc, fmt.Sprintf(`{"op":"pub","topic":"mws/tag/%s","data":%s}`, v.topic, v.data))
				peer.WantOp("msg")
				if v.topic != "blue" {
					sock.Want(v.text)
				}
			}
		}
	})
}

// URIs are good once and for five minutes; the handshake succeeds always.
func TestMWSTokens(t *testing.T) {
	m := serveMWS(t, "", node.Options{})
	for _, token := range []string{"", "nonsense", strings.Repeat("0", 64)} {
		m.Dial(m.t, "/?token="+token, "").WantClose(1000)
	}
	id, c := m.open()
	m.Dial(m.t, "/?token="+id, "").WantClose(1000) // used
	m.send("still there", []string{"*"}, nil)
	c.Want("still there")

	old, expires, _ := m.ticket(nil, false, nil)
	if left := expires - m.clock.Load(); left != (5 * time.Minute).Milliseconds() {
		t.Errorf("a URI is good for %d ms", left)
	}
	m.clock.Add((5 * time.Minute).Milliseconds() - 1)
	young, _, _ := m.ticket(nil, true, nil)
	m.clock.Add(1)
	m.Dial(m.t, "/?token="+old, "").WantClose(1000)
	last := m.Dial(m.t, "/?token="+young, "")
	m.opens(young)
	m.send("you too", []string{young}, nil)
	last.Want("you too")
	if n := m.Hub.Stats.Get(node.RefusedForbidden); n != 5 {
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
	if !m.remove(id) || m.remove(id) {
		t.Error("a socket is removed once")
	}
	if _, _, ok := m.find(id); ok {
		t.Error("it is there still")
	}
	m.send("red", []string{"*", id}, []string{"red"})
	other.Want("red")
	c.WantClose(1000)
}

// Unused URIs are bounded: anybody's give way, the administrator's are refused.
func TestMWSTicketBounds(t *testing.T) {
	m := serveMWS(t, "", node.Options{})
	mine, _, _ := m.ticket([]string{"x"}, true, nil)
	first, _, _ := m.ticket(nil, false, nil)
	for range maxFree {
		if _, _, err := m.ticket(nil, false, nil); err != nil {
			t.Fatal(err)
		}
	}
	m.Dial(m.t, "/?token="+first, "").WantClose(1000)
	if !m.remove(mine) || m.remove(mine) {
		t.Error("an unused URI is withdrawn once")
	}
	m.Dial(m.t, "/?token="+mine, "").WantClose(1000)
	for i := 0; ; i++ {
		_, _, err := m.ticket(nil, true, nil)
		if err != nil && (i != maxMade || err.Code != codec.CodeNoRoom || err.Retry == 0) {
			t.Errorf("after %d: %v", i, err)
		}
		if err != nil {
			break
		}
	}
	m.clock.Add((5 * time.Minute).Milliseconds())
	if _, _, err := m.ticket(nil, true, nil); err != nil || m.made.old.Len() != 1 {
		t.Errorf("after five minutes: %v, %d left", err, m.made.old.Len())
	}
	if _, _, err := m.ticket([]string{strings.Repeat("x", maxTagBytes+1)}, true, nil); err == nil || err.Code != codec.CodeTooLarge {
		t.Errorf("a long tag: %v", err)
	}
	if _, _, err := m.ticket(strings.Split(strings.Repeat("same,", 100)+"one,two", ","), true, nil); err != nil {
		t.Errorf("the same tag many times: %v", err)
	}
	if _, err := m.sockets.send("x", nil, make([]string, maxTagged+1)); err == nil || err.Code != codec.CodeTooLarge {
		t.Errorf("many tags: %v", err)
	}
	if _, err := m.sockets.send(strings.Repeat("x", 64<<10), nil, nil); err == nil || err.Code != codec.CodeTooLarge {
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
		c.Text(`{"op":"pub","id":1,"topic":"mws/tag/blue","data":"forged"}`)
		c.Text(`SCDTMH:`)
	}
	m.send("late", []string{"*"}, nil)
	c.Want("late")
	blue.Want("late")
	if !m.remove(id) || m.remove("nothing") {
		t.Error("Remove")
	}
	c.WantClose(1000)
	for range 100 {
		if blue.WriteMessage(websocket.TextMessage, []byte("x")) != nil {
			break
		}
	}
	blue.WantClose(1008)
}

// REST that goes on publishing does not keep the topics of tags that nobody
// has, as a session that stays would; one that is used stays.
func TestMWSTopicsExpire(t *testing.T) {
	m := serveMWS(t, "", node.Options{Keep: time.Minute})
	sweep := func() {
		turn := m.Hub.Turn()
		m.Hub.Sweep(turn)
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
		if got := m.Hub.Find([]byte(tagPrefix+tag)) != nil; got != want {
			t.Errorf("the topic of %s is there: %t", tag, got)
		}
	}
}

// A large message to many sockets does not wait in as many copies.
func TestMWSOutflow(t *testing.T) {
	m := serveMWS(t, "", node.Options{})
	const n = 40
	var socks []*dialecttest.Client
	for range n {
		_, c := m.open()
		socks = append(socks, c)
	}
	text := strings.Repeat("x", 60<<10)
	m.send(text, []string{"*"}, nil)
	for _, c := range socks {
		c.Want(text)
	}
}

// A socket that reads gets every message, of as many at once as may wait for it.
func TestMWSManyAtOnce(t *testing.T) {
	dialecttest.EachReader(t, func(t *testing.T, reader string) {
		m := serveMWS(t, reader, node.Options{})
		_, c := m.open()
		text := strings.Repeat("x", 60<<10)
		for i := 0; i < 200; i += 4 { // as many as may wait for a peer
			for j := range 4 {
				if _, err := m.sockets.send(fmt.Sprint(i+j, text), []string{"*"}, nil); err != nil {
					t.Error(err)
				}
			}
			for j := range 4 {
				c.Want(fmt.Sprint(i+j, text))
			}
		}
	})
}
