package scd

import (
	"strings"
	"testing"

	"github.com/gorilla/websocket"

	"topicd/node"
	"topicd/node/dialect"
	"topicd/node/dialect/dialecttest"
	"topicd/node/dialect/native"
)

func start(t *testing.T, o node.Options, reader string) *dialecttest.Hub {
	return dialecttest.Start(t, dialecttest.Options{Hub: o, Reader: reader, Plugs: func(h *node.Hub) []dialect.Plug {
		return []dialect.Plug{native.Plug(native.Config{Hub: h}), Plug(h)}
	}})
}

// session is some peers on real sockets, each named for what it speaks there.
type session struct {
	t     *testing.T
	hub   *dialecttest.Hub
	peers map[string]*dialecttest.Client
}

func (s *session) peer(name, path string, may string) *dialecttest.Client {
	s.t.Helper()
	if c := s.peers[name]; c != nil {
		return c
	}
	c := s.hub.Dial(s.t, path, may)
	s.peers[name] = c
	return c
}

// pathOf: a is told by its first frame, others by the path.
func pathOf(name string) string {
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
		c := s.peer(name, pathOf(name), may)
		text := ""
		if len(w) > 2 {
			text = s.names(strings.NewReplacer(`\n`, "\n", `\t`, "\t").Replace(w[2]))
		}
		switch w[1] {
		case ">":
			c.Text("SCDTMH:1.0\t" + text + "\n")
		case ">+": // a body follows
			c.Text("SCDTMH:1.0\t" + text)
		case ">>":
			c.Text(text)
		case "<":
			kind, b, err := c.ReadMessage()
			if err != nil || kind != websocket.TextMessage || string(b) != text {
				s.t.Fatalf("line %d, %s\ngot %q (%d, %v)", i+1, l, b, kind, err)
			}
		case "-":
			n := s.hub.Counts().Sessions
			_ = c.Close()
			delete(s.peers, name)
			dialecttest.Await(s.t, name+" has left", func() bool { return s.hub.Counts().Sessions < n })
		default:
			s.t.Fatalf("line %d: what is %q?", i+1, w[1])
		}
	}
	for name, c := range s.peers { // nobody got more than the lines tell
		c.Text("SCDTMH:1.0\tTSM:no such topic\n\n")
		if _, b, err := c.ReadMessage(); err != nil || string(b) != "[server@notify]:TSM|no such topic|0|topic 'no such topic' not found\n" {
			s.t.Errorf("at the end %s has also got %q (%v)", name, b, err)
		}
	}
}

// names puts addresses for <a>.
func (s *session) names(text string) string {
	for name, c := range s.peers {
		text = strings.ReplaceAll(text, "<"+name+">", nameOf(c.LocalAddr().String()))
	}
	return text
}
