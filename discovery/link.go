package discovery

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"net"
	"slices"
	"sync"
	"time"

	"topicd/discovery/internal/mdns"
)

// Times of a link's life.
const (
	probes      = 3 // RFC 6762 section 8.1
	probeGap    = 250 * time.Millisecond
	tieWait     = time.Second            // section 8.2
	doubtFor    = 2 * time.Second        // within this a second claim makes a conflict of the first
	conflictMax = 10                     // conflicts in a row until we stay (section 8.1 slows down at 15)
	calm        = time.Minute            // after this they are forgotten
	retryFirst  = time.Second            // after a failure: then doubled
	retryMax    = 15 * time.Second       //
	announce2   = 3 * time.Second        // zeroconf announces at 0 and 1 s; sensors that sleep
	announce3   = 7 * time.Second        // hear one of these (section 8.3 allows eight in all)
	maxPacket   = 9000                   // section 17
	readPause   = 100 * time.Millisecond // after a read error: never a busy loop
)

// link is the hub's presence on one interface, from the interface's appearance
// to its end: socket, probe, registration, answers.
type link struct {
	// static after construction
	ifi    net.Interface
	names  *naming
	log    *slog.Logger
	wake   chan struct{} // something may have become due
	cancel context.CancelFunc
	done   chan struct{}

	// guarded by mu
	mu     sync.Mutex
	view   mdns.View
	resp   *mdns.Responder // nil until there is a socket
	up     bool            // registered and answering
	err    error           // why it is not up
	logged string          // the error that was logged last
}

func startLink(ctx context.Context, i iface, v mdns.View, names *naming, log *slog.Logger) *link {
	ctx, cancel := context.WithCancel(ctx)
	l := &link{
		ifi: i.Interface, view: v, names: names, log: log.With("iface", i.Name), cancel: cancel,
		wake: make(chan struct{}, 1), done: make(chan struct{}),
	}
	go func() {
		defer close(l.done)
		l.runLoop(ctx)
	}()
	return l
}

// stop withdraws and waits for the link's goroutines.
func (l *link) stop() {
	l.cancel()
	<-l.done
}

// runLoop keeps the link alive whatever fails.
func (l *link) runLoop(ctx context.Context) {
	for retry := retryFirst; ; retry = min(2*retry, retryMax) {
		started := time.Now()
		err := l.life(ctx)
		l.mu.Lock()
		l.up = false
		l.mu.Unlock()
		if ctx.Err() != nil {
			return
		}
		l.failed(err)
		if time.Since(started) > time.Minute {
			retry = retryFirst
		}
		if !sleep(ctx, retry) {
			return
		}
	}
}

// life is one span with a socket: it ends with an error or with ctx.
func (l *link) life(ctx context.Context) error {
	socks, err := listen(l.ifi)
	if err != nil {
		return err
	}
	var wg sync.WaitGroup
	defer wg.Wait()
	defer socks.close()
	for _, read := range socks.readers() {
		wg.Go(func() { l.recvLoop(socks, read) })
	}
	for conflicts := 0; ; {
		name := l.names.current()
		verdict, err := l.probe(ctx, socks, name)
		if err != nil {
			return err
		}
		if name.stale() {
			continue // renamed by another link
		}
		// Being found under a name that somebody disputes again and again is
		// better than not being found.
		stubborn := conflicts >= conflictMax
		if verdict == mdns.NoConflict || stubborn {
			since := time.Now()
			if verdict, err = l.serve(ctx, socks, name, stubborn); err != nil {
				return err
			}
			if time.Since(since) > calm {
				conflicts = 0
			}
		}
		if verdict == mdns.NoConflict {
			continue // renamed while we served
		}
		conflicts++
		l.names.resolve(name, verdict)
		if verdict == mdns.LostTie && !sleep(ctx, tieWait+rand.N(probeGap)) {
			return ctx.Err()
		}
	}
}

// probe asks three times whether the names are free (RFC 6762 section 8.1).
func (l *link) probe(ctx context.Context, socks *sockets, n claim) (mdns.Conflict, error) {
	l.mu.Lock()
	l.resp = mdns.NewResponder(n.id, l.view)
	pkt := l.resp.Probe()
	l.mu.Unlock()
	if !sleep(ctx, rand.N(probeGap/4)) {
		return 0, ctx.Err()
	}
	for range probes {
		if err := socks.send(pkt, l.ifi.Index); err != nil {
			return 0, err
		}
		if !sleep(ctx, probeGap) {
			return 0, ctx.Err()
		}
		if c := l.conflict(); c != mdns.NoConflict {
			return c, nil
		}
	}
	return mdns.NoConflict, nil
}

