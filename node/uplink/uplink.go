package uplink

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"slices"
	"strings"
	"sync"
	"time"

	"topicd/node/store"
	"topicd/node/uplink/wire"
)

const (
	firstDelay = 500 * time.Millisecond // before the second attempt to connect
	lastDelay  = 30 * time.Second
	ackWait    = 5 * time.Second // after so long without an ack the stream is asked
	saveEvery  = time.Second     // the durable cursor is moved so often
)

// Uplink sends what a store holds to a stream. Start begins, Stop ends it.
type Uplink struct {
	// static after construction
	opt   Options
	began time.Time
	id    string      // the store's
	bad   error       // of the options
	start store.Place // readings from here on are of this run
	more  chan struct{}
	down  *downs

	stop context.CancelFunc
	done sync.WaitGroup

	count counters
	stand standing

	// owned by the loop
	w       window
	lastSeq uint64      // highest sequence in the stream that was acked; 0 = unknown
	lastPos store.Place // the reading that it is, 0 = unknown
	made    string      // when the stream was made, "" = unknown
	saved   store.Place // where the durable cursor was moved to
	lostTo  store.Place // what is missing below was counted
	tried   int         // attempts to connect without success
	linked  bool        // there was a connection
	denied  bool        // the last one ended because of what we sent
}

// New makes an uplink. It does nothing before Start. Options that cannot be meant are
// an error and what Status says; Start then does nothing.
func New(o Options) (*Uplink, error) {
	o, err := o.WithDefaults()
	u := &Uplink{opt: o, bad: err, began: time.Now(), id: o.Store.ID(), start: o.Store.Synced() + 1, more: make(chan struct{}, 1)}
	centre := o.Hub != nil && slices.Contains(o.Hub.Options().Reserved, Center) // else it is any client's name
	u.w = window{
		head: 1, tail: 1, ring: make([]item, windowItems), topics: map[string]*topic{}, plain: o.Plain, asis: o.AsIs, prefix: "sites." + o.Site + ".up.",
		fits: func(r *store.Reading) bool {
			from := string(r.From)
			return from != Client && (from != Center || !centre) && fits(o.Up, r.Topic)
		},
	}
	u.stand.state = Connecting
	if err != nil {
		u.stand.state, u.stand.words = Refused, err.Error()
	}
	return u, err
}

func (u *Uplink) mono() time.Duration { return time.Since(u.began) }

// Start begins to connect and to send.
func (u *Uplink) Start() error {
	if u.bad != nil {
		return u.bad
	}
	down, err := newDowns(u)
	if err != nil {
		return err
	}
	u.down = down
	ctx, stop := context.WithCancel(context.Background())
	u.stop = stop
	u.done.Go(func() { u.down.loop(ctx) })
	u.done.Go(func() { u.runLoop(ctx) })
	return nil
}

// Flush waits until the stream has everything, at most d, if it takes anything now.
func (u *Uplink) Flush(d time.Duration) {
	for end := time.Now().Add(d); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		if st := u.Status(); st.State != Up || st.PendingReadings == 0 {
			return
		}
	}
}

// Stop ends the uplink: what is under way is in the stream, or is asked for next time.
func (u *Uplink) Stop() {
	if u.stop == nil {
		return
	}
	u.stop()
	u.done.Wait()
	u.save()
	u.set(Off, "")
}

// Notify says that the store has more on disk. It does not wait.
func (u *Uplink) Notify() {
	select {
	case u.more <- struct{}{}:
	default:
	}
}

// runLoop keeps one connection after the other.
func (u *Uplink) runLoop(ctx context.Context) {
	for ctx.Err() == nil {
		err := u.session(ctx)
		if ctx.Err() != nil {
			return
		}
		if refuses(err) {
			u.set(Refused, err.Error())
		} else {
			u.set(Connecting, err.Error())
		}
		if pause(ctx, delay(u.tried)) {
			u.tried = 0
		} else {
			u.tried++
		}
	}
}

