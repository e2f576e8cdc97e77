package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"golang.org/x/sys/unix"

	"topicd/node"
	"topicd/node/dialect/native"
	"topicd/node/link"
	"topicd/node/link/ws"
)

// Peers that vanish without a word: power lost, a cable pulled. The hub and the
// field are each in a network namespace of its own, with a cable between them.

// box is a network namespace: a thread is in it as long as the test runs.
type box struct {
	t  *testing.T
	ns string
	do chan func()
}

func newBox(t *testing.T) *box {
	t.Helper()
	need(t, "/sbin/ip", "iproute2: apt-get install iproute2")
	need(t, "/usr/bin/nsenter", "nsenter: apt-get install util-linux")
	b := &box{t: t, do: make(chan func())}
	made := make(chan error)
	go func() {
		runtime.LockOSThread() // and never unlocked: the thread ends with the goroutine
		err := unix.Unshare(unix.CLONE_NEWNET)
		b.ns = fmt.Sprintf("/proc/%d/task/%d/ns/net", os.Getpid(), unix.Gettid())
		made <- err
		for f := range b.do {
			f()
		}
	}()
	t.Cleanup(func() { close(b.do) })
	if err := <-made; err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("this test needs root: ", err)
		}
		t.Skip("needs root: ", err)
	}
	b.ip("link set lo up")
	return b
}

// in runs f in the box. Sockets that it opens stay there.
func (b *box) in(f func()) {
	b.t.Helper()
	done := make(chan bool)
	b.do <- func() {
		defer close(done) // also when f ends the test
		f()
	}
	<-done
	if b.t.Failed() {
		b.t.FailNow()
	}
}

func (b *box) ip(line string) {
	b.t.Helper()
	args := append([]string{"--net=" + b.ns, "ip"}, strings.Fields(line)...)
	if out, err := exec.Command("nsenter", args...).CombinedOutput(); err != nil {
		b.t.Fatalf("ip %s: %v: %s", line, err, out)
	}
}

// farm is a hub's box and one with devices, which have four addresses.
func farm(t *testing.T) (gateway, field *box) {
	gateway, field = newBox(t), newBox(t)
	gateway.ip("link add eth0 type veth peer name eth0 netns " + field.ns)
	gateway.ip("addr add 10.79.0.1/24 dev eth0")
	gateway.ip("link set eth0 up")
	for i := range 4 {
		field.ip(fmt.Sprintf("addr add 10.79.0.%d/24 dev eth0", i+2))
	}
	field.ip("link set eth0 up")
	return gateway, field
}

// devices says hello from the field, with n names, and hears the canary; every
// third has a message under way for ever.
func (b *box) devices(n int, url string) (list []*websocket.Conn) {
	b.t.Helper()
	b.in(func() {
		for i := range n {
			ws := from(b.t, fmt.Sprintf("10.79.0.%d", i%4+2), url)
			wants(b.t, say(b.t, ws, fmt.Sprintf(`{"op":"hello","id":1,"opts":{"dev":"dev%d"}}`, i)), "welcome")
			if i%3 == 0 {
				_ = ws.WriteMessage(websocket.TextMessage, []byte(`{"op":"sub","topic":"canary/#"}`))
			}
			if i%3 == 1 {
				_, _ = ws.NetConn().Write(frame(0x82, strings.Repeat("x", 2000))[:1000])
			}
			list = append(list, ws)
		}
	})
	return list
}

// plug puts the cable in again. A connection that is made in the first moments may
// be reset by the kernels, which have to find each other anew: devices would try
// again.
func (b *box) plug(hub string) {
	b.t.Helper()
	b.ip("link set eth0 up")
	b.in(func() {
		for i := range 4 {
			d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(10, 79, 0, byte(i+2))}}
			until(b.t, 30*time.Second, "the hub is reached", func() bool {
				c, err := d.Dial("tcp", hub)
				if err == nil {
					_, err = c.Write([]byte("GET /nothing HTTP/1.0\r\n\r\n"))
					_, _ = io.Copy(io.Discard, c)
					c.Close()
				}
				return err == nil
			})
		}
	})
}

// presence counts the states that were told of names that begin with dev.
type presence struct {
	mu    sync.Mutex
	state map[string]map[string]bool
}

func watchPresence(t *testing.T, ws *websocket.Conn) *presence {
	p := &presence{state: map[string]map[string]bool{}}
	if err := ws.WriteMessage(websocket.TextMessage, []byte(`{"op":"sub","topic":"$sys/presence/#"}`)); err != nil {
		t.Fatal(err)
	}
	_ = ws.SetReadDeadline(time.Time{})
	go func() {
		for {
			_, m, err := ws.ReadMessage()
			if err != nil {
				return
			}
			for _, l := range strings.Split(string(m), `{"client":"dev`)[1:] {
				name, rest, _ := strings.Cut(l, `","state":"`)
				state, _, _ := strings.Cut(rest, `"`)
				p.mu.Lock()
				if p.state[state] == nil {
					p.state[state] = map[string]bool{}
				}
				p.state[state][name] = true
				p.mu.Unlock()
			}
		}
	}()
	return p
}

