package ws

import (
	"bufio"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/gorilla/websocket"

	"topicd/node"
	"topicd/node/link"
)

// Options configure a Server.
type Options struct {
	// Open chooses what is spoken on a connection, by how it came. Required.
	Open func(a node.Arrival) node.Dialect
	// Subprotocols that the dialects know, the preferred first. Arrival.Protocol
	// is the one of them that was agreed.
	Subprotocols []string
	// Arrival says how a request came; default Arrival. The Protocol is set after it.
	Arrival func(r *http.Request) node.Arrival
	// CheckOrigin admits pages; default: of the same host only, as gorilla has it.
	// A hub's rule is access.Names.Origin.
	CheckOrigin func(r *http.Request) bool
}

// Server upgrades HTTP requests and hands the connections to the link.Server.
type Server struct {
	*link.Server
	opt      Options
	upgrader websocket.Upgrader
}

// New makes the WebSocket door of l.
func New(l *link.Server, o Options) *Server {
	if o.Arrival == nil {
		o.Arrival = Arrival
	}
	return &Server{Server: l, opt: o, upgrader: websocket.Upgrader{
		HandshakeTimeout: 5 * time.Second,
		ReadBufferSize:   256,
		WriteBufferSize:  256,
		WriteBufferPool:  &sync.Pool{},
		CheckOrigin:      o.CheckOrigin,
	}}
}

// Arrival is how a request came, as far as it tells itself.
func Arrival(r *http.Request) node.Arrival {
	return node.Arrival{Addr: r.RemoteAddr, Path: r.URL.Path, Query: r.URL.RawQuery, Rights: node.RightsOf(r.Context())}
}

// ServeHTTP upgrades the request and returns: the connection lives on without
// the goroutine and the buffers of net/http.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if s.Closing() {
		w.Header().Set("Retry-After", "5")
		http.Error(w, "the hub is going away", http.StatusServiceUnavailable)
		return
	}
	proto, header := s.subprotocol(r)
	t := &tap{}
	if _, err := s.upgrader.Upgrade(hijacker{w, t}, r, header); err != nil { // gorilla has answered
		if t.Conn != nil {
			s.Gone(r.RemoteAddr)
		}
		return
	}
	a := s.opt.Arrival(r)
	a.Protocol = proto
	s.Accept(t.Conn, a, s.opt.Open(a), Wire{}, t.held)
}

// subprotocol agrees on one of the client's. A browser fails when it offered
// some and none is confirmed, so one that we do not know is confirmed too: the
// first frame decides then.
func (s *Server) subprotocol(r *http.Request) (string, http.Header) {
	offered := websocket.Subprotocols(r)
	if len(offered) == 0 {
		return "", nil
	}
	pick, known := offered[0], ""
	for _, p := range s.opt.Subprotocols {
		for _, o := range offered {
			if p == o && known == "" {
				pick, known = p, p
			}
		}
	}
	return known, http.Header{"Sec-Websocket-Protocol": {pick}}
}

// tap holds the answer to the handshake, which gorilla writes too early: whoever
// has it can be sent messages by others, so the hub has to know the peer before.
type tap struct {
	net.Conn
	held []byte
}

func (t *tap) Write(b []byte) (int, error) {
	t.held = append(t.held, b...)
	return len(b), nil
}

// hijacker makes gorilla take the tap for the socket.
type hijacker struct {
	http.ResponseWriter
	tap *tap
}

func (h hijacker) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	nc, rw, err := http.NewResponseController(h.ResponseWriter).Hijack()
	h.tap.Conn = nc
	return h.tap, rw, err
}
