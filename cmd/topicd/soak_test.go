package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"topicd/codec"
	"topicd/node/client"
)

// The soak: clients of all dialects come, work, are cut and come again, some read
// nothing, the clock is set, for as long as TOPICD_SOAK says. What the hub has then,
// it must have had at the beginning.

// soakHub is the hub of the soak, a process of its own with a clock that the test
// sets: TestMain calls it. It writes its goroutines to a file, and reads from
// another by how much the wall's clock is wrong.
func soakHub(dir string) int {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	factor, _ := strconv.ParseInt(os.Getenv("TOPICD_SOAK_CLOCK"), 10, 64)
	factor = max(factor, 1)
	var skew atomic.Int64
	start := time.Now()
	go func() {
		for ; ; time.Sleep(100 * time.Millisecond) {
			text, _ := os.ReadFile(filepath.Join(dir, "skew"))
			ms, _ := strconv.ParseInt(string(text), 10, 64)
			skew.Store(ms)
			var m runtime.MemStats
			runtime.ReadMemStats(&m)
			_ = os.WriteFile(filepath.Join(dir, "goroutines.new"), fmt.Appendf(nil, "%d heap %.1f MiB live, %.1f held, stacks %.1f", runtime.NumGoroutine(),
				float64(m.HeapAlloc)/(1<<20), float64(m.HeapSys-m.HeapReleased)/(1<<20), float64(m.StackSys)/(1<<20)), 0o600)
			_ = os.Rename(filepath.Join(dir, "goroutines.new"), filepath.Join(dir, "goroutines"))
		}
	}()
	a := &app{in: strings.NewReader(""), out: os.Stdout, err: os.Stderr, getenv: func(string) string { return "" }, clock: func() (wall, mono int64) {
		mono = time.Since(start).Milliseconds()*factor + 1
		return start.UnixMilli() + mono + skew.Load(), mono
	}}
	return a.run(ctx, os.Args[1:])
}

// soak is a hub and who works it.
type soak struct {
	*hubProcess
	dir, mqtt string

	lives, cuts, failed, said atomic.Int64
	stopping                  atomic.Bool
}

func startSoak(t *testing.T) *soak {
	t.Helper()
	s := &soak{dir: t.TempDir(), mqtt: freePort(t)}
	args := []string{"serve", "--listen", "127.0.0.1:0", "--mqtt-listen", s.mqtt, "--mdns=off", "--state", t.TempDir(),
		"--per-address", "0", "--durable", "soak/durable/#", "--keep", "30s", "--session-topics", "0"}
	h := &hubProcess{cmd: exec.Command(os.Args[0], args...), end: make(chan error, 1)}
	h.cmd.Env = append(os.Environ(), "TOPICD_SOAK_HUB="+s.dir)
	h.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	h.cmd.Stderr = &h.errs
	r, w := io.Pipe()
	h.cmd.Stdout = w
	if err := h.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() { h.end <- h.cmd.Wait(); w.Close() }()
	t.Cleanup(func() { h.cmd.Process.Kill() })
	h.url = bannerURL(t, r)
	h.addr = strings.TrimSuffix(strings.TrimPrefix(h.url, "ws://"), "/ws")
	s.hubProcess = h
	return s
}

func (s *soak) goroutines() int {
	count, _, _ := strings.Cut(s.inside(), " ")
	n, _ := strconv.Atoi(count)
	return n
}

// inside is what the hub's runtime says of itself.
func (s *soak) inside() string {
	text, _ := os.ReadFile(filepath.Join(s.dir, "goroutines"))
	return string(text)
}

func (s *soak) descriptors() int {
	list, _ := os.ReadDir(fmt.Sprintf("/proc/%d/fd", s.cmd.Process.Pid))
	return len(list)
}

// lifetime is how long one stays connected.
func lifetime() time.Duration { return time.Duration(200+rand.IntN(8000)) * time.Millisecond }

// cut ends a connection as a cable does that is pulled: no goodbye, a reset.
func (s *soak) cut(nc net.Conn) {
	if rand.IntN(2) == 0 {
		if c, ok := nc.(*net.TCPConn); ok {
			_ = c.SetLinger(0)
		}
		s.cuts.Add(1)
	}
	_ = nc.Close()
}