func (p *presence) of(state string) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.state[state])
}

// lateness is for how long this process stood still at most, from now until it is asked.
func lateness(t *testing.T) func() time.Duration {
	const every = 20 * time.Millisecond
	var most time.Duration
	quit, end := make(chan bool), sync.WaitGroup{}
	end.Go(func() {
		for {
			began := time.Now()
			select {
			case <-quit:
				return
			case <-time.After(every):
				most = max(most, time.Since(began)-every)
			}
		}
	})
	stop := sync.OnceFunc(func() { close(quit); end.Wait() })
	t.Cleanup(stop)
	return func() time.Duration { stop(); return most }
}

// until waits for something to become true.
func until(t *testing.T, limit time.Duration, what string, ok func() bool) {
	t.Helper()
	for began := time.Now(); !ok(); time.Sleep(20 * time.Millisecond) {
		if time.Since(began) > limit {
			t.Fatalf("not within %v: %s", limit, what)
		}
	}
}

// With pings every half second, by every reader. The program has them every 45 s.
func TestAttackCable(t *testing.T) {
	processes(t)
	for _, reader := range []string{"poll", "goroutine"} {
		t.Run(reader, func(t *testing.T) {
			t.Parallel()
			gateway, field := farm(t)
			const silence = 4 * time.Second
			hub := node.New(node.Options{Stale: silence / 2})
			cfg := &native.Config{Hub: hub, Version: "test"}
			l, err := link.New(hub, link.Options{Reader: reader, Ping: silence / 4, Dead: silence})
			if err != nil {
				t.Fatal(err)
			}
			http := httptest.NewUnstartedServer(ws.New(l, ws.Options{Open: func(a node.Arrival) node.Dialect { return cfg.New(a.Protocol) }}))
			http.Listener.Close()
			gateway.in(func() {
				if http.Listener, err = net.Listen("tcp", "0.0.0.0:0"); err != nil {
					t.Fatal(err)
				}
			})
			http.Start()
			t.Cleanup(func() {
				ctx, cancel := context.WithTimeout(context.Background(), time.Second)
				defer cancel()
				l.Shutdown(ctx)
				http.Close()
				hub.Close()
			})
			_, port, _ := net.SplitHostPort(http.Listener.Addr().String())
			var c *canary
			var p *presence
			s := &siege{T: t, h: &hubProcess{url: "ws://127.0.0.1:" + port + "/ws"}}
			gateway.in(func() {
				c = newCanary(s)
				p = watchPresence(t, from(t, "127.0.0.3", s.h.url))
			})
			defer c.stop()
			const n = 30
			late := lateness(t)
			before := hub.Counts().Sessions // those of the devices may end early: they answer no ping
			field.devices(n, "ws://10.79.0.1:"+port+"/ws")
			field.ip("link set eth0 down")
			until(t, 10*silence, "all of them are offline", func() bool { return p.of("offline") == n })
			// Where this process stood still, a look may find them dead at once.
			stood := late()
			if stale := p.of("stale"); stale < n/2 && stood < silence/16 {
				t.Errorf("%d of %d were told as stale before", stale, n)
			}
			if dead := hub.Stats.Get(node.CutDead); dead != n {
				t.Errorf("%d were cut as dead", dead)
			}
			if left := hub.Counts().Sessions; left != before {
				t.Errorf("%d sessions were %d", left, before)
			}
			if _, quiet := c.check(t); quiet > s.mostSilence()+3*stood {
				t.Errorf("the canary was silent for %v", quiet)
			}
			field.plug("10.79.0.1:" + port)
			field.devices(n, "ws://10.79.0.1:"+port+"/ws")
		})
	}
}

