package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime/metrics"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"topicd/cmd/internal/command"
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
	m := []metrics.Sample{{Name: "/sched/goroutines:goroutines"}, {Name: "/gc/heap/live:bytes"}, {Name: "/memory/classes/heap/stacks:bytes"},
		{Name: "/memory/classes/total:bytes"}, {Name: "/memory/classes/heap/released:bytes"}}
	go func() {
		for ; ; time.Sleep(100 * time.Millisecond) {
			text, _ := os.ReadFile(filepath.Join(dir, "skew"))
			ms, _ := strconv.ParseInt(string(text), 10, 64)
			skew.Store(ms)
			metrics.Read(m)
			_ = os.WriteFile(filepath.Join(dir, "inside.new"), fmt.Append(nil, m[0].Value.Uint64(), m[1].Value.Uint64(), m[2].Value.Uint64(), m[3].Value.Uint64()-m[4].Value.Uint64()), 0o600)
			_ = os.Rename(filepath.Join(dir, "inside.new"), filepath.Join(dir, "inside"))
		}
	}()
	// Pings come by the machine's clock, and the pongs with them.
	a := &app{Env: command.Env{In: strings.NewReader(""), Out: os.Stdout, Err: os.Stderr, Getenv: soakEnv}, dead: time.Duration(factor) * link.DefaultDead, clock: func() (wall, mono int64) {
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
	go func() { h.end <- h.cmd.Wait(); close(h.end); w.Close() }()
	t.Cleanup(func() { h.kill(t) })
	h.url = bannerURL(t, r)
	h.addr = strings.TrimSuffix(strings.TrimPrefix(h.url, "ws://"), "/ws")
	s.hubProcess = h
	return s
}

// inside is what the hub's runtime says of itself: goroutines, and bytes that the
// last collection found alive, of stacks, and of all that it holds.
func (s *soak) inside() (goroutines int, live, stacks, held int64) {
	text, _ := os.ReadFile(filepath.Join(s.dir, "inside"))
	_, _ = fmt.Sscan(string(text), &goroutines, &live, &stacks, &held)
	return goroutines, live, stacks, held
}

func (s *soak) goroutines() int {
	n, _, _, _ := s.inside()
	return n
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
// grows to --memory and no further; and sets the clock now and then. All of it is left in .build/soak.csv.
func (s *soak) sample(t *testing.T, length time.Duration) (rss []float64) {
	steps := []int64{0, 3_600_000, -3_600_000, 86_400_000 * 365 * 20, -1_700_000_000_000, 5000}
	_ = os.MkdirAll("../../.build", 0o755)
	csv, err := os.Create("../../.build/soak.csv")
	if err != nil {
		t.Fatal(err)
	}
	defer csv.Close()
	fmt.Fprintln(csv, "seconds,rss,arena,live,stacks,held,goroutines,descriptors,sessions,topics,published")
	for began, i := time.Now(), 0; time.Since(began) < length; i++ {
		if i%20 == 19 {
			_ = os.WriteFile(filepath.Join(s.dir, "skew"), fmt.Append(nil, steps[i/20%len(steps)]), 0o600)
		}
		now, st := doctor.KB(fmt.Sprintf("/proc/%d/status", s.cmd.Process.Pid), "RssAnon:")<<10, s.stats(t)
		arena := st["bytes_arena"]
		rss = append(rss, float64(now-arena))
		routines, live, stacks, held := s.inside()
		fmt.Fprintf(csv, "%.1f,%d,%d,%d,%d,%d,%d,%d,%d,%d,%d\n", time.Since(began).Seconds(), now, arena, live, stacks, held, routines, s.descriptors(), st["sessions"], st["topics"], st["published"])
		if i%60 == 59 {
			t.Logf("%v: RssAnon %.1f MiB, of it the arena %.1f, Go's heap %.1f with %.1f alive; %d goroutines, %d descriptors, %d topics", time.Since(began).Round(time.Second),
				float64(now)/(1<<20), float64(arena)/(1<<20), float64(held)/(1<<20), float64(live)/(1<<20), routines, s.descriptors(), st["topics"])
		}
		select {
		case err := <-s.end:
			t.Fatalf("the hub ended: %v\n%s", err, s.errs.String())
		case <-time.After(time.Second):
		}
	}
	return rss
}

// slope is the line of least squares through the second half of what was sampled in
// that time, in MiB an hour, and within which margin 95 of 100 such lines are.
// Neighbours are not independent of each other, so ten means stand for them.
func slope(v []float64, length time.Duration) (mib, margin float64) {
	const parts = 10
	each := length.Hours() / float64(len(v))
	v = v[len(v)/2:]
	n := len(v) / parts
	if n == 0 {
		return 0, math.Inf(1)
	}
	var y [parts]float64
	var my, sxx, sxy, left float64
	for i := range y {
		for _, b := range v[i*n : i*n+n] {
			y[i] += b / float64(n) / (1 << 20)
		}
		my += y[i] / parts
	}
	hours := func(i int) float64 { return (float64(i) - (parts-1)/2.0) * float64(n) * each }
	for i := range y {
		sxx += hours(i) * hours(i)
		sxy += hours(i) * (y[i] - my)
	}
	mib = sxy / sxx
	for i := range y {
		d := y[i] - my - mib*hours(i)
		left += d * d
	}
	const student = 2.306 // of eight degrees of freedom
	return mib, student * math.Sqrt(left/(parts-2)/sxx)
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

func (s *soak) judge(t *testing.T, length time.Duration, rss []float64, ws []*witness, fds, routines int) {
	st := s.stats(t)
	t.Logf("the cable was pulled %d times, the disk full %d times: %d readings to durable topics were refused", s.pulls.Load(), s.fills.Load(), s.refused.Load())
	t.Logf("%v: %d lives, %d cut, %d failed; %d readings said, %d stored, %d delivered, %d overrun, %d conflated, %d cut as slow",
		length, s.lives.Load(), s.cuts.Load(), s.failed.Load(), s.said.Load(), st["published"], st["delivered"], st["drop_overrun"], st["drop_conflated"], st["cut_slow"])
	grows, margin := slope(rss, length)
	shown := map[bool]string{true: "below 1 MiB an hour", false: "too short a run to say whether that is below 1 MiB an hour"}[grows+margin < 1]
	t.Logf("RssAnon without the arena: most %.1f MiB; in the second half %+.2f ± %.2f MiB an hour: %s", slices.Max(rss)/(1<<20), grows, margin, shown)
	// In the first half hour the arena fills, and Go's heap touches its pages for the first time: a MiB of that is not a leak.
	if grows-margin > 1 && (length >= 50*time.Minute || grows*length.Hours()/2 > 1) {
		t.Errorf("RssAnon grows by %.2f MiB an hour, give or take %.2f", grows, margin)
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
