package wsock

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gorilla/websocket"

	"topicd/codec"
	"topicd/node"
)

// Options configure a Server. The zero value of a field means its default.
type Options struct {
	// Dialect chooses what is spoken on a connection, by its request and the
	// subprotocol that was agreed. Required.
	Dialect func(r *http.Request, subprotocol string) node.Dialect
	// Subprotocols that the dialects know, the preferred first.
	Subprotocols []string
	MaxFrame     int           // bytes of a message, fragments together; default 64 KiB
	Pace         time.Duration // between writes to a busy connection; default 2 ms, negative = none
	Ping         time.Duration // between pings; default 45 s, as Managed WebSocket has it: proxies cut idle sockets at 60 s
	Dead         time.Duration // without a sign of life; default 70 s: a ping and 25 s for its pong
	Stall        time.Duration // a full socket may take nothing for so long; default 30 s
	Partials     int64         // bytes of unfinished messages of all connections; default 4 MiB
	Unread       int64         // bytes of answers that all connections together may leave unread; default 8 MiB; beyond it a full socket has a second
	Reader       string        // "poll", "wait" or "gorilla"; default the best that fits
	// CheckOrigin admits pages; default: of the same host only, as gorilla has it.
	// A hub's rule is access.Names.Origin.
	CheckOrigin func(r *http.Request) bool
	Pings       int // pings and pongs of a connection per second; 0 = no limit
	// Gone is called once for each connection that net/http has handed over,
	// with its remote address, when its socket is closed or about to be.
	Gone func(remote string)
	Log  *slog.Logger
}

func (o Options) withDefaults() Options {
	def := func(d *time.Duration, v time.Duration) {
		if *d == 0 {
			*d = v
		}
	}
	if o.MaxFrame == 0 {
		o.MaxFrame = 64 << 10
	}
	def(&o.Pace, 2*time.Millisecond)
	def(&o.Ping, 45*time.Second)
	def(&o.Dead, 70*time.Second)
	def(&o.Stall, 30*time.Second)
	if o.Partials == 0 {
		o.Partials = max(4<<20, 4*int64(o.MaxFrame))
	}
	if o.Unread == 0 {
		o.Unread = max(8<<20, 4*int64(o.MaxFrame))
	}
	if o.Gone == nil {
		o.Gone = func(string) {}
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return o
}

// PerSession is what one connection may take here, in bytes: the rest of an
// interrupted batch, a few answers, and itself. What unfinished messages and
// more answers than a few take is bounded for all connections together.
const PerSession = batchLimit + fewAnswers + 1<<10

// Worst is the most memory that sessions connections may take here, in bytes.
func (o Options) Worst(sessions int) int64 {
	o = o.withDefaults()
	return int64(sessions)*PerSession + o.Partials + o.Unread
}

// Server upgrades HTTP requests and carries their sessions.
type Server struct {
	// static after construction
	hub      *node.Hub
	opt      Options
	start    time.Time
	upgrader websocket.Upgrader
	flushers flushers
	pacer    pacer
	wg       sync.WaitGroup // goroutines of the server and of its connections
	stop     chan struct{}
	kick     chan struct{} // the first connection after none: the sweeper hurries
	loops    []loop
	waiters  *pool
	next     atomic.Uint32 // loop that gets the next connection

	partials atomic.Int64 // bytes of unfinished messages
	unread   atomic.Int64 // bytes of large answers that wait to be written
	round    atomic.Int64 // nanoseconds that the last long round of writes took
	roundAt  atomic.Int64 // when it ended, nanoseconds of the server's clock

	// guarded by mu
	mu      sync.Mutex
	conns   []*conn
	opening int  // handshakes under way
	closing bool // everybody was told to go
	closed  bool // and everybody's time is over
}

// New starts a server: its loops, flushers, pacer and sweeper run until Shutdown.
func New(h *node.Hub, o Options) (*Server, error) {
	s := &Server{hub: h, opt: o.withDefaults(), start: time.Now(), stop: make(chan struct{}), kick: make(chan struct{}, 1)}
	s.upgrader = websocket.Upgrader{
		HandshakeTimeout: 5 * time.Second,
		ReadBufferSize:   256,
		WriteBufferSize:  256,
		WriteBufferPool:  &sync.Pool{},
		CheckOrigin:      s.opt.CheckOrigin,
	}
	s.flushers.srv, s.pacer.srv = s, s
	s.flushers.cond.L = &s.flushers.mu
	s.pacer.wake = make(chan struct{}, 1)
	if err := s.startReaders(); err != nil {
		return nil, err
	}
	n := runtime.GOMAXPROCS(0)
	s.wg.Add(n + 2)
	for range n {
		go s.flushers.loop()
	}
	go s.pacer.loop()
	go s.sweepLoop()
	return s, nil
}

// ServeHTTP upgrades the request and returns: the connection lives on without
// the goroutine and the buffers of net/http.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if !s.begin() {
		w.Header().Set("Retry-After", "5")
		http.Error(w, "the hub is going away", http.StatusServiceUnavailable)
		return
	}
	defer s.begun()
	proto, header := s.subprotocol(r)
	wire := &tap{}
	ws, err := s.upgrader.Upgrade(hijacker{w, wire}, r, header)
	if err != nil { // gorilla has answered
		if wire.Conn != nil {
			s.opt.Gone(remote(wire.RemoteAddr()))
		}
		return
	}
	c := &conn{srv: s, pace: s.pace(), dialect: s.opt.Dialect(r, proto), busy: true} // nobody writes before start
	turn := s.hub.Turn()
	sess, refused := s.hub.Open(c, remote(wire.RemoteAddr()), requestURI(r), turn)
	if refused != nil {
		s.refuse(wire, refused)
		s.opt.Gone(remote(wire.RemoteAddr()))
		return
	}
	sess.SetRights(node.RightsOf(r.Context()))
	c.sess = sess
	c.nextPing = s.millis() + s.pingAfter()
	c.sock = s.newSocket(c, ws, wire)
	late := s.add(c)
	c.dialect.Open(c, turn)
	if late {
		s.cut(c, errGoingAway, turn)
	}
	if !accept(c, wire) {
		c.sock.shut()
	}
	c.mu.Lock()
	c.busy = false
	again := c.again
	c.mu.Unlock()
	if again {
		c.Wake()
	}
	turn.Wake()
	c.sock.start(c)
}

