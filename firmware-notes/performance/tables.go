package main

import (
	"fmt"
	"maps"
	"math"
	"path"
	"slices"
	"strings"
)

// order is how targets stand in the tables; others follow by name.
var order = []string{
	"hub-json", "hub-cbor", "hub-mqtt", "hub-mqttws", "hub-mqtt-q1", "hub-json-pace0", "hub-json-tls", "hub-json-cbor", "hub-cbor-json", "hub-mixed",
	"hub-portable", "hub-durable", "hub-uplink",
	"mosq-ws", "mosq-tcp", "mosq-tcp-q1", "mosq-tcp-tls", "nats-ws", "nats-tcp", "nats-mqtt", "nats-mqtt-q1", "nats-leaf", "nats-leaf-always",
	"mochi-tcp", "mochi-tcp-q1", "bare-go", "bare-c", "lim-go-raw", "lim-go-b64",
}

func (rs rows) targets() []string {
	seen := map[string]bool{}
	for k := range maps.Keys(rs) {
		seen[k.target] = true
	}
	place := func(t string) int {
		if i := slices.Index(order, t); i >= 0 {
			return i
		}
		return len(order)
	}
	return slices.SortedFunc(maps.Keys(seen), func(a, b string) int {
		if d := place(a) - place(b); d != 0 {
			return d
		}
		return strings.Compare(a, b)
	})
}

// column is one figure of a peer table.
type column struct {
	head string
	f    field
	say  func(float64) string
	bare bool // without its range
}

var (
	cpuColumn = column{"server CPU, µs per message", cpu, func(v float64) string { return fmt.Sprintf("%.2f", v) }, false}
	rateCol   = column{"messages/s", rate, thousands, true}
	rssColumn = column{"RSS MiB", func(r *row) float64 { return r.RSS / 1024 }, func(v float64) string { return fmt.Sprintf("%.1f", v) }, true}
	srvColumn = column{"server CPU %", func(r *row) float64 { return r.SrvCPU }, thousands, true}
	cliColumn = column{"client CPU %", func(r *row) float64 { return r.CliCPU }, thousands, true}
	lostCol   = column{"lost", lost, thousands, true}
	p50Column = column{"p50 ms", p50, millis, false}
	p99Column = column{"p99 ms", p99, millis, false}
	p999      = column{"p99.9 ms", func(r *row) float64 { return r.P999 }, millis, true}
)

func millis(us float64) string { return fmt.Sprintf("%.2f", us/1000) }

// edgeLoss are what becomes of readings that the edge had acknowledged.
var edgeLoss = []column{{"lost", lost, thousands, false}, {"twice", func(r *row) float64 { return float64(r.Bad) }, thousands, true},
	{"s until the last had arrived", func(r *row) float64 { return r.Max / 1e6 }, func(v float64) string { return fmt.Sprintf("%.1f", v) }, true}}

// table is one workload.
type table struct {
	work, title string
	columns     []column
}

var tables = []table{
	{"w1sat", "W1 fan-in, saturated: 1,000 sensors → 1 subscriber", []column{cpuColumn, rateCol, srvColumn, cliColumn, rssColumn, lostCol}},
	{"w1fix", "W1 fan-in at 10,000 messages/s", []column{cpuColumn, p50Column, p99Column, srvColumn, rssColumn, lostCol}},
	{"w1q1", "W1 saturated over MQTT with QoS 1 both ways", []column{cpuColumn, rateCol, srvColumn, cliColumn, rssColumn, lostCol}},
	{"w1small", "W1 saturated with readings of 16 bytes", []column{cpuColumn, rateCol, srvColumn, rssColumn, lostCol}},
	{"w1large", "W1 saturated with readings of 4 KiB", []column{cpuColumn, rateCol, srvColumn, rssColumn, lostCol}},
	{"w1wild", "W1 saturated, 1,000 patterns with wildcards of which one fits a topic", []column{cpuColumn, rateCol, srvColumn, rssColumn, lostCol}},
	{"w2sat", "W2 fan-out, saturated: 1 → 1,000 dashboards", []column{cpuColumn, rateCol, srvColumn, cliColumn, rssColumn, lostCol}},
	{"w2fix", "W2 fan-out at 20 messages/s = 20,000 deliveries/s", []column{cpuColumn, p50Column, p99Column, p999, rssColumn, lostCol}},
	{"w2small", "W2 saturated with readings of 16 bytes", []column{cpuColumn, rateCol, srvColumn, rssColumn, lostCol}},
	{"w2large", "W2 saturated with readings of 4 KiB", []column{cpuColumn, rateCol, srvColumn, rssColumn, lostCol}},
	{"w3", "W3 gateway: 200 sensors × 10/s → 20 dashboards = 40,000 deliveries/s", []column{cpuColumn, p50Column, p99Column, p999, rssColumn, lostCol}},
	{"w3q1", "W3 over MQTT with QoS 1 both ways", []column{cpuColumn, p50Column, p99Column, p999, rssColumn, lostCol}},
	{"w3many", "W3 with 500 dashboards = 1,000,000 deliveries/s", []column{cpuColumn, p50Column, p99Column, p999, rssColumn, lostCol}},
	{"w4_1000", "W4: 1,000 idle subscribed connections", []column{{"bytes per connection", perOne, thousands, false}, rssColumn, {"connects/s", rate, thousands, true}}},
	{"w4_10000", "W4: 10,000 idle subscribed connections", []column{{"bytes per connection", perOne, thousands, false}, rssColumn, srvColumn, {"connects/s", rate, thousands, true}}},
	{"w5", "W5: start", []column{{"exec to accepting, ms", rate, func(v float64) string { return fmt.Sprintf("%.1f", v) }, false}, rssColumn}},
	{"w6", "W6: 100,000 topics with one 100-byte reading each", []column{{"bytes per topic", perOne, thousands, false}, rssColumn, {"publishes/s", rate, thousands, true}}},
	{"w7_1", "W7: one publisher that waits for its reading to be on disk", []column{{"readings/s", rate, thousands, false}, {"bytes written to the device", perOne, thousands, true}}},
	{"w7_64", "W7: 64 publishers that wait for their readings to be on disk", []column{{"readings/s", rate, thousands, false}, {"bytes written to the device", perOne, thousands, true}}},
	{"w8", "W8: the edge of an uplink, 400 sensors × 10/s", []column{cpuColumn, rssColumn, lostCol}},
	{"w8_kill", "W8, the line cut for 2 s and the edge killed meanwhile", edgeLoss},
	{"w8_power", "W8, the line cut for 2 s and the edge without power meanwhile", edgeLoss},
	{"idle", "Idle: wake-ups of a server that nobody uses", []column{{"a second", rate, func(v float64) string { return fmt.Sprintf("%.1f", v) }, false}, rssColumn}},
}

