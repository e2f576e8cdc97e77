package bench

import (
	"context"
	"errors"
	"sort"
	"sync"
	"time"

	"topicd/codec"
)

// snapshot is where a run stands.
type snapshot struct {
	at                       int64 // on the run's clock
	sent, refused            int64 // readings
	delivered, dropped, more int64 // summed over subscribers; more: duplicates
	own, server              usage
}

// usage is what a process has used.
type usage struct {
	ok  bool
	cpu float64 // seconds
	rss int64   // bytes, now
}

// missing is how many deliveries are owed and did not come.
func (s *snapshot) missing(subscribers int) int64 {
	return (s.sent-s.refused)*int64(subscribers) - s.delivered - s.dropped
}

func (r *run) snapshot() snapshot {
	s := snapshot{at: r.now(), refused: r.refused.Load()}
	for _, w := range r.workers {
		s.sent += w.sent.Load()
	}
	for _, b := range r.subs {
		s.delivered += b.received.Load()
		s.dropped += b.dropped.Load()
		s.more += b.twice.Load()
	}
	s.own = ownUsage()
	s.server = r.server.usage()
	return s
}

// tellEvery is how often Progress is told.
const tellEvery = 200 * time.Millisecond

// watch tells of progress for d, or until ctx ends or all workers have.
func (r *run) watch(ctx context.Context, phase string, d time.Duration, over <-chan struct{}) {
	if d <= 0 {
		return
	}
	begin := time.Now()
	end := time.NewTimer(d)
	defer end.Stop()
	tick := time.NewTicker(tellEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			r.progress(phase, time.Since(begin), d)
		case <-over:
			return
		case <-ctx.Done():
			return
		case <-end.C:
			r.progress(phase, d, d)
			return
		}
	}
}

// tell tells of progress until stop.
func (r *run) tell(phase string) (stop func()) {
	quit := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		begin := time.Now()
		tick := time.NewTicker(tellEvery)
		defer tick.Stop()
		for {
			select {
			case <-quit:
				return
			case <-tick.C:
				r.progress(phase, time.Since(begin), 0)
			}
		}
	})
	return func() { close(quit); wg.Wait() }
}

func (r *run) progress(phase string, elapsed, of time.Duration) {
	p := Progress{
		Phase: phase, Elapsed: elapsed, Of: of,
		Connected: int(r.connected.Load()), Conns: r.o.Publishers + r.o.Subscribers,
	}
	if phase != "connect" { // the connections stand
		s := r.snapshot()
		if dt := float64(s.at-r.shown.at) / 1e9; r.shown.at > 0 && dt > 0 {
			p.Sent = float64(s.sent-r.shown.sent) / dt
			p.Delivered = float64(s.delivered-r.shown.delivered) / dt
		}
		p.Dropped, p.Refused = s.dropped, s.refused
		r.shown = s
	}
	r.o.Progress(p)
}

// errorBook counts what went wrong, by code and, without one, by its words.
type errorBook struct {
	mu   sync.Mutex
	book map[errorKey]*Fault
}

type errorKey struct {
	code int
	msg  string
}

// manyFaults bounds the book: what comes then is counted under "others".
const manyFaults = 32

func (b *errorBook) add(code int, msg string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	k := errorKey{code: code}
	if code == 0 {
		k.msg = msg
	}
	f := b.book[k]
	if f == nil && len(b.book) >= manyFaults {
		k, msg = errorKey{msg: "others"}, "others"
		f = b.book[k]
	}
	if f == nil {
		if b.book == nil {
			b.book = map[errorKey]*Fault{}
		}
		f = &Fault{Code: code, Msg: msg, Hint: hintFor(code)}
		b.book[k] = f
	}
	f.Count++
}

// all is the book, the most frequent first.
func (b *errorBook) all() []Fault {
	b.mu.Lock()
	defer b.mu.Unlock()
	out := []Fault{}
	for _, f := range b.book {
		out = append(out, *f)
	}
	sort.Slice(out, func(i, j int) bool {
		if out[i].Count != out[j].Count {
			return out[i].Count > out[j].Count
		}
		return out[i].Msg < out[j].Msg
	})
	return out
}

func isCode(err error, code int) bool {
	var e *codec.Error
	return errors.As(err, &e) && e.Code == code
}
