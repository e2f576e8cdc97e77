package uplink

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"topicd/codec"
	"topicd/node"
	"topicd/node/exposition"
	"topicd/node/uplink/wire"
)

// Feed is the centre's side: it publishes what all gateways have sent as
// <site>/<topic>, with the gateway's time. A durable consumer of the stream remembers
// how far it has come.
type Feed struct {
	opt     Options
	skip    string        // a site whose readings are not taken: this hub's own
	bad     error         // of the options
	ackWait time.Duration // after which the server sends again what is not acked
	stop    context.CancelFunc
	done    sync.WaitGroup
	sess    *node.Session
	turn    *node.Turn

	last  map[string]reading // by topic, what was published last; owned by the loop
	doubt bool               // the disk did not take something, and nothing since; owned by the loop

	mu    sync.Mutex
	state State
	words string

	received, duplicates, pending atomic.Int64
	refused                       [refusedReasons]atomic.Int64
}

type reading struct{ ep, seq uint64 }

const (
	batch     = 256              // messages asked for at a time
	alive     = 10 * time.Second // the server says at least so often that nothing came
	maxRemain = 64 << 10         // topics whose last reading is remembered
	maxTS     = int64(1)<<43 - 1 // year 2248: what is beyond is no time
	feedAck   = 200 * time.Millisecond

	// mostUnsynced is how many bytes are published before the disk has them: a third of
	// what the store lets wait (store.Options.Pending).
	mostUnsynced = 256 << 10
)

// NewFeed makes a feed of options of which URLs, Creds, Token, CA, Stream, Site (the
// consumer's name) and Hub count.
func NewFeed(o Options, own string) (*Feed, error) {
	o, err := o.WithDefaults()
	if err == nil && o.Stream == "" {
		err = errors.New("a stream must be named")
	}
	f := &Feed{opt: o, skip: own, bad: err, state: Connecting, last: map[string]reading{}, ackWait: 10 * time.Second}
	if err != nil {
		f.state, f.words = Refused, err.Error()
	}
	return f, err
}

// Start begins to take readings.
func (f *Feed) Start() (err error) {
	if f.bad != nil {
		return f.bad
	}
	if f.sess, f.turn, err = open(f.opt.Hub, Center); err != nil {
		return err
	}
	f.sess.MakesFreely()
	ctx, stop := context.WithCancel(context.Background())
	f.stop = stop
	f.done.Go(func() { f.runLoop(ctx) })
	return nil
}

// Stop ends it. What was not acked comes again next time.
func (f *Feed) Stop() {
	if f.stop != nil {
		f.stop()
		f.done.Wait()
		f.opt.Hub.Tick(f.turn)
		f.sess.Close(f.turn)
		f.turn.Wake()
	}
}

func (f *Feed) runLoop(ctx context.Context) {
	for tried := 0; ctx.Err() == nil; tried++ {
		began := time.Now()
		err := f.session(ctx)
		if ctx.Err() != nil {
			return
		}
		if refuses(err) {
			f.set(Refused, err.Error())
		} else {
			f.set(Connecting, err.Error())
		}
		if time.Since(began) > time.Minute {
			tried = 0
		}
		pause(ctx, delay(tried))
	}
}

func (f *Feed) set(s State, words string) {
	f.mu.Lock()
	same := f.state == s && f.words == words
	f.state, f.words = s, words
	f.mu.Unlock()
	switch {
	case same:
	case s == Up:
		f.opt.Log.Info("readings of gateways come", "stream", f.opt.Stream, "consumer", f.consumer())
	default:
		f.opt.Log.Warn("readings of gateways do not come", "state", s.String(), "why", words)
	}
}

func (f *Feed) consumer() string { return "topicd-" + f.opt.Site }

// pull is one connection of a feed.
type pull struct {
	f      *Feed
	nc     *wire.Conn
	inbox  string
	want   int // messages asked for that did not come yet
	asked  int
	heard  time.Time
	ack    string // where the newest message published is acked to, "" = nothing is owed
	commit node.Commit
	size   int          // bytes of what was published since something was last acked
	unkept *codec.Error // why a reading is not going to be on disk
	wait   bool         // for what is under way since before
}

