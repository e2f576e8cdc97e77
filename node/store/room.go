package store

import (
	"errors"
	"fmt"
	"slices"
	"time"
)

// errBound: the bound leaves no room for another segment. The store keeps three
// segments' room free, so only a bound that was made smaller can bring it.
var errBound = errors.New("the store's bound leaves no room")

// spareSegments is the room kept free: one for the next head, one for what is
// carried into it, one for the head that a failed one makes way for.
const spareSegments = 3

// roll seals the head and begins the next segment; all of inflight up to pos
// is committed with it. Then the oldest segments go until there is room again.
func (s *Store) roll(pos int) error {
	if s.head != nil {
		if err := s.seal(pos); err != nil {
			return err
		}
	}
	if err := s.begin(); err != nil {
		return err
	}
	if s.reclaims {
		return nil // on behalf of reclaim, which goes on
	}
	if !s.tight() {
		s.shrink = false
		return nil
	}
	for s.tight() {
		g := s.oldest()
		if g == nil {
			break
		}
		if err := s.reclaim(g, ByBytes, pos); err != nil {
			return err
		}
	}
	s.shrink = false
	return nil
}

// putState writes where the log stands, or will stand after change.
func (s *Store) putState(change func(*standing)) {
	s.mu.Lock()
	st := s.standingLocked()
	s.mu.Unlock()
	if change != nil {
		change(&st)
	}
	payload := st.put(nil)
	if s.head.fits(len(payload)) { // else the next segment begins with it
		s.head.raw(kindState, payload)
	}
}

func (s *Store) tight() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.used-s.spareCharged+spareSegments*int64(s.opt.segmentSize()) > s.opt.segmentBytes()
}

// oldest is the oldest segment, nil when there is but the head.
func (s *Store) oldest() *segment {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.segs) < 2 {
		return nil
	}
	return s.segs[0]
}

// seal ends the head with its footer.
func (s *Store) seal(pos int) error {
	h := s.head
	s.mu.Lock()
	hash := make(map[uint32]uint64, len(h.slots))
	for num := range h.slots {
		hash[num] = s.table[num].hash
	}
	s.mu.Unlock()
	foot := h.raw(kindFooter, putFooter(nil, h.recs, h.defs, func(t uint32) uint64 { return hash[t] }))
	if err := s.sync(pos); err != nil {
		return err
	}
	charged := charge(int64(h.base)) // gives back the blocks behind; who writes over it moves no end
	err := errors.Join(h.f.Truncate(charged), h.f.Close())
	s.retire(foot, charged)
	return err
}

// retire makes the head a segment like any other.
func (s *Store) retire(foot int, charged int64) {
	h := s.head
	s.head = nil
	s.mu.Lock()
	defer s.mu.Unlock()
	s.held = 0
	for i := range h.recs[:h.n] {
		s.table[h.recs[i].topic].chain = -1
	}
	s.index, s.defs, s.indexOf = nil, nil, nil
	h.seg.foot = foot
	s.slow = h.syncs*3*block > h.limit
	s.used += charged - h.seg.charged
	h.seg.charged = charged
	for _, num := range s.buried {
		s.table[num] = nil
		s.free = append(s.free, num)
	}
	s.buried = s.buried[:0]
}

