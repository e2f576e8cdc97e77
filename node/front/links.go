package front

import (
	"net"
	"net/netip"
	"slices"
	"sync"
	"time"

	"topicd/node/access"
)

// links are this machine's own networks. Neighbours in one share its /64: a
// farm's devices together are not one host, who is elsewhere and has all of a
// /64 is.
type links struct {
	mu  sync.Mutex
	own []netip.Prefix
	at  time.Time
}

// linksKept is how long they are believed: addresses come and go with a router's word.
const linksKept = 10 * time.Second

// look looks them up, before somebody from an IPv6 network is let in.
func (l *links) look(from netip.Addr) {
	if _, ok := access.Network(from); !ok {
		return
	}
	l.mu.Lock()
	old := time.Since(l.at) > linksKept
	if old {
		l.at = time.Now()
	}
	l.mu.Unlock()
	if !old {
		return
	}
	var own []netip.Prefix
	addrs, _ := net.InterfaceAddrs()
	for _, a := range addrs {
		if n, is := a.(*net.IPNet); is {
			addr, _ := netip.AddrFromSlice(n.IP)
			if p, ok := access.Network(addr); ok {
				own = append(own, p)
			}
		}
	}
	l.mu.Lock()
	l.own = own
	l.mu.Unlock()
}

// near tells whether a network is one of them.
func (l *links) near(p netip.Prefix) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Contains(l.own, p)
}

// owner is whom a session at "host:port" is counted for.
func (l *links) owner(addr string) string {
	from := access.Addr(addr)
	if p, ok := access.Network(from); ok && !l.near(p) {
		return p.String()
	}
	return from.Unmap().String()
}

// Near tells whether a network of IPv6 is this machine's own, whose hosts share it.
func (f *Front) Near(p netip.Prefix) bool { return f.links.near(p) }
