package mqtt

import (
	"context"
	"hash/maphash"
	"sync"
	"sync/atomic"

	"topicd/codec"
	"topicd/node"
	"topicd/node/bound"
	"topicd/node/dialect"
	"topicd/node/dialect/mqtt/packet"
	"topicd/node/internal/keyed"
)

// Server knows the clients by their identifiers.
type Server struct {
	// static after construction
	cfg Config
	hub *node.Hub

	mu      sync.Mutex // before the hub's locks
	clients keyed.Table[*client]
	seed    maphash.Seed // of the identifiers' hashes; static after construction
	away    int          // clients without a connection
	unread  int          // topics that they have not read, as of the last sweep and since
	shares  map[string]*share
	next    map[string]*conn // who waits for a client's connection to go, by identifiers
	anon    uint64           // identifiers given

	wills bound.Bytes
	boxes bound.Bytes // what shares have handed out and nobody has taken
	said  bound.Bytes // answers in boxes
	names bound.Bytes // that aliases stand for
	again bound.Bytes // messages of members of shares that have ended, each as one
	noted bound.Bytes // topics that clients have read and nobody has written down yet

	unsaved atomic.Bool // notes are to be written

	telling sync.Mutex    // before mu
	told    int64         // when the figures were, by the hub's clock; guarded by telling
	watched atomic.Bool   // somebody subscribed to the figures
	kick    chan struct{} // there is something to keep the time of
}

// Plug is the dialect for the hub's endpoints.
func Plug(cfg Config) dialect.Plug {
	var once sync.Once
	var s *Server
	server := func() *Server {
		once.Do(func() { s = newServer(cfg) })
		return s
	}
	if cfg.Hub != nil && cfg.Archive != nil {
		server() // who is away is there before anybody comes
	}
	return dialect.Plug{
		Name: "mqtt", Title: "MQTT",
		Paths: []string{"/mqtt"}, Protos: []string{"mqtt", "mqttv3.1"}, Bare: true,
		Open: func(node.Arrival) node.Dialect { return &conn{srv: server()} },
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
	s := &Server{cfg: cfg, hub: cfg.Hub, seed: maphash.MakeSeed(), shares: make(map[string]*share), next: make(map[string]*conn), kick: make(chan struct{}, 1)}
	s.boxes.Most = maxBoxes(cfg.MaxPacket)
	s.wills.Most, s.wills.Few = maxWills, fewWills
	s.said.Most, s.said.Few = maxSaid, fewSaid
	s.names.Most, s.noted.Most, s.again.Most = maxNames(s.hub.Options().Sessions), maxNoted, maxAgain
	if cfg.Archive != nil {
		turn := s.hub.Turn()
		s.restore(turn)
		turn.Wake()
	}
	return s
}

// clientLocked is the client with that identifier, nil if there is none.
func (s *Server) clientLocked(id string) *client {
	return s.clients.Find(uint32(maphash.String(s.seed, id)), func(c *client) bool { return c.id == id })
}

// Hash implements keyed.Value.
func (c *client) Hash() uint32 { return uint32(maphash.String(c.srv.seed, c.id)) }

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

// enter gives a connection its client: the one that was there, or a new one. nil: the old
// connection has to go first, and what goes calls resume. So its will is told before a
// device says that it is back, and nothing of the old client is ended later than that.
func (s *Server) enter(q *claim, turn *node.Turn) (cl *client, present bool) {
	s.mu.Lock()
	old := s.clientLocked(q.id)
	if old != nil && old.conn.Load() != nil {
		waiting := s.next[q.id]
		s.next[q.id] = q.conn
		s.mu.Unlock()
		if waiting != nil {
			waiting.own.Sink().Cut(errTakenOver)
		}
		old.Cut(errTakenOver)
		return nil, false
	}
	if old != nil && (q.clean || old.over.Load()) {
		end := s.takeLocked(old)
		s.mu.Unlock()
		end(turn)
		return s.enter(q, turn)
	}
	if old != nil {
		s.away--
		s.attachLocked(old, q)
		s.mu.Unlock()
		return old, true
	}
	cl = s.makeLocked(q, turn)
	s.mu.Unlock()
	return cl, false
}

// makeLocked makes a client. Where it is to outlive its connection it has a
// session of its own.
func (s *Server) makeLocked(q *claim, turn *node.Turn) *client {
	c := &client{id: q.id, srv: s, sess: q.peer.Session(), lasting: fleeting}
	if q.expiry > 0 {
		i := c.sess.Info()
		sess, err := s.hub.Open(c, i.Addr, i.URL, turn)
		if err == nil {
			c.sess, c.lasting = sess, &lasting{kept: true}
			if s.cfg.Archive != nil {
				c.keep = new(keep)
			}
		} else {
			q.expiry = 0
		}
	}
	s.clients.Put(c)
	s.attachLocked(c, q)
	return c
}

func (s *Server) attachLocked(c *client, q *claim) {
	s.forget(c.takeWillLocked()) // 3.1.3-9
	if c.absent != nil {         // else lasting may be fleeting, which many share
		c.absent = nil
	}
	c.expiry = q.expiry
	c.conn.Store(q.conn)
}

// takeWillLocked is the will that waits for its delay, and waits no longer.
func (c *client) takeWillLocked() (w *will) {
	if c.absent != nil {
		w, c.absent.will = c.absent.will, nil
	}
	return w
}

// leave ends a connection's part in its client.
func (s *Server) leave(cn *conn, turn *node.Turn) {
	c := cn.client
	s.mu.Lock()
	c.conn.Store(nil)
	c.mu.Lock()
	c.emptyLocked(nil)
	c.out.inLine, c.out.asked = false, false
	c.dropLateLocked()
	c.mu.Unlock()
	keep := c.kept && c.expiry > 0 && !c.over.Load()
	w := cn.takeWill()
	next := s.next[c.id]
	delete(s.next, c.id)
	var ends []func(*node.Turn)
	if keep {
		c.absent = &absence{since: turn.Mono, owner: s.hub.Options().Owner(cn.own.Info().Addr)}
		if w != nil && w.delay > 0 {
			w.due = turn.Mono + int64(min(w.delay, c.expiry))*1000
			c.absent.will, w = w, nil
		}
		s.away++
		s.unread += c.sess.Unread()
		c.sess.Away(turn)
		if next == nil {
			ends = s.crowdedLocked(ends)
		}
	} else {
		ends = append(ends, s.takeLocked(c))
	}
	s.mu.Unlock()
	if keep {
		s.save(c, turn)
		s.wake() // its time runs
	}
	if w != nil {
		s.publishWill(c, w, turn)
	}
	for _, end := range ends {
		end(turn)
	}
	c.roomier() // others' turn
	if next != nil {
		next.resume(turn)
	}
}

// takeLocked takes a client that has no connection from the server. What is returned
// ends it, and is to be called without the server's mu: for a client that reads
// everything it takes a while.
func (s *Server) takeLocked(c *client) (end func(*node.Turn)) {
	s.clients.Remove(c)
	if c.absent != nil {
		s.away--
	}
	c.endRecord() // now: from here on another client may have the identifier, and a record by it
	w := c.takeWillLocked()
	return func(turn *node.Turn) {
		c.partAll(turn)
		if w != nil {
			s.publishWill(c, w, turn)
		}
		if c.kept {
			c.sess.Close(turn)
		}
	}
}

var errTakenOver = &codec.Error{Code: codec.CodeConflict, Msg: "another connection has this client identifier"}