// delay is how long to wait before an attempt: 0.5 s at first, 30 s at last, with
// jitter, so that ten thousand gateways do not come back in one second.
func delay(tried int) time.Duration {
	d := min(firstDelay<<min(tried, 10), lastDelay)
	return d - time.Duration(rand.Int64N(int64(d/2)))
}

// pause waits, until this machine's addresses change at the longest: the network is
// back then.
func pause(ctx context.Context, d time.Duration) (back bool) {
	end := time.After(d)
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	before := addresses()
	for {
		select {
		case <-ctx.Done():
			return false
		case <-end:
			return false
		case <-tick.C:
			if addresses() != before {
				return true
			}
		}
	}
}

// addresses are this machine's, in one word.
func addresses() string {
	list, _ := net.InterfaceAddrs()
	var b strings.Builder
	for _, a := range list {
		b.WriteString(a.String())
		b.WriteByte(' ')
	}
	return b.String()
}

// refuses: the server, or what it shows, was wrong: waiting alone mends nothing.
func refuses(err error) bool {
	var r *refusal
	var denied *wire.Denied
	var verify *tls.CertificateVerificationError
	return errors.As(err, &r) || errors.As(err, &denied) || errors.As(err, &verify)
}

// dial connects to one of the servers. What the server says against a message or a
// subscription goes to errs.
func dial(ctx context.Context, o *Options, name string, errs chan<- error) (*wire.Conn, error) {
	w := wire.Options{URLs: o.URLs, Name: name, Version: o.Version, Token: o.Token}
	if err := o.secrets(&w); err != nil {
		return nil, &refusal{err.Error()}
	}
	w.Denied = func(words string) {
		select {
		case errs <- &wire.Denied{Words: words}:
		default:
		}
	}
	return wire.Dial(ctx, w)
}

// session is one connection, from the attempt to its end.
func (u *Uplink) session(ctx context.Context) error {
	errs := make(chan error, 8)
	nc, err := dial(ctx, &u.opt, "topicd "+u.opt.Site, errs)
	if err != nil {
		return err
	}
	ending, end := context.WithCancel(ctx)
	defer end()
	u.done.Go(func() { <-ending.Done(); nc.Close() }) // also while Publish waits for the socket
	if u.linked {
		u.count.reconnects.Add(1)
	}
	u.linked = true
	l := &link{
		u: u, w: &u.w, nc: nc, errs: errs, in: make(chan *wire.Msg, 2*windowItems), asked: map[uint64]*topic{},
		inbox: fmt.Sprintf("_INBOX.%s.%08x.", u.opt.Site, rand.Uint32()),
	}
	if _, err := nc.Subscribe(l.inbox+"*", l.in); err != nil {
		return err
	}
	if len(u.opt.Down) > 0 {
		if err := u.down.listen(nc); err != nil {
			return err
		}
		defer u.down.deaf()
	}
	if err := l.sync(ctx); err != nil {
		return err
	}
	if l.began = u.mono(); !u.denied {
		u.set(Up, "")
	}
	err = l.loop(ctx)
	u.denied = refuses(err)
	return err
}

// cursors of the uplink in the store: the place below which everything is in the
// stream, and the sequence that the newest of it has there.
func (u *Uplink) cursors(stream string) (place, seq string) {
	place = u.opt.Site + "/" + stream
	return place, place + "/seq"
}

// save moves the durable cursors.
func (u *Uplink) save() {
	u.stand.mu.Lock()
	stream := u.stand.stream
	u.stand.mu.Unlock()
	low := u.w.low()
	if stream == "" || low == u.saved || u.lastSeq == 0 {
		return
	}
	u.saved = low
	place, seq := u.cursors(stream)
	_ = u.opt.Store.AckPlace(Client, place, low)
	_ = u.opt.Store.AckPlace(Client, seq, store.Place(u.lastSeq))
}
