package wsock

import (
	"errors"
	"net"
	"os"
	"runtime"
	"sync"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"topicd/node"
	"topicd/node/internal/prefetch"
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

// pollSocket is a socket taken from Go's poller: a duplicate descriptor.
type pollSocket struct {
	loop *loop
	slot int32

	mu     sync.Mutex
	fd     int    // -1 once released
	want   uint32 // events
	paused bool   // and of those not EPOLLIN: the peer is too fast
}

const hasPoll = true

func (s *Server) startPoll() error {
	s.loops = make([]loop, runtime.GOMAXPROCS(0))
	for i := range s.loops {
		l := &s.loops[i]
		l.srv = s
		l.buf = make([]byte, s.opt.MaxFrame+maxHead+readAhead)
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
	if l.quick = min(l.quick+1, 64); l.quick < 8 {
		return
	}
	_, _, _ = unix.RawSyscall(unix.SYS_NANOSLEEP, uintptr(unsafe.Pointer(&napTime)), 0, 0)
}

const (
	closely = int64(25 * time.Microsecond) // from event to event
	enough  = 64                           // events a poll: no need to wait for more
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
		if ev.Events&unix.EPOLLOUT != 0 {
			c.sock.(*pollSocket).arm(unix.EPOLLIN)
			l.writable(c)
		}
		if ev.Events&^unix.EPOLLOUT != 0 {
			l.read(c)
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
// next wait return at once.
func (l *loop) read(c *conn) {
	p := c.sock.(*pollSocket)
	have := copy(l.buf, c.part)
	n, _, e := unix.RawSyscall(unix.SYS_READ, uintptr(p.fd), uintptr(unsafe.Pointer(&l.buf[have])), uintptr(len(l.buf)-have))
	if e == unix.EAGAIN || e == unix.EINTR {
		return
	}
	if e != 0 || n == 0 {
		l.drop(p)
		c.gone(&l.turn)
		return
	}
	c.sess.Heard(l.turn.Mono)
	if !c.over {
		c.feed(l.buf[:have+int(n)], &l.turn)
	}
	if wait := c.sess.Owes(); wait > 0 && !c.over {
		p.pause(true)
		l.srv.pacer.add(due{at: l.mono + wait*int64(time.Millisecond), c: c, paused: true})
	}
}

// newPollSocket takes the connection's descriptor from Go's poller.
func (s *Server) newPollSocket(tcp *net.TCPConn) (socket, error) {
	raw, err := tcp.SyscallConn()
	if err != nil {
		return nil, err
	}
	fd := -1
	cerr := raw.Control(func(f uintptr) { fd, err = unix.FcntlInt(f, unix.F_DUPFD_CLOEXEC, 0) })
	if err = errors.Join(err, cerr); err != nil {
		return nil, err
	}
	_ = tcp.Close()
	return &pollSocket{loop: &s.loops[int(s.next.Add(1))%len(s.loops)], fd: fd, want: unix.EPOLLIN}, nil
}

// start lets events come.
func (p *pollSocket) start(c *conn) {
	gen := p.loop.enter(c, p)
	p.mu.Lock()
	ev := unix.EpollEvent{Events: p.want, Fd: p.slot, Pad: gen} // the greeting may wait for room already
	err := unix.EpollCtl(p.loop.ep, unix.EPOLL_CTL_ADD, p.fd, &ev)
	p.mu.Unlock()
	if err != nil {
		p.loop.drop(p) // no memory in the kernel: nobody would ever hear of this peer
		turn := c.srv.hub.Turn()
		c.gone(turn)
		turn.Wake()
	}
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
	_ = unix.EpollCtl(l.ep, unix.EPOLL_CTL_DEL, p.fd, nil)
}

func (p *pollSocket) write(b []byte) (int, error) {
	n, _, e := unix.RawSyscall(unix.SYS_WRITE, uintptr(p.fd), uintptr(unsafe.Pointer(&b[0])), uintptr(len(b)))
	if e == unix.EAGAIN || e == unix.EINTR {
		return 0, nil
	}
	if e != 0 {
		return 0, e
	}
	return int(n), nil
}

func (p *pollSocket) warm() { prefetch.Lines(unsafe.Pointer(p)) }

func (p *pollSocket) arm(events uint32) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.want = events
	p.armLocked()
}

// pause has the loop leave the socket unread, or read it again. That it is gone
// is heard all the same.
func (p *pollSocket) pause(on bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.paused = on
	p.armLocked()
}

func (p *pollSocket) resume() { p.pause(false) }

func (p *pollSocket) armLocked() {
	if p.fd < 0 {
		return
	}
	events := p.want
	if p.paused {
		events &^= unix.EPOLLIN
	}
	p.loop.mu.Lock()
	gen := p.loop.slots[p.slot].gen
	p.loop.mu.Unlock()
	ev := unix.EpollEvent{Events: events, Fd: p.slot, Pad: gen}
	_ = unix.EpollCtl(p.loop.ep, unix.EPOLL_CTL_MOD, p.fd, &ev)
}

func (p *pollSocket) waitWritable(*conn) { p.arm(unix.EPOLLIN | unix.EPOLLOUT) }

func (p *pollSocket) finish() { p.shutdown(syscall.SHUT_WR) }
func (p *pollSocket) shut()   { p.shutdown(syscall.SHUT_RDWR) }

func (p *pollSocket) shutdown(how int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.fd >= 0 {
		_ = unix.Shutdown(p.fd, how)
	}
}

func (p *pollSocket) release() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.fd >= 0 {
		_ = unix.Close(p.fd)
		p.fd = -1
	}
}

var _ node.Sink = (*conn)(nil)