// command is what measures a work alone.
func command(work string) string {
	name, n, _ := strings.Cut(work, "_")
	if name == "w4" {
		name += map[string]string{"1000": "a", "10000": "b"}[n]
	}
	return "`WORKS=" + name + " COUNT=0 make perf`"
}

// peerTables writes a table for each workload: medians, in brackets the range.
func peerTables(rs rows, suffix string) string {
	var b strings.Builder
	for _, t := range tables {
		b.WriteString(t.write(rs, suffix))
	}
	return b.String()
}

func unpinnedTable(rs rows) string {
	i := slices.IndexFunc(tables, func(t table) bool { return t.work == "w3" })
	return tables[i].write(rs, ", neither side bound to a core")
}

func (t *table) write(rs rows, suffix string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "\n### %s%s\n\nAlone: %s.\n\n| target |", t.title, suffix, command(t.work))
	for _, c := range t.columns {
		fmt.Fprintf(&b, " %s |", c.head)
	}
	b.WriteString(" runs |\n|---|" + strings.Repeat("---|", len(t.columns)+1) + "\n")
	any := false
	for _, target := range rs.targets() {
		n := len(rs[key{target, t.work}])
		if n == 0 {
			continue
		}
		any = true
		fmt.Fprintf(&b, "| %s |", target)
		for i, c := range t.columns {
			v := rs.of(target, t.work, c.f)
			text := c.say(median(v))
			if i == 0 {
				text = "**" + text + "**"
			}
			if !c.bare && n > 1 {
				text += " (" + between(v, c.say) + ")"
			}
			if math.IsNaN(median(v)) {
				text = "–"
			}
			fmt.Fprintf(&b, " %s |", text)
		}
		fmt.Fprintf(&b, " %d |\n", n)
	}
	if !any {
		b.WriteString("| – |" + strings.Repeat(" – |", len(t.columns)+1) + "\n")
	}
	return b.String()
}

// growthTable writes the curves as numbers, with their pictures.
func growthTable(growth map[string][]point, dir string) string {
	var b strings.Builder
	b.WriteString("| curve | from | to | cost at the smallest | at the largest | worst ratio to the smallest | limit | |\n|---|---|---|---|---|---|---|---|\n")
	for _, c := range curves {
		points := growth[c.bench]
		if len(points) == 0 {
			fmt.Fprintf(&b, "| %s | – | – | – | – | – | %g × | – |\n", c.x, limit)
			continue
		}
		first, last := points[0], points[len(points)-1]
		verdict := "met"
		if worst(points) > limit {
			verdict = "**missed**"
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %s | %s | **%.2f ×** | %g × | %s |\n", c.x, thousands(float64(first.n)), thousands(float64(last.n)),
			nanos(median(first.cost)), nanos(median(last.cost)), worst(points), limit, verdict)
	}
	b.WriteString("\n")
	for _, c := range curves {
		if len(growth[c.bench]) > 0 {
			fmt.Fprintf(&b, "![%s](%s)\n", c.title, path.Join(dir, c.file))
		}
	}
	return b.String()
}

// noise says what the machine was like while it was measured.
func noise(all ...rows) string {
	var loads []float64
	spread := map[string][]float64{}
	for _, rs := range all {
		for k, list := range rs {
			v := rs.of(k.target, k.work, cpu)
			for _, r := range list {
				var l float64
				if _, err := fmt.Sscan(r.Load, &l); err == nil {
					loads = append(loads, l)
				}
			}
			if len(v) > 1 && median(v) > 0 {
				spread[k.work] = append(spread[k.work], (slices.Max(v)-slices.Min(v))/median(v)*100)
			}
		}
	}
	if len(loads) == 0 {
		return "No rows yet.\n"
	}
	var b strings.Builder
	fmt.Fprintf(&b, "Load average at the start of a run: median %.2f, %.2f at most, over %d runs (the generator and the server of the run before are in it).\n",
		median(loads), slices.Max(loads), len(loads))
	for _, work := range slices.Sorted(maps.Keys(spread)) {
		fmt.Fprintf(&b, "Repetitions of %s differ in CPU by %.0f %% of their median (median of its targets; %.0f %% at most).\n",
			strings.ToUpper(work), median(spread[work]), slices.Max(spread[work]))
	}
	return b.String()
}
