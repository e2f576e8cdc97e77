package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"topicd/node/nodetest"
)

// binaries are built once for all tests, with the release's flags.
var binaries = struct {
	sync.Mutex
	dir  string
	done map[string]string
}{done: map[string]string{}}

func TestMain(m *testing.M) {
	if dir := os.Getenv("TOPICD_SOAK_HUB"); dir != "" {
		os.Exit(soakHub(dir))
	}
	code := m.Run()
	if binaries.dir != "" {
		os.RemoveAll(binaries.dir)
	}
	os.Exit(code)
}

// binary builds topicd for an architecture: amd64, arm64, arm.
func binary(t *testing.T, arch string) string {
	t.Helper()
	binaries.Lock()
	defer binaries.Unlock()
	if b := binaries.done[arch]; b != "" {
		return b
	}
	if binaries.dir == "" {
		dir, err := os.MkdirTemp("", "topicd-test")
		if err != nil {
			t.Fatal(err)
		}
		binaries.dir = dir
	}
	out := filepath.Join(binaries.dir, "topicd-"+arch)
	cmd := exec.Command("make", "-s", "-C", "../..", "binary", "OUT="+out, "VERSION=dev")
	cmd.Env = append(os.Environ(), "GOOS=linux", "GOARCH="+arch, "GOARM=6", "GOFLAGS=", "MAKEFLAGS=")
	if text, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	binaries.done[arch] = out
	return out
}

// hubProcess is topicd serve as a process of its own.
type hubProcess struct {
	cmd  *exec.Cmd
	url  string
	addr string
	mqtt string // where MQTT has a port of its own, by --mqtt-listen
	errs nodetest.Buffer
	end  chan error // gets the result of Wait, and is closed then
}

// serveProcess starts topicd with a port of its own on loopback. before is what
// stands before it on the command line, such as an emulator.
func serveProcess(t *testing.T, before []string, bin string, flags ...string) *hubProcess {
	t.Helper()
	args := append(append(before, bin, "serve", "--listen", "127.0.0.1:0", "--mdns=off", "--state", t.TempDir()), flags...)
	h := &hubProcess{cmd: exec.Command(args[0], args[1:]...), end: make(chan error, 1)}
	h.cmd.Stderr = &h.errs
	h.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} // a test that is killed leaves no hub behind
	h.cmd.Env = append(os.Environ(), "PORT=", "TOPICD_HUB=")
	r, w := io.Pipe()
	h.cmd.Stdout = w
	if err := h.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		h.end <- h.cmd.Wait()
		close(h.end)
		w.Close()
	}()
	t.Cleanup(func() { h.kill(t) }) // and it has ended: it writes nothing into a directory that is being removed
	h.url = bannerURL(t, r)
	h.addr = strings.TrimSuffix(strings.TrimPrefix(h.url, "ws://"), "/ws")
	return h
}

// stop asks the hub to end and returns its exit code and how long it took.
func (h *hubProcess) stop(t *testing.T) (int, time.Duration) {
	t.Helper()
	began := time.Now()
	h.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-h.end:
	case <-time.After(60 * time.Second):
		t.Fatal("it does not end")
	}
	return h.cmd.ProcessState.ExitCode(), time.Since(began)
}

// rss is what the process has resident now and had at most, in bytes.
func (h *hubProcess) rss(t *testing.T) (now, most int64) {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", h.cmd.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range strings.Split(string(text), "\n") {
		var kb int64
		if n, _ := fmt.Sscanf(l, "VmRSS: %d kB", &kb); n == 1 {
			now = kb << 10
		}
		if n, _ := fmt.Sscanf(l, "VmHWM: %d kB", &kb); n == 1 {
			most = kb << 10
		}
	}
	return now, most
}

// need skips a test whose tool is not there, and fails it in CI.
func need(t *testing.T, file, how string) {
	t.Helper()
	if _, err := os.Stat(file); err == nil {
		return
	}
	if os.Getenv("CI") == "true" {
		t.Fatalf("this test needs %s", how)
	}
	t.Skipf("needs %s", how)
}

// processes skips what runs other programs where that is not wanted: in a
// -short run, and on 32 bit, where the same binaries have been tested already.
func processes(t *testing.T) {
	t.Helper()
	if testing.Short() || runtime.GOARCH != "amd64" && runtime.GOARCH != "arm64" {
		t.Skip("runs other programs: not with -short, not on 32 bit")
	}
	if runtime.GOOS != "linux" {
		t.Skip("needs Linux")
	}
}

// tool runs a program to its end with input lines and returns its output lines.
func tool(t *testing.T, in string, name string, args ...string) []string {
	t.Helper()
	cmd := exec.Command(name, args...)
	cmd.Stdin = strings.NewReader(in)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	timer := time.AfterFunc(100*time.Second, func() { cmd.Process.Kill() })
	err := cmd.Run()
	timer.Stop()
	if err != nil {
		t.Fatalf("%s %v: %v\n%s%s", name, args, err, out.String(), errs.String())
	}
	return strings.Split(strings.TrimSpace(out.String()), "\n")
}
