package link

import (
	"sync"
	"sync/atomic"
	"time"
)

// pacer writes to connections at their time: to busy ones at their pace, to those
// with readings held back by a rate when one is due. A loop that is up serves it
// between its polls; one goroutine does for everybody else.
type pacer struct {
	srv    *Server
	up     atomic.Int32 // loops that serve it, and rouse the goroutine before they park
	first  atomic.Int64 // when the first entry is due, 0 = there is none; written under mu
	wake   chan struct{}
	mu     sync.Mutex
	heap   dueHeap
	alarm  int64 // when the goroutine wakes, 0 = it does not by itself
	closed bool
}

type due struct {
	at   int64
	c    *conn
	held bool // for readings held back by a rate

	paused bool // for its requests, which were too many
	parked bool // others have had their turn: what is owed is paid off later
}

// begin takes the entry off the connection's books and reports whether it
// still counts.
func (d due) begin() bool {
	d.c.mu.Lock()
	defer d.c.mu.Unlock()
	if !d.held {
		d.c.paced = false
		return true
	}
	current := d.c.heldTill == momentOf(micros(d.at))
	if current {
		d.c.heldTill = 0
	}
	return current
}

// micros is a time in nanoseconds as conn.heldTill has it.
func micros(nanos int64) int64 { return nanos / int64(time.Microsecond) }

// resume has a peer read again that was left unread for its requests, or later.
func (p *pacer) resume(d due, w *worker) {
	if !d.parked {
		if wait := d.c.sess.Load().StillOwes(w.turn.Mono); wait > 0 {
			d.at = w.mono + wait*int64(time.Millisecond)
			p.add(d, w)
			return
		}
	}
	d.c.sock.resume(d.c, d.parked)
}

// dueHeap is a binary heap, the earliest first. container/heap would allocate
// for each entry: once per write of every busy session.
type dueHeap []due

func (h *dueHeap) push(d due) {
	s := append(*h, d)
	for i := len(s) - 1; i > 0; {
		up := (i - 1) / 2
		if s[up].at <= s[i].at {
			break
		}
		s[up], s[i] = s[i], s[up]
		i = up
	}
	*h = s
}

func (h *dueHeap) pop() due {
	s := *h
	first := s[0]
	n := len(s) - 1
	s[0], s[n] = s[n], due{}
	s = s[:n]
	for i := 0; ; {
		kid := 2*i + 1
		if kid >= n {
			break
		}
		if kid+1 < n && s[kid+1].at < s[kid].at {
			kid++
		}
		if s[i].at <= s[kid].at {
			break
		}
		s[i], s[kid] = s[kid], s[i]
		i = kid
	}
	*h = s
	return first
}

// add puts an entry on the list. Of the worker of a loop it is known that it looks
// at the list before it parks.
func (p *pacer) add(d due, w *worker) {
	p.mu.Lock()
	p.heap.push(d)
	p.first.Store(p.heap[0].at)
	p.mu.Unlock()
	if !w.loops {
		p.rouse()
	}
}

// rouse sees to it that the goroutine wakes in time for the first entry.
func (p *pacer) rouse() {
	p.mu.Lock()
	first := p.first.Load()
	late := first > 0 && (p.alarm == 0 || p.alarm > first)
	if late {
		p.alarm = first
	}
	p.mu.Unlock()
	if late {
		select {
		case p.wake <- struct{}{}:
		default:
		}
	}
}

// serve writes what is due, and returns when the next is; 0 = nothing waits.
func (p *pacer) serve(w *worker) (next int64) {
	if next = p.first.Load(); next == 0 || next > w.mono {
		return next
	}
	p.mu.Lock()
	now := w.dues[:0]
	for len(p.heap) > 0 && p.heap[0].at <= w.mono {
		now = append(now, p.heap.pop())
	}
	next = 0
	if len(p.heap) > 0 {
		next = p.heap[0].at
	}
	p.first.Store(next)
	p.mu.Unlock()
	round := w.beginRound(len(now))
	late := false
	for i, d := range now {
		w.pass(i)
		if late = late || w.late(i); late {
			p.add(d, w)
		} else if d.paused {
			p.resume(d, w)
		} else if d.begin() {
			w.flush(d.c)
		}
		now[i] = due{}
	}
	w.dues = now
	w.endRound(round)
	w.attend()
	return p.first.Load()
}

// grace is how much later than the loops the goroutine looks after what is due: one
// of them may be at something long.
const grace = int64(10 * time.Millisecond)

func (p *pacer) loop() {
	defer p.srv.wg.Done()
	w := newWorker(p.srv)
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		w.tick()
		p.serve(w)
		p.mu.Lock()
		p.alarm = p.first.Load()
		if p.alarm > 0 && p.up.Load() > 0 {
			p.alarm += grace
		}
		alarm, closed := p.alarm, p.closed
		p.mu.Unlock()
		if closed {
			return
		}
		wait := time.Hour
		if alarm > 0 {
			wait = time.Duration(alarm - w.mono)
		}
		timer.Reset(wait)
		select {
		case <-timer.C:
		case <-p.wake:
		}
	}
}
