package main

import (
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// managed starts topicd as systemd does: with a socket that it did not bind, and
// one to tell how it is.
func managed(t *testing.T, bin, dir, notify string, socket *os.File, flags ...string) *exec.Cmd {
	t.Helper()
	args := append([]string{"-c", `LISTEN_PID=$$ exec "$0" "$@"`, bin, "serve", "--mdns=off", "--sense=off", "--state", dir}, flags...)
	cmd := exec.Command("/bin/sh", args...)
	cmd.ExtraFiles = []*os.File{socket}
	cmd.Env = append(os.Environ(), "PORT=", "LISTEN_FDS=1", "NOTIFY_SOCKET="+notify, "WATCHDOG_USEC=600000")
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })
	return cmd
}

// A restart with a socket of the service manager's refuses nobody: who connects
// while no hub runs is answered by the next. The manager hears of each step.
func TestRestartRefusesNobody(t *testing.T) {
	processes(t)
	bin, dir := binary(t, "amd64"), t.TempDir()
	notify := filepath.Join(t.TempDir(), "notify")
	manager, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: notify, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer manager.Close()
	until := func(want string) {
		t.Helper()
		_ = manager.SetReadDeadline(time.Now().Add(30 * time.Second))
		b := make([]byte, 4096)
		for {
			n, err := manager.Read(b)
			if err != nil {
				t.Fatalf("the hub does not say %s: %v", want, err)
			}
			if strings.HasPrefix(string(b[:n]), want) {
				return
			}
		}
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	socket, err := l.(*net.TCPListener).File()
	if err != nil {
		t.Fatal(err)
	}
	defer socket.Close()
	addr := l.Addr().String()
	get := func(c net.Conn) {
		t.Helper()
		_ = c.SetDeadline(time.Now().Add(30 * time.Second))
		if _, err := io.WriteString(c, "GET /readyz HTTP/1.1\r\nHost: "+addr+"\r\nConnection: close\r\n\r\n"); err != nil {
			t.Fatal(err)
		}
		if b, err := io.ReadAll(c); err != nil || !strings.HasPrefix(string(b), "HTTP/1.1 200") {
			t.Fatalf("%q %v", b, err)
		}
	}
	first := managed(t, bin, dir, notify, socket, "--listen", addr)
	until("READY=1")
	until("WATCHDOG=1")
	resp, err := http.Get("http://" + addr + "/readyz")
	if err != nil || resp.StatusCode != 200 {
		t.Fatal(resp, err)
	}
	resp.Body.Close()
	first.Process.Signal(syscall.SIGTERM)
	until("STOPPING=1")
	if err := first.Wait(); err != nil {
		t.Fatal(err)
	}
	waiting, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatalf("nobody listens while the hub restarts: %v", err)
	}
	defer waiting.Close()
	// The next one is told another address by its settings: it serves both.
	managed(t, bin, dir, notify, socket, "--listen", "127.0.0.1:0")
	until("READY=1\nSTATUS=serves on 2 addresses")
	get(waiting)
}
