package bench

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"topicd/node"
	"topicd/node/link"
	"topicd/node/nodetest"
)

// TestMain is also the hub of tests that want one in a process of its own.
func TestMain(m *testing.M) {
	if os.Getenv("BENCH_TEST_HUB") != "" {
		h, err := nodetest.Serve("", node.Options{Rate: -1, ByteRate: -1}, link.Options{})
		if err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		fmt.Println(h.Addr)
		os.Stdin.Read(make([]byte, 1)) // until the test closes it
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// testHub is a hub for the time of a test; url is its WebSocket, and hub stops it.
func testHub(t *testing.T, o node.Options) (url string, hub func() *node.Hub) {
	t.Helper()
	h := nodetest.Start(t, "", o, link.Options{})
	return h.URL(), func() *node.Hub { h.Stop(); return h.Hub }
}

// patient is how long tests wait for what a busy machine does not do at once.
const patient = 30 * time.Second

// bench runs o, and fails the test when it cannot. Where a busy machine does not come to
// what the test is about, enough, or to any reading, it is run again for longer.
func bench(t *testing.T, o Options, enough ...func(*Report) bool) *Report {
	t.Helper()
	if o.Duration == 0 {
		o.Duration = 300 * time.Millisecond
	}
	if o.Warmup == 0 {
		o.Warmup = 50 * time.Millisecond
	}
	o.patience = patient
	r, err := Run(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	r.WriteText(&b)
	t.Log("\n" + b.String())
	ok := r.Published.Count > 0 && (o.Subscribers < 0 || r.Delivered.Count > 0)
	for _, f := range enough {
		ok = ok && f(r)
	}
	if !ok && o.Duration < 20*time.Second {
		o.Duration *= 3
		return bench(t, o, enough...)
	}
	return r
}