// requestURI is the request's path and query, without the request's buffer
// behind it: it stays as long as the connection.
func requestURI(r *http.Request) string {
	switch uri := r.URL.RequestURI(); uri {
	case "/":
		return "/"
	case "/ws":
		return "/ws"
	default:
		return strings.Clone(uri)
	}
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

// refuse closes a connection that got no session.
func (s *Server) refuse(wire *tap, why *codec.Error) {
	_ = wire.SetWriteDeadline(time.Now().Add(time.Second))
	_, _ = wire.Conn.Write(appendClose(wire.held, closeCode(why.Code), why.Msg))
	_ = wire.Close()
}

// accept writes the answer to the handshake, last of all: who has it can be
// sent messages by others, and is on every list.
func accept(c *conn, wire *tap) bool {
	n, err := c.sock.write(wire.held)
	if n == 0 && err == nil { // TLS
		_ = wire.SetWriteDeadline(time.Now().Add(time.Second))
		n, err = wire.Conn.Write(wire.held)
		_ = wire.SetWriteDeadline(time.Time{})
	}
	ok := err == nil && n == len(wire.held)
	wire.held = nil
	return ok
}

// millis is the server's clock in milliseconds: it never runs backwards.
func (s *Server) millis() int64 { return int64(time.Since(s.start) / time.Millisecond) }

// pingAfter is the time to the next ping: up to a tenth early, so that ten
// thousand connections are not pinged at once.
func (s *Server) pingAfter() int64 {
	d := s.opt.Ping.Milliseconds()
	return d - rand.Int64N(d/10+1)
}

// hold counts n bytes of unfinished messages; false when that is too much.
func (s *Server) hold(n int) bool {
	if s.partials.Add(int64(n)) > s.opt.Partials && n > 0 {
		s.partials.Add(int64(-n))
		return false
	}
	return true
}

// begin admits one more handshake; Shutdown waits until it has begun its
// connection. false: the server is closing.
func (s *Server) begin() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.closing {
		s.opening++
	}
	return !s.closing
}

func (s *Server) begun() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.opening--
}

// left counts connections and those that are about to be.
func (s *Server) left() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.conns) + s.opening
}

// add puts c on the list. late: Shutdown has been through it, and c was not told.
func (s *Server) add(c *conn) (late bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c.idx = int32(len(s.conns))
	s.conns = append(s.conns, c)
	if len(s.conns) == 1 {
		select {
		case s.kick <- struct{}{}:
		default:
		}
	}
	if s.closed {
		c.sock.shut()
	}
	return s.closing
}

func (s *Server) remove(c *conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := len(s.conns) - 1
	s.conns[c.idx] = s.conns[n]
	s.conns[c.idx].idx = c.idx
	s.conns[n] = nil
	s.conns = s.conns[:n]
}

// all is a copy of the list of connections.
func (s *Server) all(buf []*conn) []*conn {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append(buf[:0], s.conns...)
}

var errGoingAway = &codec.Error{Code: codec.CodeGoingAway, Msg: "the hub is shutting down", Retry: 1000}

// Shutdown says bye to every peer, lets what they have to read drain until ctx
// ends, closes them with 1001 and waits for every goroutine.
func (s *Server) Shutdown(ctx context.Context) {
	s.mu.Lock()
	if s.closing {
		s.mu.Unlock()
		return
	}
	s.closing = true
	s.mu.Unlock()
	turn := s.hub.Turn()
	for _, c := range s.all(nil) {
		c.mu.Lock()
		c.draining = true
		c.mu.Unlock()
		s.cut(c, errGoingAway, turn)
		c.Wake()
	}
	for tick := time.NewTicker(5 * time.Millisecond); s.left() > 0; {
		select {
		case <-tick.C:
			continue
		case <-ctx.Done():
		}
		tick.Stop()
		s.mu.Lock()
		s.closed = true
		s.mu.Unlock()
		for _, c := range s.all(nil) {
			c.sock.shut()
		}
		break
	}
	for s.left() > 0 { // their readers see the end now
		time.Sleep(time.Millisecond)
	}
	close(s.stop)
	s.stopReaders()
	s.flushers.mu.Lock()
	s.flushers.closed = true
	s.flushers.mu.Unlock()
	s.flushers.cond.Broadcast()
	s.pacer.mu.Lock()
	s.pacer.closed = true
	s.pacer.mu.Unlock()
	select {
	case s.pacer.wake <- struct{}{}:
	default:
	}
	s.wg.Wait()
}
