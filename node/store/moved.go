package store

import "encoding/binary"

// Bounds of the numbers in one record of a cursor: with a note it fits into the
// smallest segment.
const (
	acksPerRecord = 64
	ackBytes      = 4 << 10 // and a name
)

// putMoved writes what has changed of cursors since the last turn.
func (s *Store) putMoved(pos int) error {
	s.mu.Lock()
	moved, trouble := s.moved, s.state.Trouble != OK
	s.moved = false
	s.mu.Unlock()
	if !moved {
		if s.head == nil && (pos > s.flown || trouble) { // else it would be over without an attempt
			return s.roll(pos)
		}
		return nil
	}
	err := s.putCursors(func(c *cursor) bool { return c.dirty }, func(c *cursor) bool { return c.noteDirty }, func(a ack) bool { return a.dirty }, pos)
	if err == nil {
		err = s.putAgain(pos)
	}
	if err != nil {
		s.mu.Lock()
		s.moved = true // all of it again, into another segment
		s.mu.Unlock()
	}
	return err
}

// putAgain writes the marks that a failed segment took with it.
func (s *Store) putAgain(pos int) error {
	s.mu.Lock()
	var list []*topic
	for _, t := range s.byName {
		if t.markDirty {
			list = append(list, t)
		}
	}
	s.mu.Unlock()
	for _, t := range list {
		if err := s.putMark(t, t.mark, pos); err != nil {
			return err
		}
	}
	return nil
}

// unwroteLocked makes dirty again what the failed segment no says.
func (s *Store) unwroteLocked(no uint64) {
	for _, c := range s.cursors {
		if c.seg == no {
			c.dirty, s.moved = true, true
		}
		if c.noteSeg == no {
			c.noteDirty, s.moved = len(c.note) > 0, true
		}
		for num, a := range c.acks {
			if a.seg == no {
				a.dirty, s.moved = true, true
				c.acks[num] = a
			}
		}
	}
	for _, t := range s.byName {
		if t.markSeg == no {
			t.markDirty, s.moved = true, true
		}
	}
}

// buryCursors drops the ended cursors whose end is on disk.
func (s *Store) buryCursorsLocked() {
	if !s.ending {
		return
	}
	s.ending = false
	for k, c := range s.cursors {
		if c.ended && !c.dirty {
			delete(s.cursors, k)
		}
	}
}

// putOf writes anew what only the segment no says of cursors and numbers.
func (s *Store) putOf(no uint64, pos int) error {
	s.mu.Lock()
	any := false
	for _, c := range s.cursors {
		any = any || c.seg == no || c.noteSeg == no
		for _, a := range c.acks {
			any = any || a.seg == no
		}
	}
	var marks []*topic
	for _, t := range s.byName {
		if t.markSeg == no && t.mark > t.stored+1 {
			marks = append(marks, t)
		}
	}
	s.mu.Unlock()
	if any {
		if err := s.putCursors(func(c *cursor) bool { return c.seg == no }, func(c *cursor) bool { return c.noteSeg == no }, func(a ack) bool { return a.seg == no }, pos); err != nil {
			return err
		}
	}
	for _, t := range marks {
		if err := s.putMark(t, t.mark, pos); err != nil {
			return err
		}
	}
	return nil
}

// putCursors writes the cursors, notes and numbers that fit. What it has put counts as
// written at once: should the segment fail, abandon makes it dirty again.
func (s *Store) putCursors(fitC, fitN func(*cursor) bool, fitA func(ack) bool, pos int) error {
	for _, rec := range s.cursorRecs(fitC, fitN, fitA) {
		payload := rec.put(nil)
		if err := s.room(len(payload), pos); err != nil {
			return err
		}
		s.head.raw(kindCursor, payload)
		s.wrote(&rec)
	}
	return nil
}

// cursorRecs makes the records of what fits.
func (s *Store) cursorRecs(fitC, fitN func(*cursor) bool, fitA func(ack) bool) (list []cursorRec) {
	now, wall := s.opt.Mono(), s.opt.Wall()
	s.mu.Lock()
	defer s.mu.Unlock()
	for k, c := range s.cursors {
		rec := cursorRec{client: k.client, pattern: k.pattern, ended: c.ended, place: c.place}
		if rec.used = c.before; rec.used == 0 && wall >= sane {
			rec.used = wall - (now - c.used).Milliseconds()
		}
		whole, size := fitC(c), 0
		if fitN(c) && len(c.note) > 0 { // in one record with numbers
			rec.note, whole = c.note, true
		}
		for num, a := range c.acks {
			if !fitA(a) {
				continue
			}
			t := s.table[num]
			rec.acks = append(rec.acks, cursorAck{topic: t.name, ep: t.ep, seq: a.seq, num: num})
			if size += len(t.name) + 16; len(rec.acks) == acksPerRecord || size > ackBytes {
				size = 0
				list = append(list, rec)
				rec.acks, rec.note, whole = nil, nil, false
			}
		}
		if whole || len(rec.acks) > 0 {
			list = append(list, rec)
		}
	}
	return list
}

// wrote notes which segment says what rec says.
func (s *Store) wrote(rec *cursorRec) {
	no := s.head.seg.no
	s.mu.Lock()
	defer s.mu.Unlock()
	k := cursorKey{rec.client, rec.pattern}
	c := s.cursors[k]
	if c == nil {
		return
	}
	c.seg = no
	if rec.note != nil {
		c.noteSeg = no
		c.noteDirty = len(c.note) > 0 && &c.note[0] != &rec.note[0]
	}
	if c.place == rec.place && c.ended == rec.ended {
		c.dirty = false
		s.ending = s.ending || c.ended
	}
	c.written = s.opt.Mono()
	for _, r := range rec.acks {
		if a, ok := c.acks[r.num]; ok {
			a.seg = no
			a.dirty = a.seq != r.seq
			c.acks[r.num] = a
		}
	}
}

// putMarks writes the next number of each topic whose readings do not say it.
func (s *Store) putMarks(pos int) error {
	s.mu.Lock()
	var list []*topic
	var next []uint64
	for _, t := range s.byName {
		if n := max(t.top, t.last+1); n > t.stored+1 && n > t.mark && n > s.nextLocked(t) {
			list, next = append(list, t), append(next, n)
		}
	}
	s.mu.Unlock()
	for i, t := range list {
		if err := s.putMark(t, next[i], pos); err != nil {
			return err
		}
	}
	return nil
}

func (s *Store) putMark(t *topic, next uint64, pos int) error {
	b := putString(nil, t.name)
	b = binary.AppendUvarint(b, t.ep)
	b = binary.AppendUvarint(b, next)
	s.mu.Lock()
	p := s.place
	if next == t.mark {
		p = t.markPlace // the same mark once more
	}
	s.mu.Unlock()
	b = binary.AppendUvarint(b, uint64(p))
	if err := s.room(len(b), pos); err != nil {
		return err
	}
	s.head.raw(kindMark, b)
	s.mu.Lock()
	t.mark, t.markPlace, t.markSeg, t.markDirty = next, p, s.head.seg.no, false
	s.mu.Unlock()
	return nil
}

func putForget(b []byte, name string, ep uint64) []byte {
	return binary.AppendUvarint(putString(b, name), ep)
}
