package bench

import (
	"bufio"
	"context"
	"errors"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"topicd/codec"
	"topicd/node"
)

// unlimited has room for a whole window in each topic: a worker that runs while the others
// do not takes all of it for its own topics.
var unlimited = node.Options{Rate: -1, ByteRate: -1, Memory: 64 << 20, TopicCap: 512 << 10}

// whole fails the test unless everything came once.
func whole(t *testing.T, r *Report) {
	t.Helper()
	if r.Delivered.Count == 0 || r.Latency == nil {
		t.Fatal("nothing was delivered")
	}
	if l := r.Loss; l.Unexplained != 0 || l.Duplicates != 0 || l.Refused != 0 || !r.OK() {
		t.Errorf("loss: %+v", l)
	}
	if len(r.Errors) > 0 {
		t.Errorf("errors: %+v", r.Errors)
	}
	if l := r.Latency; l.P50 <= 0 || l.P50 > l.P90 || l.P90 > l.P99 || l.P99 > l.P999 || l.P999 > l.Max || l.Max > 60e6 {
		t.Errorf("latency: %+v", l)
	}
}

func TestClosedLoop(t *testing.T) {
	url, hub := testHub(t, unlimited)
	for _, c := range []struct {
		name string
		o    Options
	}{
		{"json", Options{}},
		{"cbor", Options{Encoding: codec.CBOR}},
		{"mixed", Options{Encoding: codec.CBOR, Hear: []codec.Encoding{codec.JSON, codec.CBOR}, Subscribers: 4}},
		{"json heard as cbor", Options{Hear: []codec.Encoding{codec.CBOR}}},
		{"fan out", Options{Publishers: 1, Subscribers: 100}},
		{"many topics", Options{Topics: 500, Window: 100}},
		{"few topics", Options{Publishers: 20, Topics: 3}},
		{"large", Options{Size: 20_000, Publishers: 3}},
		{"smallest", Options{Size: MinSize, Window: 1, Encoding: codec.CBOR}},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.o.URL = url
			r := bench(t, c.o)
			whole(t, r)
			if r.Loss.Dropped != 0 {
				t.Errorf("the window is too large for the hub: %d dropped", r.Loss.Dropped)
			}
		})
	}
	if n := hub().Counts(); n.Sessions != 0 {
		t.Errorf("left behind: %+v", n)
	}
}

// What was made for the test goes with it.
func TestSweep(t *testing.T) {
	url, hub := testHub(t, unlimited)
	bench(t, Options{URL: url, Topics: 300})
	for end := time.Now().Add(30 * time.Second); hub().Counts().Topics > 10; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%+v", hub().Counts())
		}
	}
}

func TestPaced(t *testing.T) {
	url, _ := testHub(t, unlimited)
	paced := func(r *Report) bool {
		p, d := r.Published.PerSecond, r.Delivered.PerSecond
		return p > 1800 && p < 2200 && d > 5400 && d < 6600
	}
	r := bench(t, Options{URL: url, Rate: 2000, Subscribers: 3, Duration: time.Second}, paced)
	whole(t, r)
	if r.Client.LateUS > 100_000 {
		t.Skipf("this machine let the test wait for %d ms", r.Client.LateUS/1000)
	}
	if !paced(r) {
		t.Errorf("%.0f readings a second instead of 2000, %.0f deliveries instead of 6000", r.Published.PerSecond, r.Delivered.PerSecond)
	}
}

func TestNobodyHears(t *testing.T) {
	url, _ := testHub(t, unlimited)
	r := bench(t, Options{URL: url, Subscribers: -1})
	if r.Published.Count == 0 || r.Delivered.Count != 0 || r.Latency != nil || !r.OK() || len(r.Errors) > 0 {
		t.Errorf("%+v", r)
	}
}

// Refused readings are neither lost nor waited for.
func TestRefused(t *testing.T) {
	url, _ := testHub(t, node.Options{Rate: 500})
	for _, rate := range []float64{0, 20_000} {
		r := bench(t, Options{URL: url, Publishers: 2, Rate: rate}, func(r *Report) bool { return r.Loss.Refused > 0 })
		if r.Loss.Refused == 0 || r.Loss.Unexplained != 0 {
			t.Errorf("loss: %+v", r.Loss)
		}
		i := slices.IndexFunc(r.Errors, func(f Fault) bool { return f.Code == codec.CodeTooFast })
		if i < 0 || r.Errors[i].Count != r.Loss.Refused || !strings.Contains(r.Errors[i].Hint, "--limits=bench") {
			t.Errorf("errors: %+v", r.Errors)
		}
	}
}

