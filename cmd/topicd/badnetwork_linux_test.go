package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"topicd/node/nodetest"
)

// cable carries packets between two boxes as a bad network does: late, out of
// order, not all, or none. (tc netem does the same where the kernel has it.)
type cable struct {
	loss  float64
	delay time.Duration
	bad   atomic.Bool // it loses some
	cut   atomic.Bool
	sent  atomic.Int64
	lost  atomic.Int64
}

// end is the cable's end in the box, tun0 with that address.
func (b *box) end(addr string) *os.File {
	b.t.Helper()
	var fd int
	b.in(func() {
		var err error
		if fd, err = unix.Open("/dev/net/tun", unix.O_RDWR|unix.O_CLOEXEC, 0); err != nil {
			b.t.Skip("needs /dev/net/tun: ", err)
		}
		ifr, err := unix.NewIfreq("tun0")
		if err != nil {
			b.t.Fatal(err)
		}
		ifr.SetUint16(unix.IFF_TUN | unix.IFF_NO_PI)
		if err := unix.IoctlIfreq(fd, unix.TUNSETIFF, ifr); err != nil {
			b.t.Fatal(err)
		}
		_ = unix.SetNonblock(fd, true)
	})
	b.ip("addr add " + addr + " dev tun0")
	b.ip("link set tun0 up")
	f := os.NewFile(uintptr(fd), "tun0")
	b.t.Cleanup(func() { f.Close() })
	return f
}

func (c *cable) carry(from, to *os.File) {
	b := make([]byte, 2048)
	for {
		n, err := from.Read(b)
		if err != nil {
			return
		}
		if c.sent.Add(1); c.cut.Load() || c.bad.Load() && rand.Float64() < c.loss {
			c.lost.Add(1)
			continue
		}
		p := bytes.Clone(b[:n])
		late := c.delay
		if rand.IntN(10) == 0 { // it comes after the next
			late += c.delay / 2
		}
		time.AfterFunc(late, func() { _, _ = to.Write(p) })
	}
}

// inBox starts topicd in a box.
func (b *box) inBox(in io.Reader, args ...string) (cmd *exec.Cmd, out, errs *nodetest.Buffer) {
	b.t.Helper()
	cmd = exec.Command("nsenter", append([]string{"--net=" + b.ns}, args...)...)
	cmd.Env = append(os.Environ(), "HOME="+b.t.TempDir())
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	out, errs = &nodetest.Buffer{}, &nodetest.Buffer{}
	cmd.Stdin, cmd.Stdout, cmd.Stderr = in, out, errs
	if err := cmd.Start(); err != nil {
		b.t.Fatal(err)
	}
	return cmd, out, errs
}

