package link

import (
	"os"
	"runtime"
	"sync/atomic"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// loop is a goroutine that polls sets, reads, parses and flushes their connections.
type loop struct {
	worker
	own    int // index of the set that it looks at first
	buf    []byte
	events [256]unix.EpollEvent
	serves *set  // whose events it has taken
	looked int64 // when it had looked for events in the middle of a round; both times
	polled int64 // when events came last, nanoseconds of the server's clock
	found  int   // events that it found in rounds since its last nap
	gap    int64 // from event to event, of late, in nanoseconds
}

const hasPoll = true

// polling is what the loops share. There are as many sets and loops as processors.
// All sets are in one more epoll descriptor, which is registered with Go's poller:
// the first loop is parked there while nothing comes. The others are up only while
// there is more to do than one loop does: what 200 sensors and 20 dashboards need
// costs 40 % more where two processors wake for it in turns.
type polling struct {
	sets   []set
	top    int // the descriptor that has them all
	file   *os.File
	more   chan struct{} // wakes one more loop
	left   atomic.Int32  // loops that have not ended
	hushed bool          // top does not have the sets: owned by the first loop
}

func (s *Server) startPoll() error {
	n := runtime.GOMAXPROCS(0)
	p := &s.polling
	p.sets, p.more = make([]set, n), make(chan struct{})
	for i := range p.sets {
		ep, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
		if err != nil {
			return err
		}
		p.sets[i].ep = ep
	}
	top, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return err
	}
	if err := unix.SetNonblock(top, true); err != nil {
		return err
	}
	p.top, p.file = top, os.NewFile(uintptr(top), "epoll")
	if err := p.listen(unix.EPOLL_CTL_ADD); err != nil {
		return err
	}
	p.left.Store(int32(n))
	s.wg.Add(n)
	for i := range n {
		l := &loop{worker: worker{srv: s, loops: true}, own: i, buf: make([]byte, readBuffer), gap: 4 * maxNap}
		l.meanwhile = l.look
		go l.run()
	}
	return nil
}

// listen has Go's poller hear of the sets' events (EPOLL_CTL_ADD) or not.
func (p *polling) listen(op int) error {
	for i := range p.sets {
		ev := unix.EpollEvent{Events: unix.EPOLLIN, Fd: int32(i)}
		if err := unix.EpollCtl(p.top, op, p.sets[i].ep, &ev); err != nil {
			return err
		}
	}
	return nil
}

// hush spares the processor that waits in Go's poller: each event would wake it,
// while the first loop looks for events by itself.
func (p *polling) hush(on bool) {
	if len(p.sets) == 1 || p.hushed == on {
		return // there is no other processor
	}
	op := unix.EPOLL_CTL_ADD // an event that has come already is heard of now
	if on {
		op = unix.EPOLL_CTL_DEL
	}
	_ = p.listen(op)
	p.hushed = on
}

func (s *Server) stopPoll() {
	if f := s.polling.file; f != nil {
		_ = f.Close()
	}
}

// run works whenever it is woken, until no socket has anything: only then does the
// first loop's descriptor make another edge.
func (l *loop) run() {
	p := &l.srv.polling
	defer l.srv.wg.Done()
	defer func() {
		if p.left.Add(-1) == 0 {
			for i := range p.sets {
				_ = unix.Close(p.sets[i].ep)
			}
		}
	}()
	if l.own > 0 {
		for {
			select {
			case <-p.more:
				l.work()
			case <-l.srv.stop:
				return
			}
		}
	}
	raw, err := p.file.SyscallConn()
	if err != nil {
		return
	}
	_ = raw.Read(func(uintptr) bool { // ends when the file is closed
		l.work()
		p.hush(false)
		return false
	})
}

// work polls until nothing comes. A loop that is never at rest yields now and then:
// its processor must serve the pacer and new peers too. With more processors those
// mostly have another one, and to yield sets that one looking for work: after each
// poll, 13 % of W3.
func (l *loop) work() {
	pacer := &l.srv.pacer
	pacer.up.Add(1)
	yield := yieldAfter
	if len(l.srv.polling.sets) > 1 {
		yield = yieldMany
	}
	yielded := l.srv.now()
	for napped := false; ; {
		n := l.poll()
		if n == 0 {
			if !napped {
				break
			}
			l.tick()
		}
		napped = l.nap(n)
		if l.mono-yielded > yield {
			runtime.Gosched()
			yielded = l.mono
		}
	}
	if pacer.up.Add(-1) == 0 {
		pacer.rouse()
	}
}

const (
	yieldAfter = int64(250 * time.Microsecond)
	yieldMany  = int64(2 * time.Millisecond)
)

// poll serves what has come and returns how many events it found. It has another loop
// help when there is much to do.
func (l *loop) poll() (events int) {
	p := &l.srv.polling
	l.each(func(t *set, n int) {
		if n == 0 {
			return
		}
		events += n
		l.tick()
		l.serves = t
		l.handle(t, l.events[:n])
		l.attend()
		l.serves = nil
		if len(p.sets) > 1 && (n >= enough || l.took() > longGo) {
			select {
			case p.more <- struct{}{}:
			default:
			}
		}
	})
	return events
}

