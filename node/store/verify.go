package store

import (
	"fmt"
	"path/filepath"
	"slices"
	"sort"
	"time"

	"topicd/node/fields"
)

// Report is what Verify found.
type Report struct {
	Segments, Readings int
	Bytes              int64
	Aside              int // spans that an earlier start found damaged and set aside
	Topics             []TopicReport
	Cursors            []CursorReport
	Damage             []Damage
}

// TopicReport is what is stored of one topic.
type TopicReport struct {
	Name            string
	Ep, First, Last uint64
	Readings        int
	Bytes           int64 // of records
	Oldest, Newest  int64 // ts of the first and the last
}

// CursorReport is a durable cursor.
type CursorReport struct {
	Client, Pattern string
	Topics          int
	Place           Place
	Used            time.Time // zero: not known
}

// Damage is a place that cannot be read.
type Damage struct {
	File       string
	Off, Bytes int
	What       string
}

func (d Damage) String() string {
	return fmt.Sprintf("%s: offset %d: %d bytes: %s", d.File, d.Off, d.Bytes, d.What)
}

// verifier gathers a report.
type verifier struct {
	rep     *Report
	topics  map[string]*TopicReport
	cursors map[cursorKey]*CursorReport
	acked   map[cursorKey]map[string]bool
}

// Verify reads a store without changing it, also one that a running hub writes
// to, and checks every record. The tail of the newest segment may be in the
// midst of being written and is no damage. fs nil is the real file system.
func Verify(dir string, fs FS) (*Report, error) {
	if fs == nil {
		fs = osFS{}
	}
	list, err := fs.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("store: %w", err)
	}
	list = slices.DeleteFunc(list, func(e Entry) bool { _, ok := parseSegName(e.Name); return !ok || e.Dir })
	sort.Slice(list, func(i, j int) bool { return list[i].Name < list[j].Name })
	s := &Store{opt: Options{Dir: dir, FS: fs}.withDefaults()}
	s.findSalt(list)
	v := &verifier{rep: &Report{}, topics: map[string]*TopicReport{}, cursors: map[cursorKey]*CursorReport{}, acked: map[cursorKey]map[string]bool{}}
	var buf []byte
	for i, e := range list {
		name := filepath.Join(dir, e.Name)
		if buf, err = readAll(fs, name, maxSegment, buf); isNotExist(err) {
			continue // a running hub gave it up
		} else if err != nil {
			v.rep.Damage = append(v.rep.Damage, Damage{name, 0, int(e.Size), err.Error()})
			continue
		}
		if f, err := fs.Open(name, false); isNotExist(err) {
			continue // and may have written over it meanwhile
		} else if err == nil {
			_ = f.Close()
		}
		no, _ := parseSegName(e.Name)
		v.segment(name, keyOf(s.salt, no), no, buf, i == len(list)-1)
	}
	return v.report(), nil
}

func (v *verifier) segment(name string, k key, no uint64, buf []byte, last bool) {
	v.rep.Segments++
	v.rep.Bytes += int64(len(buf))
	damage := func(off, end int, what string) {
		v.rep.Damage = append(v.rep.Damage, Damage{name, off, end - off, what})
	}
	if _, ok := segSalt(buf, no); !ok && len(buf) >= segStart {
		damage(0, segStart, "both copies of the header")
	}
	p := parseSegment(k, buf)
	for _, b := range p.bad {
		if !last || b.end < len(buf) {
			damage(b.off, b.end, "no record")
		}
	}
	for _, at := range p.recs {
		kind, payload, _ := k.record(buf, at.off, at.off)
		if kind == kindReading {
			r, ok := parseReading(payload)
			if st := p.streams.get(r.stream); ok && st != nil {
				rd := r.in(st, string(st.topic))
				v.reading(&rd, at, r.ctl&ctlCarried != 0)
				continue
			}
			damage(at.off, at.end, "a reading whose topic is not known")
			continue
		}
		v.other(kind, payload)
	}
}

func (v *verifier) reading(r *Reading, at span, carried bool) {
	t := v.topics[r.Topic]
	if t == nil || t.Ep < r.Ep {
		t = &TopicReport{Name: r.Topic, Ep: r.Ep, First: r.Seq, Oldest: r.TS}
		v.topics[r.Topic] = t
	}
	if r.Ep < t.Ep || r.Seq <= t.Last {
		return // of an earlier life, or a second copy
	}
	t.Last, t.Newest = r.Seq, r.TS
	t.Readings++
	t.Bytes += int64(at.end - at.off)
}

func (v *verifier) other(kind byte, payload []byte) {
	f := fields.Reader{B: payload}
	switch kind {
	case kindVoid:
		v.rep.Aside++
	case kindForget:
		name, ep := string(f.Bytes()), f.Uint()
		if t := v.topics[name]; t != nil && t.Ep == ep {
			delete(v.topics, name)
		}
	case kindCursor:
		rec, ok := parseCursor(payload)
		if !ok {
			return
		}
		k := cursorKey{rec.client, rec.pattern}
		if rec.ended {
			delete(v.cursors, k)
			delete(v.acked, k)
			return
		}
		c := v.cursors[k]
		if c == nil {
			c = &CursorReport{Client: rec.client, Pattern: rec.pattern}
			v.cursors[k], v.acked[k] = c, map[string]bool{}
		}
		c.Place = max(c.Place, rec.place)
		if rec.used > 0 {
			c.Used = time.UnixMilli(rec.used)
		}
		for _, a := range rec.acks {
			v.acked[k][a.topic] = true
		}
	}
}

func (v *verifier) report() *Report {
	for _, t := range v.topics {
		v.rep.Readings += t.Readings
		v.rep.Topics = append(v.rep.Topics, *t)
	}
	for k, c := range v.cursors {
		c.Topics = len(v.acked[k])
		v.rep.Cursors = append(v.rep.Cursors, *c)
	}
	ts, cs := v.rep.Topics, v.rep.Cursors
	sort.Slice(ts, func(i, j int) bool { return ts[i].Name < ts[j].Name })
	sort.Slice(cs, func(i, j int) bool { return cs[i].Client+"\x00"+cs[i].Pattern < cs[j].Client+"\x00"+cs[j].Pattern })
	return v.rep
}