// The same with the program as it is: what vanishes has said hello, waits for
// events, or is in the middle of a request.
func TestAttackCableInFull(t *testing.T) {
	processes(t)
	if os.Getenv("TOPICD_ATTACK") != "full" {
		t.Skip("takes 100 s: make attack")
	}
	gateway, field := farm(t)
	const addr = "10.79.0.1:22345"
	s := newSiege(t, []string{"nsenter", "--net=" + gateway.ns}, "--listen", addr)
	var c *canary
	var p *presence
	gateway.in(func() {
		c = newCanary(s)
		p = watchPresence(t, from(t, "127.0.0.3", s.h.url))
	})
	defer c.stop()
	honest := s.descriptors()
	const n = 150
	field.devices(n, "ws://"+addr+"/ws")
	field.in(func() {
		for i, ask := range []string{
			"GET /api/stream?topic=canary/%23 HTTP/1.1\r\nHost: " + addr + "\r\n\r\n", "GET /api/stream?topic=quiet HTTP/1.1\r\nHost: " + addr + "\r\n\r\n",
			"GET /api/me HTTP/1.1\r\nHost: " + addr + "\r\n\r\n", "GET /ws HTTP/1.1\r\nHost:", "POST /api/pub/x HTTP/1.1\r\nHost: " + addr + "\r\nContent-Length: 1000\r\n\r\n1",
		} {
			for range 4 {
				nc, err := (&net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(10, 79, 0, byte(i%4+2))}}).Dial("tcp", addr)
				if err != nil {
					t.Fatal(err)
				}
				t.Cleanup(func() { nc.Close() })
				_, _ = nc.Write([]byte(ask))
				if i < 3 {
					if _, err := bufio.NewReader(nc).ReadString('\n'); err != nil {
						t.Fatal(err)
					}
				}
			}
		}
	})
	t.Logf("%d descriptors, %d with all devices", honest, s.descriptors())
	stop := s.watch(t)
	began := time.Now()
	field.ip("link set eth0 down")
	until(t, 100*time.Second, "all of them are offline", func() bool { return p.of("offline") == n })
	t.Logf("offline after %v, %d were told as stale before", time.Since(began).Round(time.Millisecond), p.of("stale"))
	until(t, 30*time.Second, "descriptors as before", func() bool { return s.descriptors() <= honest })
	_, quiet := c.check(t)
	stop()
	late, peak := time.Duration(s.late.Load()), s.peak.Load()
	t.Logf("descriptors as before after %v; canary silent for %v at most (processors busy for %v); RSS %.1f MiB", time.Since(began).Round(time.Millisecond),
		quiet.Round(time.Millisecond), late.Round(time.Millisecond), float64(peak)/(1<<20))
	if quiet > s.mostSilence()+3*late {
		t.Errorf("the canary was silent for %v", quiet)
	}
	if peak > s.mostRSS() {
		t.Errorf("RSS reached %d bytes", peak)
	}
	field.plug(addr)
	field.devices(n, "ws://"+addr+"/ws")
}

// Who has a network of addresses is one peer, on whatever counts peers; who
// shares one with the hub is counted alone.
func TestNetworks(t *testing.T) {
	processes(t)
	t.Parallel()
	gateway, field := farm(t)
	for _, a := range []string{"fd79::1/64", "2001:db8:1::1/64"} {
		gateway.ip("addr add " + a + " dev eth0 nodad")
	}
	gateway.ip("route add 2001:db8:9::/48 via fd79::2")
	for i := range 12 {
		field.ip(fmt.Sprintf("addr add fd79::%x/64 dev eth0 nodad", i+2))
		field.ip(fmt.Sprintf("addr add 2001:db8:9::%x/64 dev lo nodad", i+2))
	}
	field.ip("addr add 2001:db8:9:1::2/64 dev lo nodad")
	field.ip("route add 2001:db8:1::/64 via fd79::1")
	h := serveProcess(t, []string{"nsenter", "--net=" + gateway.ns}, binary(t, "amd64"), "--sense=off", "--listen", "[::]:22345", "--config", limitsFile(t, "per-address = 5"))
	let := func(ip, hub string) (ok bool) {
		field.in(func() {
			d := websocket.Dialer{NetDial: (&net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(ip)}, Timeout: 30 * time.Second}).Dial}
			ws, resp, err := d.Dial("ws://["+hub+"]:22345/ws", nil)
			if err != nil && resp == nil {
				t.Fatal(err)
			}
			if ok = err == nil; ok {
				t.Cleanup(func() { ws.Close() })
			}
		})
		return ok
	}
	near, far := 0, 0
	for i := range 12 {
		if let(fmt.Sprintf("fd79::%x", i+2), "fd79::1") {
			near++
		}
		if let(fmt.Sprintf("2001:db8:9::%x", i+2), "2001:db8:1::1") {
			far++
		}
	}
	if near != 12 || far != 5 {
		t.Errorf("%d neighbours and %d of a network elsewhere were let in\n%s", near, far, h.errs.String())
	}
	if !let("2001:db8:9:1::2", "2001:db8:1::1") {
		t.Error("the network beside it was not")
	}
	codes := map[int]int{}
	field.in(func() {
		for i := range 22 {
			nc, err := (&net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(fmt.Sprintf("fd79::%x", i%11+2))}}).Dial("tcp", "[fd79::1]:22345")
			if err != nil {
				t.Fatal(err)
			}
			_, _ = nc.Write([]byte("GET /api/me HTTP/1.1\r\nHost: [fd79::1]\r\nConnection: close\r\nAuthorization: Bearer wrong\r\n\r\n"))
			if resp, err := http.ReadResponse(bufio.NewReader(nc), nil); err == nil {
				codes[resp.StatusCode]++
			}
			nc.Close()
		}
	})
	if codes[401] != 22 {
		t.Errorf("eleven neighbours with two wrong tokens each: %v", codes)
	}
}
