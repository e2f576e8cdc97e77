package web

import (
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"topicd/codec"
	"topicd/node"
	"topicd/node/dialect"
	"topicd/node/dialect/relay"
)

// hub is a hub behind a real socket.
type hub struct {
	t    testing.TB
	hub  *node.Hub
	web  *Server
	http *http.Server
	url  string

	rights atomic.Pointer[rights] // of all requests; nil = all
	hold   sync.Mutex             // requests wait while a test has it
}

// start serves a hub on a port of its own. When the test ends nothing of it may
// be left.
func start(t testing.TB, o node.Options, cfg Config) *hub {
	t.Helper()
	h := newHub(t, o, cfg)
	h.startAt("127.0.0.1:0")
	return h
}

// newHub is a hub that nobody can reach yet.
func newHub(t testing.TB, o node.Options, cfg Config) *hub {
	if o.Name == "" {
		o.Name = "test"
	}
	cfg.Hub = node.New(o)
	if cfg.Version == "" {
		cfg.Version = "1.0"
	}
	cfg.Dialects = []dialect.Plug{relay.Plug(cfg.Hub)} // it has a part in the API
	return &hub{t: t, hub: cfg.Hub, web: New(cfg)}
}

func (h *hub) startAt(addr string) {
	t := h.t
	t.Helper()
	before := runtime.NumGoroutine()
	l, err := net.Listen("tcp", addr)
	for end := time.Now().Add(20 * time.Second); err != nil && time.Now().Before(end); l, err = net.Listen("tcp", addr) {
		time.Sleep(5 * time.Millisecond) // the port of a hub that has just ended may be a connection's for a moment
	}
	if err != nil {
		t.Fatal(err)
	}
	h.url = "http://" + l.Addr().String()
	h.http = &http.Server{Handler: http.HandlerFunc(h.serve), ReadHeaderTimeout: time.Minute, IdleTimeout: time.Minute}
	done := make(chan struct{})
	go func() {
		defer close(done)
		h.http.Serve(l)
	}()
	t.Cleanup(func() {
		h.stop()
		<-done
		h.hub.Close()
		http.DefaultClient.CloseIdleConnections()
		for end := time.Now().Add(20 * time.Second); runtime.NumGoroutine() > before; time.Sleep(5 * time.Millisecond) {
			if time.Now().After(end) {
				b := make([]byte, 1<<20)
				t.Fatalf("%d goroutines, %d before\n%s", runtime.NumGoroutine(), before, b[:runtime.Stack(b, true)])
			}
		}
	})
}

// as gives all requests from now on these rights.
func (h *hub) as(r rights) { h.rights.Store(&r) }

func (h *hub) serve(w http.ResponseWriter, r *http.Request) {
	h.hold.Lock()
	h.hold.Unlock() //lint:ignore SA2001 it is passed, not kept
	if have := h.rights.Load(); have != nil {
		r = r.WithContext(node.WithRights(r.Context(), *have))
	}
	h.web.ServeHTTP(w, r)
}

func (h *hub) stop() {
	h.web.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	h.web.Drain(ctx)
	h.http.Close()
	h.web.Wait()
	http.DefaultClient.CloseIdleConnections()
	if n := h.hub.Counts().Sessions; n != 0 {
		h.t.Errorf("%d sessions are left", n)
	}
}

// reply is what came back.
type reply struct {
	status int
	header http.Header
	body   string
}

// do asks; path is what follows the address. header is "Name: value".
func (h *hub) do(method, path, body string, header ...string) reply {
	h.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, method, h.url+path, strings.NewReader(body))
	if err != nil {
		h.t.Fatal(err)
	}
	for _, line := range header {
		name, v, _ := strings.Cut(line, ": ")
		r.Header.Set(name, v)
	}
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		h.t.Fatalf("%s %s: %v", method, path, err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		h.t.Fatalf("%s %s: %v", method, path, err)
	}
	return reply{res.StatusCode, res.Header, string(b)}
}

// want asks and expects that status and, unless it is "", that body.
func (h *hub) want(status int, want, method, path, body string, header ...string) reply {
	h.t.Helper()
	a := h.do(method, path, body, header...)
	if a.status != status || want != "" && strings.TrimSuffix(a.body, "\n") != want {
		h.t.Errorf("%s %s %.200q\n got %d %s\nwant %d %s", method, path, body, a.status, a.body, status, want)
	}
	return a
}

// get decodes a JSON answer.
func (h *hub) get(path string, v any) {
	h.t.Helper()
	if a := h.do("GET", path, ""); a.status != 200 {
		h.t.Fatalf("GET %s: %d %s", path, a.status, a.body)
	} else if err := json.Unmarshal([]byte(a.body), v); err != nil {
		h.t.Fatalf("GET %s: %v: %s", path, err, a.body)
	}
}

// store publishes without a request.
func (h *hub) store(topic, data string) {
	h.t.Helper()
	turn := h.hub.Turn()
	sess, err := h.hub.Open(node.Deaf{}, "", "", turn)
	if err != nil {
		h.t.Fatal(err)
	}
	if _, err := sess.Publish([]byte(topic), node.Body{Enc: codec.JSON, Data: []byte(data)}, 0, turn); err != nil {
		h.t.Fatal(err)
	}
	sess.Close(turn)
	turn.Wake()
}

// newest is the newest reading's data, "" when there is none.
func (h *hub) newest(topic string) string {
	h.t.Helper()
	t := h.hub.Find([]byte(topic))
	if t == nil {
		return ""
	}
	var raw []byte
	data := ""
	from, to := h.hub.Span(t, 1, false, 0, 0)
	h.hub.Read(t, from, to, &raw, func(r *node.Reading) bool {
		data = string(r.Data)
		return true
	})
	return data
}
