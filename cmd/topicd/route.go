package main

import (
	"net/http"
	"slices"
	"strings"

	"topicd/node"
	"topicd/node/dialect"
)

// dialectNames are what an endpoint can be given to itself.
var dialectNames = []string{"native"}

func knownDialect(name string) bool { return slices.Contains(dialectNames, name) }

// speaks makes the dialect of a connection, once its subprotocol is agreed.
type speaks func(subprotocol string) node.Dialect

// dialects are what the hub speaks.
type dialects struct {
	native *dialect.NativeConfig
	first  *dialect.First
}

func (s *server) newDialects() *dialects {
	d := &dialects{native: &dialect.NativeConfig{
		Hub: s.hub, Version: version, Ping: int(pingEvery.Milliseconds()), MaxFrame: int(s.set.maxFrame), Retry: 1000,
		Door: &door{s.gate},
	}}
	d.first = &dialect.First{Native: func() node.Dialect { return d.native.New("") }}
	return d
}

// route is what a WebSocket on that path of that endpoint speaks, nil = there
// is nothing. Fixed paths come first; / is told by subprotocol or first frame.
func (d *dialects) route(r *http.Request) speaks {
	native := func(proto string) node.Dialect { return d.native.New(proto) }
	switch name := dialectAt(r.Context()); name {
	case "native":
		return native
	}
	switch path := strings.TrimSuffix(r.URL.Path, "/"); path {
	case "/ws":
		return native
	case "":
		return func(proto string) node.Dialect {
			if proto == dialect.ProtocolJSON || proto == dialect.ProtocolCBOR {
				return native(proto)
			}
			return d.first
		}
	}
	return nil
}

// handler is what is behind the port.
func (s *server) handler() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.Header.Get("Upgrade") == "":
			s.web.ServeHTTP(w, r)
		case s.dialects.route(r) == nil:
			http.NotFound(w, r)
		default:
			s.ws.ServeHTTP(w, r)
		}
	})
}