// begin makes a new segment the head.
func (s *Store) begin() error {
	size := s.opt.segmentSize()
	s.mu.Lock()
	over := s.used-s.spareCharged+int64(size) > s.opt.segmentBytes()
	st := s.standingLocked()
	s.mu.Unlock()
	if over && !s.shrink {
		return errBound
	}
	s.segments++
	no := segNo(s.boot, s.segments)
	recycled, err := s.takeSpare(no)
	if err != nil {
		return fmt.Errorf("new segment: %w", err)
	}
	f, err := s.opt.FS.Open(s.segPath(no), true)
	if err != nil {
		return fmt.Errorf("new segment: %w", err)
	}
	if recycled < int64(size) {
		err = f.Allocate(int64(size))
	}
	if recycled == 0 && err == nil {
		err = s.zero(f, size)
	}
	if err != nil {
		return errors.Join(fmt.Errorf("new segment: %w", err), f.Close(), s.opt.FS.Remove(s.segPath(no)))
	}
	g := &segment{no: no, key: keyOf(s.salt, no), charged: int64(size)}
	h := newHead(g, f, size)
	h.buf = append(h.buf, putSegHead(no, s.salt)...)
	h.raw(kindState, st.put(nil))
	h.fresh = recycled == 0
	s.head = h
	s.mu.Lock()
	s.segs = append(slices.Clone(s.segs), g)
	s.used += g.charged
	s.mu.Unlock()
	return nil
}

// abandon gives up the head after an error: what was committed stays, what was
// not is written anew into another segment, never to the same pages again.
func (s *Store) abandon() {
	h := s.head
	if h == nil {
		return
	}
	end := int64(h.seg.end)
	charged := h.seg.charged
	if h.f.Truncate(end) == nil {
		charged = charge(end)
	}
	_ = h.f.Close()
	s.retire(0, charged)
	s.noteCut(cut{h.seg.no, int(end)})
	s.mu.Lock()
	s.unwroteLocked(h.seg.no)
	s.mu.Unlock()
	if end == 0 { // nothing of it was ever committed
		if s.opt.FS.Remove(s.segPath(h.seg.no)) == nil {
			s.drop(h.seg)
		}
	}
}

// drop takes a segment out of memory.
func (s *Store) drop(g *segment) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.dropLocked(g)
}

func (s *Store) dropLocked(g *segment) {
	if !slices.Contains(s.segs, g) {
		return
	}
	s.segs = slices.DeleteFunc(slices.Clone(s.segs), func(o *segment) bool { return o == g })
	s.used -= g.charged
	for _, t := range s.table {
		if t != nil && g.has(t.num) {
			t.first = 0
		}
	}
}

// reclaim gives up a segment. What must stay of it is carried into the head and
// synced before the file goes: the newest reading of each topic, marks, cursors,
// and tombstones when an older segment remains.
func (s *Store) reclaim(g *segment, why Reason, pos int) error {
	s.mu.Lock()
	there := slices.Contains(s.segs, g)
	s.mu.Unlock()
	if !there {
		return nil
	}
	s.reclaims = true
	defer func() { s.reclaims = false }()
	buf, err := readAll(s.opt.FS, s.segPath(g.no), int64(g.end), s.spare)
	if err != nil && !isNotExist(err) {
		return fmt.Errorf("read %s: %w", segName(g.no), err)
	}
	s.spare = buf
	gone, err := s.carry(g, buf, pos)
	if err != nil {
		return err
	}
	if err := s.putOf(g.no, pos); err != nil {
		return err
	}
	s.putState(func(st *standing) { s.noteGone(st, g, why, gone) })
	if err := s.sync(pos); err != nil {
		return err
	}
	if err := s.giveUp(g); err != nil {
		return err
	}
	s.mu.Lock()
	st := s.standingLocked()
	s.noteGone(&st, g, why, gone)
	s.stats.LostBytes, s.stats.LostAge, s.lost = st.lost[ByBytes], st.lost[ByAge], st.gone
	s.mu.Unlock()
	return nil
}

// noteGone adds what goes with g to where the log stands.
func (s *Store) noteGone(st *standing, g *segment, why Reason, gone uint64) {
	st.lost[why] += gone
	st.gone = withLost(st.gone, g.first, g.last, why)
}

