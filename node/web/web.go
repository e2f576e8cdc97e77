// Package web is the hub over plain HTTP: ingest, query, event stream,
// administration, metrics, documents and the dashboard, and what the dialects add
// to it (dialect.Plug's API and HTTP).
//
// A request comes with the rights of whoever made it (node.RightsOf), put there
// by what stands before this handler, which has also checked Host and Origin.
// A request to the API is a node.Session for as long as it lasts, as any other
// peer: it counts against the limit of sessions, it asks the session's rights,
// and it can be cut.
//
// Nothing waits for a peer without end. A body must be there within
// answer.BodyTime, each write must be taken within answer.WriteTime, and Close
// ends what is left.
package web

import (
	"context"
	"maps"
	"net/http"
	"path"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"topicd/codec"
	"topicd/node"
	"topicd/node/dialect"
	"topicd/node/store"
	"topicd/node/web/answer"
)

// Config is what the handlers share.
type Config struct {
	Hub       *node.Hub
	Version   string
	Listeners Listeners // nil: they cannot be changed at run time
	Access    Access    // nil: there are no tokens
	Dialects  []dialect.Plug
	Store     *store.Store // of durable topics; nil: there are none

	Uplink    func() *Uplink                                    // how the uplink is; nil: there is none
	Metrics   func([]byte) []byte                               // appends more of them; nil: there are none
	Kept      func() bool                                       // do static topics outlive a restart? It may wait for the disk; nil: yes
	Dashboard func() string                                     // the dashboard as other machines reach it; nil: not known
	Origin    func(r *http.Request, origin string) *codec.Error // would a page of that origin get a WebSocket? nil: not known
}

// Server is the handler of everything that is not a WebSocket.
type Server struct {
	Config
	mux   *http.ServeMux
	paths map[string][]string // the methods of each path of the API
	quit  chan struct{}       // closed when the hub goes away: streams end
	// lent to streams while they fill and while they write: one at rest has none
	scratch, pieces sync.Pool

	desk  *answer.Desk
	root  http.Handler // of a dialect: it answers GET / of who asks for JSON
	under atomic.Int64 // requests under way that have a session

	bodyTime time.Duration // answer.BodyTime; tests have less patience

	mu       sync.Mutex
	closing  bool
	requests sync.WaitGroup
}

// server is what handlers call it.
type server = Server

// New makes the handler of everything that is not a WebSocket.
func New(cfg Config) *Server {
	s := &server{Config: cfg, mux: http.NewServeMux(), paths: map[string][]string{}, quit: make(chan struct{}), bodyTime: answer.BodyTime}
	s.desk = answer.NewDesk(cfg.Hub)
	s.scratch.New = func() any { return new(node.Scratch) }
	s.pieces.New = func() any { return new([]byte) }
	s.dashboard()
	s.handle("/healthz", methods{"GET": s.serveHealth})
	s.handle("/readyz", methods{"GET": s.serveReady})
	s.handle("/metrics", methods{"GET": s.serveMetrics})
	s.handle("/api/pub", methods{"POST": s.servePubMany})
	s.handle("/api/pub/{topic...}", methods{"POST": s.servePub, "PUT": s.servePub})
	s.handle("/api/topics", methods{"GET": s.serveTopics})
	s.handle("/api/topics/{topic...}", methods{"GET": s.serveReadings, "PUT": s.serveMake, "DELETE": s.serveDelete})
	s.handle("/api/stream", methods{"GET": s.serveStream})
	s.handle("/api/export", methods{"GET": s.serveExport})
	s.handle("/api/qr.svg", methods{"GET": s.serveQR})
	s.handle("/api/openapi.json", methods{"GET": document("application/json", "openapi.json")})
	s.handle("/api/asyncapi.json", methods{"GET": document("application/json", "asyncapi.json")})
	s.handle("/api/topicd.cddl", methods{"GET": document("text/plain; charset=utf-8", "topicd.cddl")})
	s.handle("/.well-known/wot", methods{"GET": s.serveThing})
	s.handle("/api/clients", methods{"GET": s.serveClients})
	s.handle("/api/clients/{id}", methods{"DELETE": s.serveCut})
	s.handle("/api/listeners", methods{"GET": s.serveListeners, "POST": s.serveListen, "DELETE": s.serveUnlisten})
	s.handle("/api/stats", methods{"GET": s.serveStats})
	s.handle("/api/status", methods{"GET": s.serveStatus})
	s.handle("/api/backup", methods{"GET": s.serveBackup})
	if cfg.Access != nil {
		s.handle("/api/me", methods{"GET": s.serveMe})
		s.handle("/api/tokens", methods{"GET": s.serveTokens, "POST": s.serveCreate})
		s.handle("/api/tokens/{id}", methods{"DELETE": s.serveRevoke})
		s.handle("/api/join", methods{"GET": s.serveJoin, "POST": s.serveJoin, "DELETE": s.serveJoin})
	}
	s.mux.HandleFunc("/api/", s.serveNothing)
	s.serveDialects()
	return s
}

// serveDialects registers what the dialects answer over plain HTTP.
func (s *server) serveDialects() {
	calls := map[string]methods{}
	for _, p := range s.Dialects {
		for _, c := range p.API {
			if calls[c.Path] == nil {
				calls[c.Path] = methods{}
			}
			calls[c.Path][c.Method] = func(w http.ResponseWriter, r *http.Request) {
				s.api(w, r, func(sess *node.Session) *codec.Error { return c.Do(w, r, sess) })
			}
		}
		if h := p.HTTP; h != nil {
			s.root = h.Handler
			s.mux.Handle(h.Below, h.Handler)
			s.mux.Handle(h.Below+"/", h.Handler)
		}
	}
	for path, m := range calls {
		s.handle(path, m)
	}
}

