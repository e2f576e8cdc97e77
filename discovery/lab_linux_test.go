package discovery

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"topicd/node/nodetest"
)

// The lab is a bridge with hosts on it, each in a network, mount and host name
// namespace of its own. Nothing touches the machine's own network: a hub or a
// browse outside of the lab's namespaces would be a bug of the test.
type lab struct {
	t    *testing.T
	id   string
	n    int
	ends []func()
}

var labs atomic.Int32

// outside is the machine's own network namespace, read before a test moves any
// thread to another.
var outside, _ = os.Readlink("/proc/self/ns/net")

func newLab(t *testing.T, tools ...string) *lab {
	t.Helper()
	t.Parallel()
	missing := ""
	if os.Getuid() != 0 {
		missing = "root"
	}
	for _, tool := range append(tools, "ip", "nsenter", "unshare") {
		if _, err := exec.LookPath(tool); err != nil {
			missing = tool
		}
	}
	if missing != "" {
		if os.Getenv("CI") == "true" {
			t.Fatalf("this test needs %s", missing)
		}
		t.Skipf("needs %s", missing)
	}
	l := &lab{t: t, id: fmt.Sprintf("td%d-%d", os.Getpid(), labs.Add(1))}
	t.Cleanup(func() {
		for i := len(l.ends) - 1; i >= 0; i-- {
			l.ends[i]()
		}
	})
	l.ip("netns", "add", l.id)
	l.ends = append(l.ends, func() { l.ip("netns", "del", l.id) })
	l.ip("-n", l.id, "link", "add", "br0", "type", "bridge", "mcast_snooping", "0")
	l.ip("-n", l.id, "link", "set", "br0", "up")
	return l
}

// ip runs the ip command; the test fails if it fails.
func (l *lab) ip(args ...string) {
	l.t.Helper()
	out, err := exec.Command("ip", args...).CombinedOutput()
	if err != nil {
		l.t.Errorf("ip %s: %v: %s", strings.Join(args, " "), err, out)
	}
}

// host is one machine of the lab.
type host struct {
	*lab
	name string
	ns   string
	n    int
	box  int // pid that holds the namespaces
	env  []string
}

// host adds a machine with eth0 at 10.77.0.n.
func (l *lab) host(name string) *host {
	h := l.bareHost(name)
	h.plug()
	return h
}

// bareHost adds a machine that has only its loopback.
func (l *lab) bareHost(name string) *host {
	l.t.Helper()
	l.n++
	h := &host{lab: l, name: name, ns: fmt.Sprintf("%s-%d", l.id, l.n), n: l.n}
	l.ip("netns", "add", h.ns)
	l.ends = append(l.ends, func() { l.ip("netns", "del", h.ns) })
	l.ip("-n", h.ns, "link", "set", "lo", "up")
	ready, w, err := os.Pipe()
	if err != nil {
		l.t.Fatal(err)
	}
	box := exec.Command("ip", "netns", "exec", h.ns, "unshare", "-m", "-u", "sh", "-c",
		"hostname "+name+" && mount -t tmpfs tmpfs /run && mkdir /run/dbus /run/avahi-daemon && echo ok >&3 && exec 3>&- && exec sleep 900")
	box.ExtraFiles = []*os.File{w}
	if err := box.Start(); err != nil {
		l.t.Fatal(err)
	}
	_ = w.Close()
	_, _ = io.ReadAll(ready)
	_ = ready.Close()
	h.box = box.Process.Pid
	l.ends = append(l.ends, func() { _ = box.Process.Kill(); _ = box.Wait() })
	return h
}

// plug gives the host its eth0; unplug takes it away, as pulling a USB adapter.
func (h *host) plug() {
	h.t.Helper()
	port := fmt.Sprintf("p%d", h.n)
	h.ip("-n", h.id, "link", "add", port, "type", "veth", "peer", "name", "eth0", "netns", h.ns)
	h.ip("-n", h.id, "link", "set", port, "master", "br0", "up")
	h.ip("-n", h.ns, "addr", "add", h.addr()+"/24", "dev", "eth0")
	h.ip("-n", h.ns, "link", "set", "eth0", "up")
}

func (h *host) unplug() { h.ip("-n", h.ns, "link", "del", "eth0") }

