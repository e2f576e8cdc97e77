package main

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// What the soak does to its hub from outside: a cable that is pulled, a disk that is
// full.

// dial connects from the box: its thread is there for that long, and comes back. One
// that ended would take the hub along, which asks to be killed with its thread.
func (b *box) dial(ctx context.Context, network, addr string) (c net.Conn, err error) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread()
		var home, there *os.File
		if home, err = os.Open(fmt.Sprintf("/proc/self/task/%d/ns/net", unix.Gettid())); err != nil {
			return
		}
		defer home.Close()
		if there, err = os.Open(b.ns); err != nil {
			return
		}
		defer there.Close()
		if err = unix.Setns(int(there.Fd()), unix.CLONE_NEWNET); err != nil {
			return
		}
		d := net.Dialer{Timeout: 5 * time.Second}
		c, err = d.DialContext(ctx, network, addr)
		if unix.Setns(int(home.Fd()), unix.CLONE_NEWNET) == nil {
			runtime.UnlockOSThread()
		}
	}()
	<-done
	return c, err
}

// cable lays a cable, and is the hub's socket at one end of it.
func (s *soak) cable(t *testing.T) (socket *os.File) {
	s.gateway, s.field = farm(t)
	s.gateway.in(func() {
		l, err := net.Listen("tcp", "10.79.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		s.far = l.Addr().String()
		if socket, err = l.(*net.TCPListener).File(); err != nil {
			t.Fatal(err)
		}
	})
	return socket
}

// pause waits; false: the soak is over.
func pause(ctx context.Context, d time.Duration) bool {
	select {
	case <-ctx.Done():
		return false
	case <-time.After(d):
		return true
	}
}

// pullCable pulls the cable, now for a second, now for longer than the hub waits.
func (s *soak) pullCable(ctx context.Context) {
	for pause(ctx, time.Duration(10+rand.IntN(20))*time.Second) {
		s.pulled.Add(1)
		s.pulls.Add(1)
		s.gateway.ip("link set eth0 down")
		pause(ctx, time.Duration(1+rand.IntN(90))*time.Second)
		s.gateway.ip("link set eth0 up")
		pause(ctx, 5*time.Second) // the kernels have to find each other anew
		s.pulled.Add(-1)
	}
}

// smallDisk gives the hub's state a file system of its own that is soon full.
func (s *soak) smallDisk(t *testing.T) {
	if err := unix.Mount("tmpfs", s.state, "tmpfs", 0, "size=24m"); err != nil {
		t.Fatal(err)
	}
	s.disk = true
	t.Cleanup(func() { _ = unix.Unmount(s.state, unix.MNT_DETACH) })
}

// fillDisk leaves no room for a while.
func (s *soak) fillDisk(ctx context.Context, t *testing.T) {
	ballast := filepath.Join(s.state, "ballast")
	for pause(ctx, time.Duration(20+rand.IntN(40))*time.Second) {
		f, err := os.Create(ballast)
		if err != nil {
			t.Error(err)
			return
		}
		s.filled.Add(1)
		s.fills.Add(1)
		for buf := make([]byte, 4096); err == nil; {
			_, err = f.Write(buf)
		}
		if err := f.Close(); err != nil && !strings.Contains(err.Error(), syscall.ENOSPC.Error()) {
			t.Error(err)
		}
		pause(ctx, time.Duration(5+rand.IntN(10))*time.Second)
		_ = os.Remove(ballast)
		pause(ctx, 10*time.Second) // the hub looks every few seconds whether there is room again
		s.filled.Add(-1)
	}
}

// stillDurable: the store takes readings when there is room.
func (s *soak) stillDurable(t *testing.T) {
	t.Helper()
	answer := ""
	for end := time.Now().Add(30 * time.Second); ; time.Sleep(time.Second) {
		r, err := http.Post(fmt.Sprintf("http://%s/api/pub/soak/durable/last", s.addr), "application/json", strings.NewReader("1"))
		if err != nil {
			t.Fatal(err)
		}
		text, _ := io.ReadAll(r.Body)
		r.Body.Close()
		if answer = r.Status + " " + string(text); r.StatusCode == http.StatusOK {
			return
		}
		if time.Now().After(end) {
			break
		}
	}
	var f unix.Statfs_t
	_ = unix.Statfs(s.state, &f)
	t.Errorf("a durable topic takes no reading: %s; %d KiB of the disk are free\n%s", answer, int64(f.Bavail)*int64(f.Bsize)>>10, s.errs.String())
}