// carry puts into the head what must stay of g and counts the readings that do not.
func (s *Store) carry(g *segment, buf []byte, pos int) (gone uint64, err error) {
	p := parseSegment(g.key, buf)
	tombs := s.oldest() != g
	for _, at := range p.recs {
		kind, payload, _ := g.key.record(buf, at.off, at.off)
		if kind == kindForget && tombs {
			if err := s.room(len(payload), pos); err != nil {
				return gone, err
			}
			s.head.raw(kindForget, payload)
		}
		if rec, ok := parseCursor(payload); kind == kindCursor && tombs && ok && rec.ended && !s.hasCursor(rec.client, rec.pattern) {
			if err := s.room(len(payload), pos); err != nil {
				return gone, err
			}
			s.head.raw(kindCursor, payload)
		}
		if kind != kindReading {
			continue
		}
		r, ok := parseReading(payload)
		st := p.streams.get(r.stream)
		if !ok || st == nil {
			continue
		}
		s.mu.Lock()
		t := s.byName[string(st.topic)]
		alive := t != nil && t.ep == st.ep
		newest := alive && t.seg == g && t.off == uint32(at.off)
		dup := alive && !newest && r.seq+st.seq == t.stored
		s.mu.Unlock()
		switch {
		case newest:
			rd := r.in(st, t.name)
			if err := s.room(recBound(&rd), pos); err != nil {
				return gone, err
			}
			s.head.put(&rd, t.num, true, &s.scratch)
		case alive && !dup:
			gone++
		}
	}
	return gone, nil
}

func (s *Store) hasCursor(client, pattern string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.cursors[cursorKey{client, pattern}]
	return c != nil && !c.ended
}

// sample says that places up to place were given before mono.
type sample struct {
	place Place
	mono  time.Duration
}

// sane is the first wall time that a clock can have that was ever set: this
// program is younger. A board without a clock begins in 1970.
const sane = 1704067200000 // 2024-01-01

// expire gives up segments whose readings are all older than Age, and ends
// cursors that were not used for Forget.
func (s *Store) expire(now time.Duration) error {
	s.expireCursors(now)
	if s.opt.Age <= 0 {
		return nil
	}
	s.mu.Lock()
	s.sampleLocked(now)
	old := s.agedLocked(now)
	wall := s.oldWall()
	var list []*segment
	for _, g := range s.segs {
		if g.first != 0 && g.readings > g.newest && (g.last <= old || g.last < s.began && wall > 0 && g.maxTS < wall) {
			list = append(list, g)
		}
	}
	s.mu.Unlock()
	for _, g := range list {
		if s.head != nil && s.head.seg == g || s.head == nil {
			if err := s.roll(s.flown + s.held); err != nil {
				return err
			}
		}
		if err := s.reclaim(g, ByAge, s.flown+s.held); err != nil {
			return err
		}
	}
	return nil
}

func (s *Store) sampleLocked(now time.Duration) {
	if n := len(s.samples); n > 0 && s.samples[n-1].mono > now-s.opt.Age/32 {
		return
	}
	s.samples = append(s.samples, sample{s.place, now})
	if n := len(s.samples); n > 64 {
		s.samples = append(s.samples[:0], s.samples[n-48:]...)
	}
}

// agedLocked is the place up to which everything is older than Age by the
// monotonic clock of this run.
func (s *Store) agedLocked(now time.Duration) (p Place) {
	for _, x := range s.samples {
		if now-x.mono >= s.opt.Age {
			p = x.place
		}
	}
	return p
}

// oldWall is the wall time before which readings of earlier runs are too old,
// 0 when the clock cannot be believed.
func (s *Store) oldWall() int64 {
	if w := s.opt.Wall(); w >= sane {
		return w - s.opt.Age.Milliseconds()
	}
	return 0
}

// expired reports whether a reading is too old to be shown.
func (a *ageRule) expired(p Place, ts int64) bool {
	return p <= a.place || p < a.began && a.wall > 0 && ts >= sane && ts < a.wall
}

// ageRule is what is too old at one moment.
type ageRule struct {
	place, began Place
	wall         int64
}

func (s *Store) ageRuleLocked() ageRule {
	if s.opt.Age <= 0 {
		return ageRule{}
	}
	return ageRule{s.agedLocked(s.opt.Mono()), s.began, s.oldWall()}
}
