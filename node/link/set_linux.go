package link

import (
	"sync"
	"sync/atomic"

	"golang.org/x/sys/unix"
)

// set is a part of the connections. Its epoll descriptor is level-triggered for
// their sockets. One loop at a time serves it.
type set struct {
	ep    int
	state atomic.Int32

	mu    sync.Mutex
	slots []slot
	free  []int32
}

// States of a set.
const (
	alone  = iota // no loop serves it
	served        // one does
	missed        // and another one came by meanwhile, whom an event may have woken
)

// enter reports whether the set is the caller's until it has left.
func (t *set) enter() bool {
	if t.state.CompareAndSwap(alone, served) {
		return true
	}
	return !t.state.CompareAndSwap(served, missed) && t.state.CompareAndSwap(alone, served)
}

// leave reports whether another loop came by: then the caller has the set still,
// and looks once more for what that one was woken by.
func (t *set) leave() (again bool) {
	return !t.state.CompareAndSwap(served, alone) && t.state.CompareAndSwap(missed, served)
}

// slot is a connection's number in its set. The generation tells an event for
// a connection that is gone from one for the next in the same place.
type slot struct {
	c   *conn
	gen int32
}

func (t *set) at(i, gen int32) *conn {
	t.mu.Lock()
	defer t.mu.Unlock()
	if s := &t.slots[i]; s.gen == gen {
		return s.c
	}
	return nil
}

func (t *set) add(c *conn, p *pollSocket) (gen int32) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if n := len(t.free); n > 0 {
		p.slot = t.free[n-1]
		t.free = t.free[:n-1]
	} else {
		p.slot = int32(len(t.slots))
		t.slots = append(t.slots, slot{})
	}
	s := &t.slots[p.slot]
	s.c = c
	return s.gen
}

func (t *set) drop(p *pollSocket) {
	t.mu.Lock()
	defer t.mu.Unlock()
	s := &t.slots[p.slot]
	s.c = nil
	s.gen++
	t.free = append(t.free, p.slot)
	// A flusher may hold the descriptor for a while yet.
	_ = unix.EpollCtl(t.ep, unix.EPOLL_CTL_DEL, int(p.fd), nil)
}
