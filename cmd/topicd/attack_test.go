package main

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gorilla/websocket"
)

// The attack suite: what a hostile peer may try, against the program in a process
// of its own, with the limits that it has by default. All the while a sensor and
// a dashboard on another address must notice nothing, 300 dashboards are held
// open, and the process stays within 32 MiB.
//
//	make test      each attack for a moment
//	make attack    each for seconds (TOPICD_ATTACK=full)
//
// Peers that vanish are TestAttackCable's.

// siege is a hub under attack.
type siege struct {
	*testing.T
	h    *hubProcess
	full bool
	peak atomic.Int64 // bytes of RSS since it was taken last
	late atomic.Int64 // nanoseconds that this process waited for a processor at most
	fds  int          // descriptors before
	tls  bool
	disk bool // it has durable topics

	filled bool // MQTT's attacks have begun
}

// lasts is how long an attack goes on.
func (s *siege) lasts() time.Duration {
	if s.full {
		return 5 * time.Second
	}
	return 400 * time.Millisecond
}

// attack is one row of the table.
type attack struct {
	name string
	run  func(*siege)
}

// attacks in an order that the slow ones at the end do not disturb the others.
var attacks = []attack{
	{"pages of other origins", (*siege).foreignPages},
	{"names made to point here", (*siege).rebinding},
	{"connection flood", (*siege).connectionFlood},
	{"connections come and go", (*siege).churn},
	{"deflate bomb", (*siege).deflateBomb},
	{"huge frames", (*siege).hugeFrames},
	{"parked frames", (*siege).parkedFrames},
	{"fragments without end", (*siege).fragmentFlood},
	{"ping flood", (*siege).pingFlood},
	{"answers that nobody reads", (*siege).unreadAnswers},
	{"nonsense frames", (*siege).nonsense},
	{"topic flood", (*siege).topicFlood},
	{"lists that nobody reads", (*siege).unreadLists},
	{"names", (*siege).badNames},
	{"hello flood", (*siege).helloFlood},
	{"subscription flood", (*siege).subscriptionFlood},
	{"wildcards", (*siege).wildcards},
	{"guessed tokens", (*siege).guesses},
	{"administration", (*siege).administration},
	{"junk for HTTP", (*siege).junk},
	{"header bombs and large bodies", (*siege).bombs},
	{"heads of many lines", (*siege).manyLines},
	{"log injection", (*siege).logInjection},
	{"hostile payloads", (*siege).payloads},
	{"noise", (*siege).noise},
	{"readers that stop", (*siege).stoppedReaders},
	{"slow heads, silent connections", (*siege).slowHeads},
}

func TestAttack(t *testing.T) {
	processes(t)
	newSiege(t, nil).besiege(t, attacks)
}

// TestAttackDurable: the same hub with topics on disk.
func TestAttackDurable(t *testing.T) {
	processes(t)
	s := newSiege(t, nil, "--durable", "log/#", "--store-bytes", "16MiB")
	s.disk = true
	s.besiege(t, durableAttacks)
}

// Over TLS another reader is behind the frames, with a goroutine for each
// connection; what is before them is the same.
func TestAttackTLS(t *testing.T) {
	processes(t)
	if os.Getenv("TOPICD_ATTACK") != "full" {
		t.Skip("the same attacks again: make attack")
	}
	s := newSiege(t, nil, "--tls=auto")
	var some []attack
	for _, a := range attacks {
		switch a.name {
		case "connection flood", "junk for HTTP", "slow heads, silent connections":
		default:
			some = append(some, a)
		}
	}
	s.besiege(t, some)
}

// newSiege starts a hub. before is what stands before it on the command line.
func newSiege(t *testing.T, before []string, flags ...string) *siege {
	s := &siege{T: t, full: os.Getenv("TOPICD_ATTACK") == "full"}
	// Behind loopback there may be a proxy: its limits hold only where asked for.
	s.h = serveProcess(t, before, binary(t, "amd64"), append([]string{"--sense=off", "--config", limitsFile(t, "loopback = \"on\"\npings = 20")}, flags...)...)
	s.tls = strings.HasPrefix(s.h.url, "wss://")
	s.h.addr = strings.TrimPrefix(s.h.addr, "wss://")
	s.fds = s.descriptors()
	return s
}

