package main

import (
	"fmt"
	"math"
	"slices"
	"strings"
)

// goal is one line of the table of goals: a figure of the hub, over a peer's
// where there is one, and what it may be at most.
type goal struct {
	what, work string
	target     string
	over       string // "" = the figure itself
	f          field
	most       float64
	figure     string // how the figure is written; "" = a ratio
	unpinned   bool
	single     bool // over is the mean of hub-json and hub-cbor
}

// The goals. What was met once is asked for more the next time.
var goals = []goal{
	{what: "W1 fan-in, saturated, JSON", work: "w1sat", target: "hub-json", over: "mosq-ws", f: cpu, most: .52},
	{what: "W1 fan-in, saturated, CBOR", work: "w1sat", target: "hub-cbor", over: "mosq-ws", f: cpu, most: .52},
	{what: "W1 fan-in, saturated, MQTT", work: "w1sat", target: "hub-mqtt", over: "mosq-tcp", f: cpu, most: .54},
	{what: "W1 fan-in, saturated, MQTT over WebSocket", work: "w1sat", target: "hub-mqttws", over: "mosq-ws", f: cpu, most: .54},
	{what: "W1 fan-in, saturated, MQTT", work: "w1sat", target: "hub-mqtt", over: "nats-mqtt", f: cpu, most: .54},
	{what: "W1 fan-in, saturated, MQTT", work: "w1sat", target: "hub-mqtt", over: "mochi-tcp", f: cpu, most: .54},
	{what: "W1 fan-in, saturated, MQTT QoS 1", work: "w1q1", target: "hub-mqtt-q1", over: "mosq-tcp-q1", f: cpu, most: .63},
	{what: "W1 fan-in, saturated, MQTT QoS 1", work: "w1q1", target: "hub-mqtt-q1", over: "mochi-tcp-q1", f: cpu, most: .63},
	{what: "W1 fan-in, saturated, MQTT QoS 1", work: "w1q1", target: "hub-mqtt-q1", over: "nats-mqtt-q1", f: cpu, most: .63},
	{what: "W1 fan-in, saturated, JSON", work: "w1sat", target: "hub-json", over: "bare-go", f: cpu, most: 1.6},
	{what: "W1 saturated, JSON sensors, CBOR dashboard", work: "w1sat", target: "hub-json-cbor", over: "the mean of both encodings", f: cpu, most: 1.15, single: true},
	{what: "W1 saturated, CBOR sensors, JSON dashboard", work: "w1sat", target: "hub-cbor-json", over: "the mean of both encodings", f: cpu, most: 1.15, single: true},
	{what: "W1 saturated, 16-byte readings, JSON", work: "w1small", target: "hub-json", over: "mosq-ws", f: cpu, most: 1.0},
	{what: "W1 saturated, 16-byte readings, CBOR", work: "w1small", target: "hub-cbor", over: "mosq-ws", f: cpu, most: 1.0},
	{what: "W1 saturated, 4-KiB readings, JSON", work: "w1large", target: "hub-json", over: "mosq-ws", f: cpu, most: 1.0},
	{what: "W1 saturated, 4-KiB readings, CBOR", work: "w1large", target: "hub-cbor", over: "mosq-ws", f: cpu, most: 1.0},
	{what: "W1 saturated, 1,000 patterns with wildcards", work: "w1wild", target: "hub-json", over: "mosq-ws", f: cpu, most: 1.0},
	{what: "W1 saturated, 1,000 patterns with wildcards", work: "w1wild", target: "hub-json", over: "nats-ws", f: cpu, most: 1.0},
	{what: "W1 at 10,000/s, JSON", work: "w1fix", target: "hub-json", over: "mosq-tcp", f: cpu, most: .79},
	{what: "W1 at 10,000/s, CBOR", work: "w1fix", target: "hub-cbor", over: "mosq-tcp", f: cpu, most: .79},
	{what: "W1 at 10,000/s over TLS", work: "w1fix", target: "hub-json-tls", over: "mosq-tcp-tls", f: cpu, most: .60},
	{what: "W1 at 10,000/s over TLS", work: "w1fix", target: "hub-json-tls", over: "hub-json", f: cpu, most: 1.5},
	{what: "W2 fan-out, saturated, JSON", work: "w2sat", target: "hub-json", over: "lim-go-b64", f: cpu, most: .50},
	{what: "W2 fan-out, saturated, JSON", work: "w2sat", target: "hub-json", over: "nats-ws", f: cpu, most: .26},
	{what: "W2 fan-out, saturated, CBOR", work: "w2sat", target: "hub-cbor", over: "lim-go-b64", f: cpu, most: .35},
	{what: "W2 fan-out, saturated, CBOR", work: "w2sat", target: "hub-cbor", over: "nats-ws", f: cpu, most: .14},
	{what: "W2 fan-out, saturated, MQTT", work: "w2sat", target: "hub-mqtt", over: "mosq-tcp", f: cpu, most: .09},
	{what: "W2 fan-out, saturated, MQTT", work: "w2sat", target: "hub-mqtt", over: "nats-mqtt", f: cpu, most: 1.0},
	{what: "W2 saturated, 16-byte readings, JSON", work: "w2small", target: "hub-json", over: "nats-ws", f: cpu, most: 1.0},
	{what: "W2 saturated, 16-byte readings, CBOR", work: "w2small", target: "hub-cbor", over: "nats-ws", f: cpu, most: 1.0},
	{what: "W2 saturated, 4-KiB readings, JSON", work: "w2large", target: "hub-json", over: "nats-ws", f: cpu, most: 1.0},
	{what: "W2 saturated, 4-KiB readings, CBOR", work: "w2large", target: "hub-cbor", over: "nats-ws", f: cpu, most: 1.0},
	{what: "W2 at 20,000 deliveries/s, JSON", work: "w2fix", target: "hub-json", over: "lim-go-raw", f: cpu, most: .80},
	{what: "W2 at 20,000 deliveries/s, CBOR", work: "w2fix", target: "hub-cbor", over: "lim-go-raw", f: cpu, most: .80},
	{what: "W2 at 20,000 deliveries/s over TLS", work: "w2fix", target: "hub-json-tls", over: "mosq-tcp-tls", f: cpu, most: .60},
	{what: "W2 at 20,000 deliveries/s over TLS", work: "w2fix", target: "hub-json-tls", over: "hub-json", f: cpu, most: 1.5},
	{what: "W3 gateway, defaults, JSON", work: "w3", target: "hub-json", over: "mosq-ws", f: cpu, most: .32},
	{what: "W3 gateway, defaults, CBOR", work: "w3", target: "hub-cbor", over: "mosq-ws", f: cpu, most: .32},
	{what: "W3 gateway, defaults, MQTT", work: "w3", target: "hub-mqtt", over: "mosq-tcp", f: cpu, most: .40},
	{what: "W3 gateway over TLS", work: "w3", target: "hub-json-tls", over: "mosq-tcp-tls", f: cpu, most: .60},
	{what: "W3 gateway over TLS", work: "w3", target: "hub-json-tls", over: "hub-json", f: cpu, most: 1.5},
	{what: "W3 p99, defaults, JSON", work: "w3", target: "hub-json", f: p99, most: 3000, figure: "ms"},
	{what: "W3 p99, defaults, CBOR", work: "w3", target: "hub-cbor", f: p99, most: 3000, figure: "ms"},
	{what: "W3 p99, defaults, MQTT", work: "w3", target: "hub-mqtt", f: p99, most: 4000, figure: "ms"},
	{what: "W3 p99, 500 dashboards, defaults", work: "w3many", target: "hub-json", f: p99, most: 10000, figure: "ms"},
	{what: "W3 gateway, defaults, MQTT", work: "w3", target: "hub-mqtt", over: "nats-mqtt", f: cpu, most: .40},
	{what: "W3 gateway, defaults, MQTT QoS 1", work: "w3q1", target: "hub-mqtt-q1", over: "mosq-tcp-q1", f: cpu, most: .40},
	{what: "W3 gateway, pace 0", work: "w3", target: "hub-json-pace0", over: "mosq-ws", f: cpu, most: .78},
	{what: "W3 p99, pace 0", work: "w3", target: "hub-json-pace0", over: "mosq-ws", f: p99, most: 1.0},
	{what: "W3 on two cores, defaults, JSON", work: "w3", target: "hub-json", over: "mosq-ws", f: cpu, most: .38, unpinned: true},
	{what: "W3 on two cores, defaults, CBOR", work: "w3", target: "hub-cbor", over: "mosq-ws", f: cpu, most: .38, unpinned: true},
	{what: "W3 on two cores, p99, defaults, JSON", work: "w3", target: "hub-json", f: p99, most: 3000, figure: "ms", unpinned: true},
	{what: "W3 on two cores, pace 0", work: "w3", target: "hub-json-pace0", over: "mosq-ws", f: cpu, most: .75, unpinned: true},
	{what: "W4 idle connection, Linux", work: "w4_10000", target: "hub-json", f: perOne, most: 1200, figure: "bytes"},
	{what: "W4 idle connection, MQTT", work: "w4_10000", target: "hub-mqtt", f: perOne, most: 1200, figure: "bytes"},
	{what: "W4 idle connection, portable", work: "w4_10000", target: "hub-portable", f: perOne, most: 5000, figure: "bytes"},
	{what: "W5 exec to accepting", work: "w5", target: "hub-json", f: rate, most: 6, figure: "plain ms"},
	{what: "Idle RSS", work: "idle", target: "hub-json", f: rss, most: 8e6, figure: "MB"},
	{what: "Idle wake-ups per second", work: "idle", target: "hub-json", f: rate, most: 2, figure: "plain"},
	{what: "W6 topic with a 100-byte reading", work: "w6", target: "hub-json", f: perOne, most: 320, figure: "bytes"},
	{what: "W7 durable, 64 publishers wait: time a reading", work: "w7_64", target: "hub-durable", over: "jetstream-always", f: each, most: .20},
	{what: "W7 durable, 64 publishers wait: time a reading", work: "w7_64", target: "hub-durable", over: "bbolt", f: each, most: 1.0},
	{what: "W7 durable, 64 publishers wait: time a reading", work: "w7_64", target: "hub-durable", over: "sqlite-wal", f: each, most: 1.0},
	{what: "W7 durable, 64 publishers wait: bytes written", work: "w7_64", target: "hub-durable", over: "bbolt", f: perOne, most: .50},
	{what: "W7 durable, one publisher waits: time a reading", work: "w7_1", target: "hub-durable", over: "bbolt", f: each, most: 1.0},
	{what: "W8 uplink: the edge's CPU a reading", work: "w8", target: "hub-uplink", over: "nats-leaf", f: cpu, most: 1.0},
	{what: "W8 uplink, line cut and edge killed: readings lost", work: "w8_kill", target: "hub-uplink", f: lost, most: 0, figure: "plain"},
	{what: "W8 uplink, line cut and edge without power: readings lost", work: "w8_power", target: "hub-uplink", f: lost, most: 0, figure: "plain"},
	{what: "W3, CBOR sensors, both kinds of dashboards", work: "w3", target: "hub-mixed", over: "the mean of both encodings", f: cpu, most: 1.15, single: true},
	{what: "W2 saturated, both kinds of dashboards", work: "w2sat", target: "hub-mixed", over: "the mean of both encodings", f: cpu, most: 1.15, single: true},
}

