package store

import "errors"

// Last is the number of the n-th last stored reading of a topic: from there Read
// yields the last n. It is the oldest number when fewer are stored, 0 when none is.
func (s *Store) Last(name string, n int) (uint64, error) {
	return again(func(v *topicView) (uint64, error) { return s.last(name, n, v) })
}

// again looks once more where a segment went meanwhile.
func again(look func(*topicView) (uint64, error)) (uint64, error) {
	var v topicView
	for try := 0; ; try++ {
		seq, err := look(&v)
		if !errors.Is(err, errGone) || try == 8 {
			return seq, err
		}
	}
}

// look takes what there is of a topic, and its readings that wait for the disk; false:
// there is no such topic.
func (s *Store) look(name string, v *topicView, waiting func(*Reading) bool) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	t := s.byName[name]
	if t == nil {
		return false
	}
	s.viewLocked(t, v, 0)
	if t.last > t.stored {
		s.eachPending(t, waiting)
	}
	return true
}

func (s *Store) last(name string, n int, v *topicView) (uint64, error) {
	var waiting []uint64
	if !s.look(name, v, func(rd *Reading) bool { waiting = append(waiting, rd.Seq); return true }) {
		return 0, nil
	}
	n = max(n, 1)
	if k := len(waiting); k >= n {
		return waiting[k-n], nil
	}
	oldest := v.last
	if len(waiting) > 0 {
		oldest = waiting[0]
	}
	n -= len(waiting)
	if k := len(v.recs); k >= n {
		return v.recs[k-n].seq, nil
	}
	if len(v.recs) > 0 {
		oldest = v.recs[0].seq
	}
	n -= len(v.recs)
	for i := s.nextSeg(v, len(v.segs)-1, -1, -1); i >= 0; i = s.nextSeg(v, i-1, -1, -1) {
		e, ok, err := s.entryOf(v, v.segs[i])
		if err != nil {
			return 0, err
		}
		if !ok {
			continue
		}
		if int(e.count) >= n {
			return s.nth(v, v.segs[i], e, int(e.count)-n)
		}
		n -= int(e.count)
		oldest = e.first
	}
	return oldest, nil
}

// nth is the number of a topic's i-th reading in a segment.
func (s *Store) nth(v *topicView, g *segment, e entry, i int) (uint64, error) {
	if e.last-e.first+1 == uint64(e.count) {
		return e.first + uint64(i), nil
	}
	r, err := s.openSeg(g)
	if err != nil {
		return 0, err
	}
	defer r.close()
	offs := r.offsets(v, e)
	for ; i >= 0 && i < len(offs); i-- {
		if rd, ok := r.reading(offs[i], v, 512); ok {
			return rd.Seq, nil
		}
	}
	return e.first, nil
}

// Since is the number of the first stored reading of a topic whose ts is ts or
// later, in the order of numbers: wall times need not rise. When there is none
// it is the number behind the newest; 0 when nothing is stored.
func (s *Store) Since(name string, ts int64) (uint64, error) {
	return again(func(v *topicView) (uint64, error) { return s.firstSince(name, ts, v) })
}

func (s *Store) firstSince(name string, ts int64, v *topicView) (uint64, error) {
	var waiting uint64
	there := s.look(name, v, func(rd *Reading) bool {
		if rd.TS >= ts {
			waiting = rd.Seq
		}
		return waiting == 0
	})
	if !there {
		return 0, nil
	}
	for i := s.nextSeg(v, 0, len(v.segs), 1); i >= 0; i = s.nextSeg(v, i+1, len(v.segs), 1) {
		if v.segs[i].maxTS < ts {
			continue
		}
		if seq, err := s.sinceIn(v, v.segs[i], ts); seq > 0 || err != nil {
			return seq, err
		}
	}
	for i := range v.recs {
		if v.recs[i].ts >= ts {
			return v.recs[i].seq, nil
		}
	}
	if waiting > 0 {
		return waiting, nil
	}
	return v.last + 1, nil
}

func (s *Store) sinceIn(v *topicView, g *segment, ts int64) (uint64, error) {
	r, err := s.openSeg(g)
	if err != nil {
		return 0, err
	}
	defer r.close()
	e, ok := r.topicIn(v)
	if !ok || e.maxTS < ts {
		return 0, nil
	}
	for _, off := range r.offsets(v, e) {
		if rd, ok := r.reading(off, v, PageBytes); ok && rd.TS >= ts {
			return rd.Seq, nil
		}
	}
	return 0, nil
}

// firstOf is the oldest number of a topic on disk.
func (s *Store) firstOf(t *topic) (uint64, bool) {
	var v topicView
	for try := 0; try < 8; try++ {
		s.mu.Lock()
		first := t.first
		if first == 0 && !t.dead {
			s.viewLocked(t, &v, 0)
		}
		s.mu.Unlock()
		if first != 0 || t.dead {
			return first, true
		}
		first, err := s.firstIn(&v)
		if err != nil {
			continue
		}
		s.mu.Lock()
		if t.first == 0 && t.seg != nil {
			t.first = first
		}
		s.mu.Unlock()
		return first, true
	}
	return 0, true
}

func (s *Store) firstIn(v *topicView) (uint64, error) {
	for i := s.nextSeg(v, 0, len(v.segs), 1); i >= 0; i = s.nextSeg(v, i+1, len(v.segs), 1) {
		e, ok, err := s.entryOf(v, v.segs[i])
		if err != nil {
			return 0, err
		}
		if ok {
			return e.first, nil
		}
	}
	if len(v.recs) > 0 {
		return v.recs[0].seq, nil
	}
	return v.last, nil
}

// nextSeg is the first of the view's segments from i on to end, by steps of 1 or -1,
// that has the topic; -1: none.
func (s *Store) nextSeg(v *topicView, i, end, step int) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	for ; i != end; i += step {
		if v.segs[i].has(v.num) {
			return i
		}
	}
	return -1
}

// startSeg is the first of the view's segments that reaches number from, -1 = none, open
// and with its entry: the caller closes it. Numbers mostly lie evenly in the log, so it
// guesses; where a few guesses have not found it, it halves.
func (s *Store) startSeg(v *topicView, from uint64) (start int, r *segReader, e entry, err error) {
	lo, hi := 0, len(v.segs)
	start = -1
	below, above := v.first, v.stored // numbers at lo and at hi
	if len(v.recs) > 0 {
		above = v.recs[0].seq
	}
	for try := 0; lo < hi; try++ {
		mid := lo
		if try >= 4 {
			mid = lo + (hi-lo)/2
		} else if below > 0 && from > below && above > below {
			mid = min(lo+int(float64(from-below)/float64(above-below)*float64(hi-lo)), hi-1)
		}
		i := s.nextSeg(v, mid, hi, 1)
		if i < 0 {
			hi = mid
			continue
		}
		next, err := s.openSeg(v.segs[i])
		if err != nil {
			r.close()
			return -1, nil, e, err
		}
		x, ok := next.topicIn(v)
		if ok && x.last < from {
			next.close()
			lo, below = i+1, x.last
			continue
		}
		r.close()
		start, r, e, hi = i, next, x, mid
		switch {
		case !ok: // nothing of it can be read here: it is passed over later
		case e.first <= from:
			return start, r, e, nil
		default:
			above = e.first
		}
	}
	return start, r, e, nil
}
