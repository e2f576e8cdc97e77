// Package show writes readings, lists and figures: in columns for people at a
// terminal, in JSON a line for programs. What comes from the network is made safe
// to show.
package show

import (
	"bufio"
	"encoding/json"
	"io"
	"math"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"
	"unicode"
	"unicode/utf8"

	"topicd/codec"
	"topicd/node/client"
)

// Printer writes readings: a JSON object a line for programs, aligned columns
// for people.
type Printer struct {
	raw, people, colour bool
	now                 func() time.Time

	mu    sync.Mutex
	w     *bufio.Writer
	dirty chan struct{} // something waits to be flushed
	quit  chan struct{}
	done  chan struct{}
	width int // of the widest topic so far
}

// NewPrinter makes a Printer to w. raw writes the data only, asJSON JSON at a
// terminal too; getenv tells of colours.
func NewPrinter(w io.Writer, raw, asJSON bool, getenv func(string) string) *Printer {
	p := &Printer{
		raw: raw, people: IsTerminal(w) && !raw && !asJSON, now: time.Now,
		w: bufio.NewWriterSize(w, 32<<10), dirty: make(chan struct{}, 1),
		quit: make(chan struct{}), done: make(chan struct{}), width: 24,
	}
	p.colour = p.people && getenv("NO_COLOR") == "" && getenv("TERM") != "dumb"
	go p.flushLoop()
	return p
}

// flushLoop writes what waits a moment after it came: lines of a flood go out
// together, a single one is not kept.
func (p *Printer) flushLoop() {
	defer close(p.done)
	for {
		select {
		case <-p.quit:
			return
		case <-p.dirty:
		}
		time.Sleep(2 * time.Millisecond)
		p.mu.Lock()
		p.w.Flush()
		p.mu.Unlock()
	}
}

// Flush writes what was printed.
func (p *Printer) Flush() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.w.Flush()
}

// Close writes what is left.
func (p *Printer) Close() error {
	close(p.quit)
	<-p.done
	return p.Flush()
}

// Print writes a reading.
func (p *Printer) Print(m client.Message) {
	var b []byte
	switch {
	case p.raw:
		b = codec.AppendLine(nil, m.Enc, m.Data)
	case p.people:
		b = p.line(m)
	default:
		b = jsonLine(m)
	}
	p.mu.Lock()
	p.w.Write(b)
	p.w.WriteByte('\n')
	p.mu.Unlock()
	select {
	case p.dirty <- struct{}{}:
	default:
	}
}

// jsonLine is a reading with the protocol's keys.
func jsonLine(m client.Message) []byte {
	b := codec.AppendString([]byte(`{"topic":`), codec.JSON, m.Topic)
	b = strconv.AppendUint(append(b, `,"seq":`...), m.Seq, 10)
	b = strconv.AppendInt(append(b, `,"ts":`...), m.TS, 10)
	b = codec.AppendLine(append(b, `,"data":`...), m.Enc, m.Data)
	if m.From != "" {
		b = codec.AppendString(append(b, `,"from":`...), codec.JSON, m.From)
	}
	if m.Drop > 0 {
		b = strconv.AppendUint(append(b, `,"drop":`...), m.Drop, 10)
	}
	return append(b, '}')
}

// line is a reading for people: when, where, what, and what is odd about it.
func (p *Printer) line(m client.Message) []byte {
	at := time.UnixMilli(m.TS)
	p.width = min(max(p.width, len(m.Topic)), 48)
	value, unit := p.value(m)
	var b strings.Builder
	b.WriteString(p.paint(dim, at.Format("15:04:05")))
	b.WriteString("  " + p.paint(cyan, pad(Clean(m.Topic), p.width)))
	b.WriteString("  " + padLeft(value, 10))
	if unit != "" {
		b.WriteString(" " + p.paint(dim, Clean(unit)))
	}
	var odd []string
	if !m.Live {
		odd = append(odd, Age(p.now().Sub(at)))
	}
	if m.Restart {
		odd = append(odd, "the hub restarted")
	}
	if m.Drop > 0 {
		odd = append(odd, strconv.FormatUint(m.Drop, 10)+" missing before")
	}
	if len(odd) > 0 {
		b.WriteString("  " + p.paint(dim, "("+strings.Join(odd, ", ")+")"))
	}
	return []byte(b.String())
}

// value is the data as people read it: a measurement as number and unit, a text
// without its quotes, anything else as JSON.
func (p *Printer) value(m client.Message) (value, unit string) {
	if v, unit, ok := m.Value(); ok {
		if unit == "B" && v >= 1<<10 && v < 1<<60 {
			value, unit, _ = strings.Cut(Bytes(int64(v)), " ")
			return value, unit
		}
		return number(v), unit
	}
	text := string(m.JSON())
	var s string
	if json.Unmarshal(m.JSON(), &s) == nil {
		text = s
	} else {
		var r struct {
			S *string `json:"vs"`
			B *bool   `json:"vb"`
		}
		if json.Unmarshal(m.JSON(), &r) == nil && r.S != nil {
			text = *r.S
		} else if r.B != nil {
			text = strconv.FormatBool(*r.B)
		}
	}
	text = Clean(text)
	if utf8.RuneCountInString(text) > 120 {
		text = string([]rune(text)[:119]) + "…"
	}
	return text, ""
}

// number writes v with eight digits, whole numbers with all of them, and an
// exponent only where it helps.
func number(v float64) string {
	short := strconv.FormatFloat(v, 'g', 8, 64)
	if a := math.Abs(v); a != 0 && (a < 1e-4 || a >= 1e15) {
		return short
	}
	if v != math.Trunc(v) {
		v, _ = strconv.ParseFloat(short, 64)
	}
	return strconv.FormatFloat(v, 'f', -1, 64)
}

// Clean makes a text from the network safe to show: a terminal obeys control
// characters.
func Clean(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || !unicode.IsPrint(r) && r != ' ' {
			return '·'
		}
		return r
	}, s)
}

const (
	dim  = "\x1b[2m"
	cyan = "\x1b[36m"
)

func (p *Printer) paint(colour, s string) string {
	if !p.colour {
		return s
	}
	return colour + s + "\x1b[0m"
}

func pad(s string, n int) string {
	return s + strings.Repeat(" ", max(0, n-utf8.RuneCountInString(s)))
}

func padLeft(s string, n int) string {
	return strings.Repeat(" ", max(0, n-utf8.RuneCountInString(s))) + s
}

// Age says how long ago, in one unit.
func Age(d time.Duration) string {
	switch {
	case d < 2*time.Second:
		return "just now"
	case d < 2*time.Minute:
		return strconv.Itoa(int(d.Seconds())) + " s ago"
	case d < 2*time.Hour:
		return strconv.Itoa(int(d.Minutes())) + " min ago"
	case d < 48*time.Hour:
		return strconv.Itoa(int(d.Hours())) + " h ago"
	}
	return strconv.Itoa(int(d.Hours()/24)) + " days ago"
}

// IsTerminal reports whether a person looks at w.
func IsTerminal(w any) bool {
	f, ok := w.(*os.File)
	if !ok {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}
