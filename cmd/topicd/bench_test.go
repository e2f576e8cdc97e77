package main

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"topicd/cmd/internal/command"
)

func TestBench(t *testing.T) {
	hub := serveInside(t, "--limits=bench")
	do := func(want int, args ...string) (out, errs string) {
		t.Helper()
		var o, e bytes.Buffer
		a := &app{Env: command.Env{In: strings.NewReader(""), Out: &o, Err: &e, Getenv: func(string) string { return "" }}}
		if code := a.run(t.Context(), append([]string{"bench", "--hub", hub}, args...)); code != want {
			t.Fatalf("bench %q ended with %d: %s", args, code, e.String())
		}
		return o.String(), e.String()
	}
	var out, errs string
	var r struct {
		Published, Delivered struct{ Count int }
		Latency              struct {
			P50 int `json:"p50_us"`
		}
		Loss struct{ Unexplained int }
	}
	for _, long := range []string{"300ms", "1s", "5s", "20s"} { // a busy machine comes to little
		out, errs = do(0, "--duration", long, "--warmup", "0", "--json", "--rate", "1000", "--encoding", "mixed", "--subscribers", "2")
		if err := json.Unmarshal([]byte(out), &r); err != nil || errs != "" {
			t.Fatalf("%v: %s%s", err, out, errs)
		}
		if r.Published.Count >= 100 && r.Delivered.Count >= 200 {
			break
		}
	}
	if r.Published.Count < 100 || r.Delivered.Count < 200 || r.Latency.P50 == 0 || r.Loss.Unexplained != 0 {
		t.Errorf("%s", out)
	}
	out, _ = do(0, "--duration", "1s", "--warmup", "0", "--publishers", "2", "--size", "1KiB")
	for _, want := range []string{"2 publishers", "1024 bytes of JSON", "p99.9", "errors      none"} {
		if !strings.Contains(out, want) {
			t.Errorf("no %q in\n%s", want, out)
		}
	}
	if _, errs = do(command.Usage, "--publishers", "0"); !strings.Contains(errs, "without publishers") {
		t.Error(errs)
	}
	do(command.Usage, "--size", "1")
	do(command.Unreachable, "--hub", "ws://127.0.0.1:1/ws")
	if _, errs = do(command.Failed, "--size", "1MiB"); !strings.Contains(errs, "--max-frame") {
		t.Error(errs)
	}
}