func (f *Feed) session(ctx context.Context) error {
	errs := make(chan error, 8)
	nc, err := dial(ctx, &f.opt, "topicd "+f.opt.Site, errs)
	if err != nil {
		return err
	}
	ending, end := context.WithCancel(ctx)
	defer end()
	f.done.Go(func() { <-ending.Done(); nc.Close() })
	p := &pull{f: f, nc: nc, inbox: fmt.Sprintf("_INBOX.%s.%08x.", f.opt.Site, rand.Uint32()), heard: time.Now()}
	if err := p.make(ctx); err != nil {
		return said("stream "+f.opt.Stream, err)
	}
	in := make(chan *wire.Msg, 4*batch)
	if _, err := nc.Subscribe(p.inbox+"*", in); err != nil {
		return err
	}
	f.set(Up, "")
	tick := time.NewTicker(feedAck)
	defer tick.Stop()
	var old <-chan time.Time
	if p.wait {
		old = time.After(f.ackWait + time.Second)
	}
	for {
		if err := p.more(); err != nil {
			return err
		}
		select {
		case <-old:
			p.wait, p.heard = false, time.Now()
		case <-ctx.Done():
			_ = p.settle()
			return ctx.Err()
		case err := <-errs:
			return err
		case <-nc.Ended():
			return nc.Err()
		case m := <-in:
			if err := p.takeAll(ctx, m, in); err != nil {
				return err
			}
		case <-tick.C:
			if err := p.settle(); err != nil {
				return err
			}
			if !p.wait && time.Since(p.heard) > 5*alive/2 {
				return wire.ErrSilent
			}
		}
	}
}

// make makes the durable consumer, or finds it made. What the session before had under
// way comes again when ack_wait is over, but what is new comes at once: it must not be
// asked for before, as to ack it acks all that stands before it.
func (p *pull) make(ctx context.Context) error {
	f := p.f
	var made struct {
		Pending int `json:"num_ack_pending"`
	}
	err := call(ctx, p.nc, p.inbox, "CONSUMER.DURABLE.CREATE."+f.opt.Stream+"."+f.consumer(), map[string]any{
		"stream_name": f.opt.Stream, "config": map[string]any{
			"durable_name": f.consumer(), "deliver_policy": "all", "ack_policy": "all", "ack_wait": f.ackWait,
			"max_ack_pending": 8 * batch, "filter_subject": "sites.*.up.>", "replay_policy": "instant",
		},
	}, &made)
	p.wait = err == nil && made.Pending > 0
	return err
}

// takeAll takes a message and what has come behind it, a batch and a few at most, and
// acks what it may.
func (p *pull) takeAll(ctx context.Context, m *wire.Msg, in <-chan *wire.Msg) error {
	f := p.f
	p.heard = time.Now()
	f.opt.Hub.Tick(f.turn)
	f.sess.Heard(f.turn.Mono)
	for n, more := 0, true; more; n++ {
		p.take(m)
		if n > batch || p.size > mostUnsynced || p.unkept != nil {
			break
		}
		select {
		case m = <-in:
		default:
			more = false
		}
	}
	f.turn.Wake()
	if p.size > mostUnsynced { // the store refuses what comes faster than the disk
		_ = f.opt.Hub.Await(p.commit, ctx.Done())
		p.heard = time.Now()
	}
	if p.commit == 0 || p.unkept != nil || p.size > mostUnsynced {
		return p.settle()
	}
	return nil
}

// more asks for more when half of what was asked for has come. As long as it is not
// known whether the disk takes anything again it asks for one: that is published once more
// each time.
func (p *pull) more() error {
	n := batch
	if p.f.doubt {
		n = 1
	}
	if p.wait || p.want > n/2 {
		return p.nc.Flush()
	}
	p.asked++
	p.want += n
	body := fmt.Appendf(nil, `{"batch":%d,"expires":%d,"idle_heartbeat":%d}`, n, 3*alive, alive)
	if err := p.nc.Publish(apiPrefix+"CONSUMER.MSG.NEXT."+p.f.opt.Stream+"."+p.f.consumer(), p.inbox+strconv.Itoa(p.asked), nil, body); err != nil {
		return err
	}
	return p.nc.Flush()
}

// settle acks what is published, and on disk if its topic is durable. What the disk does
// not take stays in the stream: that is an error, and it comes again after a while.
func (p *pull) settle() error {
	if disk := p.f.opt.Hub.Options().Disk; disk != nil && p.commit > 0 && p.unkept == nil {
		done, why := disk.Committed(p.commit)
		if !done && why == nil {
			return nil
		}
		if p.unkept = why; why != nil {
			clear(p.f.last) // what of it is not on disk is not known
		}
	}
	if p.unkept != nil {
		p.f.doubt = true
		return fmt.Errorf("the disk does not take readings: %w", p.unkept)
	}
	if p.ack == "" {
		return nil
	}
	_ = p.nc.Publish(p.ack, "", nil, []byte("+ACK"))
	p.ack, p.commit, p.size, p.f.doubt = "", 0, 0, false
	return p.nc.Flush()
}

