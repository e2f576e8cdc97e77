package bench

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"topicd/node"
	"topicd/node/dialect/native"
	"topicd/node/link"
	"topicd/node/link/ws"
)

// TestMain is also the hub of tests that want one in a process of its own.
func TestMain(m *testing.M) {
	if os.Getenv("BENCH_TEST_HUB") != "" {
		addr, _, err := hubAt("127.0.0.1:0", node.Options{Rate: -1, ByteRate: -1})
		if err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		fmt.Println(addr)
		os.Stdin.Read(make([]byte, 1)) // until the test closes it
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// hubAt is the real hub behind a real socket.
func hubAt(addr string, o node.Options) (at string, stop func() *node.Hub, err error) {
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return "", nil, err
	}
	hub := node.New(o)
	cfg := &native.Config{Hub: hub, Version: "test", MaxFrame: 64 << 10}
	conns, err := link.New(hub, link.Options{})
	if err != nil {
		return "", nil, err
	}
	s := &http.Server{Handler: ws.New(conns, ws.Options{Open: func(a node.Arrival) node.Dialect { return cfg.New(a.Protocol) }})}
	go s.Serve(l)
	return l.Addr().String(), func() *node.Hub {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		s.Close()
		conns.Shutdown(ctx)
		return hub
	}, nil
}

// testHub is hubAt for the time of a test; url is its WebSocket.
func testHub(t *testing.T, o node.Options) (url string, hub func() *node.Hub) {
	t.Helper()
	addr, stop, err := hubAt("127.0.0.1:0", o)
	if err != nil {
		t.Fatal(err)
	}
	var h *node.Hub
	once := func() *node.Hub {
		if h == nil {
			h = stop()
		}
		return h
	}
	t.Cleanup(func() {
		if err := once().CheckInvariants(); err != nil {
			t.Error(err)
		}
		once().Close()
	})
	return "ws://" + addr + "/ws", once
}

// bench runs o, and fails the test when it cannot.
func bench(t *testing.T, o Options) *Report {
	t.Helper()
	if o.Duration == 0 {
		o.Duration = 300 * time.Millisecond
	}
	if o.Warmup == 0 {
		o.Warmup = 50 * time.Millisecond
	}
	r, err := Run(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	r.WriteText(&b)
	t.Log("\n" + b.String())
	return r
}
