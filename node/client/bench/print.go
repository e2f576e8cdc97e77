package bench

import (
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
	"time"
)

// WriteText writes the report for people.
func (r *Report) WriteText(w io.Writer) error {
	var b strings.Builder
	line := func(name, format string, a ...any) {
		fmt.Fprintf(&b, "%-12s"+format+"\n", append([]any{name}, a...)...)
	}
	fmt.Fprintf(&b, "%s\n\n", r.headline())
	line("published", "%s readings, %s a second", group(float64(r.Published.Count)), group(r.Published.PerSecond))
	line("delivered", "%s, %s a second", group(float64(r.Delivered.Count)), group(r.Delivered.PerSecond))
	if l := r.Latency; l != nil {
		line("latency", "p50 %s   p90 %s   p99 %s   p99.9 %s   max %s", us(l.P50), us(l.P90), us(l.P99), us(l.P999), us(l.Max))
	}
	if l := r.Loss; l.Dropped+l.Unexplained == 0 {
		line("lost", "nothing")
	} else {
		line("lost", "%s: %s dropped by the hub, which said so, %s unexplained",
			group(float64(l.Dropped+l.Unexplained)), group(float64(l.Dropped)), group(float64(l.Unexplained)))
	}
	line("duplicates", "%s", group(float64(r.Loss.Duplicates)))
	if len(r.Errors) == 0 {
		line("errors", "none")
	}
	for _, f := range r.Errors {
		code := ""
		if f.Code != 0 {
			code = strconv.Itoa(f.Code) + " "
		}
		line("errors", "%s × %s%s", group(float64(f.Count)), code, f.Msg)
		if f.Hint != "" {
			line("", "hint: %s", f.Hint)
		}
	}
	if s := r.Server; s != nil {
		per := fmt.Sprintf("%.2f µs per delivery, %.2f µs per reading", s.PerDeliveryUS, s.PerPublishUS)
		if r.Delivered.Count == 0 {
			per = fmt.Sprintf("%.2f µs per reading", s.PerPublishUS)
		}
		line("hub", "%.0f %% of a core, %s, RSS %.1f MiB (%s, pid %d)", s.CPU*100, per, float64(s.RSS)/(1<<20), s.Name, s.PID)
	}
	line("this program", " %.0f %% of a core, %.0f %% of this machine", r.Client.CPU*100, r.Client.Share*100)
	for i, text := range r.Warnings {
		if i == 0 {
			b.WriteByte('\n')
		}
		fmt.Fprintf(&b, "note: %s\n", text)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func (r *Report) headline() string {
	l := &r.Load
	pace := fmt.Sprintf("closed loop, at most %s on their way", plural(l.Window, "reading"))
	if l.Rate > 0 {
		pace = group(l.Rate) + " readings a second"
	}
	enc := strings.ToUpper(l.Encoding)
	if hear := strings.Join(l.Hear, " and "); hear != l.Encoding {
		enc += " heard as " + strings.NewReplacer("json", "JSON", "cbor", "CBOR").Replace(hear)
	}
	early := ""
	if r.Interrupted {
		early = ", interrupted"
	}
	return fmt.Sprintf("topicd %s at %s\n%s, %s, %s\n%d bytes of %s, %s, measured for %.1f s%s",
		r.Hub.Version, r.Hub.URL,
		plural(l.Publishers, "publisher"), plural(l.Topics, "topic"), plural(l.Subscribers, "subscriber"),
		l.Size, enc, pace, r.Seconds, early)
}

func plural(n int, what string) string {
	if n != 1 {
		what += "s"
	}
	return group(float64(n)) + " " + what
}

// us writes microseconds so that three digits count.
func us(n int64) string {
	switch {
	case n < 1000:
		return fmt.Sprintf("%d µs", n)
	case n < 1_000_000:
		return fmt.Sprintf("%.3g ms", float64(n)/1e3)
	}
	return fmt.Sprintf("%.3g s", float64(n)/1e6)
}

// group writes a number with its thousands apart.
func group(f float64) string {
	s := strconv.FormatInt(int64(math.Round(f)), 10)
	for i := len(s) - 3; i > 0 && s[i-1] != '-'; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// Shower shows Progress to people: a bar that is drawn over itself on a
// terminal, otherwise a line at each second that is a power of two or a
// multiple of ten.
type Shower struct {
	W        io.Writer
	Terminal bool

	drawn int // columns
	phase string
	next  time.Duration
}

// Show shows p.
func (s *Shower) Show(p Progress) {
	text := s.text(p)
	if s.Terminal {
		pad := max(0, s.drawn-len([]rune(text)))
		s.drawn = len([]rune(text))
		fmt.Fprintf(s.W, "\r%s%s", text, strings.Repeat(" ", pad))
		return
	}
	if p.Phase != s.phase {
		s.phase, s.next = p.Phase, time.Second
	}
	if p.Elapsed < s.next {
		return
	}
	if s.next *= 2; s.next > 8*time.Second {
		s.next = (p.Elapsed/(10*time.Second) + 1) * 10 * time.Second
	}
	fmt.Fprintln(s.W, text)
}

// Done takes the bar away.
func (s *Shower) Done() {
	if s.Terminal && s.drawn > 0 {
		fmt.Fprintf(s.W, "\r%s\r", strings.Repeat(" ", s.drawn))
	}
}

func (s *Shower) text(p Progress) string {
	if p.Phase == "connect" {
		return fmt.Sprintf("connect  %d of %d", p.Connected, p.Conns)
	}
	bar := ""
	if p.Of > 0 {
		const width = 20
		full := min(width, int(width*p.Elapsed/p.Of))
		if s.Terminal {
			bar = strings.Repeat("█", full) + strings.Repeat("░", width-full) + " "
		}
		bar += fmt.Sprintf("%2.0f s of %.0f s  ", p.Elapsed.Seconds(), p.Of.Seconds())
	}
	text := fmt.Sprintf("%-8s %s%s/s published, %s/s delivered", p.Phase, bar, group(p.Sent), group(p.Delivered))
	if p.Dropped > 0 {
		text += fmt.Sprintf(", %s dropped", group(float64(p.Dropped)))
	}
	if p.Refused > 0 {
		text += fmt.Sprintf(", %s refused", group(float64(p.Refused)))
	}
	return text
}
