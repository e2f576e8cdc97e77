package firmware

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"topicd/discovery"
)

// TestMain is also the hub that runs in a namespace.
func TestMain(m *testing.M) {
	if os.Getenv(roleEnv) == "hub" {
		roleHub()
		return
	}
	os.Exit(m.Run())
}

const roleEnv = "TOPICD_FIRMWARE_ROLE"

// TestCFindsTheHub is two machines with one cable: a gateway whose hub is
// advertised, and a sensor that runs the C client and knows nothing but its own
// interface. Each is a network namespace; nothing is said outside of them.
func TestCFindsTheHub(t *testing.T) {
	t.Parallel()
	if os.Getuid() != 0 {
		missing(t, "root")
	}
	need(t, "ip", "gcc")
	bin := cc(t, "example_linux.c", "gcc", append([]string{"-DTRIES=24"}, sanitized...)...)
	gateway, sensor := cable(t)

	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	outside, err := os.Readlink("/proc/self/ns/net")
	if err != nil {
		t.Fatal(err)
	}
	c := exec.Command("ip", "netns", "exec", gateway, self)
	c.Env = append(os.Environ(), roleEnv+"=hub", "OUTSIDE="+outside)
	c.Stderr = os.Stderr
	in, err := c.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { // its input's end is the role's
		_ = in.Close()
		if err := c.Wait(); err != nil {
			t.Error("hub: ", err)
		}
	})
	defer time.AfterFunc(5*time.Minute, func() { _ = c.Process.Kill() }).Stop()
	said := bufio.NewReader(out)
	tell := func(what string) {
		t.Helper()
		if _, err := io.WriteString(in, what+"\n"); err != nil {
			t.Fatal(err)
		}
		if line, err := said.ReadString('\n'); err != nil || line != "done\n" {
			t.Fatalf("%s: %s %v", what, line, err)
		}
	}

	tell("up")
	if _, err := exec.LookPath("python3"); err == nil { // the Python module's own query
		want := "('10.78.0.1', "
		if got := run(t, "ip", "netns", "exec", sensor, "python3", "micropython/test_topicd.py", "find", "10.78.0.2", "c0ffee01"); !strings.HasPrefix(got, want) {
			t.Errorf("topicd.py found %s", got)
		}
	}
	// The Arduino class with its own query, which a board sends where its default route is.
	run(t, "ip", "-n", sensor, "route", "add", "224.0.0.0/4", "dev", "eth0")
	s := newScriptEnv(t, nil, "ip", "netns", "exec", sensor, sketch(t, "ESP32", "examples/Command/Command.ino"))
	s.hears("online")
	s.kill()
	for _, id := range []string{"", "c0ffee01"} {
		begin := time.Now()
		argv := []string{"netns", "exec", sensor, bin, "--find", "eth0"}
		if id != "" {
			argv = append(argv, id)
		}
		dev := exec.Command("ip", append(argv, "dev-1")...)
		dev.Stderr = os.Stderr
		lines, err := dev.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := dev.Start(); err != nil {
			t.Fatal(err)
		}
		stop := time.AfterFunc(5*time.Minute, func() { _ = dev.Process.Kill() })
		scan := bufio.NewScanner(lines)
		want := []string{"hub 10.78.0.1:", "welcome", "ack seq=", "published 15", "subscribed", "command example/command", "done"}
		for i, w := range want {
			if !scan.Scan() || !strings.HasPrefix(scan.Text(), w) {
				t.Fatalf("sensor said %q, want %q", scan.Text(), w)
			}
			if i == 0 {
				t.Logf("%s, found after %v", scan.Text(), time.Since(begin).Round(time.Millisecond))
				if !strings.HasSuffix(scan.Text(), "/ws id=c0ffee01") {
					t.Errorf("TXT: %s", scan.Text())
				}
			}
			if w == "subscribed" {
				tell("command")
			}
		}
		if err := dev.Wait(); err != nil {
			t.Error("sensor: ", err)
		}
		stop.Stop()
		tell("forget")
	}
}

// cable makes two namespaces and a cable from eth0 to eth0. The cable is made
// inside of them: the machine's own network never sees it.
func cable(t *testing.T) (gateway, sensor string) {
	t.Helper()
	gateway, sensor = fmt.Sprintf("tdfw-%d-g", os.Getpid()), fmt.Sprintf("tdfw-%d-s", os.Getpid())
	for _, ns := range []string{gateway, sensor} {
		run(t, "ip", "netns", "add", ns)
		t.Cleanup(func() { _ = exec.Command("ip", "netns", "del", ns).Run() })
		run(t, "ip", "-n", ns, "link", "set", "lo", "up")
	}
	run(t, "ip", "-n", gateway, "link", "add", "eth0", "type", "veth", "peer", "name", "eth0", "netns", sensor)
	for i, ns := range []string{gateway, sensor} {
		run(t, "ip", "-n", ns, "addr", "add", fmt.Sprintf("10.78.0.%d/24", i+1), "dev", "eth0")
		run(t, "ip", "-n", ns, "link", "set", "eth0", "up")
	}
	return gateway, sensor
}

// roleHub is the gateway: a hub, advertised. It does what its input says.
func roleHub() {
	ns, err := os.Readlink("/proc/self/ns/net")
	if err != nil || os.Getenv("OUTSIDE") == "" || ns == os.Getenv("OUTSIDE") {
		fmt.Fprintln(os.Stderr, "not in a namespace of its own")
		os.Exit(1)
	}
	h, err := newHub("0.0.0.0:0", 0)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	_, p, _ := net.SplitHostPort(h.addr)
	port, _ := strconv.Atoi(p)
	log := &advertised{up: make(chan struct{})}
	a := discovery.Advertise(context.Background(), discovery.Service{Instance: "Lab", Host: "gw", Port: port, ID: "c0ffee01"}, slog.New(slog.NewTextHandler(log, nil)))
	for in := bufio.NewScanner(os.Stdin); in.Scan(); {
		local := "127.0.0.1:" + p
		err = nil
		switch in.Text() {
		case "up": // RFC 6762 8.1: a name is probed for before it is answered for
			<-log.up
		case "command":
			err = publish(local, "example/command", `{"on":true}`)
		case "forget":
			var c page
			if c, err = dial(local); err == nil {
				_, err = c.ask(`{"op":"delete","id":99,"topic":"example/command"}`)
				_ = c.Close()
			}
		}
		if err != nil {
			fmt.Println(err)
			continue
		}
		fmt.Println("done")
	}
	a.Close()
	h.stop()
	os.Exit(0)
}

// advertised is a log that tells when the hub's name is answered for.
type advertised struct {
	once sync.Once
	up   chan struct{}
}

func (a *advertised) Write(line []byte) (int, error) {
	if bytes.Contains(line, []byte("msg=advertised ")) {
		a.once.Do(func() { close(a.up) })
	}
	return len(line), nil
}