func (s *siege) besiege(t *testing.T, attacks []attack) {
	stop := s.watch(t)
	dashboards := s.dashboards(300)
	c := newCanary(s)
	for _, a := range attacks {
		t.Run(a.name, func(t *testing.T) {
			inner := &siege{T: t, h: s.h, full: s.full, tls: s.tls}
			s.filled = s.filled || strings.HasPrefix(a.name, "MQTT")
			s.peak.Store(0)
			s.late.Store(0)
			began := time.Now()
			a.run(inner)
			select {
			case err := <-s.h.end:
				t.Fatalf("the hub ended: %v\n%.4000s", err, s.h.errs.String())
			default:
			}
			sent, silence := c.check(t)
			rss := s.peak.Load()
			late := time.Duration(s.late.Load())
			t.Logf("%v, canary %d readings, silent for %v at most (processors busy for %v), RSS %.1f MiB", time.Since(began).Round(time.Millisecond),
				sent, silence.Round(time.Millisecond), late.Round(time.Millisecond), float64(rss)/(1<<20))
			if rss > s.mostRSS() {
				t.Errorf("RSS reached %d bytes", rss)
			}
			if silence > s.mostSilence()+3*late { // the sensor, the hub and the dashboard each wait for their turn
				t.Errorf("the canary was silent for %v", silence)
			}
		})
	}
	c.stop()
	for _, ws := range dashboards {
		ws.Close()
	}
	stop()
	s.settle(t)
	if code, took := s.h.stop(t); code != 0 {
		t.Errorf("exit code %d after %v", code, took)
	}
	for _, l := range strings.Split(strings.TrimSpace(s.h.errs.String()), "\n") {
		if !strings.HasPrefix(l, "time=") {
			t.Errorf("a line of the log that is none: %q", l)
		}
	}
}

// dashboards are held open while the attacks go on.
func (s *siege) dashboards(n int) (list []*websocket.Conn) {
	for i := range n {
		ws := from(s.T, fmt.Sprintf("127.0.1.%d", i/50+1), s.h.url)
		if err := ws.WriteMessage(websocket.TextMessage, []byte(`{"op":"sub","topic":"canary/#","opts":{"rate":1}}`)); err != nil {
			s.Fatal(err)
		}
		go func() {
			for {
				if _, _, err := ws.ReadMessage(); err != nil {
					return
				}
			}
		}()
		list = append(list, ws)
	}
	return list
}

// canary is an honest pair on an address of its own: every reading must come,
// in order, and soon.
type canary struct {
	pub, sub *websocket.Conn
	quit     chan bool
	end      sync.WaitGroup
	sent     atomic.Int64
	got      atomic.Int64
	last     atomic.Int64 // when the newest came, nanoseconds
	silence  atomic.Int64 // longest, nanoseconds
	wrong    atomic.Pointer[string]
}

func newCanary(s *siege) *canary {
	c := &canary{pub: from(s.T, "127.0.0.2", s.h.url), sub: from(s.T, "127.0.0.2", s.h.url), quit: make(chan bool)}
	wants(s.T, say(s.T, c.sub, `{"op":"sub","id":1,"topic":"canary/1","opts":{"last":0}}`), `"id":1`)
	_ = c.sub.SetReadDeadline(time.Time{})
	c.last.Store(time.Now().UnixNano())
	c.end.Go(c.publish)
	c.end.Go(c.hear)
	go func() { // errors come back here
		for {
			_, m, err := c.pub.ReadMessage()
			if err != nil {
				return
			}
			c.fault("the publisher was told %s", m)
		}
	}()
	return c
}

func (c *canary) fault(format string, a ...any) {
	text := fmt.Sprintf(format, a...)
	c.wrong.CompareAndSwap(nil, &text)
}

func (c *canary) publish() {
	for tick := time.NewTicker(20 * time.Millisecond); ; {
		select {
		case <-c.quit:
			return
		case <-tick.C:
		}
		n := c.sent.Add(1)
		if err := c.pub.WriteMessage(websocket.TextMessage, fmt.Appendf(nil, `{"op":"pub","topic":"canary/1","data":%d}`, n)); err != nil {
			c.fault("publishing: %v", err)
			return
		}
	}
}

