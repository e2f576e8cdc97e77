package bench

import (
	"context"
	"math"
	"sync"
	"sync/atomic"
	"time"
)

// gate is the closed loop: no more than a window of readings is on its way to
// the slowest subscriber.
type gate struct {
	// static after construction
	window  int64
	waits   time.Duration // patience
	subs    []*subscriber
	refused *atomic.Int64 // readings that the hub refused: nobody waits for them

	// guarded by mu
	mu       sync.Mutex
	granted  int64
	credit   int64 // granted and not yet taken
	forgiven int64 // given up after a stall

	last atomic.Pointer[subscriber] // who is waited for
	need atomic.Int64               // until it has come so far
	wake chan struct{}
}

func newGate(window int, waits time.Duration, subs []*subscriber, refused *atomic.Int64) *gate {
	return &gate{window: int64(window), waits: waits, subs: subs, refused: refused, wake: make(chan struct{}, 1)}
}

// patience is how long the loop stands still before what is on its way is given
// up: it is lost then, and the report says so.
const patience = 2 * time.Second

// take returns how many readings may be sent now, at most n; 0 when ctx ends.
func (g *gate) take(ctx context.Context, n int64) int64 {
	g.mu.Lock()
	defer g.mu.Unlock()
	if len(g.subs) == 0 { // the socket alone holds us back
		if ctx.Err() != nil {
			return 0
		}
		return n
	}
	for g.credit == 0 {
		if ctx.Err() != nil {
			return 0
		}
		owed := g.granted - g.refused.Load() - g.forgiven
		last, least := g.slowest()
		// Half a window at once: each look costs a glance at every subscriber.
		if free := g.window - (owed - least); free >= (g.window+1)/2 {
			g.credit = free
			g.granted += free
			break
		}
		g.wait(ctx, last, owed, least)
	}
	n = min(n, g.credit)
	g.credit -= n
	return n
}

// wait waits until the last subscriber has caught up, or something else changed.
func (g *gate) wait(ctx context.Context, last *subscriber, owed, least int64) {
	g.need.Store(owed - g.window/2)
	g.last.Store(last)
	defer g.last.Store(nil)
	if last.progress.Load() > least { // it moved before it could know
		return
	}
	t := time.NewTimer(g.waits)
	defer t.Stop()
	select {
	case <-g.wake:
	case <-ctx.Done():
	case <-t.C:
		if _, now := g.slowest(); now == least {
			g.forgiven += owed - now
		}
	}
}

// slowest is who has come least far, and how far; those whose connection was
// lost do not count.
func (g *gate) slowest() (last *subscriber, least int64) {
	last, least = g.subs[0], math.MaxInt64
	for _, s := range g.subs {
		if p := s.progress.Load(); p < least && !s.dead.Load() {
			last, least = s, p
		}
	}
	if least == math.MaxInt64 {
		least = g.granted // nobody is left
	}
	return last, least
}

// moved is called when a subscriber has come so far.
func (g *gate) moved(s *subscriber, progress int64) {
	if g.last.Load() == s && progress >= g.need.Load() {
		g.poke()
	}
}

// poke wakes who waits, to look again.
func (g *gate) poke() {
	select {
	case g.wake <- struct{}{}:
	default:
	}
}
