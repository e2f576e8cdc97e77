// Package dialecttest runs dialects for their tests: on a hub with real sockets
// and the router that the program has (Hub), or line by line without sockets
// (Transcript).
package dialecttest

import (
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"topicd/codec"
	"topicd/node"
	"topicd/node/dialect"
	"topicd/node/link"
	"topicd/node/link/ws"
	"topicd/node/web"
)

// Options configure a Hub. All but Plugs may be left out.
type Options struct {
	Hub      node.Options
	Plugs    func(h *node.Hub) []dialect.Plug
	Reader   string // of the transport
	MaxFrame int
	Listener string // the dialect that the port is given to, "" = all
	// Rights of a request; default those that its header May names: only to
	// publish to that topic and to read it.
	Rights func(r *http.Request) node.Rights
}

// Hub serves dialects and plain HTTP on a port of its own until the test ends.
type Hub struct {
	*node.Hub
	Router *dialect.Router
	URL    string // http://…
	Web    *web.Server
	link   *link.Server
}

// Bare listens for a dialect that is spoken without HTTP, and returns the address.
func (h *Hub) Bare(t testing.TB, name string) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			a := node.Arrival{Dialect: name}
			h.link.Accept(c, a, h.Router.Open(a), nil, nil)
		}
	}()
	return l.Addr().String()
}

// Start starts a hub.
func Start(t testing.TB, o Options) *Hub {
	t.Helper()
	h := &Hub{Hub: node.New(o.Hub)}
	var err error
	if h.Router, err = dialect.NewRouter(o.Plugs(h.Hub)...); err != nil {
		t.Fatal(err)
	}
	l, err := link.New(h.Hub, link.Options{MaxFrame: o.MaxFrame, Reader: o.Reader})
	if err != nil {
		t.Fatal(err)
	}
	h.link = l
	sockets := ws.New(l, ws.Options{Open: h.Router.Open, Subprotocols: h.Router.Protos(), Arrival: o.arrival})
	h.Web = web.New(web.Config{Hub: h.Hub, Version: "1.0", Dialects: h.Router.Plugs()})
	if o.Rights == nil {
		o.Rights = mayHeader
	}
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r = r.WithContext(node.WithRights(r.Context(), o.Rights(r)))
		switch {
		case r.Header.Get("Upgrade") == "" && h.Router.Service(o.Listener) != nil:
			h.Web.Serve(w, r, h.Router.Service(o.Listener).Handler)
		case r.Header.Get("Upgrade") == "":
			h.Web.ServeHTTP(w, r)
		case h.Router.Check(o.arrival(r)) != nil:
			http.NotFound(w, r)
		default:
			sockets.ServeHTTP(w, r)
		}
	}))
	h.URL = srv.URL
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { h.Router.Run(ctx); close(done) }()
	t.Cleanup(func() {
		stop()
		<-done
		h.Web.Close()
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		l.Shutdown(ctx)
		srv.Close()
		h.Web.Wait()
		h.Router.Close()
		if n := h.Counts().Sessions; n != 0 {
			t.Errorf("%d sessions are left", n)
		}
		if err := h.CheckInvariants(); err != nil {
			t.Errorf("hub: %v", err)
		}
		h.Close()
	})
	return h
}

func (o *Options) arrival(r *http.Request) node.Arrival {
	a := ws.Arrival(r)
	a.Dialect = o.Listener
	return a
}

// WS is the URL of a WebSocket.
func (h *Hub) WS(path string) string { return "ws" + strings.TrimPrefix(h.URL, "http") + path }

func mayHeader(r *http.Request) node.Rights {
	if topic := r.Header.Get("May"); topic != "" {
		return Only(topic)
	}
	return nil
}

// Only are the rights to publish to one topic and to read it, never to manage it.
type Only string

func (o Only) ok(topic string) *codec.Error {
	if topic == string(o) {
		return nil
	}
	return codec.Errorf(codec.CodeForbidden, "not yours: %s", topic)
}

func (o Only) MayPublish(topic []byte) *codec.Error     { return o.ok(string(topic)) }
func (o Only) MaySubscribe(pattern []byte) *codec.Error { return o.ok(string(pattern)) }
func (o Only) MayManage(topic []byte) *codec.Error      { return o.ok(string(topic) + "!") }
func (o Only) MayAdmin() *codec.Error                   { return o.ok("!") }
func (o Only) MayList() *codec.Error                    { return nil }
func (o Only) MayRead(topic string) bool                { return o.ok(topic) == nil }

// EachReader runs a test with every way of the transport to read.
func EachReader(t *testing.T, test func(t *testing.T, reader string)) {
	for _, r := range []string{"poll", "goroutine"} {
		t.Run(r, func(t *testing.T) {
			t.Parallel()
			test(t, r)
		})
	}
}

// Patience bounds every wait, each for itself: nothing takes a tenth of it, but on a
// busy machine a whole test may take as long.
const Patience = 60 * time.Second

// Await waits until something is so.
func Await(t testing.TB, what string, so func() bool) {
	t.Helper()
	for end := time.Now().Add(Patience); !so(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("it does not come to it: %s", what)
		}
	}
}
