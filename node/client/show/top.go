package show

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"topicd/node/client"
)

// Top is a hub as people watch it: its topics with their rates, or its clients. It
// is fed with what the hub lists and writes a screen; it knows no terminal.
type Top struct {
	Sort    string // one of rate, name, bytes, readings, subscribers, age
	Reverse bool
	Filter  string // part of a topic's or client's name
	Clients bool   // they are shown, not topics
	Scroll  int

	at     int64 // milliseconds of a clock that only goes forward
	topics map[string]*trace
	peers  map[string]*trace
	total  trace // of all topics
	bytes  int64
	lost   int64 // by those who are connected now
}

// sorts are the columns that Top can be sorted by.
var sorts = [...]string{"rate", "name", "bytes", "readings", "subscribers", "age"}

// trace is what is known of one topic or client from round to round.
type trace struct {
	seq    uint64
	rate   float64 // a second
	past   []float64
	topic  client.TopicInfo
	client client.ClientInfo
	round  int64
}

// traceLen is how many rounds a sparkline shows.
const traceLen = 16

func (t *trace) step(seq uint64, seconds float64) {
	if seconds > 0 && seq >= t.seq {
		t.rate = float64(seq-t.seq) / seconds
		t.past = append(t.past, t.rate)
		if len(t.past) > traceLen {
			t.past = t.past[1:]
		}
	}
	t.seq = seq
}

// Update takes a round of what the hub lists. now are milliseconds of a clock that
// only goes forward.
func (v *Top) Update(topics []client.TopicInfo, clients []client.ClientInfo, now int64) {
	seconds := float64(now-v.at) / 1000
	if v.topics == nil {
		v.topics, v.peers, seconds = map[string]*trace{}, map[string]*trace{}, 0
	}
	v.at, v.bytes, v.lost = now, 0, 0
	sum := v.total.seq
	for _, i := range topics {
		t := v.topics[i.Topic]
		if t == nil {
			t = &trace{seq: i.Seq}
			if seconds > 0 {
				t.seq = 0 // it was born since
			}
			v.topics[i.Topic] = t
		}
		sum += max(i.Seq, t.seq) - t.seq
		t.step(i.Seq, seconds)
		t.topic, t.round = i, now
		v.bytes += i.Bytes
	}
	v.total.step(sum, seconds)
	for _, i := range clients {
		t := v.peers[i.Addr]
		if t == nil {
			t = &trace{seq: uint64(i.In + i.Out)}
			v.peers[i.Addr] = t
		}
		t.step(uint64(i.In+i.Out), seconds)
		t.client, t.round = i, now
		v.lost += i.Drop
	}
	gone := func(_ string, t *trace) bool { return t.round != now }
	maps.DeleteFunc(v.topics, gone)
	maps.DeleteFunc(v.peers, gone)
}

// NextSort goes on to the next column.
func (v *Top) NextSort() {
	i := slices.Index(sorts[:], v.Sort)
	v.Sort = sorts[(i+1)%len(sorts)]
}

// TopRow is a topic as scripts get it.
type TopRow struct {
	Topic       string  `json:"topic"`
	Rate        float64 `json:"rate"` // readings a second
	Bytes       int64   `json:"bytes"`
	Readings    int64   `json:"readings"`
	Subscribers int64   `json:"subscribers"`
	TS          int64   `json:"ts"`
}

// TopState is a round as scripts get it.
type TopState struct {
	Topics  int      `json:"topics"`
	Clients int      `json:"clients"`
	Rate    float64  `json:"rate"` // readings a second
	Bytes   int64    `json:"bytes"`
	Lost    int64    `json:"lost"` // by those who are connected
	Top     []TopRow `json:"top"`
}

// State is the round, with at most n topics.
func (v *Top) State(n int) TopState {
	s := TopState{len(v.topics), len(v.peers), v.total.rate, v.bytes, v.lost, []TopRow{}}
	for _, t := range v.sorted(v.topics, n) {
		s.Top = append(s.Top, TopRow{t.topic.Topic, t.rate, t.topic.Bytes, t.topic.Readings, t.topic.Subscribers, t.topic.TS})
	}
	return s
}

func (t *trace) name() string { return t.topic.Topic + t.client.Client + " " + t.client.Addr }