// values are the goal's figure or ratio, one for each repetition.
func (g *goal) values(pinned, unpinned rows) []float64 {
	rs := pinned
	if g.unpinned {
		rs = unpinned
	}
	own := rs.of(g.target, g.work, g.f)
	switch {
	case g.single:
		j, c := rs.of("hub-json", g.work, g.f), rs.of("hub-cbor", g.work, g.f)
		if len(j) == 0 || len(c) == 0 {
			return nil
		}
		mean := make([]float64, 0, len(j))
		for i := range min(len(j), len(c)) {
			mean = append(mean, (j[i]+c[i])/2)
		}
		return ratios(own, mean)
	case g.over != "":
		return ratios(own, rs.of(g.over, g.work, g.f))
	}
	return own
}

// say writes a value as the goal's figures are written.
func (g *goal) say(v float64) string {
	switch g.figure {
	case "ms":
		return fmt.Sprintf("%.3g ms", v/1000)
	case "plain":
		return fmt.Sprintf("%.3g", v)
	case "plain ms":
		return fmt.Sprintf("%.3g ms", v)
	case "bytes":
		return thousands(v) + " B"
	case "MB":
		return fmt.Sprintf("%.3g MB", v/1e6)
	}
	return fmt.Sprintf("%.2f ×", v)
}