// socket lives one life on a WebSocket: it says hello, then something at its pace,
// and reads all, or nothing.
func (s *soak) socket(path, hello string, say func(i int) string, reads bool) error {
	c, _, err := websocket.DefaultDialer.Dial("ws://"+s.addr+path, nil)
	if err != nil {
		return err
	}
	defer s.cut(c.NetConn())
	end := time.Now().Add(lifetime())
	_ = c.SetReadDeadline(end.Add(time.Second))
	if reads {
		go func() {
			for {
				if _, _, err := c.ReadMessage(); err != nil {
					return
				}
			}
		}()
	}
	if hello != "" {
		if err := c.WriteMessage(websocket.TextMessage, []byte(hello)); err != nil {
			return err
		}
	}
	for i := 0; time.Now().Before(end) && !s.stopping.Load(); i++ {
		if text := say(i); text != "" {
			_ = c.SetWriteDeadline(time.Now().Add(time.Second))
			if c.WriteMessage(websocket.TextMessage, []byte(text)) != nil {
				return nil // the hub cut who does not read, or is too fast
			}
			s.said.Add(1)
		}
		time.Sleep(20 * time.Millisecond)
	}
	return nil
}

// mqttLife is one life with MQTT 3.1.1, by hand.
func (s *soak) mqttLife(n int) error {
	c, err := net.Dial("tcp", s.mqtt)
	if err != nil {
		return err
	}
	defer s.cut(c)
	id := fmt.Sprintf("soak%d", n)
	b := []byte{0x10, byte(12 + len(id)), 0, 4, 'M', 'Q', 'T', 'T', 4, 2, 0, 60, 0, byte(len(id))}
	b = append(b, id...)
	b = append(b, 0x82, 11, 0, 1, 0, 6, 's', 'o', 'a', 'k', '/', '#', 0)
	if _, err := c.Write(b); err != nil {
		return err
	}
	go func() { _, _ = io.Copy(io.Discard, c) }()
	for end := time.Now().Add(lifetime()); time.Now().Before(end) && !s.stopping.Load(); time.Sleep(20 * time.Millisecond) {
		topic := fmt.Sprintf("soak/mqtt/%d", n)
		p := append([]byte{0x30, byte(2 + len(topic) + 4), 0, byte(len(topic))}, topic...)
		_ = c.SetWriteDeadline(time.Now().Add(time.Second))
		if _, err := c.Write(append(p, "21.5"...)); err != nil {
			return nil
		}
		s.said.Add(1)
	}
	return nil
}

// cborLife is one life of our own client.
func (s *soak) cborLife(ctx context.Context, n int) error {
	ctx, cancel := context.WithTimeout(ctx, lifetime()+5*time.Second)
	defer cancel()
	c, err := client.Dial(ctx, client.Options{URL: s.url, Encoding: codec.CBOR, Dev: fmt.Sprintf("soak-%d", n)})
	if err != nil {
		return err
	}
	defer c.Close()
	if _, err := c.Subscribe(ctx, "soak/#", client.SubOptions{Last: 1, Rate: 5}, func(client.Message) {}); err != nil {
		return err
	}
	for end := time.Now().Add(lifetime()); time.Now().Before(end) && !s.stopping.Load(); time.Sleep(50 * time.Millisecond) {
		if _, err := c.Publish(ctx, fmt.Sprintf("soak/durable/%d", n%4), n); err != nil {
			return err
		}
		s.said.Add(1)
	}
	return nil
}

// httpLife is one life of requests, and of an event stream that is left.
func (s *soak) httpLife(ctx context.Context, n int) error {
	h := http.Client{Transport: &http.Transport{}, Timeout: 20 * time.Second}
	defer h.CloseIdleConnections()
	ctx, cancel := context.WithTimeout(ctx, lifetime())
	defer cancel()
	req, _ := http.NewRequestWithContext(ctx, "GET", "http://"+s.addr+"/api/stream?topic=soak/%23", nil)
	stream, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Do(req)
	if err != nil {
		return ignoreEnd(ctx, err)
	}
	defer stream.Body.Close()
	go func() { _, _ = io.Copy(io.Discard, stream.Body) }()
	for ctx.Err() == nil && !s.stopping.Load() {
		r, err := h.Post(fmt.Sprintf("http://%s/api/pub/soak/new/%d", s.addr, rand.IntN(500)), "application/json", strings.NewReader("1"))
		if err != nil {
			return err
		}
		_, _ = io.Copy(io.Discard, r.Body)
		r.Body.Close()
		s.said.Add(1)
		time.Sleep(50 * time.Millisecond)
	}
	return nil
}

