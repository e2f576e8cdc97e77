// Package replay reads readings from files: what `topicd record` and `topicd sub`
// wrote, the hub's export, and tables of others, CSV or JSON, whose columns become
// topics.
package replay

import (
	"bufio"
	"bytes"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"sort"
	"strconv"
	"strings"
	"time"

	"topicd/codec"
)

// Row is one reading of a file.
type Row struct {
	At    time.Time // zero: the file has no times
	Topic string
	Data  []byte // JSON
}

// Mapping says what the columns of a table are. The zero value takes each column of
// numbers for a topic of its name.
type Mapping struct {
	Time   string   // column of times; "" = the first that is called like one
	Topics []string // COLUMN=TOPIC; {NAME} in a topic is that column's value
	Prefix string   // before the columns' names where Topics is empty
}

// maxRows and maxBytes bound what is read: rows are sorted by time.
const (
	maxRows  = 4_000_000
	maxBytes = 1 << 30
)

// Read reads all of a file, oldest first.
func Read(from io.Reader, m Mapping) ([]Row, error) {
	in := bufio.NewReaderSize(io.LimitReader(from, maxBytes), 64<<10)
	if bom, _ := in.Peek(3); string(bom) == "\xef\xbb\xbf" {
		_, _ = in.Discard(3)
	}
	t := table{Mapping: m}
	first, err := in.Peek(1)
	for err == nil && strings.ContainsRune(" \t\r\n", rune(first[0])) {
		_, _ = in.Discard(1)
		first, err = in.Peek(1)
	}
	switch {
	case errors.Is(err, io.EOF):
		return nil, errors.New("nothing is in it")
	case err != nil:
		return nil, err
	case first[0] == '{' || first[0] == '[':
		err = t.json(in)
	default:
		err = t.csv(in)
	}
	if err != nil {
		return nil, err
	}
	if len(t.rows) == 0 {
		return nil, errors.New("no column of numbers is in it: name columns with COLUMN=TOPIC")
	}
	InOrder(t.rows)
	return t.rows, nil
}

// InOrder sorts rows by time, and leaves those of one time as they are.
func InOrder(rows []Row) {
	sort.SliceStable(rows, func(i, j int) bool { return rows[i].At.Before(rows[j].At) })
}

// table is a file that is read.
type table struct {
	Mapping
	rows []Row
	maps [][2]string // column, topic
}

func (t *table) add(r Row) error {
	if len(t.rows) == maxRows {
		return fmt.Errorf("more than %d readings are in it", maxRows)
	}
	if bad := codec.CheckTopic([]byte(r.Topic)); bad != nil {
		return fmt.Errorf("%q cannot be a topic: %s", r.Topic, bad.Msg)
	}
	t.rows = append(t.rows, r)
	return nil
}

// json reads objects, one behind the other or in one list.
func (t *table) json(in *bufio.Reader) error {
	d := json.NewDecoder(in)
	d.UseNumber()
	if first, _ := in.Peek(1); first[0] == '[' {
		_, _ = d.Token()
	}
	for n := 1; d.More(); n++ {
		var o map[string]json.RawMessage
		if err := d.Decode(&o); err != nil {
			return fmt.Errorf("object %d: %w", n, err)
		}
		if err := t.object(o); err != nil {
			return fmt.Errorf("object %d: %w", n, err)
		}
	}
	return nil
}

func (t *table) object(o map[string]json.RawMessage) error {
	var topic string
	if data := o["data"]; data != nil && json.Unmarshal(o["topic"], &topic) == nil && t.Topics == nil {
		return t.add(Row{millis(text(o["ts"])), topic, data})
	}
	var names, cells []string
	for _, k := range slices.Sorted(maps.Keys(o)) {
		names, cells = append(names, k), append(cells, text(o[k]))
	}
	return t.record(names, cells)
}

// text is a JSON value as a cell has it.
func text(v json.RawMessage) string {
	var s string
	switch {
	case string(v) == "null":
		return ""
	case json.Unmarshal(v, &s) == nil:
		return s
	}
	return string(v)
}

func (t *table) csv(in *bufio.Reader) error {
	head, _ := in.Peek(in.Size())
	line, _, _ := bytes.Cut(head, []byte("\n"))
	d := csv.NewReader(in)
	d.FieldsPerRecord, d.ReuseRecord, d.LazyQuotes = -1, true, true
	for _, sep := range ",;\t" {
		if strings.Count(string(line), string(sep)) > strings.Count(string(line), string(d.Comma)) {
			d.Comma = sep
		}
	}
	names, err := d.Read()
	if err != nil {
		return err
	}
	names = slices.Clone(names)
	for i := range names {
		names[i] = strings.TrimSpace(names[i])
	}
	own := slices.Contains(names, "topic") && slices.Contains(names, "value") && t.Topics == nil
	for {
		cells, err := d.Read()
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return err
		case own:
			err = t.exported(names, cells)
		default:
			err = t.record(names, cells)
		}
		if line, _ := d.FieldPos(0); err != nil {
			return fmt.Errorf("line %d: %w", line, err)
		}
	}
}

