package link

import (
	"sync"
	"time"
)

// pacer wakes connections at their time: busy ones at their pace, those with
// readings held back by a rate when one is due. One goroutine for all.
type pacer struct {
	srv    *Server
	mu     sync.Mutex
	heap   dueHeap
	next   int64 // when the goroutine wakes, 0 = it waits for the first entry
	wake   chan struct{}
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
	current := d.c.heldTill == d.at
	if current {
		d.c.heldTill = 0
	}
	return current
}

// resume has a peer read again that was left unread for its requests, or later.
func (p *pacer) resume(d due, w *worker) {
	if !d.parked {
		if wait := d.c.sess.Load().StillOwes(w.turn.Mono); wait > 0 {
			d.at = w.mono + wait*int64(time.Millisecond)
			p.add(d)
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

func (p *pacer) add(d due) {
	p.mu.Lock()
	p.heap.push(d)
	earlier := p.next == 0 || d.at < p.next
	if earlier {
		p.next = d.at
	}
	p.mu.Unlock()
	if earlier {
		select {
		case p.wake <- struct{}{}:
		default:
		}
	}
}

func (p *pacer) loop() {
	defer p.srv.wg.Done()
	w := newWorker(p.srv)
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	var now []due
	for {
		w.tick()
		now = now[:0]
		p.mu.Lock()
		for len(p.heap) > 0 && p.heap[0].at <= w.mono {
			now = append(now, p.heap.pop())
		}
		p.next = 0
		wait := time.Hour
		if len(p.heap) > 0 {
			p.next = p.heap[0].at
			wait = time.Duration(p.next - w.mono)
		}
		closed := p.closed
		p.mu.Unlock()
		if closed {
			return
		}
		if len(now) > 0 {
			round := w.beginRound(len(now))
			for i, d := range now {
				if d.paused {
					p.resume(d, w)
				} else if d.begin() {
					w.flush(d.c)
				}
				now[i] = due{}
			}
			w.endRound(round)
			w.attend()
			continue
		}
		timer.Reset(wait)
		select {
		case <-timer.C:
		case <-p.wake:
		}
	}
}
