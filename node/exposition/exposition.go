// Package exposition writes metrics in Prometheus' text format 0.0.4: the hub's, and
// those of what runs beside it.
package exposition

import (
	"strconv"
	"strings"
	"time"
)

// Text are metrics. Their names get topicd_ and Part before them.
type Text struct {
	B    []byte
	Part string
}

func (t *Text) add(parts ...string) {
	for _, p := range parts {
		t.B = append(t.B, p...)
	}
}

// Family says what the samples of that name are, which follow it.
func (t *Text) Family(name, kind, help string) {
	t.add("# HELP topicd_", t.Part, name, " ", help, "\n# TYPE topicd_", t.Part, name, " ", kind, "\n")
}

var escape = strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`)

// Sample is a figure of a family; label "" is none.
func (t *Text) Sample(name, label, value string, v int64) {
	t.add("topicd_", t.Part, name)
	if label != "" {
		t.add("{", label, `="`, escape.Replace(value), `"}`)
	}
	t.B = append(strconv.AppendInt(append(t.B, ' '), v, 10), '\n')
}

// Gauge is a family of one sample.
func (t *Text) Gauge(name, help string, v int64) {
	t.Family(name, "gauge", help)
	t.Sample(name, "", "", v)
}

// Counter is a family of one sample that only grows.
func (t *Text) Counter(name, help string, v int64) {
	t.Family(name, "counter", help)
	t.Sample(name, "", "", v)
}

// Seconds is a gauge of time.
func (t *Text) Seconds(name, help string, d time.Duration) {
	t.Family(name, "gauge", help)
	t.add("topicd_", t.Part, name, " ")
	t.B = append(strconv.AppendFloat(t.B, d.Seconds(), 'f', -1, 64), '\n')
}

// Bit is 1 or 0.
func Bit(on bool) int64 {
	if on {
		return 1
	}
	return 0
}
