package main

import (
	"bytes"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
)

// curve is one growth benchmark and how its plot is called.
type curve struct{ bench, file, title, x, unit string }

var curves = []curve{
	{"BenchmarkGrowTopics", "grow-topics.svg", "Cost of a message as topics grow", "topics, one subscriber of everything", "publish and delivery"},
	{"BenchmarkGrowSubscribers", "grow-subscribers.svg", "Cost of a delivery as subscribers grow", "subscribers of one topic", "delivery"},
	{"BenchmarkGrowPatterns", "grow-patterns.svg", "Cost of a message as patterns grow", "patterns, one of which fits", "publish and delivery"},
	{"BenchmarkGrowSessions", "grow-sessions.svg", "Cost of a message as sessions grow", "sessions with a subscription each", "publish and delivery"},
	{"BenchmarkGrowHistory", "grow-history.svg", "Cost of a page of durable history as the log grows", "MiB of log", "page of 16 KiB from anywhere"},
}

// limit is what the cost at any size may be of the cost at the smallest.
const limit = 1.3

// Where things stand in the picture.
const (
	width, height           = 640.0, 320.0
	left, right, top, below = 56.0, 562.0, 44.0, 262.0
)

// Colours for light and dark pages: an SVG follows the reader's choice.
const style = `<style>
text{font:13px system-ui,sans-serif;fill:#57606a}.title{font-size:15px;font-weight:600;fill:#1f2328}
.grid{stroke:#d0d7de}.axis{stroke:#8c959f}.limit{stroke:#cf222e;stroke-dasharray:6 4}.limit-text{fill:#cf222e}
.line{fill:none;stroke:#0969da;stroke-width:2}.spread{stroke:#0969da;stroke-width:2;opacity:.45}.dot{fill:#0969da}
@media (prefers-color-scheme:dark){text{fill:#9198a1}.title{fill:#f0f6fc}.grid{stroke:#30363d}.axis{stroke:#6e7681}
.limit{stroke:#ff7b72}.limit-text{fill:#ff7b72}.line,.spread{stroke:#58a6ff}.dot{fill:#58a6ff}}
</style>
`

// draw draws the medians over sizes, relative to the smallest size's, with the
// spread of the repetitions.
func draw(c curve, points []point) []byte {
	base := median(points[0].cost)
	most := 1.5
	for _, p := range points {
		most = max(most, slices.Max(p.cost)/base*1.08)
	}
	most = min(most, max(2, worst(points)*1.3)) // one wild repetition does not flatten the rest
	lo, hi := math.Log10(float64(points[0].n)), math.Log10(float64(points[len(points)-1].n))
	x := func(n int) float64 {
		if hi == lo {
			return (left + right) / 2
		}
		return left + 24 + (math.Log10(float64(n))-lo)/(hi-lo)*(right-left-48)
	}
	y := func(v float64) float64 { return below - min(v, most)/most*(below-top) }
	var b bytes.Buffer
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %g %g" role="img" aria-label="%s">`+"\n", width, height, c.title)
	fmt.Fprintf(&b, "<title>%s</title>\n<desc>%s</desc>\n%s", c.title, inWords(points), style)
	fmt.Fprintf(&b, `<text class="title" x="%g" y="24">%s</text>`+"\n", left-40, c.title)
	for v := 0.0; v <= most; v += gridStep(most) {
		fmt.Fprintf(&b, `<line class="grid" x1="%g" y1="%.1f" x2="%g" y2="%.1f"/><text x="%g" y="%.1f" text-anchor="end">%s ×</text>`+"\n",
			left, y(v), right, y(v), left-6, y(v)+4, short(v))
	}
	fmt.Fprintf(&b, `<line class="limit" x1="%g" y1="%.1f" x2="%g" y2="%.1f"/><text class="limit-text" x="%g" y="%.1f">limit %g ×</text>`+"\n",
		left, y(limit), right, y(limit), right+6, y(limit)+4, limit)
	fmt.Fprintf(&b, `<line class="axis" x1="%g" y1="%g" x2="%g" y2="%g"/>`+"\n", left, below, right, below)
	var line []string
	for _, p := range points {
		px, py := x(p.n), y(median(p.cost)/base)
		line = append(line, fmt.Sprintf("%.1f,%.1f", px, py))
		fmt.Fprintf(&b, `<line class="spread" x1="%.1f" y1="%.1f" x2="%.1f" y2="%.1f"/><circle class="dot" cx="%.1f" cy="%.1f" r="4"/>`+"\n",
			px, y(slices.Min(p.cost)/base), px, y(slices.Max(p.cost)/base), px, py)
		fmt.Fprintf(&b, `<text x="%.1f" y="%g" text-anchor="middle">%s</text><text x="%.1f" y="%.1f" text-anchor="middle">%s</text>`+"\n",
			px, below+18, thousands(float64(p.n)), px, below-10, nanos(median(p.cost)))
	}
	fmt.Fprintf(&b, `<polyline class="line" points="%s"/>`+"\n", strings.Join(line, " "))
	fmt.Fprintf(&b, `<text x="%g" y="%g" text-anchor="middle">%s; inside: cost of a %s, median of %d</text>`+"\n</svg>\n",
		(left+right)/2, below+42, c.x, c.unit, len(points[0].cost))
	return b.Bytes()
}

// gridStep is a distance of grid lines that leaves four to eight of them.
func gridStep(most float64) float64 {
	for _, s := range []float64{0.25, 0.5, 1, 2, 5, 10, 50} {
		if most/s <= 8 {
			return s
		}
	}
	return 100
}

// worst is the largest median relative to the smallest size's.
func worst(points []point) float64 {
	w := 0.0
	for _, p := range points {
		w = max(w, median(p.cost)/median(points[0].cost))
	}
	return w
}

// inWords is the curve for who cannot see it.
func inWords(points []point) string {
	var b strings.Builder
	for i, p := range points {
		if i > 0 {
			b.WriteString(", ")
		}
		fmt.Fprintf(&b, "%s: %s", thousands(float64(p.n)), nanos(median(p.cost)))
	}
	return b.String()
}

func short(v float64) string { return strconv.FormatFloat(v, 'g', 3, 64) }

func nanos(v float64) string {
	if v >= 10_000 {
		return fmt.Sprintf("%.3g µs", v/1000)
	}
	return fmt.Sprintf("%.0f ns", v)
}

// thousands writes a whole number with its thousands apart.
func thousands(f float64) string {
	s := strconv.FormatInt(int64(math.Round(f)), 10)
	for i := len(s) - 3; i > 0 && s[i-1] != '-'; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}