func (h *host) addr() string { return fmt.Sprintf("10.77.0.%d", h.n) }

// cmd makes a command that runs on the host.
func (h *host) cmd(args ...string) *exec.Cmd {
	in := []string{"--target", fmt.Sprint(h.box), "--net", "--mount", "--uts", "--"}
	return exec.Command("nsenter", append(in, args...)...)
}

// output runs a command on the host to its end and gives what it printed.
func (h *host) output(args ...string) string {
	out, err := h.cmd(args...).CombinedOutput()
	if err != nil {
		return string(out) + "\n" + err.Error()
	}
	return string(out)
}

// prints runs a command on the host until it prints all of that.
func (h *host) prints(what []string, args ...string) {
	h.t.Helper()
	var out string
	defer func() {
		if h.t.Failed() {
			h.t.Logf("%s: %s", args[0], out)
		}
	}()
	h.until(patience, fmt.Sprintf("%q of %s", what, args[0]), func() bool {
		out = h.output(args...)
		for _, w := range what {
			if !strings.Contains(out, w) {
				return false
			}
		}
		return true
	})
}

// start runs a command until the lab ends.
func (h *host) start(c *exec.Cmd) *exec.Cmd {
	h.t.Helper()
	if err := c.Start(); err != nil {
		h.t.Fatal(err)
	}
	h.ends = append(h.ends, func() { _ = c.Process.Kill(); _ = c.Wait() })
	return c
}

// avahi runs a real avahi-daemon with a D-Bus of its own.
func (h *host) avahi() {
	h.t.Helper()
	conf := h.t.TempDir() + "/avahi.conf"
	text := "[server]\nuse-ipv4=yes\nuse-ipv6=yes\nratelimit-burst=1000\n[publish]\npublish-workstation=no\n[rlimits]\n"
	if err := os.WriteFile(conf, []byte(text), 0o600); err != nil {
		h.t.Fatal(err)
	}
	h.start(h.cmd("dbus-daemon", "--system", "--nofork", "--nopidfile"))
	h.until(patience, "dbus", func() bool {
		return h.cmd("test", "-S", "/run/dbus/system_bus_socket").Run() == nil
	})
	h.start(h.cmd("avahi-daemon", "-f", conf, "--no-drop-root", "--no-chroot", "--no-rlimits"))
	// Its clients ask the bus for it; its pid file, which avahi-daemon --check reads,
	// is written before it is there. Then it is AVAHI_SERVER_RUNNING: its host's name
	// has been probed for.
	h.until(patience, "avahi", func() bool {
		out, err := h.cmd("dbus-send", "--system", "--print-reply=literal", "--dest=org.freedesktop.Avahi", "/",
			"org.freedesktop.Avahi.Server.GetState").Output()
		return err == nil && strings.Contains(string(out), "int32 2")
	})
}

// patience is a bound against hanging: what is waited for takes a second or two, and
// much longer where other tests have the processors.
const patience = time.Minute

// until waits for something to become true and tells how long that took.
func (l *lab) until(limit time.Duration, what string, ok func() bool) time.Duration {
	l.t.Helper()
	begin := time.Now()
	for !ok() {
		if time.Since(begin) > limit {
			l.t.Fatalf("not within %v: %s", limit, what)
		}
		time.Sleep(20 * time.Millisecond)
	}
	return time.Since(begin)
}

// in runs f in the host's network namespace. Sockets that f opens stay there.
func (h *host) in(f func()) {
	h.t.Helper()
	var wg sync.WaitGroup
	var err error
	wg.Go(func() {
		runtime.LockOSThread() // and never unlocked: the thread ends with the goroutine
		var fd int
		if fd, err = unix.Open("/run/netns/"+h.ns, unix.O_RDONLY|unix.O_CLOEXEC, 0); err != nil {
			return
		}
		defer func() { _ = unix.Close(fd) }()
		if err = unix.Setns(fd, unix.CLONE_NEWNET); err == nil {
			f()
		}
	})
	wg.Wait()
	if err != nil {
		h.t.Fatal(err)
	}
}

// hubProc is a hub that runs on a host.
type hubProc struct {
	h     *host
	cmd   *exec.Cmd
	stdin io.WriteCloser
	out   *bufio.Reader
	errs  *nodetest.Buffer
	once  sync.Once
}

