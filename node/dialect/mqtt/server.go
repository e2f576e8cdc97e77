package mqtt

import (
	"context"
	"math"
	"sync"
	"sync/atomic"
	"time"

	"topicd/codec"
	"topicd/node"
	"topicd/node/dialect"
	"topicd/node/dialect/mqtt/packet"
)

// Config is what all connections share. The zero value of a field means its
// default.
type Config struct {
	Hub       *node.Hub
	Door      dialect.Door  // nil: nobody needs a token
	Version   string        // of the program, for $SYS
	MaxPacket int           // bytes of a packet; default 1 MiB
	Away      int           // clients that are kept without a connection; default a quarter of the hub's sessions
	Expiry    time.Duration // how long at most; default 7 days
}

func (c Config) withDefaults() Config {
	if c.MaxPacket == 0 {
		c.MaxPacket = 1 << 20
	}
	if c.Away == 0 {
		c.Away = c.Hub.Options().Sessions / 4
	}
	if c.Expiry == 0 {
		c.Expiry = 7 * 24 * time.Hour
	}
	return c
}

// Server knows the clients by their identifiers.
type Server struct {
	// static after construction
	cfg Config
	hub *node.Hub

	mu      sync.Mutex // before the hub's locks
	clients map[string]*client
	away    int
	shares  map[string]*share
	anon    uint64 // identifiers given

	telling sync.Mutex  // before mu
	told    int64       // when the figures were, by the hub's clock; guarded by telling
	watched atomic.Bool // somebody subscribed to the figures
}

// Plug is the dialect for the hub's endpoints.
func Plug(cfg Config) dialect.Plug {
	var once sync.Once
	var s *Server
	server := func() *Server {
		once.Do(func() { s = newServer(cfg) })
		return s
	}
	return dialect.Plug{
		Name: "mqtt", Title: "MQTT",
		Paths: []string{"/mqtt"}, Protos: []string{"mqtt", "mqttv3.1"}, Bare: true,
		Open: func(a node.Arrival) node.Dialect { return &conn{srv: server(), arrival: a} },
		Run:  func(ctx context.Context) { server().run(ctx) },
		Close: func() {
			if s != nil {
				s.close()
			}
		},
	}
}

func newServer(cfg Config) *Server {
	cfg = cfg.withDefaults()
	return &Server{cfg: cfg, hub: cfg.Hub, clients: make(map[string]*client), shares: make(map[string]*share)}
}

// claim is a connection that wants to be a client.
type claim struct {
	conn   *conn
	peer   node.Peer
	id     string
	v      packet.Version
	clean  bool
	expiry uint32
	props  packet.Props // of CONNECT

	keepAlive uint16
	assigned  bool   // the identifier is ours
	token     string // of a device that has just joined
}

// enter gives a connection its client: the one that was there, or a new one. nil:
// the old connection has to go first, and what goes calls resume.
func (s *Server) enter(q *claim, turn *node.Turn) (cl *client, present bool) {
	s.mu.Lock()
	old := s.clients[q.id]
	if old != nil && old.conn != nil {
		keeps := old.kept && old.expiry > 0 && !q.clean
		if keeps {
			waiting := old.next
			old.next = q.conn
			s.mu.Unlock()
			if waiting != nil {
				waiting.peer.Peer.(node.Sink).Cut(errTakenOver)
			}
			old.Cut(errTakenOver)
			return nil, false
		}
		old.gone = true
		old.Cut(errTakenOver)
		old = nil
	}
	if old != nil && (q.clean || old.over.Load()) {
		s.endLocked(old, turn)
		old = nil
	}
	if old != nil {
		s.away--
		old.will = nil // 3.1.3-9
		s.attachLocked(old, q)
		s.mu.Unlock()
		return old, true
	}
	cl, err := s.makeLocked(q, turn)
	s.mu.Unlock()
	_ = err
	return cl, false
}

// makeLocked makes a client. Where it is to outlive its connection it has a
// session of its own.
func (s *Server) makeLocked(q *claim, turn *node.Turn) (*client, *codec.Error) {
	c := &client{id: q.id, srv: s, sess: q.peer.Session()}
	if q.expiry > 0 {
		i := c.sess.Info()
		sess, err := s.hub.Open(c, i.Addr, i.URL, turn)
		if err == nil {
			c.sess, c.kept = sess, true
		} else {
			q.expiry = 0
		}
	}
	s.clients[q.id] = c
	s.attachLocked(c, q)
	return c, nil
}

