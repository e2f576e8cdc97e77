package wsock

import (
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// waitSocket belongs to a connection whose goroutine only waits for readiness.
type waitSocket struct {
	netSocket
	c     *conn
	pool  *pool
	state atomic.Int32
}

// States of a waiting connection. A plain flag would lose a wake-up that comes
// while a worker still reads.
const (
	waitIdle = iota
	waitWorking
	waitAgain
)

// pool is the workers that read for waiting connections.
type pool struct {
	srv    *Server
	mu     sync.Mutex
	cond   sync.Cond
	queue  []*waitSocket
	closed bool
}

func (s *Server) startWait() {
	p := &pool{srv: s}
	p.cond.L = &p.mu
	s.waiters = p
	n := runtime.GOMAXPROCS(0)
	s.wg.Add(n)
	for range n {
		go p.loop()
	}
}

func (p *pool) stop() {
	p.mu.Lock()
	p.closed = true
	p.mu.Unlock()
	p.cond.Broadcast()
}

func (w *waitSocket) start(c *conn) {
	c.srv.wg.Add(1)
	go w.waitLoop()
}

// waitLoop's stack must stay at its first 2 KB: it waits and hands over. It
// stays inside one Read: beginning another would forget an edge that came
// while the worker read.
func (w *waitSocket) waitLoop() {
	defer w.c.srv.wg.Done()
	_ = w.raw.Read(func(uintptr) bool {
		w.hand()
		return false
	})
	w.hand() // the worker sees the end
}

func (w *waitSocket) hand() {
	for {
		switch w.state.Load() {
		case waitIdle:
			if w.state.CompareAndSwap(waitIdle, waitWorking) {
				w.queue()
				return
			}
		case waitWorking:
			if w.state.CompareAndSwap(waitWorking, waitAgain) {
				return
			}
		default:
			return
		}
	}
}

func (w *waitSocket) queue() {
	w.pool.mu.Lock()
	w.pool.queue = append(w.pool.queue, w)
	w.pool.mu.Unlock()
	w.pool.cond.Signal()
}

func (p *pool) loop() {
	defer p.srv.wg.Done()
	w := newWorker(p.srv)
	buf := make([]byte, p.srv.opt.MaxFrame+maxHead+readAhead)
	var mine []*waitSocket
	for {
		p.mu.Lock()
		for len(p.queue) == 0 && !p.closed {
			p.cond.Wait()
			p.mu.Unlock()
			runtime.Gosched() // more become ready while the waker goes on
			p.mu.Lock()
		}
		if len(p.queue) == 0 {
			p.mu.Unlock()
			return
		}
		mine, p.queue = p.queue, mine[:0]
		p.mu.Unlock()
		w.tick()
		for i, s := range mine {
			s.work(w, buf)
			mine[i] = nil
		}
		w.attend()
	}
}

// work reads until the socket has nothing left: the poller makes an edge only
// for what comes after.
func (w *waitSocket) work(by *worker, buf []byte) {
	for range readsInTurn {
		switch w.read(by, buf) {
		case readGone:
			return
		case readTooMuch:
			return // to its waiter it goes on working, till resume
		case readDrained:
			if w.state.CompareAndSwap(waitWorking, waitIdle) {
				return
			}
			w.state.Store(waitWorking)
		}
	}
	w.queue() // there is more: the others' turn
}

// resume reads on after a pause.
func (w *waitSocket) resume() { w.queue() }

// readsInTurn buffers full, and what was read is written and others are read.
const readsInTurn = 8

// What one read found.
const (
	readSome = iota
	readDrained
	readTooMuch
	readGone
)

func (w *waitSocket) read(by *worker, buf []byte) int {
	c := w.c
	have := copy(buf, c.part)
	var n int
	var err error
	cerr := w.raw.Control(func(fd uintptr) { n, err = syscall.Read(int(fd), buf[have:]) })
	switch {
	case cerr == nil && err == syscall.EAGAIN:
		return readDrained
	case cerr == nil && err == syscall.EINTR:
		return readSome
	case cerr != nil || err != nil || n == 0:
		_ = w.nc.Close() // ends the waiter
		c.gone(&by.turn)
		return readGone
	}
	c.sess.Heard(by.turn.Mono)
	if !c.over {
		c.feed(buf[:have+n], &by.turn)
	}
	if wait := c.sess.Owes(); wait > 0 && !c.over {
		by.srv.pacer.add(due{at: by.mono + wait*int64(time.Millisecond), c: c, paused: true})
		return readTooMuch
	}
	return readSome
}
