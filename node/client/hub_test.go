package client

import (
	"net"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"topicd/node"
	"topicd/node/link"
	"topicd/node/nodetest"
)

// startHub starts a real hub at addr, "" for a free port of loopback.
func startHub(t *testing.T, addr string, o node.Options) *nodetest.Hub {
	t.Helper()
	return nodetest.Start(t, addr, o, link.Options{})
}

// proxy is a network between client and hub that can be cut.
type proxy struct {
	l      net.Listener
	target string
	up     atomic.Int64 // bytes carried to the hub

	mu    sync.Mutex
	conns map[net.Conn]bool
	off   bool // takes connections and answers nothing
	hold  bool // carries nothing towards the client
}

func startProxy(t *testing.T, target string) *proxy {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{l: l, target: target, conns: map[net.Conn]bool{}}
	go p.acceptLoop()
	t.Cleanup(func() { l.Close(); p.cut(true) })
	return p
}

func (p *proxy) acceptLoop() {
	for {
		c, err := p.l.Accept()
		if err != nil {
			return
		}
		p.mu.Lock()
		off := p.off
		p.mu.Unlock()
		if off {
			c.Close()
			continue
		}
		up, err := net.Dial("tcp", p.target)
		if err != nil {
			c.Close()
			continue
		}
		p.mu.Lock()
		p.conns[c], p.conns[up] = true, true
		p.mu.Unlock()
		go p.carry(up, c, false)
		go p.carry(c, up, true)
	}
}

func (p *proxy) carry(dst, src net.Conn, down bool) {
	defer dst.Close()
	defer src.Close()
	buf := make([]byte, 4096)
	for {
		n, err := src.Read(buf)
		for down {
			p.mu.Lock()
			held := p.hold
			p.mu.Unlock()
			if !held {
				break
			}
			time.Sleep(time.Millisecond)
		}
		if err != nil {
			return
		}
		if _, err := dst.Write(buf[:n]); err != nil {
			return
		}
		if !down {
			p.up.Add(int64(n))
		}
	}
}

// cut resets every connection, and lets none in while off.
func (p *proxy) cut(off bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.off = off
	for c := range p.conns {
		if tcp, ok := c.(*net.TCPConn); ok {
			tcp.SetLinger(0) // like a network that went: what is on its way is lost
		}
		c.Close()
	}
	p.conns = map[net.Conn]bool{}
}

func (p *proxy) url() string { return "ws://" + p.l.Addr().String() + "/ws" }

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(60 * time.Second); time.Now().Before(end); time.Sleep(2 * time.Millisecond) {
		if ok() {
			return
		}
	}
	t.Fatalf("waited in vain for %s", what)
}

// noGoroutines fails when goroutines of this package are left.
func noGoroutines(t *testing.T) {
	t.Helper()
	var stacks string
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); {
		buf := make([]byte, 1<<20)
		stacks = string(buf[:runtime.Stack(buf, true)])
		left := 0
		for _, g := range strings.Split(stacks, "\n\n") {
			if strings.Contains(g, "client.(*Client).") && !strings.Contains(g, "testing.tRunner") {
				left++
			}
		}
		if left == 0 {
			return
		}
		time.Sleep(5 * time.Millisecond)
	}
	t.Fatalf("goroutines left:\n%s", stacks)
}

func dial(t *testing.T, o Options) *Client {
	t.Helper()
	if o.MinBackoff == 0 {
		o.MinBackoff, o.MaxBackoff = 5*time.Millisecond, 50*time.Millisecond
	}
	if o.OnError == nil {
		o.OnError = func(err error) { t.Logf("OnError: %v", err) }
	}
	c, err := Dial(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// heard collects readings.
type heard struct {
	mu   sync.Mutex
	msgs []Message
}

func (h *heard) add(m Message) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.msgs = append(h.msgs, m)
}

func (h *heard) all() []Message {
	h.mu.Lock()
	defer h.mu.Unlock()
	return append([]Message(nil), h.msgs...)
}

func (h *heard) count() int { return len(h.all()) }