func ignoreEnd(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return nil
	}
	return err
}

// live is one life of the n-th client: its kind stays the same.
func (s *soak) live(ctx context.Context, n int) error {
	nothing := func(int) string { return "" }
	switch n % 10 {
	case 0:
		return s.socket("/ws", `{"op":"sub","id":1,"topic":"soak/#"}`, func(i int) string { return fmt.Sprintf(`{"op":"pub","topic":"soak/json/%d","data":%d}`, n, i) }, true)
	case 1:
		return s.cborLife(ctx, n)
	case 2:
		return s.mqttLife(n)
	case 3:
		return s.socket("/scd", "SCDTMH:1.0\tTRN:soak\n", func(i int) string { return fmt.Sprintf("SCDTMH:1.0\tTSM:soak\n%d", i) }, true)
	case 4:
		return s.socket(fmt.Sprintf("/relay/soak/%d", n), "", func(i int) string { return fmt.Sprint("hello ", i) }, true)
	case 5:
		return s.socket("/echo", "", func(i int) string { return strings.Repeat("e", i%2000) }, true)
	case 6:
		return s.httpLife(ctx, n)
	case 7:
		return s.socket("/webchannel", `{"type":3,"id":0}`, func(i int) string {
			return fmt.Sprintf(`{"type":6,"id":%d,"object":"chatserver","method":0,"args":["soak"]}`, i+1)
		}, true)
	case 8: // a flood
		return s.socket("/ws", "", func(i int) string {
			return fmt.Sprintf(`{"op":"pub","topic":"soak/flood/%d","data":"%s"}`, i%50, strings.Repeat("x", 1000))
		}, true)
	default: // reads nothing
		return s.socket("/ws", `{"op":"sub","id":1,"topic":"#","opts":{"last":100}}`, nothing, false)
	}
}

// witness subscribes to everything for the whole time and holds each gap in the
// numbers against what it is told.
type witness struct {
	mu             sync.Mutex
	next           map[string]uint64
	got, told, gap uint64
	slow           time.Duration
}

func (w *witness) hear(m client.Message) {
	time.Sleep(w.slow)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.got++
	w.told += m.Drop
	if next, ok := w.next[m.Topic]; ok && !m.Restart && m.Seq > next+m.Drop { // a topic that went and came again begins anew
		w.gap += m.Seq - next - m.Drop
	}
	w.next[m.Topic] = m.Seq + 1
}

func TestSoak(t *testing.T) {
	length, err := time.ParseDuration(os.Getenv("TOPICD_SOAK"))
	if err != nil {
		t.Skip("make soak; its length is SOAK")
	}
	s := startSoak(t)
	time.Sleep(2 * time.Second)
	fds, routines := s.descriptors(), s.goroutines()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	watchers := []*witness{{next: map[string]uint64{}}, {next: map[string]uint64{}, slow: 2 * time.Millisecond}}
	var peers []*client.Client
	for _, w := range watchers {
		c, err := client.Dial(ctx, client.Options{URL: s.url})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := c.Subscribe(ctx, "soak/#", client.SubOptions{Last: -1}, w.hear); err != nil {
			t.Fatal(err)
		}
		peers = append(peers, c)
	}
	var all sync.WaitGroup
	for n := range 64 {
		all.Go(func() {
			for !s.stopping.Load() {
				s.lives.Add(1)
				if err := s.live(ctx, n); err != nil && !s.stopping.Load() {
					s.failed.Add(1)
					time.Sleep(100 * time.Millisecond)
				}
			}
		})
	}
	samples := s.sample(t, length)
	s.stopping.Store(true)
	all.Wait()
	for _, c := range peers {
		c.Close()
	}
	s.judge(t, length, samples, watchers, fds, routines)
}