// enough is how many runs decide.
const enough = 3

// verdict is what v says of the goal; also its kind, for counting.
func (g *goal) verdict(v []float64) (text, kind string) {
	m := median(v)
	kind, text = "met", "met"
	if m > g.most {
		kind, text = "missed", "**missed**"
	}
	switch {
	case math.IsNaN(m):
		return "–", "not measured"
	case len(v) < enough:
		return text + " so far", "measured too few times to decide"
	case slices.Min(v) <= g.most && slices.Max(v) > g.most:
		return text + ", not decided", kind // the range reaches over the goal
	}
	return text, kind
}

func goalTable(pinned, unpinned rows) string {
	var b strings.Builder
	b.WriteString("| work | compared with | goal | measured (median) | range | runs | | row |\n|---|---|---|---|---|---|---|---|\n")
	count := map[string]int{}
	for _, g := range goals {
		v := g.values(pinned, unpinned)
		over, measured := g.over, "–"
		if over == "" {
			over = "–"
		}
		if len(v) > 0 {
			measured = "**" + g.say(median(v)) + "**"
		}
		text, kind := g.verdict(v)
		count[kind]++
		work, _, _ := strings.Cut(strings.Trim(command(g.work), "`"), " ")
		fmt.Fprintf(&b, "| %s | %s | ≤ %s | %s | %s | %d | %s | `%s` |\n", g.what, over, g.say(g.most), measured, between(v, g.say), len(v), text, work)
	}
	if lost, runs := hubLoss(pinned, unpinned); runs > 0 {
		text, kind := "met", "met"
		if lost > 0 {
			text, kind = "**missed**", "missed"
		}
		count[kind]++
		fmt.Fprintf(&b, "| messages lost by the hub, all works | – | 0 | **%d** | – | %d | %s | all |\n", lost, runs, text)
	}
	b.WriteString("\n")
	for i, kind := range []string{"met", "missed", "measured too few times to decide", "not measured"} {
		if i > 0 {
			b.WriteString(", ")
		}
		fmt.Fprintf(&b, "%d %s", count[kind], kind)
	}
	b.WriteString(".\n")
	return b.String()
}

// hubLoss is what went missing in the hub's own runs.
func hubLoss(all ...rows) (lost int64, runs int) {
	for _, rs := range all {
		for k, list := range rs {
			if !strings.HasPrefix(k.target, "hub-") || strings.HasPrefix(k.work, "w7") {
				continue
			}
			for _, r := range list {
				lost += r.Lost
				runs++
			}
		}
	}
	return lost, runs
}

// between is the range of v, nothing where it is a single value.
func between(v []float64, say func(float64) string) string {
	if len(v) < 2 {
		return "–"
	}
	lo, hi := v[0], v[0]
	for _, x := range v {
		lo, hi = min(lo, x), max(hi, x)
	}
	a, b := say(lo), say(hi)
	if i := strings.LastIndexByte(a, ' '); i > 0 { // the unit once
		a = a[:i]
	}
	return a + " – " + b
}
