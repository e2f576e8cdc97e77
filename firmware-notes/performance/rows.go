package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"slices"
	"strconv"
	"strings"
)

// point is one size of a growth curve with a cost for each repetition, in
// nanoseconds.
type point struct {
	n    int
	cost []float64
}

// readGrowth reads the output of go test -bench: the costs of each benchmark, by
// its name, sizes ascending. Per delivery where the benchmark says so.
func readGrowth(name string) (map[string][]point, error) {
	f, err := os.Open(name)
	if os.IsNotExist(err) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	out := map[string][]point{}
	s := bufio.NewScanner(f)
	for s.Scan() {
		bench, n, cost, ok := growthLine(s.Text())
		if !ok {
			continue
		}
		points := out[bench]
		i := slices.IndexFunc(points, func(p point) bool { return p.n == n })
		if i < 0 {
			i, points = len(points), append(points, point{n: n})
		}
		points[i].cost = append(points[i].cost, cost)
		out[bench] = points
	}
	for _, points := range out {
		slices.SortFunc(points, func(a, b point) int { return a.n - b.n })
	}
	return out, s.Err()
}

// growthLine: BenchmarkGrowTopics/n=100-2   95630   1253 ns/op   0 B/op …
func growthLine(l string) (bench string, n int, cost float64, ok bool) {
	x := strings.Fields(l)
	if len(x) < 4 {
		return
	}
	bench, size, ok := strings.Cut(x[0], "/n=")
	if !ok {
		return
	}
	size, _, _ = strings.Cut(size, "-") // GOMAXPROCS
	n, err := strconv.Atoi(size)
	values := map[string]float64{}
	for i := 2; i+1 < len(x); i += 2 {
		v, bad := strconv.ParseFloat(x[i], 64)
		if bad != nil {
			return "", 0, 0, false
		}
		values[x[i+1]] = v
	}
	cost, each := values["ns/delivery"]
	if !each {
		cost = values["ns/op"]
	}
	return bench, n, cost, err == nil && cost > 0 && n > 0
}

// row is one run of ../shared/peers; the fields are its generator's.
type row struct {
	Target, Work        string
	Rate                float64 // per second; W5: milliseconds to the first accept
	CPUperM             float64 // seconds of server CPU per million messages = µs per message
	SrvCPU, CliCPU      float64 // percent of a core
	P50, P99, P999, Max float64 // µs
	RSS0, RSS           float64 // KiB
	PerConnB            float64 // bytes per connection (W4) or topic (W6)
	Lost, Bad           int64
	ReadsPerMsg         float64
	Load                string // the load average's first figure at the start
	Note                string
}

type key struct{ target, work string }

// rows are all repetitions in the order in which they were run.
type rows map[key][]row

func readPeers(name string) (rows, error) {
	f, err := os.Open(name)
	if os.IsNotExist(err) {
		return rows{}, nil
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	out := rows{}
	s := bufio.NewScanner(f)
	for i := 1; s.Scan(); i++ {
		if strings.TrimSpace(s.Text()) == "" {
			continue
		}
		var r row
		if err := json.Unmarshal(s.Bytes(), &r); err != nil {
			return nil, fmt.Errorf("%s:%d: %w", name, i, err)
		}
		k := key{r.Target, r.Work}
		out[k] = append(out[k], r)
	}
	return out, s.Err()
}

// field reads one figure of a row.
type field func(*row) float64

func cpu(r *row) float64    { return r.CPUperM }
func p50(r *row) float64    { return r.P50 }
func p99(r *row) float64    { return r.P99 }
func perOne(r *row) float64 { return r.PerConnB }
func rate(r *row) float64   { return r.Rate }
func lost(r *row) float64   { return float64(r.Lost) }
func rss(r *row) float64    { return r.RSS * 1024 }

// each is the time that one reading takes, in seconds.
func each(r *row) float64 { return 1 / r.Rate }

// of is that figure of each repetition.
func (rs rows) of(target, work string, f field) []float64 {
	var out []float64
	for _, r := range rs[key{target, work}] {
		out = append(out, f(&r))
	}
	return out
}

// ratios is a figure of one target over another's, repetition by repetition, for
// those stood beside each other; where one has more repetitions, over the other's median.
func ratios(a, b []float64) []float64 {
	if len(a) == 0 || len(b) == 0 || median(b) == 0 {
		return nil
	}
	var out []float64
	for i := range a {
		over := median(b)
		if len(a) == len(b) {
			over = b[i]
		}
		if over > 0 {
			out = append(out, a[i]/over)
		}
	}
	return out
}

// median is NaN of nothing.
func median(v []float64) float64 {
	if len(v) == 0 {
		return math.NaN()
	}
	s := slices.Sorted(slices.Values(v))
	if n := len(s); n%2 == 0 {
		return (s[n/2-1] + s[n/2]) / 2
	}
	return s[len(s)/2]
}

// readDurable adds the output of BenchmarkWaiting (node/durable/beside) to rs: as
// work w7_1 and w7_64, by the number of publishers that wait for their readings to
// be on disk. Rate is readings a second, PerConnB bytes written to the device for
// each.
func readDurable(name string, rs rows) error {
	text, err := os.ReadFile(name)
	if os.IsNotExist(err) {
		return nil
	}
	for l := range strings.Lines(string(text)) {
		x := strings.Fields(l)
		if len(x) < 4 || !strings.HasPrefix(x[0], "BenchmarkWaiting/") {
			continue
		}
		f := strings.Split(x[0], "/")
		n, _, _ := strings.Cut(f[2], "-")
		r := row{Target: f[1], Work: "w7_" + n}
		if r.Target == "topicd" {
			r.Target = "hub-durable"
		}
		for i := 2; i+1 < len(x); i += 2 {
			v, _ := strconv.ParseFloat(x[i], 64)
			switch x[i+1] {
			case "readings/s":
				r.Rate = v
			case "dev-B/op":
				r.PerConnB = v
			}
		}
		k := key{r.Target, r.Work}
		rs[k] = append(rs[k], r)
	}
	return err
}
