package front

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"log"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"

	"topicd/codec"
	"topicd/node"
	"topicd/node/access"
	"topicd/node/link"
)

// Options are what a Front has to know before there is a hub.
type Options struct {
	Log      *slog.Logger
	Names    access.Names // the hub's own
	Told     *access.Told // refusals that the log has had
	Dialects []string     // what an endpoint may be given to
	Cert     *Certificate // nil: no TLS
	AllTLS   bool         // the endpoints of Listen too

	// Inherited are sockets that somebody else has bound for the hub: each stands for
	// the address of Bind that it is bound to.
	Inherited []net.Listener

	Sessions   int           // connections that the hub lets in; a few more are answered
	PerAddress int           // connections of one address, 0 = no limit
	Requests   int           // HTTP requests per second and address, 0 = no limit
	Loopback   bool          // this machine's count too
	Header     time.Duration // for a request's head to arrive, and a handshake of TLS
	Idle       time.Duration // for the next request
	Dead       time.Duration // a connection whose peer confirms nothing for so long ends
}

// Inside is what the Front stands before.
type Inside struct {
	Stats   *node.Stats
	Gate    *access.Gate
	Handler http.Handler // of every request that is let in, with its rights (node.RightsOf)
	// Refuse answers a request that is not let in.
	Refuse func(http.ResponseWriter, *http.Request, *codec.Error)
	// Own tells whether a dialect judges the request's token itself, and whether
	// nothing of it goes without one. nil: none does.
	Own func(*http.Request) (own, tokened bool)
	// Bare takes the connections of endpoints that are not HTTP, by dialect. Who
	// takes one closes it, and calls Leave then.
	Bare map[string]func(net.Conn, node.Arrival)
}

// Front lets the network in. Its zero value is no use: see New.
type Front struct {
	// static after construction
	opt   Options
	peers peers
	links links
	again time.Duration // bindAgain; tests have less patience

	// static after Serve
	in   Inside
	http *http.Server
	errs chan error // of endpoints that ended by themselves

	tasks sync.WaitGroup
	ctx   context.Context // ends with Close
	stop  context.CancelFunc

	// guarded by mu
	mu      sync.Mutex
	list    []*endpoint
	bound   []*endpoint // of the configuration, in the order in which they could be taken
	waiting []wanted    // of the configuration, not there yet; changed by one goroutine only
	open    bool        // Serve was called
	done    bool
}

// New makes a Front that serves on no address yet.
func New(o Options) *Front {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Told == nil {
		o.Told = &access.Told{}
	}
	f := &Front{opt: o, errs: make(chan error, 8), again: bindAgain}
	f.ctx, f.stop = context.WithCancel(context.Background())
	f.peers = peers{
		// A few more connections than sessions are let in, so that a hub full of
		// WebSockets can still be asked why.
		most: o.Sessions + 64, each: o.PerAddress, requests: o.Requests, loopback: o.Loopback,
		stats: &node.Stats{}, links: &f.links, began: time.Now(),
	}
	return f
}

// Serve begins to let in what the endpoints that are bound have. It is called once.
func (f *Front) Serve(in Inside) {
	f.in = in
	f.peers.stats = in.Stats
	f.http = &http.Server{
		Handler:     http.HandlerFunc(f.guard),
		BaseContext: func(l net.Listener) context.Context { return context.WithValue(context.Background(), endpointKey{}, l) },
		ConnState: func(c net.Conn, state http.ConnState) {
			f.peers.watch(c, state)
			if h, ok := c.(*headConn); ok && state == http.StateIdle {
				h.next()
			}
		},
		ReadHeaderTimeout: f.opt.Header,
		IdleTimeout:       f.opt.Idle,
		MaxHeaderBytes:    8 << 10,
		ErrorLog:          log.New(httpLog{f.opt.Log}, "", 0),
	}
	f.mu.Lock()
	f.open = true
	f.mu.Unlock()
	for _, e := range f.bound {
		f.serve(e)
	}
	if len(f.waiting) > 0 {
		f.tasks.Go(f.waitLoop)
	}
}

// Err has a value when an endpoint ended that nobody closed.
func (f *Front) Err() <-chan error { return f.errs }

// Close lets nobody in any more. Who is in stays until End.
func (f *Front) Close() {
	f.stop()
	f.mu.Lock()
	defer f.mu.Unlock()
	f.done = true
	for _, e := range append(f.list, f.bound...) {
		e.closed = true
		_ = e.Listener.Close()
	}
}

// End closes the connections of HTTP that are left and returns when all of the
// Front's goroutines have ended.
func (f *Front) End() {
	if f.http != nil {
		_ = f.http.Close()
	}
	f.tasks.Wait()
}

// Leave is called once by who took a connection, when it is gone: it stays in
// the count of its address until then.
func (f *Front) Leave(addr string) { f.peers.leave(access.Addr(addr)) }

// Owner is whom a session at "host:port" is counted for.
func (f *Front) Owner(addr string) string { return f.links.owner(addr) }

// httpLog takes what net/http has to say: of what peers do wrong only who looks
// for it hears, of a mistake of ours everybody.
type httpLog struct{ log *slog.Logger }

// Write implements io.Writer.
func (l httpLog) Write(line []byte) (int, error) {
	level := slog.LevelDebug
	if bytes.HasPrefix(line, []byte("http: panic")) {
		level = slog.LevelError
	}
	l.log.Log(context.Background(), level, string(bytes.TrimSpace(line)))
	return len(line), nil
}

// serve begins to serve on an endpoint.
func (f *Front) serve(e *endpoint) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.done {
		_ = e.Listener.Close()
		return
	}
	f.list = append(f.list, e)
	take := f.in.Bare[e.dialect]
	l := net.Listener(&turnstile{e.Listener, f})
	switch {
	case e.tls:
		l = tls.NewListener(link.Below(l), f.tlsConfig(take != nil))
	case take == nil:
		l = &headListener{l, f.in.Stats}
	}
	e.Listener = l
	f.tasks.Go(func() {
		var err error
		if take != nil {
			err = f.serveBare(e, take)
		} else {
			err = f.http.Serve(e)
		}
		if !f.ended(e) && !errors.Is(err, http.ErrServerClosed) {
			f.errs <- err
		}
	})
}

// ended takes an endpoint from the list, and tells whether somebody closed it.
func (f *Front) ended(e *endpoint) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	for i, q := range f.list {
		if q == e {
			f.list = append(f.list[:i], f.list[i+1:]...)
			break
		}
	}
	return e.closed
}
