package uplink

import (
	"context"
	"errors"
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
	opt  Options
	skip string // a site whose readings are not taken: this hub's own
	bad  error  // of the options
	stop context.CancelFunc
	done sync.WaitGroup
	sess *node.Session
	turn *node.Turn

	last   map[string]reading // by topic, what was published last; owned by the loop
	doubt  bool               // the disk did not take something, and nothing since; owned by the loop
	at     uint64             // up to there in the stream everything is published, and on disk, 0 = unknown; owned by the loop
	commit node.Commit        // of the newest that is published and may not be on disk; owned by the loop

	mu    sync.Mutex
	state State
	words string

	received, duplicates, pending atomic.Int64
	refused                       [refusedReasons]atomic.Int64
}

type reading struct{ ep, seq uint64 }

const (
	maxRemain = 64 << 10         // topics whose last reading is remembered
	maxTS     = int64(1)<<43 - 1 // year 2248: what is beyond is no time
)

// NewFeed makes a feed of options of which URLs, Creds, Token, CA, Stream, Site (the
// consumer's name) and Hub count.
func NewFeed(o Options, own string) (*Feed, error) {
	o, err := o.WithDefaults()
	if err == nil && o.Stream == "" {
		err = errors.New("a stream must be named")
	}
	f := &Feed{opt: o, skip: own, bad: err, state: Connecting, last: map[string]reading{}}
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
