package webchannel

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"

	"topicd/codec"
	"topicd/node"
)

// fake is a peer without a socket.
type fake struct {
	t     testing.TB
	sess  *node.Session
	sent  [][]byte
	ended int // close code
}

func (f *fake) Session() *node.Session               { return f.sess }
func (f *fake) End(code int, _ string, _ *node.Turn) { f.ended = code }
func (f *fake) SetPace(int)                          {}
func (f *fake) SetSilence(int)                       {}
func (f *fake) Again()                               {}
func (f *fake) Adopt(*node.Session)                  {}
func (f *fake) Speak(node.Dialect)                   {}
func (f *fake) Wake()                                {}
func (f *fake) Cut(*codec.Error)                     {}

func (f *fake) Send(text bool, b []byte, _ *node.Turn) {
	f.checkFrame(text, b)
	f.sent = append(f.sent, append([]byte(nil), b...))
}

// checkFrame: the hub says only what clients take.
func (f *fake) checkFrame(text bool, b []byte) {
	f.t.Helper()
	var m struct {
		Type   int
		ID     json.RawMessage
		Data   json.RawMessage
		Object string
		Signal *int
		Args   []any
	}
	if err := json.Unmarshal(b, &m); err != nil || !text || !utf8.Valid(b) {
		f.t.Fatalf("the hub says %q: %v", b, err)
	}
	switch {
	case m.Type == typeResponse && len(m.ID) > 0 && len(m.Data) > 0:
	case m.Type == typeSignal && find(m.Object) != nil && m.Signal != nil:
	case m.Type == typePropertyUpdate && m.Data[0] == '[':
	default:
		f.t.Fatalf("the hub says %s", b)
	}
}

// framer hands every message to a check.
type framer struct{ f *fake }

func (framer) Begin(b []byte) []byte { return b }
func (r framer) End(b []byte, at int, text bool) []byte {
	r.f.checkFrame(text, b[at:])
	return b
}

// FuzzFrame: whatever a page says, the hub stays in order, answers each call
// once with its id, and says only what clients can take.
func FuzzFrame(f *testing.F) {
	for _, s := range []string{
		`{"type":3,"id":0}`,
		`{"type":4}`,
		`{"args":["alice"],"id":1,"method":"login","object":"chatserver","type":6}`,
		`{"args":["alice","h\u0000i \ud834"],"id":2,"method":13,"object":"chatserver","type":6}`,
		`{"object":"chatserver","signal":5,"type":7}`,
		`{"object":"core","signal":5,"type":7}`,
		`{"object":"core","signal":5,"type":8}`,
		`{"args":["a/b",{"__QObject*__":[1,-2.5e9,"x\\"]}],"id":"x","method":"publish(QString,QJsonValue)","object":"topics","type":6}`,
		`{"args":["#",{"last":3,"rate":2.5,"latest":true,"from":false}],"id":1,"method":"subscribe","object":"topics","type":6}`,
		`{"args":["chat"],"id":1,"method":8,"object":"topics","type":6}`,
		`{"args":["#"],"id":1,"method":"unsubscribe","object":"topics","type":6}`,
		`{"args":["#",{"since":-5}],"id":1,"method":12,"object":"topics","type":6}`,
		`{"args":[ ],"id":1,"method":"list","object":"topics","type":6}`,
		`{"property":1,"object":"topics","value":[],"type":9}`,
		`{"args":[[[{"a":[1,2,"]"]}]],"}"],"type":6,"id":5,"object":"dialog","method":6}`,
	} {
		f.Add(s, `{"args":["chat","\u005f_QObject*__"],"id":1,"method":"publish","object":"topics","type":6}`)
	}
	f.Fuzz(func(t *testing.T, one, two string) {
		if !utf8.ValidString(one) || !utf8.ValidString(two) {
			t.Skip("the transport refuses it")
		}
		h := node.New(node.Options{Memory: 64 << 10, TopicCap: 4096, Topics: 50, Subs: 5, Rate: -1})
		defer h.Close()
		srv := newServer(h)
		now := int64(1)
		srv.now = func() int64 { return now }
		var pages []*page
		var peers []*fake
		for range 2 {
			p := &fake{t: t}
			p.sess, _ = h.Open(p, "", "", h.Turn())
			d := &page{srv: srv}
			d.Open(p, h.Turn())
			d.Frame(p, true, []byte(`{"type":3,"id":0}`), h.Turn())
			d.Frame(p, true, []byte(`{"type":4}`), h.Turn())
			pages, peers = append(pages, d), append(peers, p)
		}
		var sc node.Scratch
		for range 3 {
			for i, p := range pages {
				for _, text := range []string{one, two} {
					peers[i].sent = nil
					p.Frame(peers[i], true, []byte(text), h.Turn())
					answered(t, text, peers[i].sent)
				}
			}
			for _, p := range peers {
				for next := node.Again; next == node.Again; {
					_, next = p.sess.Fill(nil, 1<<16, h.Mono(), framer{p}, &sc)
				}
			}
			now += 5000
			srv.tick(h.Turn())
			if err := h.CheckInvariants(); err != nil {
				t.Fatal(err)
			}
		}
		for i, p := range pages {
			p.Close(peers[i], h.Turn())
			peers[i].sess.Close(h.Turn())
		}
		if len(srv.pages)+len(srv.chat.users) > 0 {
			t.Fatal("something is left")
		}
	})
}

// answered holds the answers to a frame against it: one where it is a call or
// an init, with its id, and none else.
func answered(t *testing.T, text string, sent [][]byte) {
	t.Helper()
	n := 0
	for _, b := range sent {
		if strings.HasSuffix(string(b), `"type":10}`) {
			n++
		}
	}
	m, ok := parse([]byte(text))
	want := 0
	if ok && len(m.ID) > 0 && (m.Type == typeInit || m.Type == typeInvoke && find(m.Object) != nil) {
		want = 1
		if !strings.HasSuffix(string(sent[len(sent)-1]), fmt.Sprintf(`,"id":%s,"type":10}`, m.ID)) {
			t.Fatalf("%s is answered with %q", text, sent)
		}
	}
	if n != want {
		t.Fatalf("%s is answered with %q", text, sent)
	}
}

// FuzzArgs: what the splitter takes apart is what encoding/json reads.
func FuzzArgs(f *testing.F) {
	for _, s := range []string{`[]`, `[1]`, `[ "a,\"]" , {"b":[1,2]} ,[[]]]`, `{"0":1}`, `null`, `"x"`, `[1,2,3,4,5,6,7,8,9,10,11]`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		if !json.Valid([]byte(raw)) {
			t.Skip()
		}
		m := message{Args: json.RawMessage(trim([]byte(raw)))}
		got, ok := m.args()
		var want []json.RawMessage
		if m.Args[0] == '[' {
			if err := json.Unmarshal(m.Args, &want); err != nil {
				t.Skip()
			}
		}
		if ok != (len(want) <= maxArgs) {
			t.Fatalf("%s: %d arguments are ok: %v", raw, len(want), ok)
		}
		for i := range want {
			if ok && string(want[i]) != string(got[i]) {
				t.Fatalf("%s: argument %d is %s", raw, i, got[i])
			}
		}
		if ok && len(got) != len(want) {
			t.Fatalf("%s: %q", raw, got)
		}
	})
}
