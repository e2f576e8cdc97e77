package dialect_test

import (
	"bytes"
	"net/http"
	"testing"

	"topicd/codec"
	"topicd/node"
	"topicd/node/dialect"
	"topicd/node/dialect/dialecttest"
	"topicd/node/dialect/echo"
	"topicd/node/dialect/mws"
	"topicd/node/dialect/native"
	"topicd/node/dialect/relay"
	"topicd/node/dialect/scd"
	"topicd/node/dialect/webchannel"
)

// all are the dialects as the program has them.
func all(h *node.Hub) []dialect.Plug {
	return []dialect.Plug{
		native.Plug(native.Config{Hub: h, Version: "1.0"}), scd.Plug(h), webchannel.Plug(h), echo.Plug(), relay.Plug(h),
		mws.Plug(mws.Config{Hub: h, Access: "none"}),
	}
}

// spoken is what a session of a connection is described as.
func spoken(t *testing.T, h *dialecttest.Hub, path, first string, protocols ...string) string {
	t.Helper()
	c := h.Dial(t, path, "", protocols...)
	defer c.Close()
	if first != "" {
		c.Text(first)
	}
	name := ""
	dialecttest.Await(t, path+" is described", func() bool {
		for _, s := range h.Clients() {
			name = s.Dialect
		}
		return name != ""
	})
	_ = c.Close()
	dialecttest.Await(t, "it has left", func() bool { return h.Counts().Sessions == 0 })
	return name
}

// TestPrecedence: what design/protocol.md says of dialects on /, and what comes before it.
func TestPrecedence(t *testing.T) {
	const scdFirst, chatFirst = "SCDTMH:1.0\tTRN:x\n", `{"type":3,"id":0}`
	h := dialecttest.Start(t, dialecttest.Options{Plugs: all})
	for _, c := range []struct {
		want, path, first string
		protocols         []string
	}{
		{"native", "/", `{"op":"ping"}`, nil},
		{"native", "/", `nonsense`, nil},
		{"scd", "/", scdFirst, nil},
		{"webchannel", "/", chatFirst, nil},
		{"native", "/", `{"type":3,"op":"ping"}`, nil},
		{"native", "/?token=x", scdFirst, []string{native.ProtocolJSON}}, // the subprotocol comes before the ticket
		{"scd", "/", scdFirst, []string{"unknown"}},
		{"scd", "/?other=x", scdFirst, nil},
		{"native", "/ws", scdFirst, nil}, // a path comes before everything
		{"native", "/ws/", chatFirst, nil},
		{"native", "/ws?token=x", chatFirst, nil},
		{"scd", "/scd", scdFirst, []string{native.ProtocolCBOR}},
		{"webchannel", "/webchannel", chatFirst, nil},
		{"echo", "/echo", scdFirst, nil},
		{"relay", "/relay/r", scdFirst, nil},
		{"relay", "/relay/r/who?token=x", chatFirst, nil},
	} {
		if got := spoken(t, h, c.path, c.first, c.protocols...); got != c.want {
			t.Errorf("%s %q %q is %s, not %s", c.path, c.first, c.protocols, got, c.want)
		}
	}
	h.Dial(t, "/?token=x", "").WantClose(1000) // a Managed WebSocket whose URI is worthless
	h.Dial(t, "/mws?token=x", "").WantClose(1000)
	for _, path := range []string{"/nothing", "/relay", "/relay/", "/wsx", "/ws/x", "/scd/x", "//", "/relay/a+"} {
		if err := h.Router.Check(node.Arrival{Path: path}); err == nil || err.Code != codec.CodeNotFound && err.Code != codec.CodeMalformed {
			t.Errorf("%s: %v", path, err)
		}
	}
	own := dialecttest.Start(t, dialecttest.Options{Plugs: all, Listener: "echo"})
	if got := spoken(t, own, "/scd?token=x", scdFirst, native.ProtocolJSON); got != "echo" {
		t.Errorf("a listener of echo's speaks %s", got)
	}
}

// TestJudge: which requests a dialect judges by its own tokens.
func TestJudge(t *testing.T) {
	h := dialecttest.Start(t, dialecttest.Options{Plugs: all})
	for _, c := range []struct {
		want                   bool
		url, listener, upgrade string
		protocols              []string
	}{
		{true, "/v1", "", "", nil}, {true, "/v1/sockets", "", "", nil}, {false, "/v12", "", "", nil}, {false, "/?token=x", "", "", nil},
		{true, "/?token=x", "", "websocket", nil}, {true, "/mws?token=x", "", "websocket", nil}, {true, "/any?token=x", "mws", "websocket", nil},
		{false, "/ws?token=x", "", "websocket", nil}, {false, "/?token=x", "echo", "websocket", nil}, {false, "/v1", "", "websocket", nil},
		{false, "/?token=x", "", "websocket", []string{native.ProtocolJSON}}, {false, "/mws?token=x", "mws", "websocket", []string{"x, " + native.ProtocolCBOR}},
		{false, "/?token=x", "", "websocket", []string{"x", native.ProtocolCBOR}}, {false, "/", "", "websocket", nil},
	} {
		r, err := http.NewRequest("GET", c.url, nil)
		if err != nil {
			t.Fatal(err)
		}
		if c.upgrade != "" {
			r.Header["Upgrade"], r.Header["Sec-Websocket-Protocol"] = []string{c.upgrade}, c.protocols
		}
		if got := h.Router.Judge(r, c.listener) != nil; got != c.want {
			t.Errorf("%+v: %t", c, got)
		}
	}
}

// shout is a dialect that is not the hub's: all of it.
type shout struct{}

func shouts() dialect.Plug {
	return dialect.Plug{
		Name: "shout", Title: "Shouting", Paths: []string{"/shout"}, Protos: []string{"shout.v1"},
		Sniff: func(text bool, first []byte) bool { return text && bytes.HasPrefix(first, []byte("HEY")) },
		Open:  func(node.Arrival) node.Dialect { return shout{} },
	}
}

func (shout) Open(p node.Peer, turn *node.Turn)       { p.Session().Describe("shout", "", turn) }
func (shout) Close(node.Peer, *node.Turn)             {}
func (shout) Bye(node.Peer, *codec.Error, *node.Turn) {}
func (shout) Frame(p node.Peer, text bool, b []byte, turn *node.Turn) {
	p.Send(text, bytes.ToUpper(b), turn)
}

// TestToyDialect: a dialect is its plug, and a line where the plugs are listed.
func TestToyDialect(t *testing.T) {
	plugs := func(h *node.Hub) []dialect.Plug { return append(all(h), shouts()) }
	h := dialecttest.Start(t, dialecttest.Options{Plugs: plugs})
	for path, protocol := range map[string]string{"/shout": "x", "/": "shout.v1"} {
		c := h.Dial(t, path, "", protocol)
		c.Text("hello")
		c.Want("HELLO")
	}
	c := h.Dial(t, "/", "")
	c.Text("HEY you")
	c.Want("HEY YOU")
	own := dialecttest.Start(t, dialecttest.Options{Plugs: plugs, Listener: "shout"})
	c = own.Dial(t, "/", "")
	c.Text("hello")
	c.Want("HELLO")
	if _, err := dialect.NewRouter(append(plugs(h.Hub), shouts())...); err == nil {
		t.Error("two dialects of one name")
	}
}
