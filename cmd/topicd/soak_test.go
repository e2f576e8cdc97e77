package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
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

	"topicd/node/client"
	"topicd/node/doctor"
	"topicd/node/link"
)

// The soak: clients of all dialects come, work, are cut and come again, some read
// nothing, the clock is set, a cable is pulled, the disk is full, for as long as
// TOPICD_SOAK says. What the hub has then, it must have had at the beginning.

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
	// Pings come by the machine's clock, and the pongs with them.
	a := &app{dead: time.Duration(factor) * link.DefaultDead, in: strings.NewReader(""), out: os.Stdout, err: os.Stderr, getenv: soakEnv, clock: func() (wall, mono int64) {
		mono = time.Since(start).Milliseconds()*factor + 1
		return start.UnixMilli() + mono + skew.Load(), mono
	}}
	return a.run(ctx, os.Args[1:])
}

// soakEnv has nothing but the socket at the cable's end.
func soakEnv(name string) string {
	switch n := os.Getenv("TOPICD_SOAK_SOCKETS"); {
	case n == "":
	case name == "LISTEN_PID":
		return strconv.Itoa(os.Getpid())
	case name == "LISTEN_FDS":
		return n
	}
	return ""
}

// soak is a hub and who works it.
type soak struct {
	*hubProcess
	dir, state, mqtt string
	gateway, field   *box   // with the cable between them
	far              string // the hub's address at the cable, "" = there is none
	disk             bool   // the state's is a small one

	lives, cuts, failed, said, refused atomic.Int64
	pulled, filled                     atomic.Int64 // > 0: the cable is out, the disk full, or was a moment ago
	pulls, fills                       atomic.Int64
	stopping                           atomic.Bool
}

func startSoak(t *testing.T) *soak {
	t.Helper()
	s := &soak{dir: t.TempDir(), state: t.TempDir(), mqtt: freePort(t)}
	args := []string{"serve", "--listen", "127.0.0.1:0", "--mqtt-listen", s.mqtt, "--mdns=off", "--state", s.state,
		"--per-address", "0", "--durable", "soak/durable/#", "--store-bytes", "12MiB", "--keep", "30s", "--session-topics", "0"}
	h := &hubProcess{cmd: exec.Command(os.Args[0], args...), end: make(chan error, 1)}
	h.cmd.Env = append(os.Environ(), "TOPICD_SOAK_HUB="+s.dir)
	if os.Getuid() == 0 {
		s.smallDisk(t)
		h.cmd.ExtraFiles = append(h.cmd.ExtraFiles, s.cable(t))
		h.cmd.Env = append(h.cmd.Env, "TOPICD_SOAK_SOCKETS=1")
	} else {
		t.Log("not root: no cable is pulled, and the disk is never full")
	}
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

// witness subscribes to everything for the whole time and holds each gap in the
// numbers against what it is told.
type witness struct {
	mu             sync.Mutex
	next           map[string]uint64
	got, told, gap uint64
	slow           time.Duration
	holes          []string // the first of the gap
}

func (w *witness) hear(m client.Message) {
	time.Sleep(w.slow)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.got++
	w.told += m.Drop
	if next, ok := w.next[m.Topic]; ok && !m.Restart && m.Seq > next+m.Drop { // a topic that went and came again begins anew
		w.gap += m.Seq - next - m.Drop
		if len(w.holes) < 10 {
			w.holes = append(w.holes, fmt.Sprintf("%s: %d and not %d, %d told", m.Topic, m.Seq, next, m.Drop))
		}
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
					if s.failed.Add(1) <= 20 {
						t.Logf("a life of client %d could not begin: %v", n, err)
					}
					time.Sleep(100 * time.Millisecond)
				}
			}
		})
	}
	var troubles sync.WaitGroup
	if s.far != "" {
		troubles.Go(func() { s.pullCable(ctx) })
		troubles.Go(func() { s.fillDisk(ctx, t) })
	}
	samples := s.sample(t, length)
	s.stopping.Store(true)
	cancel()
	troubles.Wait()
	all.Wait()
	s.stillDurable(t)
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
		now := doctor.KB(fmt.Sprintf("/proc/%d/status", s.cmd.Process.Pid), "RssAnon:") << 10
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
	t.Logf("the cable was pulled %d times, the disk full %d times: %d readings to durable topics were refused", s.pulls.Load(), s.fills.Load(), s.refused.Load())
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
			t.Errorf("witness %d: %d readings are missing that nobody told of: %v", i, w.gap, w.holes)
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
	// A few workers, those of the disk for one, are made when they are first needed, and stay.
	for end := time.Now().Add(120 * time.Second); s.descriptors() > fds+2 || s.goroutines() > routines+4; time.Sleep(200 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%d descriptors, %d before; %d goroutines, %d before", s.descriptors(), fds, s.goroutines(), routines)
		}
	}
	t.Logf("descriptors %d, before %d; goroutines %d, before %d", s.descriptors(), fds, s.goroutines(), routines)
	for line := range strings.Lines(s.errs.String()) {
		if strings.Contains(line, "level=ERROR") && !strings.Contains(line, "no space left on device") || strings.Contains(line, "panic") {
			t.Error(line)
		}
	}
	if code, _ := s.stop(t); code != 0 {
		t.Errorf("exit code %d", code)
	}
}
