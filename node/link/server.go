package link

import (
	"errors"
	"log/slog"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"topicd/node"
	"topicd/node/bound"
)

// Options configure a Server. The zero value of a field means its default.
type Options struct {
	MaxFrame int           // bytes of a message, fragments together; default 64 KiB
	Pace     time.Duration // between writes to a busy connection; default 2 ms, negative = none
	Ping     time.Duration // between pings; default DefaultPing
	Dead     time.Duration // without a sign of life; default DefaultDead
	Stall    time.Duration // a full socket may take nothing for so long; default 30 s
	Partials int64         // bytes of unfinished messages of all connections; default 4 MiB
	Unread   int64         // bytes of answers that all connections together may leave unread; default 4 MiB; beyond it a full socket has a second, and twice as much is never kept
	Greet    time.Duration // until the first message of a dialect that frames itself; default 10 s
	Reader   string        // "poll" or "goroutine"; default the best that fits
	Pings    int           // pings and pongs of a connection per second; 0 = no limit
	// Gone is called once for each connection that was handed over, with its remote
	// address, when its socket is closed or about to be.
	Gone func(remote string)
	// Settled is called, from the sweeper, when hundreds of connections have come or
	// gone and the rush is over: what it took can be given back.
	Settled func()
	Log     *slog.Logger

	// For tests.
	start        time.Time     // of the server's clock; default now
	close, drain time.Duration // default closeWait, drainFor
}

const (
	// DefaultPing: proxies cut idle sockets at 60 s, and Managed WebSocket promises 45.
	DefaultPing = 45 * time.Second
	// DefaultDead is a ping and 25 s for its pong.
	DefaultDead = DefaultPing + 25*time.Second
)

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
	def(&o.Ping, DefaultPing)
	def(&o.Dead, DefaultDead)
	def(&o.Stall, 30*time.Second)
	def(&o.Greet, 10*time.Second)
	def(&o.close, closeWait)
	def(&o.drain, drainFor)
	if o.Partials == 0 {
		o.Partials = max(4<<20, 4*int64(o.MaxFrame))
	}
	if o.Unread == 0 {
		o.Unread = max(4<<20, 4*int64(o.MaxFrame))
	}
	if o.start.IsZero() {
		o.start = time.Now()
	}
	if o.Gone == nil {
		o.Gone = func(string) {}
	}
	if o.Settled == nil {
		o.Settled = func() {}
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return o
}

// PerSession is what one connection may take here, in bytes: the rest of an
// interrupted batch, a few answers, the beginning of a small message, and itself. What unfinished messages and
// more answers than a few take is bounded for all connections together.
const PerSession = batchLimit + fewAnswers + fewParts + 1<<10

// Worst is the most memory that sessions connections may take here, in bytes.
func (o Options) Worst(sessions int) int64 {
	o = o.withDefaults()
	return int64(sessions)*PerSession + o.Partials + maxPressed*o.Unread
}

// Server carries the sessions of connections.
type Server struct {
	// static after construction
	hub      *node.Hub
	opt      Options
	start    time.Time
	flushers flushers
	pacer    pacer
	wg       sync.WaitGroup // goroutines of the server and of its connections
	stop     chan struct{}
	kick     chan struct{} // the first connection after none: the sweeper hurries
	polling  polling
	readers  chan *reader  // of the goroutines that wait for a socket: as many read at a time
	next     atomic.Uint32 // set that gets the next connection

	partials bound.Bytes // of unfinished messages
	unread   bound.Bytes // of large answers that wait to be written
	rounds   rounds

	// guarded by mu
	mu       sync.Mutex
	conns    []*conn
	carriers []*carrier
	moved    uint32 // connections that came or went
	opening  int    // connections that are about to be on the list
	closing  bool   // everybody was told to go
	closed   bool   // and everybody's time is over: nobody comes any more
}

// New starts a server: its loops, flushers, pacer and sweeper run until Shutdown.
func New(h *node.Hub, o Options) (*Server, error) {
	s := &Server{hub: h, opt: o.withDefaults(), stop: make(chan struct{}), kick: make(chan struct{}, 1)}
	s.start = s.opt.start
	s.partials.Most, s.unread.Most = s.opt.Partials, s.opt.Unread
	s.readers = make(chan *reader, runtime.GOMAXPROCS(0))
	s.flushers.srv, s.pacer.srv = s, s
	s.flushers.cond.L = &s.flushers.mu
	s.pacer.wake = make(chan struct{}, 1)
	if err := s.startReading(); err != nil {
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

// millis is the server's clock in milliseconds: it never runs backwards.
func (s *Server) millis() int64 { return s.now() / int64(time.Millisecond) }

// now is the time by the server's clock, in nanoseconds: it only goes forward.
func (s *Server) now() int64 { return int64(time.Since(s.start)) }

// Names of the ways to read.
const (
	readPoll = "poll"      // loops over all connections: Linux
	readStay = "goroutine" // one waits for each connection: any system
)

func (s *Server) startReading() error {
	if s.opt.Reader == "" {
		s.opt.Reader = readStay
		if hasPoll {
			s.opt.Reader = readPoll
		}
	}
	switch s.opt.Reader {
	case readPoll:
		return s.startPoll()
	case readStay:
		s.startStay()
		return nil
	}
	return errors.New("unknown reader " + s.opt.Reader)
}
