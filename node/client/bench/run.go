package bench

import (
	"context"
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"net"
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"topicd/codec"
	"topicd/node/client"
)

// run is one measurement.
type run struct {
	// static after construction
	o      *Options
	began  time.Time // of the clock that stamps are on
	prefix string    // of the topics, another one each run
	lay    *layout
	frames []frame // by topic
	shards []*times
	errors errorBook

	// static once connected
	pubs    []*publisher
	subs    []*subscriber
	workers []*worker
	gate    *gate
	control *conn
	hub     Hub
	server  process // the hub's; zero when it is not known

	measureFrom atomic.Int64 // stamps from here on are measured
	refused     atomic.Int64 // readings
	connected   atomic.Int64
	closing     atomic.Bool
	readers     sync.WaitGroup
	closeOnce   sync.Once

	// owned by Run's goroutine
	from, to snapshot
	shown    snapshot
	final    snapshot // after the drain
}

func newRun(o *Options) *run {
	r := &run{o: o, began: time.Now()}
	var id [4]byte
	for i := range id {
		id[i] = byte(rand.Uint32())
	}
	r.prefix = "bench/" + hex.EncodeToString(id[:]) + "/"
	r.lay = newLayout(o.Encoding, r.prefix, o.Size)
	for i := range o.Topics {
		r.frames = append(r.frames, r.lay.frame(r.prefix+strconv.Itoa(i)))
	}
	for range min(o.Subscribers, 2*runtime.GOMAXPROCS(0)) {
		r.shards = append(r.shards, newTimes())
	}
	return r
}

func (r *run) now() int64 { return int64(time.Since(r.began)) }

// lost books a connection that ended before its time.
func (r *run) lost(who string, err error) {
	if !r.closing.Load() {
		r.errors.add(0, fmt.Sprintf("a %s's connection was lost: %v", who, err))
	}
}

// connect makes all connections, subscribers first.
func (r *run) connect(ctx context.Context) error {
	if err := r.introduce(ctx); err != nil {
		return err
	}
	r.subs = make([]*subscriber, r.o.Subscribers)
	r.pubs = make([]*publisher, r.o.Publishers)
	stop := r.tell("connect")
	err := r.each(ctx, len(r.subs), r.subscribe)
	if err == nil {
		err = r.each(ctx, len(r.pubs), r.publisher)
	}
	stop()
	if err != nil {
		return err
	}
	r.gate = newGate(r.o.Window, r.o.patience, r.subs, &r.refused)
	for _, s := range r.subs {
		r.readers.Go(s.readLoop)
	}
	n := min(len(r.pubs), max(2, runtime.GOMAXPROCS(0)))
	for range n {
		r.workers = append(r.workers, &worker{run: r})
	}
	for i, p := range r.pubs {
		r.workers[i%n].pubs = append(r.workers[i%n].pubs, p)
		r.readers.Go(p.readLoop)
	}
	return nil
}

// each does n things, some at a time, until the first error.
func (r *run) each(ctx context.Context, n int, do func(ctx context.Context, i int) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var next atomic.Int64
	var wg sync.WaitGroup
	for range min(n, 16) {
		wg.Go(func() {
			for i := int(next.Add(1) - 1); i < n && ctx.Err() == nil; i = int(next.Add(1) - 1) {
				if err := do(ctx, i); err != nil {
					cancel(fmt.Errorf("connection %d: %w", r.connected.Load()+1, err))
					return
				}
				r.connected.Add(1)
			}
		})
	}
	wg.Wait()
	return context.Cause(ctx)
}

// answerIn is how long the hub may take for an answer before the load begins.
const answerIn = 15 * time.Second

// introduce asks the hub who it is, and finds its process.
func (r *run) introduce(ctx context.Context) error {
	c, welcome, err := r.open(ctx, 4<<10)
	if err != nil {
		return err
	}
	r.control = c
	r.server = serverProcess(c.net.LocalAddr(), c.net.RemoteAddr(), r.o.PID)
	r.hub.URL, r.hub.Local = client.Shown(r.o.URL), isLocal(c.net)
	return r.hub.welcome(welcome, r.o)
}

// open makes a connection that was welcomed.
func (r *run) open(ctx context.Context, buffer int) (*conn, []byte, error) {
	ctx, cancel := context.WithTimeout(ctx, answerIn)
	defer cancel()
	c, welcome, err := dial(ctx, r.o, buffer)
	if err == nil {
		c.began = r.began
	}
	return c, welcome, err
}

// isLocal reports whether both ends of a connection are one machine's.
func isLocal(c net.Conn) bool {
	a, ok := c.RemoteAddr().(*net.TCPAddr)
	b, ok2 := c.LocalAddr().(*net.TCPAddr)
	return ok && ok2 && (a.IP.IsLoopback() || a.IP.Equal(b.IP))
}

