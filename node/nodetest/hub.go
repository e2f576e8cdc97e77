// Package nodetest runs a real hub behind a real socket for tests: node, link,
// WebSockets and the native dialect, and its invariants when the test ends.
package nodetest

import (
	"context"
	"net"
	"net/http"
	"sync"
	"testing"
	"time"

	"topicd/node"
	"topicd/node/dialect/native"
	"topicd/node/link"
	"topicd/node/link/ws"
)

// Hub is a hub that serves WebSockets at Addr.
type Hub struct {
	*node.Hub
	Addr string
	once sync.Once
	stop func()
}

// Serve starts a hub at addr, "" for a free port of loopback.
func Serve(addr string, o node.Options, lo link.Options) (*Hub, error) {
	if addr == "" {
		addr = "127.0.0.1:0"
	}
	l, err := net.Listen("tcp", addr)
	for end := time.Now().Add(20 * time.Second); err != nil && time.Now().Before(end); l, err = net.Listen("tcp", addr) {
		time.Sleep(5 * time.Millisecond) // the port of a hub that has just ended may be a connection's for a moment
	}
	if err != nil {
		return nil, err
	}
	h := &Hub{Hub: node.New(o), Addr: l.Addr().String()}
	cfg := &native.Config{Hub: h.Hub, Version: "test", Ping: 50 * time.Second, MaxFrame: 64 << 10}
	conns, err := link.New(h.Hub, lo)
	if err != nil {
		_ = l.Close()
		return nil, err
	}
	s := &http.Server{ReadHeaderTimeout: 5 * time.Second, Handler: ws.New(conns, ws.Options{
		Subprotocols: []string{native.ProtocolJSON, native.ProtocolCBOR},
		Open:         func(a node.Arrival) node.Dialect { return cfg.New(a.Protocol) },
	})}
	go func() { _ = s.Serve(l) }()
	h.stop = func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		_ = s.Close()
		conns.Shutdown(ctx)
	}
	return h, nil
}

// Start is Serve until the test ends.
func Start(t testing.TB, addr string, o node.Options, lo link.Options) *Hub {
	t.Helper()
	h, err := Serve(addr, o, lo)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		h.Stop()
		if err := h.CheckInvariants(); err != nil {
			t.Error(err)
		}
		h.Close()
	})
	return h
}

// Stop ends connections and the listener. What the hub holds can still be looked at.
func (h *Hub) Stop() { h.once.Do(h.stop) }

// URL is that of its WebSocket.
func (h *Hub) URL() string { return "ws://" + h.Addr + "/ws" }