// cell is what a row has in a column.
func cell(names, cells []string, name string) string {
	if i := slices.Index(names, name); i >= 0 && i < len(cells) {
		return cells[i]
	}
	return ""
}

// exported takes a row of the hub's own export.
func (t *table) exported(names, cells []string) error {
	r := Row{Topic: strings.TrimPrefix(cell(names, cells, "topic"), "'"), Data: []byte(cell(names, cells, "data"))}
	if r.At = millis(cell(names, cells, "ts")); r.At.IsZero() {
		r.At = stamp(cell(names, cells, "time"))
	}
	if len(r.Data) == 0 {
		r.Data = value(cell(names, cells, "value"))
	}
	if !json.Valid(r.Data) {
		return fmt.Errorf("data %q is no JSON", r.Data)
	}
	return t.add(r)
}

// times are what columns of times are called.
var times = [...]string{"time", "ts", "timestamp", "datetime", "date", "day", "month", "year"}

// record takes a row of somebody's table.
func (t *table) record(names, cells []string) error {
	if t.maps == nil {
		if err := t.columns(names); err != nil {
			return err
		}
	}
	at := stamp(cell(names, cells, t.Time))
	for _, m := range t.maps {
		c := strings.TrimSpace(cell(names, cells, m[0]))
		_, err := strconv.ParseFloat(c, 64)
		if c == "" || err != nil && t.Topics == nil {
			continue
		}
		topic := m[1]
		for i, n := range names {
			if i < len(cells) && strings.Contains(topic, "{") {
				topic = strings.ReplaceAll(topic, "{"+n+"}", level(cells[i]))
			}
		}
		if err := t.add(Row{at, topic, value(c)}); err != nil {
			return err
		}
	}
	return nil
}

// columns settles which columns are what, by the first row's names.
func (t *table) columns(names []string) error {
	for i := 0; t.Time == "" && i < len(times); i++ {
		for _, n := range names {
			if strings.EqualFold(n, times[i]) {
				t.Time = n
			}
		}
	}
	if t.Time != "" && !slices.Contains(names, t.Time) {
		return fmt.Errorf("no column %q; there are %s", t.Time, strings.Join(names, ", "))
	}
	t.maps = [][2]string{}
	for _, m := range t.Topics {
		column, topic, ok := strings.Cut(m, "=")
		if !ok || !slices.Contains(names, column) {
			return fmt.Errorf("%q: that is COLUMN=TOPIC, and there are %s", m, strings.Join(names, ", "))
		}
		for rest := topic; ; {
			_, inside, ok := strings.Cut(rest, "{")
			name, after, closed := strings.Cut(inside, "}")
			if !ok || !closed {
				break
			}
			if !slices.Contains(names, name) {
				return fmt.Errorf("%q: no column %q; there are %s", m, name, strings.Join(names, ", "))
			}
			rest = after
		}
		t.maps = append(t.maps, [2]string{column, topic})
	}
	for _, n := range names {
		if t.Topics == nil && n != t.Time && n != "" {
			t.maps = append(t.maps, [2]string{n, t.Prefix + level(n)})
		}
	}
	return nil
}

// level makes a level of a topic of any text.
func level(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '/' || r == '+' || r == '#' || r == ' ':
			return '_'
		case r < ' ':
			return -1
		}
		return r
	}, strings.TrimSpace(s))
}

// value is a cell as JSON: a number, with a decimal comma too, true or false, else
// a string.
func value(c string) []byte {
	for _, text := range []string{c, strings.Replace(c, ",", ".", 1)} {
		if f, err := strconv.ParseFloat(text, 64); err == nil {
			if json.Valid([]byte(text)) {
				return []byte(text)
			}
			if b, err := json.Marshal(f); err == nil { // not Inf, not NaN
				return b
			}
		}
	}
	if c == "true" || c == "false" {
		return []byte(c)
	}
	b, _ := json.Marshal(c)
	return b
}

var layouts = [...]string{
	time.RFC3339Nano, "2006-01-02T15:04:05", "2006-01-02T15:04", "2006-01-02 15:04:05", "2006-01-02 15:04", "2006-01-02",
	"2006/01/02 15:04:05", "2006/01/02 15:04", "2006/01/02", "01/02/2006 15:04", "01/02/2006", "Jan 2 2006", "2006-01",
}

// millis is the time that the hub's own ts says.
func millis(c string) time.Time {
	ms, err := strconv.ParseInt(c, 10, 64)
	if err != nil {
		return time.Time{}
	}
	return time.UnixMilli(ms)
}

// stamp is the time that a cell says: seconds or milliseconds since 1970, a year, or
// a date; zero if none of them.
func stamp(c string) time.Time {
	c = strings.TrimSpace(c)
	if f, err := strconv.ParseFloat(c, 64); err == nil {
		switch {
		case len(c) == 4 && c >= "1700":
			return time.Date(int(f), 1, 1, 0, 0, 0, 0, time.UTC)
		case f > 1e11:
			return time.UnixMilli(int64(f))
		}
		return time.UnixMilli(int64(f * 1000))
	}
	for _, l := range layouts {
		if at, err := time.Parse(l, c); err == nil {
			return at
		}
	}
	return time.Time{}
}
