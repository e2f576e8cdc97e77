package store

import (
	"errors"
	"sort"
)

// Lost counts readings that were stored and are gone, by reason.
type Lost [reasons]uint64

// logView is what ReadLog took under the lock.
type logView struct {
	segs   []logSeg
	head   *segment
	defs   []headDef
	synced Place
	jumps  []jump
	gone   []lostRange
	kept   []keptReading // carried out of the order of the log, by place
}

// logSeg is a segment and what it held of the log then.
type logSeg struct {
	*segment
	from, to Place
}

type keptReading struct {
	place Place
	seg   *segment
	off   int
}

// logHint remembers where ReadLog ended, so that the next page starts there.
type logHint struct {
	place Place
	seg   uint64
	off   int
}

func (s *Store) logViewOf(from Place) (v logView, hint logHint) {
	s.mu.Lock()
	defer s.mu.Unlock()
	v = logView{head: s.indexOf, defs: s.defs, synced: s.Synced(), jumps: s.jumps, gone: s.lost}
	for _, g := range s.segs {
		if g.first != 0 {
			v.segs = append(v.segs, logSeg{g, g.first, g.last})
		}
	}
	for _, t := range s.byName {
		if g := t.seg; g != nil && t.place >= from && (t.place < g.first || g.first == 0) {
			v.kept = append(v.kept, keptReading{t.place, g, int(t.off)})
		}
	}
	sort.Slice(v.kept, func(i, j int) bool { return v.kept[i].place < v.kept[j].place })
	return v, s.hint
}

// logRun is one call of ReadLog.
type logRun struct {
	s      *Store
	v      logView
	expect Place // the next place wanted
	lost   Lost
	room   int
	each   func(*Reading) bool
	any    bool
	at     logHint // the end of the segment that was read last
}

// ReadLog calls each for the synced readings of all topics from place from on,
// in the order of the log, about maxBytes of them, until each returns false. The
// slices of a reading are valid while each runs.
// next is where to go on: from itself when nothing new is there. lost counts
// the readings between from and next that are gone. A reading that outlived
// its segment because it is its topic's newest comes in its old place.
func (s *Store) ReadLog(from Place, maxBytes int, each func(*Reading) bool) (next Place, lost Lost, err error) {
	for try := 0; ; try++ {
		v, hint := s.logViewOf(from)
		run := &logRun{s: s, v: v, expect: max(from, 1), room: maxBytes, each: each}
		var more bool
		more, err = run.segments(hint)
		if errors.Is(err, errGone) && !run.any && try < 8 {
			continue
		}
		if errors.Is(err, errGone) {
			err = nil // what is behind the place reached is for the next call
		} else if more && err == nil {
			run.keptBelow(v.synced + 1)
			run.skipTo(v.synced + 1)
			if run.at.seg != 0 { // the next page begins with what is written from now on
				run.remember(run.at.seg, run.at.off)
			}
		}
		return max(run.expect, from), run.lost, err
	}
}

// segments goes over the segments; more false: the page is full.
func (l *logRun) segments(hint logHint) (more bool, err error) {
	for _, g := range l.v.segs {
		if g.to < l.expect {
			continue
		}
		start := segStart
		if hint.seg == g.no && hint.place == l.expect {
			start = hint.off
		}
		if more, err = l.segment(g.segment, start); !more || err != nil {
			return more, err
		}
	}
	return true, nil
}

func (l *logRun) segment(g *segment, off int) (more bool, err error) {
	r, err := l.s.openSeg(g)
	if err != nil {
		return false, err
	}
	defer r.close()
	r.inHead, r.defs = g == l.v.head, l.v.defs
	for off < r.end {
		kind, payload, size := r.record(&r.win, off, 4*PageBytes)
		if size == 0 {
			if off = l.behind(r, off); off == 0 {
				return true, nil
			}
			continue
		}
		if kind == kindReading {
			next := l.take(r, payload, off)
			if next == full {
				l.remember(g.no, off)
				return false, nil
			}
			if next == unsynced { // written since the view was taken: the next page begins with it
				break
			}
		}
		off += size
	}
	l.at = logHint{seg: g.no, off: off}
	return true, nil
}

// remember notes where the next page begins.
func (l *logRun) remember(seg uint64, off int) {
	l.s.mu.Lock()
	l.s.hint = logHint{l.expect, seg, off}
	l.s.mu.Unlock()
}

// behind is where the next record behind damage is, 0 = nowhere.
func (l *logRun) behind(r *segReader, off int) int {
	r.readWhole()
	for _, at := range r.all.recs {
		if at.off > off {
			return at.off
		}
	}
	return 0
}

// What take says of a reading.
const (
	taken    = iota // it was handed out, or is not due
	full            // the page has no room for it
	unsynced        // it is none of the view's
)

// take hands out the reading at off if it is due.
func (l *logRun) take(r *segReader, payload []byte, off int) int {
	x, ok := parseReading(payload)
	if !ok || x.ctl&ctlCarried != 0 {
		return taken
	}
	rd, ok := r.reading(off, nil, 4*PageBytes)
	switch {
	case !ok || rd.Place < l.expect:
		return taken
	case rd.Place > l.v.synced:
		return unsynced
	case l.keptBelow(rd.Place) && l.give(&rd):
		return taken
	}
	return full
}

func (l *logRun) give(rd *Reading) (more bool) {
	size := 64 + len(rd.Topic) + len(rd.From) + len(rd.Dev) + len(rd.Data)
	if l.any && size > l.room {
		return false
	}
	l.room -= size
	l.any = true
	l.skipTo(rd.Place)
	l.expect = rd.Place + 1
	return l.each(rd)
}

// keptBelow hands out the readings that outlived their segments, up to p.
func (l *logRun) keptBelow(p Place) (more bool) {
	for len(l.v.kept) > 0 && l.v.kept[0].place < p {
		k := l.v.kept[0]
		l.v.kept = l.v.kept[1:]
		if k.place < l.expect {
			continue
		}
		r, err := l.s.openSeg(k.seg)
		if err != nil {
			continue // newer readings have taken its place
		}
		r.inHead, r.defs = k.seg == l.v.head, l.v.defs
		rd, ok := r.reading(k.off, nil, 1024)
		more := !ok || rd.Place != k.place || l.give(&rd)
		r.close()
		if !more {
			return false
		}
	}
	return true
}

// skipTo counts what is missing below p.
func (l *logRun) skipTo(p Place) {
	if p <= l.expect {
		return
	}
	n := uint64(p - l.expect)
	if n -= min(n, skipped(l.v.jumps, l.expect, p)); n > 0 {
		l.lost[why(l.v.gone, l.expect, p, l.horizon())] += n
	}
	l.expect = p
}

func (l *logRun) horizon() Place {
	if len(l.v.segs) > 0 {
		return l.v.segs[0].from
	}
	return l.v.synced + 1
}