// methods are the handlers of one path.
type methods map[string]http.HandlerFunc

// handle registers a path. Another method than its own is refused with an
// error that a program can read; the mux would answer with a line of text.
func (s *server) handle(pattern string, m methods) {
	allow := make([]string, 0, len(m)+1)
	for _, name := range []string{"GET", "HEAD", "POST", "PUT", "DELETE"} {
		if m[name] != nil || name == "HEAD" && m["GET"] != nil {
			allow = append(allow, name)
		}
	}
	s.paths[strings.ReplaceAll(pattern, "...", "")] = slices.Sorted(maps.Keys(m))
	s.mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
		method := r.Method
		if method == "HEAD" {
			method = "GET"
		}
		if h := m[method]; h != nil {
			h(w, r)
			return
		}
		w.Header().Set("Allow", strings.Join(allow, ", "))
		answer.Error(w, codec.Errorf(http.StatusMethodNotAllowed, "%s is not for %s: use %s", r.Method, r.URL.Path, strings.Join(allow, ", ")))
	})
}

// ServeHTTP implements http.Handler.
func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.serve(w, r, s.mux) }

// Serve has a request answered by next instead, as a listener that is given to a
// dialect has: with the same patience, and counted for Drain.
func (s *server) Serve(w http.ResponseWriter, r *http.Request, next http.Handler) {
	s.serve(w, r, next)
}

func (s *server) serve(w http.ResponseWriter, r *http.Request, next http.Handler) {
	a := answer.New(w, r, s.desk)
	defer a.Done()
	w = a
	if !s.begin() {
		if r.Header.Get("Accept") == "text/event-stream" {
			panic(http.ErrAbortHandler) // a browser's EventSource comes back after a lost connection, after a 503 never
		}
		answer.Error(w, errGoing)
		return
	}
	defer s.requests.Done()
	deadline := http.NewResponseController(w)
	patience := s.desk.Patience
	if r.Body != nil && r.Body != http.NoBody {
		_ = deadline.SetReadDeadline(time.Now().Add(s.bodyTime))
		patience += s.bodyTime // a body that comes too slowly is still answered
	}
	_ = deadline.SetWriteDeadline(time.Now().Add(patience))
	if p := r.URL.EscapedPath(); strings.HasPrefix(p, "/api/") && cleaned(p) != p {
		// The mux would send the client elsewhere, and most lose the body then.
		answer.Error(w, codec.Errorf(codec.CodeMalformed, "the path has an empty level, . or .."))
		return
	}
	next.ServeHTTP(w, r)
}

var errGoing = &codec.Error{Code: codec.CodeGoingAway, Msg: "the hub is going away", Retry: 1000}

// cleaned is the path as the mux wants it.
func cleaned(p string) string {
	c := path.Clean(p)
	if strings.HasSuffix(p, "/") && c != "/" {
		c += "/"
	}
	return c
}

// begin counts a request, or tells that the hub is going away.
func (s *server) begin() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.closing {
		s.requests.Add(1)
	}
	return !s.closing
}

// Close lets no more requests in and tells the streams to end. It does not wait.
func (s *server) Close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.closing {
		s.closing = true
		close(s.quit)
	}
}

// Drain waits until the requests under way have ended, or ctx has. It is called
// after Close: streams then only say goodbye.
func (s *server) Drain(ctx context.Context) {
	done := make(chan struct{})
	go func() { // ends with the last request, which Wait waits for
		s.requests.Wait()
		close(done)
	}()
	select {
	case <-done:
	case <-ctx.Done():
	}
}

// Wait returns when the last request has ended. It is called when the
// connections are closed too: nobody can then keep a request waiting. The hub
// may be closed after it.
func (s *server) Wait() { s.requests.Wait() }

func (s *server) serveNothing(w http.ResponseWriter, r *http.Request) {
	answer.Error(w, codec.Errorf(codec.CodeNotFound, "there is no %s: /api/openapi.json tells what there is", r.URL.Path))
}

// open begins the session of a request. The caller closes it. HTTP has a quarter
// of the sessions: an event stream takes 33 to 46 KiB (800 measured, at rest and
// unread), twice what a WebSocket does, and a flood of requests must leave room
// for sensors.
func (s *server) open(r *http.Request, sink node.Sink) (*node.Session, *codec.Error) {
	if s.under.Add(1) > int64(max(fewRequests, s.Hub.Options().Sessions/4)) {
		s.under.Add(-1)
		s.Hub.Stats.Add(node.RefusedSessions, 1)
		return nil, errRequests
	}
	sess, err := s.Hub.Open(sink, r.RemoteAddr, r.URL.Path, s.Hub.Turn())
	if err != nil {
		s.under.Add(-1)
		return nil, err
	}
	sess.SetRights(node.RightsOf(r.Context()))
	return sess, nil
}

const fewRequests = 16

var errRequests = &codec.Error{Code: codec.CodeNoRoom, Msg: "the hub serves as many HTTP requests and event streams at a time as it may: try again later", Retry: 1000}

// api runs a request's work with its session and answers its error.
func (s *server) api(w http.ResponseWriter, r *http.Request, do func(*node.Session) *codec.Error) {
	sess, err := s.open(r, node.Deaf{})
	if err == nil {
		defer s.close(sess)
		sess.OneRequest()
		err = do(sess)
	}
	if err != nil {
		answer.Error(w, err)
	}
}

func (s *server) close(sess *node.Session) {
	turn := s.Hub.Turn()
	sess.Close(turn)
	turn.Wake()
	s.under.Add(-1)
}
