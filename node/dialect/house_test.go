package dialect

import (
	"context"
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

// house is a hub that speaks every dialect of these tests, by path.
type house struct {
	*node.Hub
	relay *Relay
	url   string
}

func newHouse(t *testing.T, o node.Options, reader string, maxFrame int) *house {
	t.Helper()
	h := node.New(o)
	relay := &Relay{Hub: h}
	scd := &SCDConfig{Hub: h}
	native := &NativeConfig{Hub: h, Version: "1.0", Ping: 50_000, MaxFrame: 64 << 10, Retry: 1000}
	first := &First{Native: func() node.Dialect { return native.New("") }, SCD: func() node.Dialect { return scd.New() }}
	ws, err := wsock.New(h, wsock.Options{MaxFrame: maxFrame, Reader: reader, Dialect: func(r *http.Request, sub string) node.Dialect {
		switch path := r.URL.Path; {
		case path == "/scd":
			return scd.New()
		case path == "/echo":
			return Echo{}
		case path == "/ws":
			return native.New(sub)
		case strings.HasPrefix(path, "/relay/"):
			room, who, _ := strings.Cut(strings.TrimPrefix(path, "/relay/"), "/")
			return relay.New(room, who)
		}
		return first
	}})
	if err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if name := r.Header.Get("May"); name != "" {
			r = r.WithContext(node.WithRights(r.Context(), only(name)))
		}
		ws.ServeHTTP(w, r)
	}))
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
	return &house{h, relay, "ws" + strings.TrimPrefix(srv.URL, "http")}
}

// only are the rights to one topic: to publish and subscribe, never to manage.
type only string

func (o only) ok(topic string) *codec.Error {
	if topic == string(o) {
		return nil
	}
	return codec.Errorf(codec.CodeForbidden, "not yours: %s", topic)
}
func (o only) MayPublish(topic []byte) *codec.Error     { return o.ok(string(topic)) }
func (o only) MaySubscribe(pattern []byte) *codec.Error { return o.ok(string(pattern)) }
func (o only) MayManage(topic []byte) *codec.Error      { return o.ok(string(topic) + "!") }
func (o only) MayAdmin() *codec.Error                   { return o.ok("!") }
func (o only) MayRead(topic string) bool                { return o.ok(topic) == nil }

// session is some peers on real sockets, each named for what it speaks there.
type session struct {
	t     *testing.T
	house *house
	peers map[string]*websocket.Conn
}

func (s *session) peer(name, path string, may string) *websocket.Conn {
	s.t.Helper()
	if c := s.peers[name]; c != nil {
		return c
	}
	c, _, err := websocket.DefaultDialer.Dial(s.house.url+path, http.Header{"May": {may}})
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { _ = c.Close() })
	_ = c.SetReadDeadline(time.Now().Add(20 * time.Second))
	s.peers[name] = c
	return c
}

// scdPath: a is told by its first frame, others by the path.
func scdPath(name string) string {
	if name == "a" {
		return "/"
	}
	return "/scd"
}

// play: "a > TRN:Chat" sends with the magic before it and an LF behind, "a >> …" as it
// stands; "a < …" is the next frame, where * in SENDER's place stands for the
// peer that follows it: <b> is b's address. "a - " ends a.
func (s *session) play(script string) {
	s.t.Helper()
	for i, l := range strings.Split(script, "\n") {
		l = strings.TrimLeft(l, "\t ")
		if l == "" || l[0] == '#' {
			continue
		}
		w := strings.SplitN(l, " ", 3)
		name, may, _ := strings.Cut(w[0], "/")
		c := s.peer(name, scdPath(name), may)
		text := ""
		if len(w) > 2 {
			text = s.names(strings.NewReplacer(`\n`, "\n", `\t`, "\t").Replace(w[2]))
		}
		switch w[1] {
		case ">":
			s.say(c, "SCDTMH:1.0\t"+text+"\n")
		case ">+": // a body follows
			s.say(c, "SCDTMH:1.0\t"+text)
		case ">>":
			s.say(c, text)
		case "<":
			kind, b, err := c.ReadMessage()
			if err != nil || kind != websocket.TextMessage || string(b) != text {
				s.t.Fatalf("line %d, %s\ngot %q (%d, %v)", i+1, l, b, kind, err)
			}
		case "-":
			_ = c.Close()
			delete(s.peers, name)
			n := s.house.Counts().Sessions
			for try := 0; try < 500 && s.house.Counts().Sessions >= n; try++ {
				time.Sleep(2 * time.Millisecond)
			}
		default:
			s.t.Fatalf("line %d: what is %q?", i+1, w[1])
		}
	}
	for name, c := range s.peers { // nobody got more than the lines tell
		s.say(c, "SCDTMH:1.0\tTSM:no such topic\n\n")
		if _, b, err := c.ReadMessage(); err != nil || string(b) != "[server@notify]:TSM|no such topic|0|topic 'no such topic' not found\n" {
			s.t.Errorf("at the end %s has also got %q (%v)", name, b, err)
		}
	}
}

func (s *session) say(c *websocket.Conn, text string) {
	s.t.Helper()
	if err := c.WriteMessage(websocket.TextMessage, []byte(text)); err != nil {
		s.t.Fatal(err)
	}
}

// names puts addresses for <a>.
func (s *session) names(text string) string {
	for name, c := range s.peers {
		text = strings.ReplaceAll(text, "<"+name+">", scdName(c.LocalAddr().String()))
	}
	return text
}