func (c *canary) hear() {
	for {
		_, m, err := c.sub.ReadMessage()
		if err != nil {
			select {
			case <-c.quit:
			default:
				c.fault("hearing: %v", err)
			}
			return
		}
		for _, part := range bytes.Split(m, []byte(`"op":"msg"`))[1:] {
			_, data, ok := bytes.Cut(part, []byte(`"data":`))
			if !ok {
				continue
			}
			n, _ := strconv.ParseInt(string(data[:max(0, bytes.IndexAny(data, ",}"))]), 10, 64)
			if want := c.got.Load() + 1; n != want {
				c.fault("reading %d came where %d was due", n, want)
			}
			c.got.Store(n)
			now := time.Now().UnixNano()
			c.silence.Store(max(c.silence.Load(), now-c.last.Swap(now)))
		}
	}
}

// check waits until all that was sent has come and says how long there was
// silence since it was asked last.
func (c *canary) check(t *testing.T) (sent int64, silence time.Duration) {
	t.Helper()
	sent = c.sent.Load()
	for deadline := time.Now().Add(30 * time.Second); c.got.Load() < sent; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%d readings sent, %d came", sent, c.got.Load())
		}
	}
	if w := c.wrong.Load(); w != nil {
		t.Fatal("the canary: ", *w)
	}
	return sent, time.Duration(c.silence.Swap(0))
}

func (c *canary) stop() {
	close(c.quit)
	c.pub.Close()
	c.sub.Close()
	c.end.Wait()
}

// tcp connects from an address.
func (s *siege) tcp(ip string) (net.Conn, error) {
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(ip)}, Timeout: 30 * time.Second}
	c, err := d.Dial("tcp", s.h.addr)
	if err == nil {
		s.Cleanup(func() { c.Close() })
		if s.tls {
			return tls.Client(c, &tls.Config{InsecureSkipVerify: true}), nil
		}
	}
	return c, err
}

// open is a WebSocket whose frames are written by hand; nil when it is refused.
func (s *siege) open(ip, path string, headers ...string) (net.Conn, *bufio.Reader, int) {
	c, err := s.tcp(ip)
	if err != nil {
		s.Fatal(err)
	}
	head := "GET " + path + " HTTP/1.1\r\nHost: " + s.h.addr + "\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
	for _, h := range headers {
		head += h + "\r\n"
	}
	_ = c.SetDeadline(time.Now().Add(30 * time.Second))
	if _, err := c.Write([]byte(head + "\r\n")); err != nil {
		c.Close()
		return nil, nil, 0
	}
	r := bufio.NewReader(c)
	resp, err := http.ReadResponse(r, nil)
	if err != nil {
		c.Close()
		return nil, nil, 0
	}
	if resp.StatusCode != http.StatusSwitchingProtocols {
		c.Close()
		return nil, nil, resp.StatusCode
	}
	return c, r, resp.StatusCode
}

// frame writes a client's frame; the mask is zero. first is FIN, RSV and opcode.
func frame(first byte, payload string) []byte {
	b := []byte{first}
	switch n := len(payload); {
	case n < 126:
		b = append(b, 0x80|byte(n))
	case n < 1<<16:
		b = append(b, 0x80|126, byte(n>>8), byte(n))
	default:
		b = append(b, 0x80|127, 0, 0, 0, 0, byte(n>>24), byte(n>>16), byte(n>>8), byte(n))
	}
	return append(append(b, 0, 0, 0, 0), payload...)
}

// closeCode reads until the hub closes and returns its code, 0 = without one.
func closeCodeOf(r *bufio.Reader) int {
	for {
		b, err := r.ReadByte()
		if err != nil {
			return 0
		}
		n, err := r.ReadByte()
		if err != nil {
			return 0
		}
		size := int(n & 0x7f)
		switch size {
		case 126:
			hi, _ := r.ReadByte()
			lo, _ := r.ReadByte()
			size = int(hi)<<8 | int(lo)
		case 127:
			size = 0
			for range 8 {
				v, _ := r.ReadByte()
				size = size<<8 | int(v)
			}
		}
		if b&0x0f == 8 && size >= 2 {
			hi, _ := r.ReadByte()
			lo, _ := r.ReadByte()
			return int(hi)<<8 | int(lo)
		}
		if _, err := r.Discard(size); err != nil {
			return 0
		}
	}
}
