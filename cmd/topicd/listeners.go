package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"topicd/codec"
	"topicd/node/web"
)

// endpoint is an address that the hub serves on.
type endpoint struct {
	net.Listener
	dialect string // what is spoken there; "" = everything, by path and first frame
	since   time.Time
	fixed   bool // from the configuration
	tls     bool

	closed bool // by somebody, not by a failure; guarded by endpoints.mu
}

// endpoints are all of them. They can be opened and closed while the hub runs;
// connections that came through one that is closed go on.
type endpoints struct {
	http *http.Server
	wg   *sync.WaitGroup
	errs chan<- error // of those that ended by themselves
	tls  *tls.Config  // nil: plain
	in   *peers

	mu   sync.Mutex
	list []*endpoint
	done bool
}

type endpointKey struct{}

// baseContext tells a request's handlers where it came in.
func baseContext(l net.Listener) context.Context {
	return context.WithValue(context.Background(), endpointKey{}, l)
}

// dialectAt is the dialect of the endpoint that the request came in by.
func dialectAt(ctx context.Context) string {
	if e, ok := ctx.Value(endpointKey{}).(*endpoint); ok {
		return e.dialect
	}
	return ""
}

// portAt is the port of the endpoint that the request came in by.
func portAt(ctx context.Context) string {
	if e, ok := ctx.Value(endpointKey{}).(*endpoint); ok {
		if a, ok := e.Addr().(*net.TCPAddr); ok {
			return strconv.Itoa(a.Port)
		}
	}
	return ""
}

// splitListen takes "ADDR,dialect=NAME" apart.
func splitListen(text string) (addr, dialect string, err error) {
	addr, rest, more := strings.Cut(text, ",")
	if more {
		key, v, _ := strings.Cut(rest, "=")
		if key != "dialect" {
			return "", "", fmt.Errorf("%q: after the address there may be dialect=NAME", text)
		}
		if !knownDialect(v) {
			return "", "", fmt.Errorf("%q: %q is none of %s", text, v, strings.Join(dialectNames, ", "))
		}
		dialect = v
	}
	if _, port, err := net.SplitHostPort(addr); err != nil {
		return "", "", fmt.Errorf("%q is not an address such as :22345 or 127.0.0.1:22345", addr)
	} else if _, err := net.LookupPort("tcp", port); err != nil {
		return "", "", fmt.Errorf("%q: %s is not a port", addr, port)
	}
	return addr, dialect, nil
}

// bind takes an address; nothing is served on it before serve.
func (e *endpoints) bind(addr, dialect string, fixed bool) (*endpoint, error) {
	lc := net.ListenConfig{Control: endUnacked}
	lc.SetMultipathTCP(false) // it has no such option
	l, err := lc.Listen(context.Background(), "tcp", addr)
	if err != nil {
		return nil, err
	}
	p := &endpoint{Listener: &turnstile{l, e.in}, dialect: dialect, since: time.Now(), fixed: fixed}
	if e.tls != nil {
		p.encrypt(e.tls)
	}
	return p, nil
}

// encrypt makes it serve TLS.
func (p *endpoint) encrypt(c *tls.Config) {
	if !p.tls {
		p.Listener, p.tls = tls.NewListener(p.Listener, c), true
	}
}

// serve begins to serve on an endpoint.
func (e *endpoints) serve(p *endpoint) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.done {
		p.Listener.Close()
		return
	}
	e.list = append(e.list, p)
	if !p.tls {
		p.Listener = &headListener{p.Listener, e.in.stats}
	}
	e.wg.Go(func() {
		err := e.http.Serve(p)
		e.mu.Lock()
		closed := p.closed
		for i, q := range e.list {
			if q == p {
				e.list = append(e.list[:i], e.list[i+1:]...)
				break
			}
		}
		e.mu.Unlock()
		if !closed && !errors.Is(err, http.ErrServerClosed) {
			e.errs <- err
		}
	})
}

// closeAll closes every endpoint for good.
func (e *endpoints) closeAll() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.done = true
	for _, p := range e.list {
		p.closed = true
		p.Listener.Close()
	}
}

// all is a copy of the list.
func (e *endpoints) all() []*endpoint {
	e.mu.Lock()
	defer e.mu.Unlock()
	return append([]*endpoint(nil), e.list...)
}

func (p *endpoint) describe() web.Listener {
	return web.Listener{Addr: p.Addr().String(), Dialect: p.dialect, Since: p.since.UnixMilli(), Fixed: p.fixed}
}

// List implements web.Listeners.
func (e *endpoints) List() []web.Listener {
	ls := []web.Listener{}
	for _, p := range e.all() {
		ls = append(ls, p.describe())
	}
	return ls
}

// Open implements web.Listeners.
func (e *endpoints) Open(addr, dialect string) (web.Listener, *codec.Error) {
	if dialect != "" {
		addr += ",dialect=" + dialect
	}
	addr, dialect, err := splitListen(addr)
	if err != nil {
		return web.Listener{}, codec.Errorf(codec.CodeMalformed, "%v", err)
	}
	if len(e.all()) >= maxEndpoints {
		return web.Listener{}, codec.Errorf(codec.CodeNoRoom, "the hub serves on %d addresses already", maxEndpoints)
	}
	p, err := e.bind(addr, dialect, false)
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return web.Listener{}, codec.Errorf(codec.CodeConflict, "%s is in use", addr)
	case errors.Is(err, syscall.EACCES):
		return web.Listener{}, codec.Errorf(codec.CodeForbidden, "the hub may not serve on %s: ports below 1024 need a capability", addr)
	case err != nil:
		return web.Listener{}, codec.Errorf(codec.CodeMalformed, "cannot serve on %s: %v", addr, err)
	}
	l := p.describe()
	e.serve(p)
	return l, nil
}

// maxEndpoints: a mistake in a script must not take every port.
const maxEndpoints = 32

// Close implements web.Listeners.
func (e *endpoints) Close(addr string) *codec.Error {
	e.mu.Lock()
	defer e.mu.Unlock()
	open := 0
	for _, p := range e.list {
		if !p.closed { // else it is about to leave the list
			open++
		}
	}
	for _, p := range e.list {
		if p.Addr().String() == addr && !p.closed {
			if open == 1 {
				return codec.Errorf(codec.CodeConflict, "%s is the last address: nobody could open another", addr)
			}
			p.closed = true
			p.Listener.Close()
			return nil
		}
	}
	return codec.Errorf(codec.CodeNotFound, "the hub does not serve on %q", addr)
}