// role makes the command that runs this test binary in a role.
func (h *host) role(name string, arg any) *exec.Cmd {
	b, err := json.Marshal(arg)
	if err != nil {
		h.t.Fatal(err)
	}
	self, err := os.Executable()
	if err != nil {
		h.t.Fatal(err)
	}
	c := h.cmd(self)
	c.Env = append(os.Environ(), roleEnv+"="+name, "ARG="+string(b), "OUTSIDE="+outside, "GOCOVERDIR="+h.t.TempDir())
	c.Env = append(c.Env, h.env...)
	return c
}

// hub starts a hub on the host.
func (h *host) hub(s Service) *hubProc { return h.hubRole("hub", s) }

// hubRole starts a process that runs until its input is closed.
func (h *host) hubRole(role string, s any) *hubProc {
	h.t.Helper()
	p := &hubProc{h: h, cmd: h.role(role, s), errs: &nodetest.Buffer{}}
	var err error
	if p.stdin, err = p.cmd.StdinPipe(); err != nil {
		h.t.Fatal(err)
	}
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		h.t.Fatal(err)
	}
	p.out = bufio.NewReader(out)
	p.cmd.Stderr = p.errs
	if err := p.cmd.Start(); err != nil {
		h.t.Fatal(err)
	}
	h.ends = append(h.ends, p.kill)
	return p
}

// status asks the hub for its status.
func (p *hubProc) status() (st hubStatus) {
	p.h.t.Helper()
	if _, err := io.WriteString(p.stdin, "status\n"); err != nil {
		p.h.t.Fatalf("hub has gone: %v\n%s", err, p.errs)
	}
	line, err := p.out.ReadBytes('\n')
	if err == nil {
		err = json.Unmarshal(line, &st)
	}
	if err != nil {
		p.h.t.Fatalf("status: %v\n%s", err, p.errs)
	}
	return st
}

// up waits until the hub is registered on n links.
func (p *hubProc) up(n int) {
	p.h.t.Helper()
	p.h.until(patience, fmt.Sprintf("hub up on %d links", n), func() bool {
		up := 0
		for _, l := range p.status().Links {
			if l.Up {
				up++
			}
		}
		return up == n
	})
}

// close ends the hub as a signal would, and checks that it left nothing behind.
func (p *hubProc) close() {
	p.h.t.Helper()
	p.once.Do(func() {
		_ = p.stdin.Close()
		err := p.cmd.Wait()
		if s := p.errs.String(); err != nil || strings.Contains(s, "DATA RACE") || strings.Contains(s, "panic") {
			p.h.t.Errorf("hub on %s: %v\n%s", p.h.name, err, s)
		}
	})
}

func (p *hubProc) kill() {
	p.once.Do(func() {
		_ = p.cmd.Process.Signal(syscall.SIGKILL)
		_ = p.cmd.Wait()
		if s := p.errs.String(); strings.Contains(s, "DATA RACE") || strings.Contains(s, "panic") {
			p.h.t.Errorf("hub on %s: %s", p.h.name, s)
		}
	})
}

// browse runs Browse on the host.
func (h *host) browse(o BrowseOptions) []Hub {
	h.t.Helper()
	var errs bytes.Buffer
	c := h.role("browse", o)
	c.Stderr = &errs
	out, err := c.Output()
	var hubs []Hub
	if err == nil {
		err = json.Unmarshal(out, &hubs)
	}
	if err != nil {
		h.t.Fatalf("browse on %s: %v\n%s%s", h.name, err, out, errs.String())
	}
	return hubs
}

// udp opens a socket on the host.
func (h *host) udp(network, addr string) *net.UDPConn {
	h.t.Helper()
	var c net.PacketConn
	var err error
	h.in(func() {
		lc := net.ListenConfig{Control: func(_, _ string, raw syscall.RawConn) error {
			return raw.Control(func(fd uintptr) { _ = prepare("udp4", fd, "eth0") })
		}}
		c, err = lc.ListenPacket(context.Background(), network, addr)
	})
	if err != nil {
		h.t.Fatal(err)
	}
	h.ends = append(h.ends, func() { _ = c.Close() })
	u, _ := c.(*net.UDPConn)
	return u
}