// serve registers and answers until the name changes, another host claims it,
// or ctx ends. It withdraws at its end.
func (l *link) serve(ctx context.Context, socks *sockets, n claim, stubborn bool) (mdns.Conflict, error) {
	reg, err := register(l.ifi, n.id)
	if err != nil {
		return 0, err
	}
	defer reg.withdraw()
	l.serving(n)
	defer l.silent() // before the goodbye, which is not to be answered
	announce := []time.Duration{announce2, announce3 - announce2, 0}
	again, due := time.NewTimer(announce[0]), time.NewTimer(0)
	defer again.Stop()
	defer due.Stop()
	var doubt time.Time // another host's claim was heard, and asked about
	for since := time.Now(); ; {
		select {
		case <-ctx.Done():
			return 0, ctx.Err()
		case <-n.changed:
			return mdns.NoConflict, nil
		case <-again.C:
			l.announce()
			if announce = announce[1:]; announce[0] > 0 {
				again.Reset(announce[0])
			}
		case <-due.C:
		case <-l.wake:
		}
		c := l.conflict()
		switch {
		case c == mdns.NoConflict || stubborn && time.Since(since) < calm:
		case time.Since(doubt) > doubtFor:
			// A stray or forged packet is not repeated when asked about.
			doubt = time.Now()
			l.ask(socks)
		default:
			l.log.Warn("another host claims our name", "name", n.id.Instance)
			return contested, nil
		}
		due.Reset(l.flush(socks))
	}
}

// contested is the verdict on a name that was ours: probe again before giving
// it up (RFC 6762 section 9).
const contested = mdns.Conflict(-1)

// serving begins the answers, silent ends them.
func (l *link) serving(n claim) {
	l.mu.Lock()
	l.resp.Serve()
	l.up, l.err, l.logged = true, nil, ""
	elsewhere := l.resp.HostElsewhere()
	l.mu.Unlock()
	l.log.Info("advertised", "name", n.id.Instance, "host", n.id.Host+".local", "host_by_other", elsewhere)
}

func (l *link) silent() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.resp.Close()
	l.up = false
}

// ask sends one probe, which whoever holds our names will answer.
func (l *link) ask(socks *sockets) {
	l.mu.Lock()
	pkt := l.resp.Probe()
	l.mu.Unlock()
	_ = socks.send(pkt, l.ifi.Index)
}

// flush sends what is due and tells when to come again.
func (l *link) flush(socks *sockets) time.Duration {
	now := time.Now()
	l.mu.Lock()
	pkt, next := l.resp.Due(now)
	l.mu.Unlock()
	if pkt != nil {
		err := socks.send(pkt, l.ifi.Index)
		l.mu.Lock()
		l.err = err
		l.mu.Unlock()
	}
	if next.IsZero() {
		return time.Hour
	}
	return time.Until(next)
}

func (l *link) conflict() mdns.Conflict {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.resp.Conflict()
}

// announce marks everything for a multicast.
func (l *link) announce() {
	l.mu.Lock()
	if l.resp != nil {
		l.resp.Announce(time.Now())
	}
	l.mu.Unlock()
	l.poke()
}

// setView tells the link its addresses, and the network if they are others.
func (l *link) setView(v mdns.View) {
	l.mu.Lock()
	moved := !slices.Equal(l.view.Prefixes, v.Prefixes)
	if moved || !slices.Equal(l.view.Own, v.Own) {
		l.view = v
		if l.resp != nil {
			l.resp.SetView(v)
		}
	}
	l.mu.Unlock()
	if moved {
		l.log.Info("addresses changed", "addrs", v.Prefixes)
		l.announce()
	}
}

func (l *link) poke() {
	select {
	case l.wake <- struct{}{}:
	default:
	}
}

func (l *link) recvLoop(socks *sockets, read func([]byte) (datagram, error)) {
	receive(read, func(d datagram) {
		if d.ifIndex != 0 && d.ifIndex != l.ifi.Index {
			return
		}
		l.mu.Lock()
		var reply []byte
		news := false
		if l.resp != nil {
			reply = l.resp.Handle(time.Now(), mdns.Packet{Data: d.data, Src: addrPort(d.src), Multicast: d.multicast})
			news = l.resp.News()
		}
		l.mu.Unlock()
		if reply != nil {
			socks.reply(reply, d.src)
		}
		if news {
			l.poke()
		}
	})
}

// failed notes why the link is not up, and logs it when it is news.
func (l *link) failed(err error) {
	if err == nil {
		return
	}
	l.mu.Lock()
	l.err = err
	news := l.logged != err.Error()
	l.logged = err.Error()
	l.mu.Unlock()
	if news {
		l.log.Warn("not advertised, will retry", "err", err)
	}
}

// sleep waits and reports whether ctx still runs.
func sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}
