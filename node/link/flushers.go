package link

import (
	"runtime"
	"sync"
)

// flushers are the goroutines for sessions that were woken from outside the
// loops: by HTTP, local sensors, other transports, and for those that a loop was too
// late for.
type flushers struct {
	srv    *Server
	mu     sync.Mutex
	cond   sync.Cond
	queue  []*conn
	closed bool
}

func (f *flushers) add(c *conn) {
	f.mu.Lock()
	f.queue = append(f.queue, c)
	f.mu.Unlock()
	f.cond.Signal()
}

// loop takes the whole queue at a time. It yields once after it was woken: the
// publisher that woke it then publishes on, and many readings make one write.
func (f *flushers) loop() {
	defer f.srv.wg.Done()
	w := newWorker(f.srv)
	var mine []*conn
	for {
		f.mu.Lock()
		for len(f.queue) == 0 && !f.closed {
			f.cond.Wait()
			f.mu.Unlock()
			runtime.Gosched()
			f.mu.Lock()
		}
		if f.closed {
			f.mu.Unlock()
			return
		}
		mine, f.queue = f.queue, mine[:0]
		f.mu.Unlock()
		w.tick()
		late := false
		for i, c := range mine {
			if late = late || w.late(i); late {
				f.add(c)
			} else {
				w.flushOrPace(c)
			}
			mine[i] = nil
		}
		w.attend()
		if late {
			runtime.Gosched() // the scheduler would leave us the processor for 10 ms
		}
	}
}