// each calls do for every set that no other loop serves, the one that l serves already
// included: with how many events wait has found there.
func (l *loop) each(do func(t *set, n int)) {
	p := &l.srv.polling
	for i := range p.sets {
		t := &p.sets[(l.own+i)%len(p.sets)]
		mine := t == l.serves
		if !mine && !t.enter() {
			continue
		}
		for again := true; again; again = !mine && t.leave() {
			do(t, l.wait(t))
		}
	}
}

// nap lets events gather where they come closer together than it is long: to
// park, to be woken and to poll for each costs three times what reading it does.
// It ends when the next busy session is due, which is then written from here, so
// that a reading comes no later than its pace has it. It blocks the processor.
//
// Who has just been answered may wait for that before it says more: such a loop
// naps only where its events come very fast all the same.
func (l *loop) nap(n int) bool {
	now := l.mono
	n, l.found = n+l.found, 0
	l.gap += (min(now-l.polled, 4*maxNap)/int64(max(n, 1)) - l.gap) / 4
	if n > 0 {
		l.polled = now
	}
	waits := l.answered
	l.answered = false
	next := l.srv.pacer.serve(&l.worker)
	d := min(int64(l.srv.opt.Pace)/2, maxNap)
	switch {
	case l.gap < closely:
		d = min(d, shortNap)
	case waits || n == 0 || l.gap > d:
		return false
	}
	if next > 0 {
		d = min(d, max(next-now, d/8))
	}
	d = min(d, gathered*l.gap)
	if d <= 0 || n >= enough {
		return false
	}
	if l.own == 0 {
		l.srv.polling.hush(true)
	}
	t := unix.NsecToTimespec(d)
	_, _, _ = unix.RawSyscall(unix.SYS_NANOSLEEP, uintptr(unsafe.Pointer(&t)), 0, 0)
	return true
}

const (
	maxNap   = int64(time.Millisecond)
	shortNap = int64(50 * time.Microsecond)
	closely  = int64(25 * time.Microsecond) // from event to event
	gathered = 8                            // events that are worth a poll
	enough   = 64                           // events a poll: no need to wait for more
	longGo   = int64(time.Millisecond)      // of one poll's events: there is work for two
)

// wait asks for events without blocking, hence without telling the scheduler.
func (l *loop) wait(t *set) int {
	n, _, e := unix.RawSyscall6(unix.SYS_EPOLL_PWAIT, uintptr(t.ep), uintptr(unsafe.Pointer(&l.events[0])), uintptr(len(l.events)), 0, 0, 0)
	if e != 0 {
		return 0
	}
	return int(n)
}

// look reads what has come while the loop is in the middle of a long round of writes,
// two or three times in one: a reading then goes out with this round, where it would
// wait for the end of this and for the next. 500 dashboards, 2,000 readings a second:
// half of them come within 3.6 ms instead of 4.7, 99 % within 10 instead of 12.5. To look
// each millisecond took a tenth more of W2 saturated: sessions then stand at many places,
// and what is made for one serves few others. A look takes no longer than what is written
// between two: who says much would stretch the round, 16 of them to over a second, and
// what is left makes the next wait return at once.
func (l *loop) look() {
	now := l.srv.now()
	if now-max(l.mono, l.looked) < max(longGo, l.srv.rounds.all.Load()/3) {
		return
	}
	l.srv.hub.Tick(&l.turn) // the round goes by the time when it began
	end := now + longGo
	l.each(func(t *set, n int) {
		for i := 0; i < n && l.looked < end; i++ {
			l.handle(t, l.events[i:i+1])
			l.found++
			l.looked = l.srv.now()
		}
	})
	l.looked = l.srv.now()
}

func (l *loop) handle(t *set, events []unix.EpollEvent) {
	for i := range events {
		ev := &events[i]
		c := t.at(ev.Fd, ev.Pad)
		if c == nil {
			continue
		}
		p := c.sock.(*pollSocket)
		if ev.Events&unix.EPOLLOUT != 0 {
			p.arm(t, false)
			l.writable(c)
		}
		if ev.Events&^unix.EPOLLOUT != 0 || p.tls != nil || c.parked {
			l.read(t, c, p, ev.Events)
		}
	}
}

// read takes what the socket has, up to a buffer full: what is left makes the
// next wait return at once. What TLS keeps makes no event: a socket with room does.
func (l *loop) read(t *set, c *conn, p *pollSocket, events uint32) {
	ends := events&(unix.EPOLLHUP|unix.EPOLLERR) != 0
	if (p.tls != nil || c.parked) && !ends && p.isPaused() {
		return
	}
	if c.parked && !ends {
		if p.tls != nil {
			p.arm(t, true)
		}
		l.leave(t, c, p, c.unpark(&l.turn))
		return
	}
	in, have := c.room(l.buf)
	if l.gap < closely {
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
		c.broke(err)
		l.end(t, c, p)
		return
	}
	if p.tls != nil && have+n == len(in) {
		p.arm(t, true)
	}
	l.leave(t, c, p, c.heard(in[:have+n], &l.turn))
}

// leave leaves a peer unread for so many milliseconds.
func (l *loop) leave(t *set, c *conn, p *pollSocket, wait int64) {
	if wait > 0 {
		p.pause(t)
		l.srv.pacer.add(due{at: l.mono + wait*int64(time.Millisecond), c: c, paused: true, parked: c.parked}, &l.worker)
	}
}

func (l *loop) end(t *set, c *conn, p *pollSocket) {
	t.drop(p)
	c.gone(&l.turn)
}