func (s *Server) attachLocked(c *client, q *claim) {
	c.conn, c.expiry, c.will = q.conn, q.expiry, nil
	c.peer.Store(&speaker{q.peer})
}

// leave ends a connection's part in its client.
func (s *Server) leave(cn *conn, turn *node.Turn) {
	c := cn.client
	s.mu.Lock()
	c.peer.Store(nil)
	c.conn = nil
	c.mu.Lock()
	c.out.box = box{}
	c.mu.Unlock()
	keep := c.kept && !c.gone && c.expiry > 0 && !c.over.Load()
	w := cn.will
	if keep && w != nil && w.delay > 0 {
		c.will, w = w, nil
		c.will.due = turn.Mono + int64(min(c.will.delay, c.expiry))*1000
	}
	if keep {
		c.since = turn.Mono
		s.away++
	}
	s.mu.Unlock()
	if w != nil {
		s.publishWill(c, w, turn)
	}
	if !keep {
		s.mu.Lock()
		s.endLocked(c, turn)
		s.mu.Unlock()
	}
	s.mu.Lock()
	next := c.next
	c.next = nil
	if keep && next == nil && s.away > s.cfg.Away {
		s.crowdedLocked(turn)
	}
	s.mu.Unlock()
	c.roomier() // others' turn
	if next != nil {
		next.resume(turn)
	}
}

// endLocked ends a client that has no connection, or whose connection is another's.
func (s *Server) endLocked(c *client, turn *node.Turn) {
	if c.conn == nil && c.kept && c.since > 0 && s.clients[c.id] == c {
		s.away--
	}
	if s.clients[c.id] == c {
		delete(s.clients, c.id)
	}
	c.mu.Lock()
	shares := c.shares
	c.shares = nil
	c.mu.Unlock()
	for _, g := range shares {
		g.leaveLocked(c, turn)
	}
	if c.will != nil {
		s.publishWill(c, c.will, turn)
		c.will = nil
	}
	if c.kept {
		c.sess.Close(turn)
	}
}

// crowdedLocked ends the client that has been away for longest.
func (s *Server) crowdedLocked(turn *node.Turn) {
	var oldest *client
	for _, c := range s.clients {
		if c.conn == nil && (oldest == nil || c.since < oldest.since) {
			oldest = c
		}
	}
	if oldest != nil {
		s.endLocked(oldest, turn)
	}
}

// run keeps the time of wills, of clients that are away, and the figures.
func (s *Server) run(ctx context.Context) {
	tick := time.NewTicker(500 * time.Millisecond)
	defer tick.Stop()
	turn := s.hub.Turn()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		s.hub.Tick(turn)
		s.sweep(turn)
		s.figures(turn)
		turn.Wake()
	}
}

func (s *Server) sweep(turn *node.Turn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range s.clients {
		if c.conn != nil {
			continue
		}
		if c.will != nil && turn.Mono >= c.will.due {
			w := c.will
			c.will = nil
			s.publishWill(c, w, turn)
		}
		if c.over.Load() || turn.Mono-c.since >= s.span(c.expiry) {
			s.endLocked(c, turn)
		}
	}
}

// span is an expiry in milliseconds, as far as it is kept.
func (s *Server) span(expiry uint32) int64 {
	most := s.cfg.Expiry.Milliseconds()
	if expiry == forever {
		return most
	}
	return min(int64(expiry)*1000, most)
}

// allowed is an expiry that a client asked for, as far as it gets it.
func (s *Server) allowed(expiry uint32) uint32 {
	return uint32(min(int64(expiry), int64(s.cfg.Expiry/time.Second), math.MaxUint32))
}

// close ends those who are away: everybody else has left.
func (s *Server) close() {
	turn := s.hub.Turn()
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range s.clients {
		c.will = nil
		s.endLocked(c, turn)
	}
	turn.Wake()
}

var errTakenOver = &codec.Error{Code: codec.CodeConflict, Msg: "another connection has this client identifier"}
