package main

import (
	"maps"
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"sync"
	"time"

	"topicd/codec"
	"topicd/node"
)

// peers are the addresses that are connected: how often, and how many HTTP
// requests they may make. An address is forgotten when it has no connection and
// its requests are paid for: one for each request makes nothing cheaper.
type peers struct {
	// static after construction
	most     int  // connections of all together, WebSockets included
	each     int  // of one address, 0 = no limit
	requests int  // HTTP requests per second and address, 0 = no limit
	loopback bool // this machine's too: behind loopback may stand a proxy with everybody
	stats    func() *node.Stats

	// guarded by mu
	mu    sync.Mutex
	total int
	by    map[netip.Addr]*peer
}

type peer struct {
	n    int           // connections
	owed time.Duration // time that its requests have used up
	at   time.Time
}

// openPeers makes the count. A few more connections than sessions are let in, so
// that a hub full of WebSockets can still be asked why.
func (s *server) openPeers() {
	s.peers = peers{
		most: s.set.sessions + 64, each: s.set.perAddress, requests: s.set.requests, loopback: bool(s.set.loopback),
		stats: func() *node.Stats { return &s.hub.Stats }, // there is no hub yet
	}
	s.endpoints.in = &s.peers
}

func (p *peers) key(a net.Addr) netip.Addr {
	if t, ok := a.(*net.TCPAddr); ok {
		return t.AddrPort().Addr().Unmap()
	}
	return netip.Addr{}
}

// enter admits one more connection.
func (p *peers) enter(a netip.Addr) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	e := p.by[a]
	switch {
	case p.total >= p.most:
		p.stats().Add(node.RefusedSessions, 1)
		return false
	case e == nil:
		e = &peer{}
		if p.by == nil {
			p.by = make(map[netip.Addr]*peer)
		}
		if len(p.by) >= 2*p.most { // so many have gone since the last time
			maps.DeleteFunc(p.by, func(_ netip.Addr, e *peer) bool { return e.n == 0 })
		}
		p.by[a] = e
	case p.each > 0 && e.n >= p.each && (p.loopback || !a.IsLoopback()):
		p.stats().Add(node.RefusedAddress, 1)
		return false
	}
	e.n++
	p.total++
	return true
}

// leave is called once for each connection that entered.
func (p *peers) leave(a netip.Addr) {
	p.mu.Lock()
	defer p.mu.Unlock()
	e := p.by[a]
	if e == nil || e.n == 0 {
		return
	}
	p.total--
	if e.n--; e.n == 0 && e.owed <= time.Since(e.at) {
		delete(p.by, a)
	}
}

// ask charges HTTP requests; a second's worth may come at once.
func (p *peers) ask(a netip.Addr, requests int, now time.Time) *codec.Error {
	if p.requests <= 0 || a.IsLoopback() && !p.loopback {
		return nil
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	e := p.by[a]
	if e == nil {
		return nil // its connection has just gone
	}
	e.owed = max(0, e.owed-now.Sub(e.at))
	e.at = now
	if e.owed > time.Second {
		p.stats().Add(node.RefusedRate, 1)
		return errRequests
	}
	e.owed += time.Duration(requests) * time.Second / time.Duration(p.requests)
	return nil
}

// weight is how many requests a request counts for: what looks at every topic or
// client takes milliseconds where there are many.
func weight(r *http.Request) int {
	switch r.URL.Path {
	case "/api/topics", "/api/clients", "/api/export", "/api/stream", "/metrics":
		return 20
	}
	return 1
}

var errRequests = &codec.Error{Code: codec.CodeTooFast, Msg: "too many requests from this address", Retry: 100}

// turnstile admits connections before anything is read from them.
type turnstile struct {
	net.Listener
	peers *peers
}

// Accept implements net.Listener.
func (l *turnstile) Accept() (net.Conn, error) {
	for {
		c, err := l.Listener.Accept()
		if err != nil || l.peers.enter(l.peers.key(c.RemoteAddr())) {
			return c, err
		}
		_ = c.SetWriteDeadline(time.Now().Add(time.Millisecond)) // there is room in a new socket
		_, _ = c.Write(fullAnswer)                               // nonsense where TLS is expected, and as good as none
		_ = c.Close()
	}
}

var fullAnswer = func() []byte {
	body := `{"error":{"code":503,"msg":"the hub serves as many connections as it may, or as it may to this address","retry":10000}}` + "\n"
	return []byte("HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/json\r\nRetry-After: 10\r\nConnection: close\r\nContent-Length: " +
		strconv.Itoa(len(body)) + "\r\n\r\n" + body)
}()

// watch is http.Server's ConnState: what became a WebSocket stays in the count
// until the transport says that it is gone.
func (p *peers) watch(c net.Conn, state http.ConnState) {
	if state == http.StateClosed {
		p.leave(p.key(c.RemoteAddr()))
	}
}
