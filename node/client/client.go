package client

import (
	"context"
	"crypto/tls"
	"errors"
	"maps"
	"math/rand/v2"
	"net/http"
	"slices"
	"sync"
	"time"

	"topicd/codec"
	"topicd/node/pause"
)

// Options say whom to connect to and how. URL must be set; the zero value of
// every other field is its default.
type Options struct {
	URL      string         // ws:// or wss://, "/ws" speaks the native grammar whatever comes
	Encoding codec.Encoding // of what this client sends, and of what it wants to hear
	Dev      string         // the device's own id: its readings carry it, publishes can be repeated safely
	Name     string         // what a person would call this client
	Token    string
	Header   http.Header
	TLS      *tls.Config

	MinBackoff time.Duration // default 200 ms
	MaxBackoff time.Duration // default 30 s
	MaxFrame   int           // bytes of the largest frame taken; default 8 MiB
	Remember   int           // topics per pattern whose newest number is kept, to deliver nothing twice; default 65,536

	// OnState hears of connections made and lost, OnError of what the hub
	// refused without saying to which request. Both must not block.
	OnState func(State, error)
	OnError func(error)

	quiet, dead time.Duration        // see keepLoop; others in tests
	now         func() time.Duration // since whenever
}

func (o Options) withDefaults() Options {
	def := func(d *time.Duration, v time.Duration) {
		if *d <= 0 {
			*d = v
		}
	}
	def(&o.MinBackoff, 200*time.Millisecond)
	def(&o.MaxBackoff, 30*time.Second)
	def(&o.quiet, 30*time.Second) // the hub pings every 45 s at most: two silent pings are a sign
	def(&o.dead, 20*time.Second)
	o.MaxBackoff = max(o.MaxBackoff, o.MinBackoff)
	if o.MaxFrame <= 0 {
		o.MaxFrame = 8 << 20
	}
	if o.now == nil {
		start := time.Now()
		o.now = func() time.Duration { return time.Since(start) }
	}
	if o.Remember <= 0 {
		o.Remember = 1 << 16
	}
	if o.OnState == nil {
		o.OnState = func(State, error) {}
	}
	if o.OnError == nil {
		o.OnError = func(error) {}
	}
	return o
}

// State is where a Client stands.
type State int

// A Client is Online, Offline while it tries again, or Closed for good.
const (
	Online State = iota
	Offline
	Closed
)

func (s State) String() string { return [...]string{"online", "offline", "closed"}[s] }

var (
	// ErrClosed is the end of everything after Close.
	ErrClosed = errors.New("the client is closed")
	// ErrUncertain: the connection was lost before the answer came, and asking
	// again might do the thing twice.
	ErrUncertain = errors.New("the connection was lost before the answer came")
	// ErrNoHub: something else answers there, or a proxy in between that lets no
	// WebSocket through.
	ErrNoHub = errors.New("no WebSocket of a hub")
	// ErrOffline: there is no connection at the moment.
	ErrOffline = errors.New("no connection to the hub at the moment")
)

// Welcome is how the hub introduced itself on the present connection.
type Welcome struct {
	Hub      string `json:"hub"`
	Version  string `json:"version"`
	Now      int64  `json:"now"`      // the hub's clock, milliseconds since 1970
	Mono     int64  `json:"mono"`     // the hub's own clock, milliseconds, which nobody sets
	Ping     int64  `json:"ping"`     // milliseconds between its pings
	MaxFrame int64  `json:"maxFrame"` // bytes of the largest frame it takes
	Retry    int64  `json:"retry"`    // milliseconds to wait before connecting again
	Token    string `json:"token"`    // of its own, for a device that joined: keep it
	Ep       uint64 `json:"-"`        // its epoch: another one means numbers began anew
}