// sample takes, each second, the anonymous RSS (no pages of the program) without what the arena has touched so far, which
// grows to --memory and no further; and sets the clock now and then.
func (s *soak) sample(t *testing.T, length time.Duration) (rss []int64) {
	steps := []int64{0, 3_600_000, -3_600_000, 86_400_000 * 365 * 20, -1_700_000_000_000, 5000}
	var arena int64
	for began, i := time.Now(), 0; time.Since(began) < length; i++ {
		if i%20 == 19 {
			_ = os.WriteFile(filepath.Join(s.dir, "skew"), fmt.Append(nil, steps[i/20%len(steps)]), 0o600)
		}
		if i%5 == 0 {
			arena = s.stats(t)["bytes_arena"]
		}
		now := procKB(fmt.Sprintf("/proc/%d/status", s.cmd.Process.Pid), "RssAnon:") << 10
		rss = append(rss, now-arena)
		if i%30 == 29 {
			t.Logf("%v: RssAnon %.1f MiB, of it the arena %.1f; goroutines %s; %d descriptors", time.Since(began).Round(time.Second), float64(now)/(1<<20), float64(arena)/(1<<20), s.inside(), s.descriptors())
		}
		select {
		case err := <-s.end:
			t.Fatalf("the hub ended: %v\n%s", err, s.errs.String())
		case <-time.After(time.Second):
		}
	}
	return rss
}

func median(v []int64) int64 {
	v = slices.Clone(v)
	slices.Sort(v)
	return v[len(v)/2]
}

func (s *soak) stats(t *testing.T) map[string]int64 {
	t.Helper()
	r, err := http.Get("http://" + s.addr + "/api/stats")
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	v := map[string]int64{}
	var any map[string]json.RawMessage
	if err := json.NewDecoder(r.Body).Decode(&any); err != nil {
		t.Fatal(err)
	}
	for k, text := range any {
		if n, err := strconv.ParseInt(string(text), 10, 64); err == nil {
			v[k] = n
		}
	}
	return v
}

func (s *soak) judge(t *testing.T, length time.Duration, rss []int64, ws []*witness, fds, routines int) {
	st := s.stats(t)
	fifth := max(1, len(rss)/5)
	early, late := median(rss[fifth:2*fifth]), median(rss[len(rss)-fifth:])
	slope := float64(late-early) / (float64(3*fifth) / 3600) / (1 << 20)
	t.Logf("%v: %d lives, %d cut, %d failed; %d readings said, %d stored, %d delivered, %d overrun, %d conflated, %d cut as slow",
		length, s.lives.Load(), s.cuts.Load(), s.failed.Load(), s.said.Load(), st["published"], st["delivered"], st["drop_overrun"], st["drop_conflated"], st["cut_slow"])
	t.Logf("RssAnon without the arena: %.1f MiB in the second fifth, %.1f in the last, most %.1f: %+.2f MiB an hour", float64(early)/(1<<20), float64(late)/(1<<20), float64(slices.Max(rss))/(1<<20), slope)
	// Half a MiB is noise, however long it was.
	if length >= 5*time.Minute && float64(late-early) > 512<<10+length.Hours()*(1<<20) {
		t.Errorf("RssAnon grew from %d to %d", early, late)
	}
	var told uint64
	for i, w := range ws {
		t.Logf("witness %d: %d readings, %d told as lost", i, w.got, w.told)
		if w.gap > 0 {
			t.Errorf("witness %d: %d readings are missing that nobody told of", i, w.gap)
		}
		told += w.told
	}
	// Who was cut because it read too slowly is told, when it comes again, of what left
	// the hub meanwhile: that is history, which no counter of losses has.
	if int64(told) > st["drop_overrun"]+st["drop_formless"] && st["cut_slow"]+st["cut_dead"]+st["cut_behind"] == 0 {
		t.Errorf("%d losses are told, the hub counts %d", told, st["drop_overrun"])
	}
	if s.failed.Load() > s.lives.Load()/20 {
		t.Errorf("%d of %d lives could not begin", s.failed.Load(), s.lives.Load())
	}
	for end := time.Now().Add(120 * time.Second); s.descriptors() > fds+2 || s.goroutines() > routines+2; time.Sleep(200 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%d descriptors, %d before; %d goroutines, %d before", s.descriptors(), fds, s.goroutines(), routines)
		}
	}
	t.Logf("descriptors %d, before %d; goroutines %d, before %d", s.descriptors(), fds, s.goroutines(), routines)
	if bytes.Contains(s.errs.Bytes(), []byte("level=ERROR")) || bytes.Contains(s.errs.Bytes(), []byte("panic")) {
		t.Error(s.errs.String())
	}
	if code, _ := s.stop(t); code != 0 {
		t.Errorf("exit code %d", code)
	}
}
