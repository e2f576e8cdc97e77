package web

import (
	"net/http"
	"strings"

	"topicd/codec"
	"topicd/node"
	"topicd/node/exposition"
)

// serveMetrics answers every gauge and counter in Prometheus' text format 0.0.4:
// GET /metrics. It asks for the right to read $sys/stats.
func (s *server) serveMetrics(w http.ResponseWriter, r *http.Request) {
	s.api(w, r, func(sess *node.Session) *codec.Error {
		if err := sess.MaySubscribe([]byte("$sys/stats")); err != nil {
			return err
		}
		w.Header().Set("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
		_, _ = w.Write(s.metrics())
		return nil
	})
}

func (s *server) metrics() []byte {
	b := &exposition.Text{}
	m, c, o := s.Hub.Memory(), s.Hub.Counts(), s.Hub.Options()
	b.Family("build_info", "gauge", "Always 1; the version that runs is its label.")
	b.Sample("build_info", "version", s.Version, 1)
	b.Gauge("topics", "Topics there are, the hub's own included.", int64(c.Topics))
	b.Gauge("topics_limit", "Topics there may be.", int64(o.Topics))
	b.Gauge("sessions", "Connections, HTTP requests under way included.", int64(c.Sessions))
	b.Gauge("sessions_limit", "Connections there may be.", int64(o.Sessions))
	b.Gauge("subscriptions", "Subscriptions of all connections.", int64(c.Subscriptions))
	b.Gauge("arena_used_bytes", "Memory of the arena that holds readings: the sum of all topics' bytes.", m.Readings)
	b.Gauge("arena_touched_bytes", "Memory of the arena that was ever used, and so is resident.", m.Arena)
	b.Gauge("arena_budget_bytes", "Memory that the arena may have.", m.Budget)
	b.Family("memory_bytes", "gauge", "Memory that the hub accounts for beside the arena, by what it holds.")
	b.Sample("memory_bytes", "part", "topics", m.Topics)
	b.Sample("memory_bytes", "part", "sessions", m.Sessions)
	b.Sample("memory_bytes", "part", "subscriptions", m.Subscriptions)
	b.Sample("memory_bytes", "part", "ready", m.Ready)
	for _, f := range families {
		counters(b, &s.Hub.Stats, f)
	}
	if s.Store != nil {
		storeMetrics(b, s.Store)
	}
	if s.Metrics != nil {
		b.B = s.Metrics(b.B)
	}
	return b.B
}

// family is counters that one metric shows, told apart by the label reason.
type family struct{ prefix, name, help string }

var families = [...]family{
	{"drop_", "drops_total", "Readings that a subscriber did not get, by reason: overrun = evicted before it read them, conflated = it asked for the latest or a rate, formless = its dialect cannot say them."},
	{"refused_", "refused_total", "Requests refused, by reason."},
	{"cut_", "cut_total", "Connections that the hub ended, by reason."},
	{"", "", ""}, // the others, each by itself
}

// alone describes the counters that have no label.
var alone = map[string]family{
	"published":       {name: "readings_published_total", help: "Readings stored."},
	"delivered":       {name: "readings_delivered_total", help: "Readings handed to subscribers' transports."},
	"evicted":         {name: "readings_evicted_total", help: "Readings that left their topic to make room for newer ones: history, not loss."},
	"duplicates":      {name: "readings_duplicate_total", help: "Readings recognised as sent before."},
	"sessions_opened": {name: "sessions_opened_total", help: "Connections begun, HTTP requests included."},
	"sessions_closed": {name: "sessions_closed_total", help: "Connections ended, HTTP requests included."},
	"failed_reads":    {name: "store_read_errors_total", help: "Pages of durable topics that the disk could not read: readers went on without them."},
	"lost_minutes":    {name: "history_lost_total", help: "Minutes of history (min, mean, max) that there was no memory for."},
	"topics_expired":  {name: "topics_expired_total", help: "Dynamic topics that went because nobody used them."},
}

func counters(b *exposition.Text, stats *node.Stats, f family) {
	if f.prefix != "" {
		b.Family(f.name, "counter", f.help)
	}
	for c := range node.Counters {
		name := c.String()
		reason, one := "", false
		for _, g := range families {
			if g.prefix != "" && strings.HasPrefix(name, g.prefix) {
				reason, one = name[len(g.prefix):], g == f
			}
		}
		switch {
		case one:
			b.Sample(f.name, "reason", reason, stats.Get(c))
		case reason == "" && f.prefix == "":
			a, known := alone[name]
			if !known {
				a = family{name: name + "_total", help: "The hub's counter " + name + "."}
			}
			b.Family(a.name, "counter", a.help)
			b.Sample(a.name, "", "", stats.Get(c))
		}
	}
}
