package access

import (
	"net/netip"
	"time"
)

// failures counts wrong tokens by address, in a bounded table. Of IPv6 the
// first 64 bits count, for a host may take any of the others; but not where they
// are the LAN's, and neighbours share them.
type failures struct {
	local func(netip.Addr) bool
	by    map[netip.Addr]*tally
}

type tally struct {
	n     int
	since time.Time
}

const (
	maxFailures = 20
	failureSpan = time.Minute
	maxTallies  = 1024
)

func (f *failures) origin(a netip.Addr) netip.Addr {
	if a = a.Unmap().WithZone(""); a.Is6() && !f.local(a) {
		p, _ := a.Prefix(64)
		return p.Addr()
	}
	return a
}

// wait is how long the address has to wait before its tokens are looked at.
func (f *failures) wait(a netip.Addr, now time.Time) time.Duration {
	t := f.by[f.origin(a)]
	if t == nil || t.n < maxFailures {
		return 0
	}
	return max(0, failureSpan-now.Sub(t.since))
}

func (f *failures) add(a netip.Addr, now time.Time) {
	a = f.origin(a)
	t := f.by[a]
	if t != nil && now.Sub(t.since) < failureSpan {
		t.n++
		return
	}
	if t == nil && len(f.by) >= maxTallies {
		f.makeRoom(now)
	}
	if f.by == nil {
		f.by = make(map[netip.Addr]*tally)
	}
	f.by[a] = &tally{1, now}
}

// makeRoom forgets what is over, else the address with the fewest failures.
func (f *failures) makeRoom(now time.Time) {
	var least netip.Addr
	for a, t := range f.by {
		if now.Sub(t.since) >= failureSpan {
			delete(f.by, a)
		} else if l := f.by[least]; l == nil || t.n < l.n {
			least = a
		}
	}
	if len(f.by) >= maxTallies {
		delete(f.by, least)
	}
}