// sorted are the rows that the filter leaves, the first n of them.
func (v *Top) sorted(of map[string]*trace, n int) []*trace {
	var rows []*trace
	for _, t := range of {
		if strings.Contains(t.name(), v.Filter) {
			rows = append(rows, t)
		}
	}
	slices.SortFunc(rows, func(a, b *trace) int {
		c := 0
		switch v.Sort {
		case "bytes":
			c = cmp.Compare(b.topic.Bytes+b.client.Out, a.topic.Bytes+a.client.Out)
		case "readings":
			c = cmp.Compare(b.topic.Readings+b.client.In, a.topic.Readings+a.client.In)
		case "subscribers":
			c = cmp.Compare(b.topic.Subscribers+b.client.Subs, a.topic.Subscribers+a.client.Subs)
		case "age":
			c = cmp.Compare(b.topic.TS+b.client.Since, a.topic.TS+a.client.Since)
		case "name":
		default:
			c = cmp.Compare(b.rate, a.rate)
		}
		c = cmp.Or(c, strings.Compare(a.name(), b.name()))
		if v.Reverse {
			return -c
		}
		return c
	})
	return rows[:min(n, len(rows))]
}

// Screen writes height lines of at most width columns.
func (v *Top) Screen(width, height int, colour bool) string {
	of, what := v.topics, "topics"
	if v.Clients {
		of, what = v.peers, "clients"
	}
	rows := v.sorted(of, len(of))
	room := max(1, height-4)
	v.Scroll = max(0, min(v.Scroll, len(rows)-room))
	lines := []string{
		fmt.Sprintf("%d topics  %s readings/s %s  %s held  %d clients  %d lost by them", len(v.topics), rate(v.total.rate), Spark(v.total.past), Bytes(v.bytes), len(v.peers), v.lost),
	}
	by := "by " + cmp.Or(v.Sort, "rate")
	if v.Filter != "" {
		by += ", with " + Clean(v.Filter)
	}
	lines = append(lines, fmt.Sprintf("%d %s %s", len(rows), what, by))
	body := v.table(rows[v.Scroll:min(len(rows), v.Scroll+room)], max(16, width-52))
	lines = append(lines, body...)
	var b strings.Builder
	for i := range height - 1 {
		line := ""
		if i < len(lines) {
			line = cut(lines[i], width)
		}
		if colour && i == 2 {
			line = "\x1b[7m" + pad(line, width) + "\x1b[0m"
		}
		b.WriteString(line + "\x1b[K\r\n")
	}
	keys := cut("q quit  s sort  r reverse  / filter  c clients  space pause  arrows", width)
	if colour {
		keys = dim + keys + "\x1b[0m"
	}
	b.WriteString(keys + "\x1b[K")
	return b.String()
}

func (v *Top) table(rows []*trace, name int) []string {
	head := fmt.Sprintf("%-*s %9s %-*s %9s %8s %4s", name, "TOPIC", "RATE", traceLen, "", "BYTES", "READINGS", "SUBS")
	if v.Clients {
		head = fmt.Sprintf("%-*s %9s %-*s %9s %8s %4s", name, "CLIENT", "MSG/S", traceLen, "", "IN", "OUT", "DROP")
	}
	lines := []string{head}
	for _, t := range rows {
		n, a, b, c := t.topic.Topic, Bytes(t.topic.Bytes), t.topic.Readings, t.topic.Subscribers
		if v.Clients {
			n, a, b, c = t.client.Client+" "+t.client.Dialect+" "+t.client.Addr, strconv.FormatInt(t.client.In, 10), t.client.Out, t.client.Drop
		}
		if t.topic.Stale {
			n += " (stale)"
		}
		lines = append(lines, fmt.Sprintf("%s %9s %s %9s %8d %4d", pad(cut(Clean(n), name), name), rate(t.rate), pad(Spark(t.past), traceLen), a, b, c))
	}
	return lines
}

func rate(v float64) string {
	if v == 0 || v >= 100 {
		return strconv.FormatFloat(v, 'f', 0, 64)
	}
	return strconv.FormatFloat(v, 'f', 1, 64)
}

func cut(s string, n int) string {
	if utf8.RuneCountInString(s) <= n {
		return s
	}
	return string([]rune(s)[:max(0, n-1)]) + "…"
}

// Spark draws values as a row of little bars, 0 as a low one.
func Spark(values []float64) string {
	bars := []rune("▁▂▃▄▅▆▇█")
	most := 0.0
	for _, v := range values {
		most = max(most, v)
	}
	b := make([]rune, len(values))
	for i, v := range values {
		b[i] = bars[0]
		if most > 0 {
			b[i] = bars[int(v/most*float64(len(bars)-1)+0.5)]
		}
	}
	return string(b)
}
