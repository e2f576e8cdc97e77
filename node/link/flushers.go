package link

import (
	"runtime"
	"sync"
	"time"
)

// flushers are the goroutines for sessions that were woken from outside the
// loops: by HTTP, local sensors, other transports. And for those with more to read
// than one write takes, while nobody else waits.
type flushers struct {
	srv    *Server
	mu     sync.Mutex
	cond   sync.Cond
	queue  []*conn
	behind []*conn
	closed bool
}

func (f *flushers) add(c *conn) {
	f.mu.Lock()
	f.queue = append(f.queue, c)
	f.mu.Unlock()
	f.cond.Signal()
}

func (f *flushers) addBehind(c *conn) {
	f.mu.Lock()
	f.behind = append(f.behind, c)
	f.mu.Unlock()
	f.cond.Signal()
}

// loop takes the whole queue at a time, or some that are behind. It yields once after
// it was woken: the publisher that woke it then publishes on, and many readings make
// one write.
func (f *flushers) loop() {
	defer f.srv.wg.Done()
	w := newWorker(f.srv)
	var mine []*conn
	for {
		f.mu.Lock()
		for len(f.queue)+len(f.behind) == 0 && !f.closed {
			f.cond.Wait()
			f.mu.Unlock()
			runtime.Gosched()
			f.mu.Lock()
		}
		if f.closed {
			f.mu.Unlock()
			return
		}
		var late *conn
		if len(f.queue) > 0 {
			mine, f.queue = f.queue, mine[:0]
		} else {
			mine, late = mine[:0], f.popBehind()
		}
		f.mu.Unlock()
		w.tick()
		if late != nil {
			f.catchUp(w, late)
		}
		over := false
		for i, c := range mine {
			if over = over || w.late(i); over {
				f.addBehind(c)
			} else {
				w.flushOrPace(c)
			}
			mine[i] = nil
		}
		w.attend()
	}
}

// popBehind takes the session that has been behind longest; nil = there is none.
func (f *flushers) popBehind() (c *conn) {
	if len(f.behind) > 0 {
		c, f.behind[0] = f.behind[0], nil
		f.behind = f.behind[1:]
	}
	return c
}

// catchUp writes to c and to others that are behind, for a millisecond while nobody
// else waits. They have no pace: they have waited. One of them each time would be too
// few where a thousand dashboards have more to read than one write takes: some of them
// fell behind what their topics hold.
func (f *flushers) catchUp(w *worker, c *conn) {
	for c != nil {
		w.flush(c)
		c = nil
		f.mu.Lock()
		if len(f.queue) == 0 && w.took() < mostCatchUp {
			c = f.popBehind()
		}
		f.mu.Unlock()
	}
	runtime.Gosched() // the scheduler would leave us the processor for 10 ms
}

const mostCatchUp = int64(time.Millisecond)
