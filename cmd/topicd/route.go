package main

import (
	"net"
	"net/http"
	"slices"

	"topicd/codec"
	"topicd/node"
	"topicd/node/dialect"
	"topicd/node/dialect/echo"
	"topicd/node/dialect/mqtt"
	"topicd/node/dialect/mws"
	"topicd/node/dialect/native"
	"topicd/node/dialect/relay"
	"topicd/node/dialect/scd"
	"topicd/node/dialect/webchannel"
	"topicd/node/front"
	"topicd/node/link"
	"topicd/node/link/ws"
	"topicd/node/web/answer"
)

// plugs are the dialects that the hub speaks. The first is spoken on / by who
// does not say anything else.
func (s *server) plugs() []dialect.Plug {
	m := s.set.MWS
	m.Hub, m.Admin = s.hub, s.gate.IsAdmin
	return []dialect.Plug{
		native.Plug(s.native()),
		scd.Plug(s.hub),
		webchannel.Plug(s.hub),
		mqtt.Plug(s.mqtt()),
		echo.Plug(),
		relay.Plug(s.hub),
		mws.Plug(m),
	}
}

func (s *server) native() native.Config {
	c := native.Config{Hub: s.hub, Version: version, Ping: link.DefaultPing, MaxFrame: int(s.set.MaxFrame), Door: s.gate}
	if s.disk != nil { // an interface with a nil in it is not nil
		c.Keeper = s.disk
	}
	return c
}

func (s *server) mqtt() mqtt.Config {
	c := mqtt.Config{Hub: s.hub, Door: s.gate, Version: version, MaxPacket: int(s.set.MaxFrame)}
	c.Values = s.set.MQTTPayload == "value"
	if s.disk != nil {
		c.Archive = s.disk
	}
	return c
}

// dialectNames are what an endpoint can be given to itself.
func dialectNames() (names []string) {
	for _, p := range (&server{set: newSettings()}).plugs() {
		names = append(names, p.Name)
	}
	return names
}

// arrival is how a request came.
func arrival(r *http.Request) node.Arrival {
	a := ws.Arrival(r)
	a.Port, a.Dialect = front.Port(r.Context()), front.Dialect(r.Context())
	return a
}

// bare takes the connections of listeners without HTTP, by the dialect that they
// are given to.
func (s *server) bare() map[string]func(net.Conn, node.Arrival) {
	take := map[string]func(net.Conn, node.Arrival){}
	for _, p := range s.router.Plugs() {
		if p.Bare {
			take[p.Name] = func(nc net.Conn, a node.Arrival) { s.link.Accept(nc, a, s.router.Open(a), nil, nil) }
		}
	}
	return take
}

// handler is what is behind the port.
func (s *server) handler() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		own := s.router.Service(front.Dialect(r.Context()))
		switch {
		case r.Header.Get("Upgrade") == "" && own != nil:
			s.web.Serve(w, r, own.Handler)
		case r.Header.Get("Upgrade") == "" && r.Method == http.MethodGet && s.isSocket(r.URL.Path):
			w.Header().Set("Connection", "Upgrade") // RFC 9110 15.5.22
			w.Header().Set("Upgrade", "websocket")
			answer.Error(answer.New(w, r, nil), errNoUpgrade)
		case r.Header.Get("Upgrade") == "":
			s.web.ServeHTTP(w, r)
		case s.router.Check(arrival(r)) != nil:
			http.NotFound(w, r)
		default:
			s.sockets.ServeHTTP(w, r)
		}
	})
}

var errNoUpgrade = &codec.Error{Code: http.StatusUpgradeRequired,
	Msg: "a WebSocket begins here, and no Upgrade came: a proxy in between has to pass on Upgrade and Connection (nginx: proxy_http_version 1.1; proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection \"upgrade\";)"}

// isSocket tells whether nothing but sockets is at the path.
func (s *server) isSocket(path string) bool {
	for _, p := range s.router.Plugs() {
		if path != "/" && slices.Contains(p.Paths, path) && s.router.Service(p.Name) == nil {
			return true
		}
	}
	return false
}

// own tells whether a dialect judges the request by tokens of its own, and
// whether it lets nobody in without one.
func (s *server) own(r *http.Request) (own, tokened bool) {
	service := s.router.Judge(r, front.Dialect(r.Context()))
	return service != nil, service != nil && service.Closed
}

// refuse answers a request that is not let in, as whoever it was for would.
func (s *server) refuse(w http.ResponseWriter, r *http.Request, e *codec.Error) {
	a := answer.New(w, r, nil)
	if service := s.router.Judge(r, front.Dialect(r.Context())); service != nil {
		service.Refuse(a, e)
		return
	}
	answer.Error(a, e)
}
