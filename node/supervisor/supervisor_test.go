package supervisor

import (
	"context"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"topicd/codec"
	"topicd/node"
	"topicd/node/link"
)

func env(kv map[string]string) func(string) string {
	return func(k string) string { return kv[k] }
}

// manager is a service manager's socket.
func manager(t *testing.T) (string, func() string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "notify")
	c, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return path, func() string {
		t.Helper()
		_ = c.SetReadDeadline(time.Now().Add(time.Minute))
		b := make([]byte, 4096)
		n, err := c.Read(b)
		if err != nil {
			t.Fatal(err)
		}
		return string(b[:n])
	}
}

// Without a manager nothing is told, and nothing goes wrong.
func TestNobodyAsks(t *testing.T) {
	for _, socket := range []string{"", "relative", "vsock:2:1"} {
		n := New(env(map[string]string{"NOTIFY_SOCKET": socket, "WATCHDOG_USEC": "5"}))
		if n != nil || n.Tell(Ready) != nil {
			t.Errorf("%q is told something", socket)
		}
		n.Run(t.Context(), nil, nil, 0, nil)
	}
}

// The watchdog is that of this process only (sd_watchdog_enabled(3)).
func TestWatchdogIsOurs(t *testing.T) {
	for _, c := range []struct {
		pid, usec string
		want      time.Duration
	}{
		{"", "30000000", 30 * time.Second},
		{strconv.Itoa(os.Getpid()), "500", 500 * time.Microsecond},
		{"1", "30000000", 0}, {"", "0", 0}, {"", "-1", 0}, {"", "x", 0}, {"", "", 0},
	} {
		n := New(env(map[string]string{"NOTIFY_SOCKET": "@x", "WATCHDOG_PID": c.pid, "WATCHDOG_USEC": c.usec}))
		if n.watchdog != c.want {
			t.Errorf("%+v: %v", c, n.watchdog)
		}
	}
}

func server(t *testing.T) (*node.Hub, *Probe, *link.Server) {
	t.Helper()
	hub := node.New(node.Options{})
	srv, err := link.New(hub, link.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		srv.Shutdown(ctx)
		hub.Close()
	})
	return hub, &Probe{Accept: func(nc net.Conn, a node.Arrival, d node.Dialect) { srv.Accept(nc, a, d, nil, nil) }}, srv
}

// A hub that delivers is told to be ready, then alive, with figures for people.
func TestAliveWhileDelivering(t *testing.T) {
	path, hear := manager(t)
	hub, p, _ := server(t)
	n := New(env(map[string]string{"NOTIFY_SOCKET": path, "WATCHDOG_USEC": "300000"}))
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { n.Run(ctx, hub, p, 2, slog.New(slog.DiscardHandler)); close(done) }()
	if got := hear(); got != "READY=1\nSTATUS=serves on 2 addresses" {
		t.Errorf("first it says %q", got)
	}
	for signs := 0; signs < 3; { // a machine that stands still for 0.3 s has the hub miss one
		switch got := hear(); {
		case got == "WATCHDOG=1":
			signs++
		case !strings.HasPrefix(got, "STATUS=0 clients, 1 topics, "):
			t.Errorf("it says %q", got)
		}
	}
	stop()
	<-done
	if n := hub.Stats.Get(node.Stored); n != 0 {
		t.Errorf("the probe's readings count as %d of the clients'", n)
	}
}

// stuck is a dialect that does not come back.
type stuck struct{ until chan struct{} }

func (stuck) Open(node.Peer, *node.Turn)                  {}
func (stuck) Split(in []byte, _ int) (int, *codec.Error)  { return len(in), nil }
func (d stuck) Frame(node.Peer, bool, []byte, *node.Turn) { <-d.until }
func (stuck) Bye(node.Peer, *codec.Error, *node.Turn)     {}
func (stuck) Close(node.Peer, *node.Turn)                 {}

// A hub whose workers hang is given no sign of life, though its process runs.
func TestStuckHubIsNotAlive(t *testing.T) {
	_, p, srv := server(t)
	defer p.Close()
	beat := func(d time.Duration) error {
		ctx, cancel := context.WithTimeout(t.Context(), d)
		defer cancel()
		return p.Beat(ctx)
	}
	if err := beat(20 * time.Second); err != nil {
		t.Fatal(err)
	}
	d := stuck{make(chan struct{})}
	for range 32 { // more than there are workers
		a, b, err := pair()
		if err != nil {
			t.Fatal(err)
		}
		defer a.Close()
		srv.Accept(b, node.Arrival{}, d, nil, nil)
		if _, err := a.Write([]byte("x")); err != nil {
			t.Fatal(err)
		}
	}
	end := time.Now().Add(time.Minute)
	for beat(200*time.Millisecond) == nil {
		if time.Now().After(end) {
			t.Fatal("a hub that hangs counts as alive")
		}
	}
	close(d.until)
	end = time.Now().Add(time.Minute)
	for beat(time.Second) != nil {
		if time.Now().After(end) {
			t.Fatal("a hub that goes on does not count as alive")
		}
	}
}

// A hub that is full, or cuts the probe, has answered; the probe comes again.
func TestCutProbeIsAnAnswer(t *testing.T) {
	_, p, _ := server(t)
	defer p.Close()
	accept := p.Accept
	p.Accept = func(nc net.Conn, _ node.Arrival, _ node.Dialect) { nc.Close() }
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	if err := p.Beat(ctx); err != nil || p.conn != nil {
		t.Errorf("a refused probe: %v", err)
	}
	p.Accept = accept
	if err := p.Beat(ctx); err != nil || p.conn == nil {
		t.Errorf("it does not come again: %v", err)
	}
}

// passed is a descriptor that listeners may close: the file's own would be closed once
// more with the file, when the number may be that of another one.
func passed(t *testing.T, f *os.File) int {
	t.Helper()
	defer f.Close()
	fd, err := syscall.Dup(int(f.Fd()))
	if err != nil {
		t.Fatal(err)
	}
	return fd
}

// Sockets that are passed are listened on.
func TestListeners(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	f, err := l.(*net.TCPListener).File()
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	ls, err := listeners(passed(t, f), 1)
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		c, err := net.Dial("tcp", ls[0].Addr().String())
		if err == nil {
			c.Close()
		}
	}()
	if _, err := ls[0].Accept(); err != nil {
		t.Error(err)
	}
	ls[0].Close()
	for k, v := range map[string]string{"x": "no number", "-1": "no number", "1000": "no number", "": "no number"} {
		_, err := Listeners(env(map[string]string{"LISTEN_PID": strconv.Itoa(os.Getpid()), "LISTEN_FDS": k}))
		if err == nil || !strings.Contains(err.Error(), v) {
			t.Errorf("LISTEN_FDS=%q: %v", k, err)
		}
	}
	if ls, err := Listeners(env(map[string]string{"LISTEN_PID": "1", "LISTEN_FDS": "1"})); ls != nil || err != nil {
		t.Errorf("sockets of another process are taken: %v %v", ls, err)
	}
	r, w, _ := os.Pipe()
	defer w.Close()
	if _, err := listeners(passed(t, r), 1); err == nil {
		t.Error("a pipe is listened on")
	}
}