// take publishes a message, or hears what the server says.
func (p *pull) take(m *wire.Msg) {
	if code, _ := m.Status(); code != "" && m.Reply == "" {
		if code != "100" {
			p.want = max(0, p.want-int(number(m.Header("Nats-Pending-Messages"))))
			if code == "503" || code == "409" {
				p.want = max(p.want, 0)
			}
		}
		return
	}
	p.want--
	if i := strings.LastIndexByte(m.Reply, '.'); i >= 0 {
		p.f.pending.Store(int64(number(m.Reply[i+1:])))
	}
	c, unkept, why := p.f.publish(m)
	if why >= 0 {
		p.f.refused[why].Add(1)
	}
	if p.unkept = unkept; unkept == nil {
		p.ack, p.commit, p.size = m.Reply, max(p.commit, c), p.size+len(m.Data)
	}
}

// publish publishes a gateway's reading. It returns what has to be waited for until
// it is on disk, or why the disk does not take it, and why it is refused, -1 = it is not.
func (f *Feed) publish(m *wire.Msg) (c node.Commit, unkept *codec.Error, refused int) {
	rest, ok := strings.CutPrefix(m.Subject, "sites.")
	site, rest, ok2 := strings.Cut(rest, ".up.")
	topic, ok3 := Topic(rest)
	if !ok || !ok2 || !ok3 || CheckSite(site) != "" {
		return 0, nil, refusedTopic
	}
	if site == f.skip {
		return 0, nil, -1
	}
	name := site + "/" + topic
	r := reading{number(m.Header(hdrEp)), number(m.Header(hdrSeq))}
	if last, ok := f.last[name]; ok && r.seq > 0 && last.ep == r.ep && r.seq <= last.seq {
		f.duplicates.Add(1)
		return 0, nil, -1
	}
	if len(m.Data) > f.opt.Hub.Options().MaxBody {
		return 0, nil, refusedLarge
	}
	b := node.Body{Data: m.Data, TS: int64(number(m.Header(hdrTs)))}
	if b.TS > maxTS {
		b.TS = 0
	}
	if m.Header(hdrType) == typeCBOR {
		b.Enc = codec.CBOR
	}
	if codec.Validate(b.Enc, b.Data) != nil {
		return 0, nil, refusedMalformed
	}
	pub, err := f.sess.Publish([]byte(name), b, 0, f.turn)
	if err != nil {
		return 0, nil, why(err)
	}
	if pub.Unkept != nil {
		return 0, pub.Unkept, -1
	}
	f.received.Add(1)
	if len(f.last) >= maxRemain {
		clear(f.last)
	}
	f.last[name] = r
	return pub.Commit, nil, -1
}

// FeedStatus is a feed at a moment.
type FeedStatus struct {
	State                         State
	Words                         string
	Received, Duplicates, Pending int64
	Refused                       [len(RefusedReasons)]int64
}

// Status tells how the feed stands.
func (f *Feed) Status() FeedStatus {
	f.mu.Lock()
	st := FeedStatus{State: f.state, Words: f.words}
	f.mu.Unlock()
	st.Received, st.Duplicates, st.Pending = f.received.Load(), f.duplicates.Load(), f.pending.Load()
	for i := range st.Refused {
		st.Refused[i] = f.refused[i].Load()
	}
	return st
}

// AppendMetrics appends the feed's metrics as Prometheus reads them.
func (st *FeedStatus) AppendMetrics(b []byte) []byte {
	e := exposition.Text{B: b, Part: "center_"}
	e.Gauge("up", "1 = readings of gateways come.", exposition.Bit(st.State == Up))
	e.Counter("received_total", "Readings of gateways that were published here.", st.Received)
	e.Counter("duplicates_total", "Readings of gateways that came once more.", st.Duplicates)
	e.Gauge("pending_messages", "Messages of the stream that have not come yet.", st.Pending)
	e.Family("refused_total", "counter", "Readings of gateways that were not published, by reason.")
	for i, r := range RefusedReasons {
		e.Sample("refused_total", "reason", r, st.Refused[i])
	}
	return e.B
}
