package bench

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/gorilla/websocket"

	"topicd/codec"
)

// Options say what to load and how. URL must be set; the zero value of another
// field is its default, and -1 publishers or subscribers are none.
type Options struct {
	URL   string // of the hub's WebSocket; nothing else is ever spoken to
	Token string
	TLS   *tls.Config

	Publishers  int              // connections that publish; default 10
	Subscribers int              // connections that hear everything; default 1
	Topics      int              // default one per publisher
	Rate        float64          // readings per second of all publishers together; 0 = as fast as the hub takes them
	Window      int              // readings on their way at most when Rate is 0; default 128 per topic, or 16 KiB, and 4096 in all
	Size        int              // bytes of a reading; default 100, at least MinSize
	Encoding    codec.Encoding   // what publishers write
	Hear        []codec.Encoding // what subscribers ask for, in turn; default Encoding
	Duration    time.Duration    // measured; default 10 s
	Warmup      time.Duration    // before; default 1 s, negative = none
	PID         int              // the hub's process, for its CPU and memory; 0 = found when it is on this machine

	Progress func(Progress) // called now and then, by one goroutine

	patience time.Duration // default patience; longer in tests
}

// Limits of what makes sense in one process.
const (
	maxConns  = 50_000
	maxTopics = 1 << 20
	maxCells  = 100 << 20 // topics × subscribers: a number is kept of each, 4 bytes
	maxSize   = 32 << 20
)

func (o Options) withDefaults() Options {
	def := func(p *int, v int) {
		if *p == 0 {
			*p = v
		}
		*p = max(*p, 0)
	}
	def(&o.Publishers, 10)
	def(&o.Subscribers, 1)
	def(&o.Topics, max(o.Publishers, 1))
	def(&o.Size, 100)
	def(&o.Window, max(1, min(o.Topics*min(128, max(1, (16<<10)/max(o.Size, 1))), 4096)))
	if len(o.Hear) == 0 {
		o.Hear = []codec.Encoding{o.Encoding}
	}
	if o.Duration <= 0 {
		o.Duration = 10 * time.Second
	}
	o.patience = cmp.Or(o.patience, patience)
	if o.Warmup == 0 {
		o.Warmup = time.Second
	}
	o.Warmup = max(o.Warmup, 0)
	if o.Progress == nil {
		o.Progress = func(Progress) {}
	}
	return o
}

// ErrOptions is what a mistake in the options wraps.
var ErrOptions = errors.New("the options make no sense")

func (o *Options) check() error {
	wrong := func(format string, a ...any) error {
		return fmt.Errorf("%w: "+format, append([]any{ErrOptions}, a...)...)
	}
	switch {
	case o.Publishers == 0:
		return wrong("without publishers there is nothing to measure")
	case o.Publishers+o.Subscribers > maxConns:
		return wrong("%d connections are more than the %d that one process may have", o.Publishers+o.Subscribers, maxConns)
	case o.Topics > maxTopics || o.Topics*max(1, o.Subscribers) > maxCells:
		return wrong("%d topics heard by %d subscribers are too many", o.Topics, o.Subscribers)
	case o.Size < MinSize || o.Size > maxSize:
		return wrong("a reading is %d bytes to 32 MiB, not %d", MinSize, o.Size)
	case o.Rate < 0 || o.Rate > 1e8:
		return wrong("%g readings a second", o.Rate)
	}
	return nil
}

// Progress is how far a run is.
type Progress struct {
	Phase     string        // "connect", "warm up", "measure" or "drain"
	Elapsed   time.Duration // of the phase
	Of        time.Duration // how long the phase takes; 0 = not known
	Connected int           // connections made
	Conns     int           // connections wanted
	Sent      float64       // readings per second, just now
	Delivered float64       // deliveries per second, just now
	Dropped   int64         // so far
	Refused   int64         // so far
}

// Run loads the hub and measures. When ctx ends early it reports what it has;
// its error is of what kept it from measuring at all.
func Run(ctx context.Context, o Options) (*Report, error) {
	o = o.withDefaults()
	if err := o.check(); err != nil {
		return nil, err
	}
	r := newRun(&o)
	defer func() {
		r.closeAll()
		if r.control != nil {
			r.sweep()
			r.control.close()
		}
	}()
	if err := r.connect(ctx); err != nil {
		return nil, err
	}
	r.load(ctx)
	r.drain()
	rep := r.report()
	rep.Interrupted = ctx.Err() != nil
	return rep, nil
}

// Hint says what may help against err, "" when nothing is known.
func Hint(err error) string {
	var e *codec.Error
	var closed *websocket.CloseError
	switch {
	case errors.As(err, &closed) && closed.Code == websocket.CloseTryAgainLater:
		return hintFor(codec.CodeNoRoom)
	case errors.As(err, &e):
		return hintFor(e.Code)
	case strings.Contains(err.Error(), "too many open files"):
		return "raise the limit of open files: ulimit -n 20000"
	case strings.Contains(err.Error(), "cannot assign requested address"):
		return "this machine has no more ports for connections to one address; use fewer"
	}
	return ""
}

func hintFor(code int) string {
	switch code {
	case codec.CodeTooFast:
		return "the hub takes so many readings per second of one connection: more --publishers, a lower --rate, or start the hub with --limits=bench"
	case codec.CodeNoRoom, codec.CodeGoingAway:
		return "the hub is at a limit of its own: fewer connections or topics, or start the hub with --limits=bench"
	case codec.CodeUnauthorized, codec.CodeForbidden:
		return "the hub wants a token that may publish and subscribe to bench/#: --token"
	case codec.CodeTooLarge:
		return "a smaller --size, or start the hub with a larger --max-frame"
	}
	return ""
}
