package main

import (
	"net/http"
	"strings"

	"topicd/node"
	"topicd/node/access"
	"topicd/node/dialect"
	"topicd/node/dialect/webchannel"
	"topicd/node/front"
)

// dialectNames are what an endpoint can be given to itself.
var dialectNames = []string{"native", "scd", "webchannel", "echo", "relay", "mws"}

// speaks makes the dialect of a connection, once its subprotocol is agreed.
type speaks func(subprotocol string) node.Dialect

// dialects are what the hub speaks.
type dialects struct {
	native     *dialect.NativeConfig
	scd        *dialect.SCDConfig
	webchannel *webchannel.Server
	relay      *dialect.Relay
	first      *dialect.First
	mws        *dialect.MWS
}

func (s *server) newDialects() *dialects {
	d := &dialects{native: &dialect.NativeConfig{
		Hub: s.hub, Version: version, Ping: int(pingEvery.Milliseconds()), MaxFrame: int(s.set.maxFrame), Retry: 1000,
		Door: s.gate,
	}}
	d.scd = &dialect.SCDConfig{Hub: s.hub}
	d.webchannel = webchannel.New(s.hub)
	d.relay = &dialect.Relay{Hub: s.hub}
	d.mws = dialect.NewMWS(s.hub)
	d.first = &dialect.First{
		Native:     func() node.Dialect { return d.native.New("") },
		SCD:        func() node.Dialect { return d.scd.New() },
		WebChannel: d.webchannel.Dialect,
	}
	return d
}

// route is what a WebSocket on that path of that endpoint speaks, nil = there
// is nothing. Fixed paths come first; / is told by subprotocol or first frame.
func (d *dialects) route(r *http.Request) speaks {
	native := func(proto string) node.Dialect { return d.native.New(proto) }
	switch name := front.Dialect(r.Context()); name {
	case "native":
		return native
	case "scd":
		return d.newSCD
	case "echo":
		return newEcho
	case "relay": // one room, named by its port; the path says who somebody is
		return d.room(r, front.Port(r.Context()), strings.Trim(r.URL.Path, "/"))
	case "mws":
		return d.managed(r)
	case "webchannel":
		return d.channel
	}
	path := strings.TrimSuffix(r.URL.Path, "/")
	if rest, ok := strings.CutPrefix(path, "/relay/"); ok {
		room, who, _ := strings.Cut(rest, "/")
		return d.room(r, room, who)
	}
	switch path {
	case "/scd":
		return d.newSCD
	case "/echo":
		return newEcho
	case "/ws":
		return native
	case "/mws":
		return d.managed(r)
	case "/webchannel":
		return d.channel
	case "":
		managed := d.managed(r)
		hasToken := r.URL.Query().Has("token")
		return func(proto string) node.Dialect {
			if proto == dialect.ProtocolJSON || proto == dialect.ProtocolCBOR {
				return native(proto)
			}
			if hasToken {
				return managed(proto)
			}
			return d.first
		}
	}
	return nil
}

func (d *dialects) newSCD(string) node.Dialect { return d.scd.New() }

func (d *dialects) channel(string) node.Dialect { return d.webchannel.Dialect() }

func newEcho(string) node.Dialect { return dialect.Echo{} }

// room speaks to the others in that room, as who; nil where no room can have the name.
// Who comes with the token of a device is that device, whatever its path says.
func (d *dialects) room(r *http.Request, name, who string) speaks {
	if dialect.CheckRoom(name) != nil {
		return nil
	}
	if g, ok := node.RightsOf(r.Context()).(*access.Grant); ok && g.Dev != "" {
		who = g.Dev
	}
	return func(string) node.Dialect { return d.relay.New(name, who) }
}

// managed is a Managed WebSocket with the token of its URI.
func (d *dialects) managed(r *http.Request) speaks {
	token := r.URL.Query().Get("token")
	return func(string) node.Dialect { return d.mws.Connect(token) }
}

// handler is what is behind the port.
func (s *server) handler() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.Header.Get("Upgrade") == "" && front.Dialect(r.Context()) == "mws":
			s.web.ServeManaged(w, r)
		case r.Header.Get("Upgrade") == "":
			s.web.ServeHTTP(w, r)
		case s.dialects.route(r) == nil:
			http.NotFound(w, r)
		default:
			s.ws.ServeHTTP(w, r)
		}
	})
}

// judgesItself tells whether Managed WebSocket judges the request: its REST by
// tokens that may be others than ours, its sockets by one that works once; and
// whether it lets nobody in without one.
func (s *server) judgesItself(r *http.Request) (own, tokened bool) {
	path := r.URL.Path
	tokened = s.set.mws.access != "none"
	if r.Header.Get("Upgrade") == "" {
		return path == "/v1" || strings.HasPrefix(path, "/v1/"), tokened
	}
	if strings.Contains(strings.Join(r.Header.Values("Sec-Websocket-Protocol"), ","), "topicd.") {
		return false, false // that is native, whatever the URL says
	}
	at := front.Dialect(r.Context())
	return r.URL.Query().Has("token") && (at == "mws" || at == "" && (path == "/" || path == "/mws")), tokened
}