// subscribe makes subscriber i.
func (r *run) subscribe(ctx context.Context, i int) error {
	enc := r.o.Hear[i%len(r.o.Hear)]
	buffer := 64 << 10
	if r.o.Subscribers > 64 {
		buffer = max(4<<10, (8<<20)/r.o.Subscribers)
	}
	c, _, err := r.open(ctx, buffer)
	if err != nil {
		return err
	}
	m := codec.Message{
		Op: codec.OpSub, Topic: []byte(r.prefix + "#"), Enc: enc,
		Opts: codec.AppendOpts(nil, enc, &codec.Opts{Has: codec.OptLast, Last: 0}),
		Has:  codec.Fields(0).With(codec.KeyTopic).With(codec.KeyOpts),
	}
	if _, err := c.request(enc, &m, answerIn); err != nil {
		c.close()
		return err
	}
	r.subs[i] = newSubscriber(r, c, r.lay.heardAs(enc), r.shards[i%len(r.shards)])
	return nil
}

// publisher makes publisher i.
func (r *run) publisher(ctx context.Context, i int) error {
	c, _, err := r.open(ctx, 512)
	if err != nil {
		return err
	}
	p := &publisher{run: r, c: c, pong: make(chan struct{}, 1), gone: make(chan struct{})}
	for t := i; t < r.o.Topics; t += r.o.Publishers {
		p.topics = append(p.topics, t)
	}
	if p.topics == nil { // more publishers than topics
		p.topics = []int{i % r.o.Topics}
	}
	r.pubs[i] = p
	return nil
}

// load publishes for the warm-up and the time measured.
func (r *run) load(ctx context.Context) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	r.measureFrom.Store(r.now() + int64(r.o.Warmup))
	var wg sync.WaitGroup
	for i, w := range r.workers {
		wg.Go(func() {
			if r.o.Rate == 0 {
				w.closed(ctx)
				return
			}
			rate := r.o.Rate * float64(len(w.pubs)) / float64(len(r.pubs))
			w.paced(ctx, rate, time.Duration(float64(i)/float64(len(r.workers))/rate*1e9))
		})
	}
	over := make(chan struct{})
	go func() { wg.Wait(); close(over) }()
	r.watch(ctx, "warm up", r.o.Warmup, over)
	r.from = r.snapshot()
	r.watch(ctx, "measure", r.o.Duration, over)
	r.to = r.snapshot()
	cancel()
	select {
	case <-over:
	case <-time.After(r.o.patience): // a hub that takes nothing more
		for _, p := range r.pubs {
			p.c.net.SetWriteDeadline(time.Now())
		}
		<-over
	}
}

// late is for how long nothing may come before what is owed counts as lost: a machine
// that is busy stands still for seconds.
const late = 20 * time.Second

// drain waits until everything that is owed has come, or nothing comes any more.
func (r *run) drain() {
	stop := r.tell("drain")
	defer stop()
	var wg sync.WaitGroup
	next := make(chan *publisher)
	for range min(len(r.pubs), 16) {
		wg.Go(func() {
			for p := range next {
				p.flush(answerIn)
			}
		})
	}
	for _, p := range r.pubs {
		next <- p
	}
	close(next)
	wg.Wait()
	best, since := int64(-1), time.Now()
	for {
		s := r.snapshot()
		r.final = s
		if s.missing(len(r.subs)) <= 0 || time.Since(since) > max(late, r.o.patience) {
			return
		}
		if got := s.delivered + s.dropped; got > best {
			best, since = got, time.Now()
		}
		time.Sleep(2 * time.Millisecond)
	}
}

// sweep deletes the topics, so that the hub need not keep them for its keep
// time. Where that is not allowed they go by themselves.
func (r *run) sweep() {
	end := time.Now().Add(r.o.patience)
	for i := 0; i < r.o.Topics && time.Now().Before(end); i++ {
		m := codec.Message{Op: codec.OpDelete, Topic: []byte(r.prefix + strconv.Itoa(i)), Has: codec.Fields(0).With(codec.KeyTopic)}
		if _, err := r.control.request(r.o.Encoding, &m, r.o.patience); err != nil && !isCode(err, codec.CodeNotFound) {
			return
		}
	}
}

// closeAll ends the connections of the load and their readers.
func (r *run) closeAll() {
	r.closeOnce.Do(func() {
		r.closing.Store(true)
		for _, s := range r.subs {
			if s != nil {
				s.c.close()
			}
		}
		for _, p := range r.pubs {
			if p != nil {
				p.c.close()
			}
		}
		r.readers.Wait()
	})
}
