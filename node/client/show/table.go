package show

import (
	"bufio"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"
)

// Since is how long ago a time in milliseconds since 1970 was.
func Since(ms int64) string {
	if ms <= 0 {
		return "-"
	}
	return Age(time.Since(time.UnixMilli(ms)))
}

// Table is rows with columns as wide as they must be.
type Table struct {
	right []bool // columns of numbers
	rows  [][]string
}

// Head names the columns, those of numbers with > before the name.
func (g *Table) Head(names ...string) {
	for i, name := range names {
		text, right := strings.CutPrefix(name, ">")
		names[i], g.right = text, append(g.right, right)
	}
	g.rows = append(g.rows, names)
}

// Row adds a row.
func (g *Table) Row(cells ...any) {
	row := make([]string, len(cells))
	for i, c := range cells {
		row[i] = fmt.Sprint(c)
	}
	g.rows = append(g.rows, row)
}

// Print writes what was added.
func (g *Table) Print(w *bufio.Writer) {
	var width []int
	for _, r := range g.rows {
		for i, c := range r {
			if i == len(width) {
				width = append(width, 0)
			}
			width[i] = max(width[i], utf8.RuneCountInString(c))
		}
	}
	for _, r := range g.rows {
		var b strings.Builder
		for i, c := range r {
			if i > 0 {
				b.WriteString("  ")
			}
			if i < len(g.right) && g.right[i] {
				b.WriteString(padLeft(c, width[i]))
			} else {
				b.WriteString(pad(c, width[i]))
			}
		}
		w.WriteString(strings.TrimRight(b.String(), " ") + "\n")
	}
}

// Bytes writes bytes for people.
func Bytes(n int64) string {
	switch f := float64(n); {
	case n < 1<<10:
		return fmt.Sprintf("%d B", n)
	case n < 1<<20:
		return fmt.Sprintf("%.1f KiB", f/(1<<10))
	case n < 1<<30:
		return fmt.Sprintf("%.1f MiB", f/(1<<20))
	default:
		return fmt.Sprintf("%.1f GiB", f/(1<<30))
	}
}
