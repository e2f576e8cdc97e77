package discovery

import (
	"context"
	"log/slog"
	"net/netip"
	"slices"
	"sort"
	"sync"
	"time"

	"topicd/discovery/internal/mdns"
)

// lately is how long an address counts as ours after it has gone: an echo of
// our own old record must not look like another host's claim.
const lately = time.Minute

// Advertiser keeps a hub advertised. See [Advertise].
type Advertiser struct {
	// static after construction
	svc    Service
	log    *slog.Logger
	names  *naming
	cancel context.CancelFunc
	done   chan struct{}

	// owned by superviseLoop
	seen map[netip.Addr]time.Time // addresses of this board, and when they were seen
	last map[int][]netip.Prefix   // a link's addresses at the previous look

	// guarded by mu
	mu    sync.Mutex
	links map[int]*link // by interface index: one that is re-created is another one
}

// Advertise keeps a hub advertised on the machine's networks until ctx ends or
// Close is called, whatever comes and goes. It returns at once and never fails:
// what does not work is retried and logged once. A nil log is silent. The caller must call Close, which waits for the goodbye.
func Advertise(ctx context.Context, s Service, log *slog.Logger) *Advertiser {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	s = s.withDefaults()
	ctx, cancel := context.WithCancel(ctx)
	a := &Advertiser{
		svc: s, log: log, names: newNaming(s), cancel: cancel, done: make(chan struct{}),
		seen: map[netip.Addr]time.Time{}, links: map[int]*link{},
	}
	go func() {
		defer close(a.done)
		a.superviseLoop(ctx)
	}()
	return a
}

// Close says goodbye on every link and waits for every goroutine of ours.
// (zeroconf's announcers, which cannot be waited for, end within 3.5 s.)
func (a *Advertiser) Close() {
	a.cancel()
	<-a.done
}

// superviseLoop looks at the interfaces until ctx ends.
func (a *Advertiser) superviseLoop(ctx context.Context) {
	tick := time.NewTicker(a.svc.Poll)
	defer tick.Stop()
	quiet := false // "no network" has been logged
	for {
		found, own, err := look(a.svc.Ifaces)
		if err == nil {
			a.reconcile(ctx, found, a.remember(own))
		}
		if none := len(found) == 0; none != quiet {
			quiet = none
			if none && err != nil {
				a.log.Warn("the networks to advertise on are not known, looking again", "err", err)
			} else if none {
				a.log.Warn("no network to advertise on, waiting for one")
			}
		}
		select {
		case <-ctx.Done():
			a.stopLinks(func(int) bool { return true })
			return
		case <-tick.C:
		}
	}
}

// remember adds the addresses of now to those of lately.
func (a *Advertiser) remember(own []netip.Addr) []netip.Addr {
	now := time.Now()
	for _, ip := range own {
		a.seen[ip] = now
	}
	all := make([]netip.Addr, 0, len(a.seen))
	for ip, at := range a.seen {
		if now.Sub(at) > lately {
			delete(a.seen, ip)
			continue
		}
		all = append(all, ip)
	}
	sort.Slice(all, func(i, j int) bool { return all[i].Less(all[j]) })
	return all
}

// reconcile starts links for interfaces that came, ends those that went, and
// tells the others their addresses.
func (a *Advertiser) reconcile(ctx context.Context, found []iface, own []netip.Addr) {
	here, last := map[int]bool{}, map[int][]netip.Prefix{}
	for _, i := range found {
		here[i.Index] = true
		v := mdns.View{Prefixes: i.prefixes, Own: own}
		a.mu.Lock()
		l := a.links[i.Index]
		if l != nil && l.ifi.Name != i.Name {
			here[i.Index] = false // renamed by udev: begin anew at the next look
		} else if l == nil {
			a.links[i.Index] = startLink(ctx, i, v, a.names, a.log)
		}
		a.mu.Unlock()
		// A change must be seen twice: DHCP takes an address away before it
		// gives another.
		if l != nil && slices.Equal(a.last[i.Index], i.prefixes) {
			l.setView(v)
		}
		last[i.Index] = i.prefixes
	}
	a.last = last
	a.stopLinks(func(index int) bool { return !here[index] })
}

// stopLinks ends the links chosen, all at a time.
func (a *Advertiser) stopLinks(which func(index int) bool) {
	var gone []*link
	a.mu.Lock()
	for index, l := range a.links {
		if which(index) {
			gone = append(gone, l)
			delete(a.links, index)
			l.cancel()
		}
	}
	a.mu.Unlock()
	for _, l := range gone {
		l.stop()
		a.log.Info("no longer advertised", "iface", l.ifi.Name)
	}
}
