package link

import (
	"os"
	"runtime"
	"sync"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// loop reads, parses and flushes the connections given to it. Its epoll
// descriptor is level-triggered for the sockets and itself registered with
// Go's poller, so that an idle loop is a parked goroutine.
type loop struct {
	worker
	ep     int
	file   *os.File
	buf    []byte
	events [256]unix.EpollEvent
	polled int64 // when events came last, nanoseconds of the server's clock
	quick  int   // polls in a row whose events followed each other closely

	mu    sync.Mutex
	slots []slot
	free  []int32
}

// slot is a connection's number in its loop. The generation tells an event for
// a connection that is gone from one for the next in the same place.
type slot struct {
	c   *conn
	gen int32
}

const hasPoll = true

func (s *Server) startPoll() error {
	s.loops = make([]loop, runtime.GOMAXPROCS(0))
	for i := range s.loops {
		l := &s.loops[i]
		l.srv = s
		l.buf = make([]byte, readBuffer)
		ep, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
		if err != nil {
			return err
		}
		if err := unix.SetNonblock(ep, true); err != nil {
			return err
		}
		l.ep, l.file = ep, os.NewFile(uintptr(ep), "epoll")
		s.wg.Add(1)
		go l.run()
	}
	return nil
}

func (s *Server) stopPoll() {
	for i := range s.loops {
		_ = s.loops[i].file.Close()
	}
}

// run waits in Go's poller and works until no socket has anything: only then
// does the descriptor make another edge. A loop that is never at rest yields now
// and then: its processor must serve the pacer and new peers too. To yield after
// each poll costs 13 % of W3 on two processors, which it sets looking for work.
func (l *loop) run() {
	defer l.srv.wg.Done()
	raw, err := l.file.SyscallConn()
	if err != nil {
		return
	}
	_ = raw.Read(func(uintptr) bool { // ends when the file is closed
		yielded := int64(time.Since(l.srv.start))
		for n := l.wait(); n > 0; n = l.wait() {
			l.handle(l.events[:n])
			l.nap(n)
			if l.mono-yielded > yieldAfter {
				runtime.Gosched()
				yielded = l.mono
			}
		}
		return false
	})
}

const yieldAfter = int64(250 * time.Microsecond)

// nap lets events gather where they come so fast that each poll would find one
// or two: a poll costs as much as a read. It blocks the processor, for 0.1 ms
// with the kernel's slack, which the pace hides. Measured, W1 saturated: 163,000
// polls for 188,000 reads become 11,000, 6.3 µs of CPU a message 5.4; at 10,000
// messages a second it never happens.
func (l *loop) nap(n int) {
	busy := l.mono-l.polled < int64(n)*closely
	l.polled = l.mono
	if !busy || n >= enough || l.srv.opt.Pace <= 0 {
		l.quick /= 2
		return
	}
	if l.quick = min(l.quick+1, 64); l.quick < hurried {
		return
	}
	_, _, _ = unix.RawSyscall(unix.SYS_NANOSLEEP, uintptr(unsafe.Pointer(&napTime)), 0, 0)
}

const (
	closely = int64(25 * time.Microsecond) // from event to event
	enough  = 64                           // events a poll: no need to wait for more
	hurried = 8                            // such polls in a row and the loop is one that hurries
)

var napTime = unix.Timespec{Nsec: 50_000} // never written

// wait asks for events without blocking, hence without telling the scheduler.
func (l *loop) wait() int {
	n, _, e := unix.RawSyscall6(unix.SYS_EPOLL_PWAIT, uintptr(l.ep), uintptr(unsafe.Pointer(&l.events[0])), uintptr(len(l.events)), 0, 0, 0)
	if e != 0 {
		return 0
	}
	return int(n)
}

func (l *loop) handle(events []unix.EpollEvent) {
	l.tick()
	for i := range events {
		ev := &events[i]
		c := l.at(ev.Fd, ev.Pad)
		if c == nil {
			continue
		}
		p := c.sock.(*pollSocket)
		if ev.Events&unix.EPOLLOUT != 0 {
			p.arm(l, false)
			l.writable(c)
		}
		if ev.Events&^unix.EPOLLOUT != 0 || p.tls != nil || c.parked {
			l.read(c, p, ev.Events)
		}
	}
	l.attend()
}

func (l *loop) at(i, gen int32) *conn {
	l.mu.Lock()
	defer l.mu.Unlock()
	if s := &l.slots[i]; s.gen == gen {
		return s.c
	}
	return nil
}

// read takes what the socket has, up to a buffer full: what is left makes the
// next wait return at once. What TLS keeps makes no event: a socket with room does.
func (l *loop) read(c *conn, p *pollSocket, events uint32) {
	ends := events&(unix.EPOLLHUP|unix.EPOLLERR) != 0
	if (p.tls != nil || c.parked) && !ends && p.isPaused() {
		return
	}
	if c.parked && !ends {
		if p.tls != nil {
			p.arm(l, true)
		}
		l.leave(c, p, c.unpark(&l.turn))
		return
	}
	in, have := c.room(l.buf)
	if l.quick >= hurried {
		ackLater(p.fd)
	}
	n, err := p.read(in[have:])
	if p.owes() {
		c.Wake()
	}
	switch {
	case err == errAgain:
		return
	case err != nil:
		l.end(c, p)
		return
	}
	if p.tls != nil && have+n == len(in) {
		p.arm(l, true)
	}
	l.leave(c, p, c.heard(in[:have+n], &l.turn))
}

// leave leaves a peer unread for so many milliseconds.
func (l *loop) leave(c *conn, p *pollSocket, wait int64) {
	if wait > 0 {
		p.pause(l)
		l.srv.pacer.add(due{at: l.mono + wait*int64(time.Millisecond), c: c, paused: true, parked: c.parked})
	}
}

func (l *loop) end(c *conn, p *pollSocket) {
	l.drop(p)
	c.gone(&l.turn)
}

func (l *loop) enter(c *conn, p *pollSocket) (gen int32) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if n := len(l.free); n > 0 {
		p.slot = l.free[n-1]
		l.free = l.free[:n-1]
	} else {
		p.slot = int32(len(l.slots))
		l.slots = append(l.slots, slot{})
	}
	s := &l.slots[p.slot]
	s.c = c
	return s.gen
}

func (l *loop) drop(p *pollSocket) {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := &l.slots[p.slot]
	s.c = nil
	s.gen++
	l.free = append(l.free, p.slot)
	// A flusher may hold the descriptor for a while yet.
	_ = unix.EpollCtl(l.ep, unix.EPOLL_CTL_DEL, int(p.fd), nil)
}
