package main

import (
	"encoding/xml"
	"io"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const growthSample = `goos: linux
BenchmarkGrowTopics/n=10-2     	   95630	      1000 ns/op	       0 B/op	       0 allocs/op
BenchmarkGrowTopics/n=10-2     	   95630	      1200 ns/op	       0 B/op	       0 allocs/op
BenchmarkGrowTopics/n=10-2     	   95630	      1100 ns/op	       0 B/op	       0 allocs/op
BenchmarkGrowTopics/n=100000-2 	   95630	      1650 ns/op	       0 B/op	       0 allocs/op
BenchmarkGrowSubscribers/n=1   	   95630	      9999 ns/op	        80.5 ns/delivery	       0 B/op
PASS
`

const peerSample = `{"Target":"hub-json","Work":"w1sat","CPUperM":6,"Rate":1,"Load":"0.5"}
{"Target":"mosq-ws","Work":"w1sat","CPUperM":10,"Rate":1,"Load":"1.5"}
{"Target":"hub-json","Work":"w1sat","CPUperM":7,"Rate":1,"Load":"0.5"}
{"Target":"mosq-ws","Work":"w1sat","CPUperM":10,"Rate":1,"Load":"0.5"}

{"Target":"hub-json","Work":"w1sat","CPUperM":9,"Rate":1,"Lost":2,"Load":"0.5"}
{"Target":"mosq-ws","Work":"w1sat","CPUperM":15,"Rate":1,"Load":"0.5"}
{"Target":"hub-json","Work":"w4_10000","PerConnB":1400,"RSS":20000}
`

const durableSample = `BenchmarkWaiting/topicd/64-2   100   8000 ns/op   0.03 commits/op   252.0 dev-B/op   125000 readings/s
BenchmarkWaiting/jetstream-always/64-2   100   8000 ns/op   2500 readings/s
ok topicd/node/durable/beside 3s
`

func TestRender(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "performance")
	page := "# Page\n"
	for _, m := range []string{"goals", "machine", "noise", "growth", "peers"} {
		page += "<!-- " + m + " -->\nold\n<!-- /" + m + " -->\nkept\n"
	}
	write := func(name, text string) {
		t.Helper()
		if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	write(dir+".md", page)
	write(filepath.Join(dir, "machine.txt"), "- Processor: a\n")
	if err := render(dir); err != nil { // no rows at all
		t.Fatal(err)
	}
	write(filepath.Join(dir, "growth.txt"), growthSample)
	write(filepath.Join(dir, "peers.jsonl"), peerSample)
	write(filepath.Join(dir, "durable.txt"), durableSample)
	if err := render(dir); err != nil {
		t.Fatal(err)
	}
	once, _ := os.ReadFile(dir + ".md")
	if err := render(dir); err != nil {
		t.Fatal(err)
	}
	text, _ := os.ReadFile(dir + ".md")
	if string(once) != string(text) {
		t.Error("the same rows make another page")
	}
	for _, want := range []string{
		"| W1 fan-in, saturated, JSON | mosq-ws | ≤ 0.52 × | **0.60 ×** | 0.60 – 0.70 × | 3 | **missed** | `WORKS=w1sat` |",
		"| W4 idle connection, Linux | – | ≤ 1,200 B | **1,400 B** | – | 1 | **missed** so far | `WORKS=w4b` |",
		"| W6 topic with a 100-byte reading | – | ≤ 320 B | – | – | 0 | – | `WORKS=w6` |",
		"| messages lost by the hub, all works | – | 0 | **2** | – | 4 | **missed** | all |",
		"| topics, one subscriber of everything | 10 | 100,000 | 1100 ns | 1650 ns | **1.50 ×** | 1.3 × | **missed** |",
		"| patterns, one of which fits | – |",
		"| hub-json | **7.00** (6.00 – 9.00) |",
		"time a reading | jetstream-always | ≤ 0.20 × | **0.02 ×** | – | 1 | met so far | `WORKS=w7` |",
		"Alone: `WORKS=w4b COUNT=0 make perf`.",
		"![Cost of a message as topics grow](performance/grow-topics.svg)",
	} {
		if !strings.Contains(string(text), want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
	if strings.Contains(string(text), "old") || strings.Count(string(text), "kept") != 5 || strings.Contains(string(text), "NaN") {
		t.Errorf("%s", text)
	}
	checkSVG(t, filepath.Join(dir, "grow-topics.svg"))
}

func checkSVG(t *testing.T, name string) {
	t.Helper()
	svg, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	for d := xml.NewDecoder(strings.NewReader(string(svg))); ; {
		if _, err := d.Token(); err == io.EOF {
			break
		} else if err != nil {
			t.Fatalf("%v:\n%s", err, svg)
		}
	}
	if strings.Contains(string(svg), "NaN") {
		t.Errorf("%s", svg)
	}
}

func TestBadRows(t *testing.T) {
	name := filepath.Join(t.TempDir(), "peers.jsonl")
	os.WriteFile(name, []byte("{\"Target\":\"a\"}\nnonsense\n"), 0o644)
	if _, err := readPeers(name); err == nil || !strings.Contains(err.Error(), ":2:") {
		t.Error(err)
	}
	for _, l := range []string{"", "ok topicd/node 3s", "BenchmarkGrowTopics/n=x-2 1 2 ns/op", "BenchmarkPublish-2 1 2 ns/op", "BenchmarkGrowTopics/n=1-2 1 x ns/op"} {
		if _, _, _, ok := growthLine(l); ok {
			t.Errorf("%q is a growth row", l)
		}
	}
	if _, err := replace([]byte("x"), "goals", ""); err == nil {
		t.Error("no marks, no error")
	}
}

func TestRatios(t *testing.T) {
	if m := median(ratios([]float64{1, 2, 3}, []float64{2, 2, 2})); m != 1 {
		t.Error(m)
	}
	if m := median(ratios([]float64{4}, []float64{2, 1, 2})); m != 2 {
		t.Error(m)
	}
	if m := median(ratios(nil, []float64{1})); !math.IsNaN(m) {
		t.Error(m)
	}
}
