package webchannel

import (
	"fmt"
	"net/http"
	"regexp"
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

// world is a hub with WebChannel pages and native clients on real sockets.
type world struct {
	t    *testing.T
	url  string
	hub  *node.Hub
	srv  *server
	slow *atomic.Int64 // milliseconds of a clock that only the test moves; nil: time passes
}

// newWorld makes one whose timers run.
func newWorld(t *testing.T) *world { return makeWorld(t, nil, true) }

// newSlowWorld makes one whose time passes only with wait.
func newSlowWorld(t *testing.T) *world {
	return makeWorld(t, nil, false).slowly()
}

// slowly makes time pass only with wait: what comes when is then sure, however
// busy the machine is.
func (w *world) slowly() *world {
	w.slow = new(atomic.Int64)
	w.slow.Store(1)
	w.srv.now = w.slow.Load
	return w
}

func makeWorld(t *testing.T, rights func(*http.Request) node.Rights, timers bool) *world {
	t.Helper()
	w := &world{t: t}
	t.Cleanup(func() { // everybody has left before this
		w.srv.mu.Lock()
		defer w.srv.mu.Unlock()
		if len(w.srv.pages) > 0 || len(w.srv.chat.users) > 0 || w.srv.list.names != nil {
			t.Errorf("%d pages and %d users are left behind", len(w.srv.pages), len(w.srv.chat.users))
		}
	})
	h := dialecttest.Start(t, dialecttest.Options{
		Hub: node.Options{Rate: -1, Name: "gw", Keep: time.Hour}, Rights: rights,
		Plugs: func(h *node.Hub) []dialect.Plug {
			w.srv = newServer(h)
			w.srv.zone = time.UTC
			p := w.srv.plug()
			if !timers {
				p.Run = nil
			}
			return []dialect.Plug{native.Plug(native.Config{Hub: h, Version: "1.0", MaxFrame: 64 << 10}), p}
		},
	})
	w.url, w.hub = h.WS(""), h.Hub
	return w
}

// wait lets time pass in a slow world and does what is due on the way.
func (w *world) wait(ms int64) {
	for range ms / 10 {
		w.slow.Add(10)
		turn := w.hub.Turn()
		w.srv.tick(turn)
		turn.Wake()
	}
}

// peer is one connection.
type peer struct {
	t *testing.T
	*websocket.Conn
	id int
}

func (w *world) dial(path string) *peer {
	w.t.Helper()
	c, _, err := websocket.DefaultDialer.Dial(w.url+path, nil)
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { c.Close() })
	return &peer{t: w.t, Conn: c, id: 100}
}

// ReadMessage reads the next message, for which it waits no longer than is patient.
func (p *peer) ReadMessage() (kind int, b []byte, err error) {
	p.SetReadDeadline(time.Now().Add(dialecttest.Patience))
	return p.Conn.ReadMessage()
}

// page is a connection that has been described and is idle.
func (w *world) page() *peer {
	w.t.Helper()
	p := w.dial("/webchannel")
	p.say(`{"type":3,"id":0}`)
	p.wantMatch(`^\{"data":\{"chatserver":`)
	p.say(`{"type":4}`)
	return p
}

func (p *peer) say(text string) {
	p.t.Helper()
	if err := p.WriteMessage(websocket.TextMessage, []byte(text)); err != nil {
		p.t.Fatal(err)
	}
}

func (p *peer) next() string {
	p.t.Helper()
	kind, b, err := p.ReadMessage()
	if err != nil {
		p.t.Fatal(err)
	}
	if kind != websocket.TextMessage {
		p.t.Fatalf("a binary frame: %q", b)
	}
	return string(b)
}

func (p *peer) want(frame string) {
	p.t.Helper()
	if got := p.next(); got != frame {
		p.t.Fatalf("got  %s\nwant %s", got, frame)
	}
}

func (p *peer) wantMatch(pattern string) string {
	p.t.Helper()
	got := p.next()
	if !regexp.MustCompile(pattern).MatchString(got) {
		p.t.Fatalf("got %s\nwant %s", got, pattern)
	}
	return got
}

// call invokes a method and wants its result to be the next frame.
func (p *peer) call(object, method, args, result string) {
	p.t.Helper()
	p.id++
	p.say(fmt.Sprintf(`{"type":6,"object":%q,"method":%s,"args":%s,"id":%d}`, object, method, args, p.id))
	p.want(fmt.Sprintf(`{"data":%s,"id":%d,"type":10}`, result, p.id))
}

// quiet wants nothing to have been sent: the answer to a call comes first.
func (p *peer) quiet() {
	p.t.Helper()
	p.call("chatserver", `"keepAliveResponse"`, `["nobody"]`, "null")
}

// connect connects to a signal and waits until that is so.
func (p *peer) connect(object string, signal int) {
	p.t.Helper()
	p.say(fmt.Sprintf(`{"type":7,"object":%q,"signal":%d}`, object, signal))
	p.quiet()
}

// native is a native client that has subscribed to a pattern.
func (w *world) native(pattern string) *peer {
	w.t.Helper()
	p := w.dial("/")
	p.say(fmt.Sprintf(`{"op":"sub","id":1,"topic":%q}`, pattern))
	p.wantMatch(`"op":"(live|ok)"`)
	p.wantMatch(`"op":"(live|ok)"`)
	return p
}

// publish publishes as a native client and waits until it is done.
func (p *peer) publish(topic, data string) {
	p.t.Helper()
	p.say(fmt.Sprintf(`{"op":"pub","id":7,"topic":%q,"data":%s}`, topic, data))
	for !strings.Contains(p.next(), `"op":"ok"`) {
	}
}

func encode(t *testing.T, js string) []byte {
	t.Helper()
	b, err := codec.Transcode(nil, codec.CBOR, codec.JSON, []byte(js))
	if err != nil {
		t.Fatal(err)
	}
	return b
}
