package front

import (
	"crypto/tls"
	"maps"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"time"

	"topicd/codec"
	"topicd/node"
	"topicd/node/access"
	"topicd/node/bound"
)

// peers are the addresses that are connected: how often, and how many HTTP
// requests they may make. An address is forgotten when it has no connection and
// its requests are paid for: one for each request makes nothing cheaper. Where a
// host has a whole network of addresses, they count together.
type peers struct {
	// static after construction
	most     int  // connections of all together, WebSockets included
	each     int  // of one address, 0 = no limit
	requests int  // HTTP requests per second and address, 0 = no limit
	loopback bool // this machine's too: behind loopback may stand a proxy with everybody
	stats    *node.Stats
	links    *links
	began    time.Time

	// guarded by mu
	mu    sync.Mutex
	total int
	by    map[netip.Prefix]*peer // an address, and where it has one its network
}

type peer struct {
	n     int             // connections
	asked bound.Allowance // HTTP requests of a second
}

func tcpAddr(a net.Addr) netip.Addr {
	if t, ok := a.(*net.TCPAddr); ok {
		return t.AddrPort().Addr()
	}
	return netip.Addr{}
}

// place is where an address counts: by itself, and with its network.
type place struct {
	key     netip.Prefix
	limited bool
}

// places are those of an address. They stay the same as long as it is
// connected; whether they are limited may change.
func (p *peers) places(a netip.Addr) []place {
	a = a.Unmap().WithZone("")
	alone, _ := a.Prefix(a.BitLen())
	list := append(make([]place, 0, 2), place{alone, p.loopback || !a.IsLoopback()})
	if net, ok := access.Network(a); ok {
		list = append(list, place{net, !p.links.near(net)})
	}
	return list
}

// enter admits one more connection.
func (p *peers) enter(a netip.Addr) bool {
	places := p.places(a)
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.total >= p.most {
		p.stats.Add(node.RefusedSessions, 1)
		return false
	}
	for _, at := range places {
		if e := p.by[at.key]; at.limited && p.each > 0 && e != nil && e.n >= p.each {
			p.stats.Add(node.RefusedAddress, 1)
			return false
		}
	}
	for _, at := range places {
		p.peerLocked(at.key).n++
	}
	p.total++
	return true
}

func (p *peers) peerLocked(key netip.Prefix) *peer {
	e := p.by[key]
	if e == nil {
		e = &peer{}
		if p.by == nil {
			p.by = make(map[netip.Prefix]*peer)
		}
		if len(p.by) >= 4*p.most { // so many have gone since the last time
			maps.DeleteFunc(p.by, func(_ netip.Prefix, e *peer) bool { return e.n == 0 })
		}
		p.by[key] = e
	}
	return e
}

// leave is called once for each connection that entered.
func (p *peers) leave(a netip.Addr) {
	places := p.places(a)
	p.mu.Lock()
	defer p.mu.Unlock()
	for i, at := range places {
		e := p.by[at.key]
		if e == nil || e.n == 0 {
			return
		}
		if i == 0 {
			p.total--
		}
		if e.n--; e.n == 0 && (p.requests <= 0 || e.asked.Whole(p.requests, 1000, p.mono())) {
			delete(p.by, at.key)
		}
	}
}

// mono is a time that only goes forward, in milliseconds.
func (p *peers) mono() int64 { return time.Since(p.began).Milliseconds() }

// ask charges HTTP requests; a second's worth may come at once.
func (p *peers) ask(a netip.Addr, requests int) *codec.Error {
	if p.requests <= 0 {
		return nil
	}
	places := p.places(a)
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, at := range places {
		e := p.by[at.key]
		if e == nil || !at.limited { // nil: its connection has just gone
			continue
		}
		if !e.asked.Take(requests, p.requests, 1000, p.mono()) {
			p.stats.Add(node.RefusedRate, 1)
			return errRequests
		}
	}
	return nil
}

// weight is how many requests a request counts for: what looks at every topic or
// client takes milliseconds where there are many, and so does a query of 12 KB,
// which is a map of its parameters more than once.
func weight(r *http.Request) int {
	n := 1 + len(r.URL.RawQuery)/512
	switch r.URL.Path {
	case "/api/topics", "/api/clients", "/api/export", "/api/stream", "/metrics":
		n += 19
	}
	return n
}

// handshakeWeight: 0.35 ms on a desktop, tens on a Pi Zero, for who only connects.
const handshakeWeight = 10

// chargeHandshake is a tls.Config's GetConfigForClient.
func (f *Front) chargeHandshake(h *tls.ClientHelloInfo) (*tls.Config, error) {
	if err := f.peers.ask(tcpAddr(h.Conn.RemoteAddr()), handshakeWeight); err != nil {
		return nil, err
	}
	return nil, nil
}

var errRequests = &codec.Error{Code: codec.CodeTooFast, Msg: "too many requests from this address", Retry: 100}

// watch is http.Server's ConnState: what became a WebSocket stays in the count
// until the transport says that it is gone.
func (p *peers) watch(c net.Conn, state http.ConnState) {
	if state == http.StateClosed {
		p.leave(tcpAddr(c.RemoteAddr()))
	}
}
