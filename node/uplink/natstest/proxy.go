package natstest

import (
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"testing"
)

// Proxy is a line between a client and a server that can be cut: what is sent then is
// neither delivered nor refused, as behind a router without its uplink.
type Proxy struct {
	URL   string
	Bytes atomic.Int64 // carried, both ways

	l      net.Listener
	target string
	mu     sync.Mutex
	cond   *sync.Cond
	cut    bool
	closed bool
	conns  map[net.Conn]bool
	wg     sync.WaitGroup
}

// NewProxy makes a line to a port of the loopback.
func NewProxy(t testing.TB, port int) *Proxy {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &Proxy{l: l, target: fmt.Sprintf("127.0.0.1:%d", port), conns: map[net.Conn]bool{}, URL: "nats://" + l.Addr().String()}
	p.cond = sync.NewCond(&p.mu)
	p.wg.Go(p.accept)
	t.Cleanup(p.Close)
	return p
}

// Cut cuts the line, or mends it. When it is mended, what was under way is lost with
// its connection.
func (p *Proxy) Cut(cut bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.cut = cut
	if !cut {
		for c := range p.conns {
			c.Close()
		}
	}
	p.cond.Broadcast()
}

// Close ends the line.
func (p *Proxy) Close() {
	p.mu.Lock()
	p.closed = true
	for c := range p.conns {
		c.Close()
	}
	p.mu.Unlock()
	p.cond.Broadcast()
	p.l.Close()
	p.wg.Wait()
}

func (p *Proxy) accept() {
	for {
		c, err := p.l.Accept()
		if err != nil {
			return
		}
		p.wg.Go(func() { p.carry(c) })
	}
}

// open waits while the line is cut.
func (p *Proxy) open() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	for p.cut && !p.closed {
		p.cond.Wait()
	}
	return !p.closed
}

func (p *Proxy) carry(c net.Conn) {
	defer c.Close()
	if !p.open() {
		return
	}
	s, err := net.Dial("tcp", p.target)
	if err != nil {
		return
	}
	defer s.Close()
	p.mu.Lock()
	p.conns[c], p.conns[s] = true, true
	p.mu.Unlock()
	var wg sync.WaitGroup
	for _, d := range [][2]net.Conn{{c, s}, {s, c}} {
		wg.Go(func() {
			defer c.Close()
			defer s.Close()
			b := make([]byte, 32<<10)
			for {
				n, err := d[0].Read(b)
				if !p.open() {
					return
				}
				p.Bytes.Add(int64(n))
				if _, werr := d[1].Write(b[:n]); err != nil || werr != nil {
					return
				}
			}
		})
	}
	wg.Wait()
	p.mu.Lock()
	delete(p.conns, c)
	delete(p.conns, s)
	p.mu.Unlock()
}
