package dialect

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"

	"topicd/codec"
	"topicd/node"
)

// Router finds the plug of a connection. The first of these that fits decides:
//
//  1. the dialect that its listener is given to,
//  2. the path of its URL,
//  3. on / the subprotocol that was agreed,
//  4. on / a ticket in its URL,
//  5. on / its first message, by the plugs' Sniff in their order.
//
// What no Sniff takes is the first plug's.
type Router struct {
	plugs   []Plug
	byName  map[string]*Plug
	byPath  map[string]*Plug
	byProto map[string]*Plug
}

// NewRouter routes to plugs, of which there is at least one. Two that claim the
// same are a mistake of the program.
func NewRouter(plugs ...Plug) (*Router, error) {
	rt := &Router{plugs: plugs, byName: map[string]*Plug{}, byPath: map[string]*Plug{}, byProto: map[string]*Plug{}}
	for i := range plugs {
		p := &plugs[i]
		for _, claim := range []struct {
			to   map[string]*Plug
			what []string
		}{{rt.byName, []string{p.Name}}, {rt.byPath, p.Paths}, {rt.byProto, p.Protos}} {
			for _, w := range claim.what {
				if claim.to[w] != nil {
					return nil, fmt.Errorf("dialects %s and %s both claim %q", claim.to[w].Name, p.Name, w)
				}
				claim.to[w] = p
			}
		}
	}
	return rt, nil
}

// Plugs are all of them, in order. They are not to be changed.
func (rt *Router) Plugs() []Plug { return rt.plugs }

// Protos are the subprotocols of all dialects, the preferred first.
func (rt *Router) Protos() (all []string) {
	for i := range rt.plugs {
		all = append(all, rt.plugs[i].Protos...)
	}
	return all
}

// Check refuses an arrival that no dialect is for. It is asked before the
// handshake, when no subprotocol is agreed.
func (rt *Router) Check(a node.Arrival) *codec.Error {
	p := rt.pick(a)
	switch {
	case p == nil && !isRoot(a):
		return codec.Errorf(codec.CodeNotFound, "no WebSocket at %s", a.Path)
	case p == nil || p.Check == nil:
		return nil
	}
	return p.Check(a)
}

// Open makes the dialect of a connection that Check has not refused.
func (rt *Router) Open(a node.Arrival) node.Dialect {
	if p := rt.pick(a); p != nil {
		return p.Open(a)
	}
	a.Query = "" // it has decided nothing, and would be kept as long as the peer is silent
	return &first{rt, a}
}

func isRoot(a node.Arrival) bool { return a.Dialect == "" && strings.TrimSuffix(a.Path, "/") == "" }

// pick is the plug of an arrival; nil: its first message tells, or there is none.
func (rt *Router) pick(a node.Arrival) *Plug {
	if a.Dialect != "" {
		return rt.byName[a.Dialect]
	}
	if !isRoot(a) {
		return rt.atPath(strings.TrimSuffix(a.Path, "/"))
	}
	if p := rt.byProto[a.Protocol]; p != nil {
		return p
	}
	return rt.byTicket(a.Query)
}

func (rt *Router) atPath(path string) *Plug {
	if p := rt.byPath[path]; p != nil {
		return p
	}
	for at := strings.LastIndexByte(path, '/'); at > 0; at = strings.LastIndexByte(path[:at], '/') {
		if p := rt.byPath[path[:at+1]]; p != nil {
			return p
		}
	}
	return nil
}

func (rt *Router) byTicket(query string) *Plug {
	if query == "" {
		return nil
	}
	v, _ := url.ParseQuery(query)
	for i := range rt.plugs {
		if p := &rt.plugs[i]; p.Ticket != "" && v.Has(p.Ticket) {
			return p
		}
	}
	return nil
}

// Judge is the service that judges a request by tokens of its own, nil if the
// hub judges it. listener is the dialect that the listener is given to.
//
// A WebSocket that offers any known subprotocol is the hub's to judge, whatever
// its URL says: the handshake may agree on that one.
func (rt *Router) Judge(r *http.Request, listener string) *Service {
	if r.Header.Get("Upgrade") == "" {
		for i := range rt.plugs {
			if s := rt.plugs[i].HTTP; s.covers(r.URL.Path) {
				return s
			}
		}
		return nil
	}
	offered := strings.Join(r.Header.Values("Sec-Websocket-Protocol"), ",")
	for proto := range rt.byProto {
		if strings.Contains(offered, proto) {
			return nil
		}
	}
	p := rt.byTicket(r.URL.RawQuery)
	if p == nil {
		return nil
	}
	if listener == p.Name || listener == "" && (r.URL.Path == "/" || slices.Contains(p.Paths, r.URL.Path)) {
		return p.HTTP
	}
	return nil
}

func (s *Service) covers(path string) bool {
	return s != nil && (path == s.Below || strings.HasPrefix(path, s.Below+"/"))
}

// Service is what plain HTTP asks on a listener that is given to a dialect, nil
// for the hub's own.
func (rt *Router) Service(listener string) *Service {
	if p := rt.byName[listener]; p != nil {
		return p.HTTP
	}
	return nil
}

// Run runs what the dialects need beside the hub until the context ends.
func (rt *Router) Run(ctx context.Context) {
	var wg sync.WaitGroup
	for i := range rt.plugs {
		if run := rt.plugs[i].Run; run != nil {
			wg.Go(func() { run(ctx) })
		}
	}
	wg.Wait()
}

// Close ends what the dialects have of the hub. Everybody has left before.
func (rt *Router) Close() {
	for i := range rt.plugs {
		if end := rt.plugs[i].Close; end != nil {
			end()
		}
	}
}
