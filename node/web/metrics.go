package web

import (
	"net/http"
	"strconv"
	"strings"

	"topicd/codec"
	"topicd/node"
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
	var b exposition
	m, c, o := s.Hub.Memory(), s.Hub.Counts(), s.Hub.Options()
	b.family("build_info", "gauge", "Always 1; the version that runs is its label.")
	b.sample("build_info", "version", s.Version, 1)
	b.gauge("topics", "Topics there are, the hub's own included.", int64(c.Topics))
	b.gauge("topics_limit", "Topics there may be.", int64(o.Topics))
	b.gauge("sessions", "Connections, HTTP requests under way included.", int64(c.Sessions))
	b.gauge("sessions_limit", "Connections there may be.", int64(o.Sessions))
	b.gauge("subscriptions", "Subscriptions of all connections.", int64(c.Subscriptions))
	b.gauge("arena_used_bytes", "Memory of the arena that holds readings: the sum of all topics' bytes.", m.Readings)
	b.gauge("arena_touched_bytes", "Memory of the arena that was ever used, and so is resident.", m.Arena)
	b.gauge("arena_budget_bytes", "Memory that the arena may have.", m.Budget)
	b.family("memory_bytes", "gauge", "Memory that the hub accounts for beside the arena, by what it holds.")
	b.sample("memory_bytes", "part", "topics", m.Topics)
	b.sample("memory_bytes", "part", "sessions", m.Sessions)
	b.sample("memory_bytes", "part", "subscriptions", m.Subscriptions)
	b.sample("memory_bytes", "part", "ready", m.Ready)
	for _, f := range families {
		b.counters(&s.Hub.Stats, f)
	}
	if s.Store != nil {
		b.store(s.Store)
	}
	if s.Metrics != nil {
		b = s.Metrics(b)
	}
	return b
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

// exposition is Prometheus' text format.
type exposition []byte

func (b *exposition) counters(stats *node.Stats, f family) {
	if f.prefix != "" {
		b.family(f.name, "counter", f.help)
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
			b.sample(f.name, "reason", reason, stats.Get(c))
		case reason == "" && f.prefix == "":
			a, known := alone[name]
			if !known {
				a = family{name: name + "_total", help: "The hub's counter " + name + "."}
			}
			b.family(a.name, "counter", a.help)
			b.sample(a.name, "", "", stats.Get(c))
		}
	}
}

func (b *exposition) family(name, kind, help string) {
	*b = append(append(append(append(append(*b, "# HELP topicd_"...), name...), ' '), help...), '\n')
	*b = append(append(append(append(append(*b, "# TYPE topicd_"...), name...), ' '), kind...), '\n')
}

func (b *exposition) gauge(name, help string, v int64) {
	b.family(name, "gauge", help)
	b.sample(name, "", "", v)
}

func (b *exposition) counter(name, help string, v uint64) {
	b.family(name, "counter", help)
	b.sample(name, "", "", int64(v))
}

func (b *exposition) sample(name, label, value string, v int64) {
	*b = append(append(*b, "topicd_"...), name...)
	if label != "" {
		*b = append(append(append(*b, '{'), label...), `="`...)
		*b = append(append(*b, labelEscape.Replace(value)...), `"}`...)
	}
	*b = append(strconv.AppendInt(append(*b, ' '), v, 10), '\n')
}

var labelEscape = strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`)