// Client is one peer of a hub. Its methods may be called from any goroutine,
// but see the package's rule for callbacks.
type Client struct {
	// static after construction
	opt  Options
	life context.Context // ends with Close
	quit context.CancelFunc
	done chan struct{} // closed when runLoop has ended

	// guarded by mu
	mu      sync.Mutex
	conn    *conn // nil while there is none
	closed  bool
	welcome Welcome
	calls   map[uint64]*call // unanswered requests
	ids     uint64
	seq     uint64 // of publishes, for dedupe
	subs    map[string]*Subscription
	wild    []*Subscription // those of subs with a pattern; replaced, never changed
	retries []*Subscription // refused by a hub short of room: asked again
	conns   uint32          // connections made
	// subscriptions whose stored readings are not through
	replaying int

	window chan struct{} // a place for each numbered publish under way

	// owned by the reader, which runs while there is a connection
	hearers []hearing
}

// Dial connects to a hub. It fails when this first attempt fails; afterwards
// the client connects again by itself until Close. ctx bounds the attempt only.
func Dial(ctx context.Context, o Options) (*Client, error) {
	o = o.withDefaults()
	c := &Client{
		opt:    o,
		done:   make(chan struct{}),
		calls:  make(map[uint64]*call),
		subs:   make(map[string]*Subscription),
		window: make(chan struct{}, dedupeWindow),
		// Another run of this device must not repeat this one's numbers.
		seq: rand.Uint64N(codec.MaxUint / 2),
	}
	c.life, c.quit = context.WithCancel(context.Background())
	conn, err := c.connect(ctx)
	if err != nil {
		return nil, err
	}
	go c.runLoop(conn)
	return c, nil
}

// dedupeWindow is how many of a device's numbers the hub remembers: no more
// may be under way, or a repeated one would not be recognised.
const dedupeWindow = 16

// Close ends the client: what was sent is on its way, unanswered requests end
// with ErrClosed, and no goroutine is left when it returns. It must not be
// called from a callback.
func (c *Client) Close() {
	c.mu.Lock()
	c.closed = true
	c.quit()
	conn := c.conn
	subs := slices.Collect(maps.Values(c.subs))
	c.mu.Unlock()
	for _, s := range subs {
		s.acks.flush()
	}
	if conn != nil {
		conn.goodbye()
	}
	<-c.done
}

// Welcome is what the hub said of itself when the present or last connection
// began.
func (c *Client) Welcome() Welcome {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.welcome
}

// Encoding is what the client speaks, and what Send wants.
func (c *Client) Encoding() codec.Encoding { return c.opt.Encoding }

// runLoop serves conn and its successors.
func (c *Client) runLoop(conn *conn) {
	defer close(c.done)
	attempt := 0
	for {
		began := time.Now()
		retry, err := c.serve(conn)
		// A hub that welcomes and drops at once must not be hammered.
		if time.Since(began) > 5*time.Second {
			attempt = 0
		}
		for conn = nil; conn == nil; attempt++ {
			if c.isClosed() {
				c.finish()
				return
			}
			c.opt.OnState(Offline, err)
			if !pause.For(c.life, max(c.backoff(attempt), retry)) {
				continue
			}
			conn, err = c.connect(c.life)
			retry = retryOf(err)
		}
	}
}

// connectTimeout: a gateway on a weak radio link needs seconds, not minutes.
const connectTimeout = 15 * time.Second

// backoff is how long to wait before an attempt: twice as long each time,
// spread by half so that a thousand clients of a restarted hub do not come at
// once.
func (c *Client) backoff(attempt int) time.Duration {
	d := c.opt.MinBackoff
	for range attempt {
		if d *= 2; d >= c.opt.MaxBackoff {
			d = c.opt.MaxBackoff
			break
		}
	}
	return d/2 + rand.N(d/2+1)
}

func (c *Client) isClosed() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.closed
}

// finish ends what still waits.
func (c *Client) finish() {
	c.mu.Lock()
	calls := c.calls
	c.calls = nil
	subs := c.subs
	c.subs, c.wild, c.retries = nil, nil, nil
	c.mu.Unlock()
	for _, k := range calls {
		k.fail(ErrClosed)
	}
	for _, s := range subs {
		s.end(ErrClosed)
	}
	c.opt.OnState(Closed, nil)
}

// retryOf is how long the hub asked to wait in err.
func retryOf(err error) time.Duration {
	var e *codec.Error
	if errors.As(err, &e) {
		return min(time.Duration(e.Retry)*time.Millisecond, time.Minute)
	}
	return 0
}