// A network as in the field: a twentieth of the packets lost each way, 60 ms there and
// back, some out of order, connections that end while the cable is out. What was
// acknowledged is there, once and in order; what a reader did not get, because the
// topics are small, it is told.
func TestBadNetwork(t *testing.T) {
	processes(t)
	t.Parallel()
	gateway, field := newBox(t), newBox(t)
	c := &cable{loss: 0.05, delay: 30 * time.Millisecond}
	a, b := gateway.end("10.79.1.1/24"), field.end("10.79.1.2/24")
	go c.carry(a, b)
	go c.carry(b, a)
	admin := filepath.Join(t.TempDir(), "admin")
	if err := os.WriteFile(admin, []byte(testAdmin+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	bin := binary(t, "amd64")
	h := serveProcess(t, []string{"nsenter", "--net=" + gateway.ns}, bin, "--sense=off", "--listen", "10.79.1.1:22345", "--topic-cap", "4KiB", "--admin-token-file", admin)
	const hub = "10.79.1.1:22345"
	wild, wildOut, wildErr := field.inBox(nil, bin, "sub", "field/#", "local/#", "--hub", hub, "--json")
	exact, exactOut, exactErr := field.inBox(nil, bin, "sub", "local/a", "--hub", hub, "--json", "--cbor")
	t.Cleanup(func() {
		wild.Process.Kill()
		exact.Process.Kill()
		wild.Wait()
		exact.Wait()
		if t.Failed() {
			t.Log(wildErr.String(), exactErr.String(), h.errs.String())
		}
	})
	at := func(path string) string {
		out, _ := exec.Command("nsenter", "--net="+gateway.ns, "curl", "-sS", "-m", "30", "-H", bearer+testAdmin, "http://"+hub+path).CombinedOutput()
		return string(out)
	}
	until(t, 60*time.Second, "both hear", func() bool {
		l := at("/api/clients")
		return strings.Contains(l, `"subs":2`) && strings.Contains(l, `"subs":1`)
	})

	const n = 120
	var pubs [4]*exec.Cmd
	var said [4]*nodetest.Buffer
	all := make(chan bool) // closed when everybody was there: who never reaches the hub in 10 s gives up
	for i := range pubs {  // three devices in the field, and one at the gateway that says much
		where, topic := field, fmt.Sprintf("field/%d", i)
		if i == 3 {
			where, topic = gateway, "local/a"
		}
		r, w := io.Pipe()
		go func() {
			for v := range n {
				if v == 1 {
					<-all
				}
				fmt.Fprintf(w, "{\"v\":%d,\"text\":%q}\n", v, strings.Repeat("x", 100))
				time.Sleep(25 * time.Millisecond)
			}
			w.Close()
		}()
		pubs[i], _, said[i] = where.inBox(r, bin, "pub", topic, "--dev", fmt.Sprintf("dev%d", i), "--hub", hub)
	}
	until(t, 60*time.Second, "all have published", func() bool {
		return strings.Count(at("/api/topics?match=field/%2B")+at("/api/topics?match=local/a"), `"seq":1,`) == len(pubs)
	})
	c.bad.Store(true)
	close(all)
	time.Sleep(time.Second)
	for range 2 {
		c.cut.Store(true)
		time.Sleep(700 * time.Millisecond)
		for _, l := range strings.Split(at("/api/clients"), `"addr":"10.79.1.2:`)[1:] { // who is in the field
			if _, id, ok := strings.Cut(l, `"id":`); ok {
				id = id[:strings.IndexAny(id, ",}")]
				_, _ = exec.Command("nsenter", "--net="+gateway.ns, "curl", "-sS", "-m", "30", "-X", "DELETE", "-H", bearer+testAdmin, "http://"+hub+"/api/clients/"+id).CombinedOutput()
			}
		}
		time.Sleep(700 * time.Millisecond)
		c.cut.Store(false)
		time.Sleep(1500 * time.Millisecond)
	}
	for i, p := range pubs {
		done := make(chan error, 1)
		go func() { done <- p.Wait() }()
		select {
		case err := <-done:
			if err != nil {
				t.Errorf("publisher %d: %v %s", i, err, said[i])
			}
		case <-time.After(100 * time.Second):
			p.Process.Kill()
			t.Fatalf("publisher %d does not end: %s", i, said[i])
		}
	}
	for i := range 3 {
		if l := at(fmt.Sprintf("/api/topics?match=field/%d", i)); !strings.Contains(l, fmt.Sprintf(`"seq":%d,`, n)) {
			t.Errorf("of %d readings that device %d was told to be there: %s", n, i, l)
		}
	}
	until(t, 2*time.Minute, "the readers have all", func() bool {
		return counted(t, exactOut)["local/a"] == n && counted(t, wildOut)["field/0"] == n && counted(t, wildOut)["field/1"] == n &&
			counted(t, wildOut)["field/2"] == n && counted(t, wildOut)["local/a"] == n
	})
	// Who was cut may notice only now: the kernel tells it again at ever longer intervals.
	until(t, 2*time.Minute, "a connection was lost", func() bool {
		return strings.Contains(said[0].String()+said[1].String()+said[2].String()+wildErr.String()+exactErr.String(), "connection lost")
	})
	t.Logf("%d of %d packets lost", c.lost.Load(), c.sent.Load())
}

// counted is how many readings of each topic a reader has got or been told it had
// lost. Their numbers must rise and make up for it.
func counted(t *testing.T, out *nodetest.Buffer) map[string]int {
	t.Helper()
	sum := map[string]int{}
	lines := strings.Split(out.String(), "\n")
	for _, l := range lines[:len(lines)-1] {
		var m struct {
			Topic     string
			Seq, Drop int
		}
		if err := json.Unmarshal([]byte(l), &m); err != nil {
			t.Fatalf("%q: %v", l, err)
		}
		sum[m.Topic] += 1 + m.Drop
		if m.Seq != sum[m.Topic] {
			t.Fatalf("%s: number %d comes when %d have come or are told to be lost", m.Topic, m.Seq, sum[m.Topic]-1)
		}
	}
	return sum
}
