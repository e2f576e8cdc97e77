package access

import (
	"net/netip"
	"time"
)

// Source is where a token comes from. What a page elsewhere may have had a
// browser send is counted for itself: else each page that somebody opens could
// lock him out.
type Source struct {
	Addr netip.Addr
	Page bool
}

// failures counts wrong tokens by their source, in a bounded table. Of IPv6 the
// first 64 bits count, but not where neighbours share them.
type failures struct {
	near func(netip.Prefix) bool
	by   map[Source]*tally
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

// Network is the /64 that an IPv6 address is in, for a host may have all of one
// (RFC 7084, RFC 8273) and take any address. Loopback and link-local addresses,
// of which every neighbour has one in fe80::/64, have none.
func Network(a netip.Addr) (_ netip.Prefix, ok bool) {
	a = a.Unmap().WithZone("")
	if !a.Is6() || a.IsLoopback() || a.IsLinkLocalUnicast() {
		return netip.Prefix{}, false
	}
	p, err := a.Prefix(64)
	return p, err == nil
}

func (f *failures) origin(from Source) Source {
	if p, ok := Network(from.Addr); ok && !f.near(p) {
		from.Addr = p.Addr()
	} else {
		from.Addr = from.Addr.Unmap().WithZone("")
	}
	return from
}

// wait is how long the source has to wait before its tokens are looked at.
func (f *failures) wait(from Source, now time.Time) time.Duration {
	t := f.by[f.origin(from)]
	if t == nil || t.n < maxFailures {
		return 0
	}
	return max(0, failureSpan-now.Sub(t.since))
}

func (f *failures) add(from Source, now time.Time) {
	from = f.origin(from)
	t := f.by[from]
	if t != nil && now.Sub(t.since) < failureSpan {
		t.n++
		return
	}
	if t == nil && len(f.by) >= maxTallies {
		f.makeRoom(now)
	}
	if f.by == nil {
		f.by = make(map[Source]*tally)
	}
	f.by[from] = &tally{1, now}
}

// makeRoom forgets what is over, else the source with the fewest failures.
func (f *failures) makeRoom(now time.Time) {
	var least Source
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