// A hub that keeps few readings drops for who is late, and says so.
func TestDropped(t *testing.T) {
	url, _ := testHub(t, node.Options{Rate: -1, ByteRate: -1, TopicCap: 1 << 10})
	r := bench(t, Options{URL: url, Publishers: 4, Topics: 1, Window: 100_000}, func(r *Report) bool { return r.Loss.Dropped > 0 })
	if r.Loss.Dropped == 0 || r.Loss.Unexplained != 0 {
		t.Errorf("loss: %+v", r.Loss)
	}
}

func TestInterrupted(t *testing.T) {
	url, _ := testHub(t, unlimited)
	ctx, cancel := context.WithCancel(t.Context())
	phases := map[string]int{}
	r, err := Run(ctx, Options{URL: url, Duration: time.Minute, Warmup: -1, patience: patient, Progress: func(p Progress) {
		if phases[p.Phase]++; phases["measure"] == 3 {
			cancel()
		}
	}})
	if err != nil {
		t.Fatal(err)
	}
	whole(t, r)
	if !r.Interrupted || r.Seconds > 40 {
		t.Errorf("interrupted %v after %.1f s", r.Interrupted, r.Seconds)
	}
}

// A hub that dies takes readings with it, and nobody hangs.
func TestHubDies(t *testing.T) {
	url, stop := testHub(t, unlimited)
	for _, rate := range []float64{0, 1000} {
		if rate > 0 {
			url, stop = testHub(t, unlimited)
		}
		began := time.Now()
		r, err := Run(t.Context(), Options{URL: url, Rate: rate, Duration: time.Minute, Progress: func(p Progress) {
			if p.Phase == "measure" || p.Elapsed > 300*time.Millisecond {
				stop()
			}
		}})
		if err != nil {
			t.Fatal(err)
		}
		if len(r.Errors) == 0 || time.Since(began) > 50*time.Second {
			t.Errorf("after %v: %+v", time.Since(began), r)
		}
	}
}

func TestUnreachable(t *testing.T) {
	if _, err := Run(t.Context(), Options{URL: "ws://127.0.0.1:1/ws"}); err == nil {
		t.Error("no error")
	}
	url, _ := testHub(t, node.Options{Sessions: 5})
	_, err := Run(t.Context(), Options{URL: url})
	if err == nil {
		t.Fatal("a hub for 5 took 11")
	}
	if !strings.Contains(Hint(err), "--limits=bench") {
		t.Errorf("a full hub: %v (%s)", err, Hint(err))
	}
	_, err = Run(t.Context(), Options{URL: url, Size: 64 << 10})
	var e *codec.Error
	if !errors.As(err, &e) || e.Code != codec.CodeTooLarge {
		t.Errorf("too large: %v", err)
	}
	for _, o := range []Options{{Publishers: -1}, {Size: 5}, {Publishers: 1 << 20}, {Topics: 1 << 30}, {Rate: -1}} {
		if _, err := Run(t.Context(), o); !errors.Is(err, ErrOptions) {
			t.Errorf("%+v: %v", o, err)
		}
	}
}

// The hub's process is found by the other end of the connection.
func TestServerProcess(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("/proc")
	}
	cmd := exec.Command(os.Args[0], "-test.run=xxx")
	cmd.Env = append(os.Environ(), "BENCH_TEST_HUB=1")
	in, _ := cmd.StdinPipe()
	out, _ := cmd.StdoutPipe()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { in.Close(); cmd.Wait() }()
	addr, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	r := bench(t, Options{URL: "ws://" + strings.TrimSpace(addr), Publishers: 2, Subscribers: 2}, func(r *Report) bool { return r.Server == nil || r.Server.PerDeliveryUS > 0 })
	whole(t, r)
	if r.Server == nil || r.Server.PID != cmd.Process.Pid || r.Server.RSS < 1<<20 || r.Server.PerDeliveryUS <= 0 || !r.Hub.Local {
		t.Errorf("server: %+v, local: %v", r.Server, r.Hub.Local)
	}
}
