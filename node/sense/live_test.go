//go:build linux

package sense

import (
	"context"
	"os"
	"slices"
	"testing"
	"time"
)

// The machine that runs the tests has a load, a memory and a network.
func TestThisMachine(t *testing.T) {
	before := goroutines()
	b := New(Options{Timeout: time.Minute})
	round(t, b)
	time.Sleep(300 * time.Millisecond)
	got, s := round(t, b)
	must := []string{"load/1m", "load/15m", "memory/total", "memory/available", "memory/used", "uptime", "cpu/used", "disk/root/free", "disk/root/used"}
	for file, topic := range map[string]string{"/proc/pressure/io": "pressure/io/some", "/sys/class/net/eth0": "net/eth0/rx"} {
		if _, err := os.Stat(file); err == nil {
			must = append(must, topic)
		}
	}
	for _, topic := range must {
		if got[topic] == "" {
			t.Errorf("no %s", topic)
		}
	}
	var topics []string
	for topic := range got {
		topics = append(topics, topic)
	}
	slices.Sort(topics)
	for _, topic := range topics {
		t.Logf("%-24s %s", topic, got[topic])
	}
	t.Logf("skipped: %q", skips(s))
	b.Close()
	wantGoroutines(t, before)
}

// A round after the first ones makes little garbage: it goes on for years.
func TestAllocations(t *testing.T) {
	tr := newTree(t, pi)
	b := New(Options{Root: tr.root, Relist: 1 << 30, Timeout: time.Minute})
	defer b.Close()
	emit := func(Reading) {}
	ctx := context.Background()
	b.Read(ctx, emit)
	n := testing.AllocsPerRun(20, func() { b.Read(ctx, emit) })
	t.Logf("%.0f allocations a round of %d files", n, len(pi))
	if n > 120 {
		t.Errorf("%.0f allocations a round", n)
	}
}

func benchmarkRound(b *testing.B, o Options) {
	board := New(o)
	defer board.Close()
	ctx := context.Background()
	n := 0
	emit := func(Reading) { n++ }
	board.Read(ctx, emit)
	b.ReportAllocs()
	n = 0
	for b.Loop() {
		board.Read(ctx, emit)
	}
	b.ReportMetric(float64(n)/float64(b.N), "readings/op")
}

func BenchmarkThisMachine(b *testing.B) { benchmarkRound(b, Options{}) }

func BenchmarkRaspberryPi(b *testing.B) { benchmarkRound(b, Options{Root: newTree(b, pi).root}) }

func BenchmarkAppendJSON(b *testing.B) {
	r := Reading{Unit: "Cel", Value: 48.312}
	var dst []byte
	b.ReportAllocs()
	for b.Loop() {
		dst = r.AppendJSON(dst[:0])
	}
}
