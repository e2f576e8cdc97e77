package link

import (
	"errors"
	"io"
	"net"
	"sync"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"

	"topicd/node/internal/prefetch"
)

// pollSocket is a socket taken from Go's poller: a duplicate descriptor.
type pollSocket struct {
	tls *secure // nil = plain

	mu     sync.Mutex
	slot   int32  // its number in the set; -1 before start
	fd     int32  // -1 once released
	set    uint16 // its number among the server's sets; static after construction
	out    bool   // it wants to hear that there is room, besides that something came
	paused bool   // and not that something came: the peer is too fast
}

// newPollSocket takes the connection's descriptor from Go's poller.
func (s *Server) newPollSocket(nc net.Conn, sec *secure, raw syscall.RawConn) (socket, error) {
	fd := -1
	var err error
	cerr := raw.Control(func(f uintptr) { fd, err = unix.FcntlInt(f, unix.F_DUPFD_CLOEXEC, 0) })
	if err = errors.Join(err, cerr); err != nil {
		return nil, err
	}
	_ = nc.Close()
	if sec != nil {
		sec.take(fd, true) // which may have read on while it shook hands: hence out
	}
	next := s.next.Add(1) % uint32(len(s.polling.sets)) // before it becomes an int: one of 32 bits is negative half of the time
	return &pollSocket{set: uint16(next), tls: sec, slot: -1, fd: int32(fd), out: sec != nil}, nil
}

// start lets events come.
func (p *pollSocket) start(c *conn) {
	t := p.of(c)
	p.mu.Lock()
	gen := t.add(c, p)
	ev := p.event(gen) // the greeting may wait for room already
	err := unix.EpollCtl(t.ep, unix.EPOLL_CTL_ADD, int(p.fd), &ev)
	p.mu.Unlock()
	if err != nil {
		t.drop(p) // no memory in the kernel: nobody would ever hear of this peer
		turn := c.srv.hub.Turn()
		c.gone(turn)
		turn.Wake()
	}
}

// of is the set of the socket, which is c's.
func (p *pollSocket) of(c *conn) *set { return &c.srv.polling.sets[p.set] }

func (p *pollSocket) event(gen int32) unix.EpollEvent {
	events := uint32(0)
	if !p.paused {
		events |= unix.EPOLLIN
	}
	if p.out {
		events |= unix.EPOLLOUT
	}
	return unix.EpollEvent{Events: events, Fd: p.slot, Pad: gen}
}

func (p *pollSocket) seal(b []byte, buf *[]byte) ([]byte, error) {
	if p.tls == nil {
		return b, nil
	}
	return p.tls.seal(b, buf)
}

func (p *pollSocket) owes() bool { return p.tls != nil && p.tls.unsaid() > 0 }

// readFD reads what the socket has, without waiting for more and hence without
// telling the scheduler, which would wake another thread. recvfrom and sendto are a
// tenth of a microsecond less than read and write, which ask first what a file is.
func readFD(fd int, b []byte) (int, error) {
	for {
		switch n, _, e := unix.RawSyscall6(unix.SYS_RECVFROM, uintptr(fd), uintptr(unsafe.Pointer(&b[0])), uintptr(len(b)), 0, 0, 0); {
		case e == unix.EINTR:
		case e == unix.EAGAIN:
			return 0, errAgain
		case e != 0:
			return 0, e
		case n == 0:
			return 0, io.EOF
		default:
			return int(n), nil
		}
	}
}

// isEmpty tells whether the socket has nothing to read, its end neither.
func isEmpty(fd int) bool {
	var b byte
	_, _, e := unix.RawSyscall6(unix.SYS_RECVFROM, uintptr(fd), uintptr(unsafe.Pointer(&b)), 1, unix.MSG_PEEK, 0, 0)
	return e == unix.EAGAIN
}

// ackLater has the kernel acknowledge what is read next in its own time, 40 ms at
// most, or with what we answer: else each read of a small message sends a packet,
// which is half of what the read costs. A loop that hurries asks for it. Else it
// would be wrong: who has Nagle's algorithm waits for that packet with its next
// message. The kernel takes it back when it has waited in vain.
func ackLater(fd int32) {
	_, _, _ = unix.RawSyscall6(unix.SYS_SETSOCKOPT, uintptr(fd), unix.IPPROTO_TCP, unix.TCP_QUICKACK, uintptr(unsafe.Pointer(&never)), 4, 0)
}

var never int32 // 0: not at once; never written

func (p *pollSocket) read(b []byte) (int, error) {
	if p.tls != nil {
		return p.tls.read(b)
	}
	return readFD(int(p.fd), b)
}

func (p *pollSocket) write(b []byte) (int, error) {
	n, _, e := unix.RawSyscall6(unix.SYS_SENDTO, uintptr(p.fd), uintptr(unsafe.Pointer(&b[0])), uintptr(len(b)), unix.MSG_NOSIGNAL, 0, 0)
	if e == unix.EAGAIN || e == unix.EINTR {
		return 0, nil
	}
	if e != 0 {
		return 0, e
	}
	return int(n), nil
}

func (p *pollSocket) warm() { prefetch.Lines(unsafe.Pointer(p)) }

// arm asks for events, of room or not. A socket that has no slot yet is armed when
// it enters.
func (p *pollSocket) arm(t *set, out bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.out = out
	p.armLocked(t)
}

// pause has loops leave the socket unread. That it is gone is heard all the same.
func (p *pollSocket) pause(t *set) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.paused = true
	p.armLocked(t)
}

func (p *pollSocket) isPaused() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.paused
}

func (p *pollSocket) resume(c *conn, parked bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.paused = false
	p.out = p.out || p.tls != nil || parked // what TLS keeps, and what is parked, makes no event
	p.armLocked(p.of(c))
}

func (p *pollSocket) armLocked(t *set) {
	if p.fd < 0 || p.slot < 0 {
		return
	}
	t.mu.Lock()
	gen := t.slots[p.slot].gen
	t.mu.Unlock()
	ev := p.event(gen)
	_ = unix.EpollCtl(t.ep, unix.EPOLL_CTL_MOD, int(p.fd), &ev)
}

func (p *pollSocket) rest() {}

func (p *pollSocket) waitWritable(c *conn) { p.arm(p.of(c), true) }

func (p *pollSocket) finish() {
	var last []byte
	if p.tls != nil {
		last = p.tls.goodbye()
	}
	p.shutdown(unix.SHUT_WR, last)
}

func (p *pollSocket) shut() { p.shutdown(unix.SHUT_RDWR, nil) }

// shutdown holds the descriptor meanwhile: its number may be another's after release.
func (p *pollSocket) shutdown(how int, last []byte) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.fd < 0 {
		return
	}
	if len(last) > 0 {
		_, _ = p.write(last)
	}
	_ = unix.Shutdown(int(p.fd), how)
}

func (p *pollSocket) release() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.fd >= 0 {
		_ = unix.Close(int(p.fd))
		p.fd = -1
	}
}
