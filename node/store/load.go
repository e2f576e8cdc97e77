package store

import (
	"errors"
	"slices"

	"topicd/node/fields"
)

// load reads one segment at open: it mends what can be mended and takes what
// it says into memory.
func (s *Store) load(l *loader, no uint64, size int64, last bool) {
	g := &segment{no: no, key: keyOf(s.salt, no), charged: charge(size)}
	s.segs = append(s.segs, g)
	s.used += g.charged
	buf, err := readAll(s.opt.FS, s.segPath(no), size, s.spare)
	if err != nil {
		s.opt.Log.Error("store: a segment cannot be read", "file", s.segPath(no), "err", err)
		l.gap, l.hurt, l.clean = true, true, false
		return
	}
	s.spare = buf
	l.clean = l.clean && !last
	i := slices.IndexFunc(s.cuts, func(c cut) bool { return c.no == no && c.end < len(buf) })
	if i >= 0 { // what is behind was never acknowledged from here
		buf = buf[:s.cuts[i].end]
	}
	if len(buf) == 0 { // begun, and nothing of it ever written
		if s.opt.FS.Remove(s.segPath(no)) == nil {
			s.drop(g)
		}
		return
	}
	p := parseSegment(g.key, buf)
	torn, bad := s.tail(l, g, &p, buf, last)
	if i >= 0 && torn < 0 {
		torn = len(buf)
	}
	if p.end < len(buf) {
		buf = buf[:p.end]
		if charge(int64(p.end)) < g.charged {
			torn = p.end
		}
	}
	g.end = len(buf)
	if torn >= 0 {
		g.end = torn
	}
	l.head = s.adopt(g, &p, last)
	next := 0
	for _, at := range p.recs {
		for ; next < len(bad) && bad[next].off < at.off; next++ {
			l.gap, l.hurt = true, true
		}
		kind, payload, _ := g.key.record(buf, at.off, at.off)
		s.apply(l, g, &p, at, kind, payload)
	}
	if torn >= 0 && torn < len(buf) && !last {
		bad, l.gap, l.hurt = append(bad, span{torn, len(buf)}), true, true // more than a tail: kept aside
	}
	if err := s.mend(g, l.head, buf, bad, torn); err != nil {
		s.opt.Log.Error("store: a segment cannot be mended", "file", s.segPath(no), "err", err)
	}
	s.goOn(l, g)
}

// goOn takes the loader's head for the one that is written on, unless that cannot be.
func (s *Store) goOn(l *loader, g *segment) {
	if l.head != nil && l.head.f == nil { // sealed, or it cannot be written on
		for i := range l.head.recs {
			s.table[l.head.recs[i].topic].chain = -1
		}
		l.head = nil
	}
	if l.head != nil {
		l.head.n = len(l.head.recs)
		s.index, s.defs, s.indexOf = l.head.recs, l.head.defs, g
	}
}

// tail is where the segment's torn tail begins, -1 = it has none, and what else
// of it is damage.
func (s *Store) tail(l *loader, g *segment, p *parsed, buf []byte, last bool) (torn int, bad []span) {
	if len(p.recs) == 0 && last { // begun, in a recycled file perhaps, and nothing of it came
		torn = 0
	} else if torn, bad = p.torn(len(buf)); torn < 0 {
		return torn, bad
	}
	l.torn = true
	if g.key.begun(buf, torn) { // else it is what a recycled file held before
		s.stats.Torn++
		s.opt.Log.Warn("store: a torn tail was cut", "file", s.segPath(g.no), "offset", torn, "bytes", len(buf)-torn)
	}
	return torn, bad
}

// torn splits a span at the end, a tail that was never synced, from those in
// the midst, which are damage. -1: no tail.
func (p *parsed) torn(size int) (tail int, bad []span) {
	if n := len(p.bad); n > 0 && p.bad[n-1].end == size {
		return p.bad[n-1].off, p.bad[:n-1]
	}
	if size < segStart {
		return 0, nil
	}
	return -1, p.bad
}

// adopt makes a head of the newest segment if it can be written on.
func (s *Store) adopt(g *segment, p *parsed, last bool) *head {
	if !last || g.end < segStart || len(p.recs) == 0 {
		return nil
	}
	h := newHead(g, nil, s.opt.segmentSize())
	h.base, h.wrote = g.end, g.end
	return h
}

// apply takes one record into memory.
func (s *Store) apply(l *loader, g *segment, p *parsed, at span, kind byte, payload []byte) {
	l.clean = kind == kindClean
	switch kind {
	case kindFooter:
		g.foot = at.off
	case kindState:
		if st, ok := parseStanding(payload); ok {
			l.stand = st
			s.place = max(s.place, st.place)
			s.jumps = st.jumps
		}
	case kindForget:
		f := fields.Reader{B: payload}
		name, ep := f.Bytes(), f.Uint()
		l.ep = max(l.ep, ep)
		if t := s.byName[string(name)]; t != nil && t.ep == ep {
			s.unload(l, t)
		}
	case kindMark:
		f := fields.Reader{B: payload}
		name := string(f.Bytes())
		l.marks[name] = markRec{ep: f.Uint(), next: f.Uint(), place: Place(f.Uint()), seg: g.no}
	case kindCursor:
		if rec, ok := parseCursor(payload); ok {
			s.applyCursor(l, g, &rec)
		}
	case kindReading:
		r, ok := parseReading(payload)
		st := p.streams.get(r.stream)
		if !ok || st == nil {
			return // parseSegment keeps these away
		}
		rd := r.in(st, "")
		s.applyReading(l, g, st, &rd, at, r.ctl&ctlCarried != 0)
		if l.head != nil && l.head.seg == g {
			s.adoptReading(l.head, st, &r, &rd, at)
		}
	}
}

// unload forgets a topic at open; its number can be given at once.
func (s *Store) unload(l *loader, t *topic) {
	s.forgetLocked(t)
	if l.head == nil {
		s.table[t.num] = nil
		s.free = append(s.free, t.num)
	} else {
		s.buried = append(s.buried, t.num)
	}
}

func (s *Store) applyReading(l *loader, g *segment, st *stream, r *Reading, at span, carried bool) {
	if !carried {
		if l.gap && l.place > 0 && r.Place > l.place+1 {
			n := uint64(r.Place - l.place - 1)
			s.stats.LostDamaged += n - min(n, skipped(l.stand.jumps, l.place+1, r.Place))
		}
		if l.gap && l.place == 0 {
			l.front = r.Place // resolve knows what went before
		}
		l.gap, l.place = false, max(l.place, r.Place)
	}
	g.took(r.Place, r.TS, carried)
	s.place = max(s.place, r.Place)
	l.ep = max(l.ep, r.Ep)
	t := s.byName[string(st.topic)]
	if t != nil && t.ep != r.Ep {
		if r.Ep < t.ep {
			return // of an older life, carried by nobody
		}
		s.unload(l, t)
		t = nil
	}
	if t == nil {
		if t = s.makeTopic(string(st.topic), r.Ep); t == nil {
			return
		}
	}
	g.set(t.num)
	s.loadDevice(r, t)
	if r.Seq <= t.stored {
		return // a second copy
	}
	if t.first == 0 {
		t.first = r.Seq
	}
	if t.seg != nil {
		t.seg.newest--
	}
	g.newest++
	size := uint32(recSize(80 + len(st.topic) + len(r.From) + len(r.Dev) + len(r.Data)))
	s.live += int64(size) - int64(t.size)
	t.seg, t.off, t.size = g, uint32(at.off), size
	t.stored, t.last, t.ts, t.place = r.Seq, r.Seq, r.TS, r.Place
}

// adoptReading takes a record of the newest segment into the head's index.
func (s *Store) adoptReading(h *head, st *stream, r *rec, rd *Reading, at span) {
	t := s.byName[string(st.topic)]
	if t == nil || t.ep != st.ep || r.stream >= maxSegment/4 {
		return
	}
	s.scratch = append(append(append(s.scratch[:0], byte(len(st.from))), st.from...), st.dev...)
	name, ok := h.names[string(s.scratch)]
	if !ok {
		name = uint32(len(h.names))
		h.names[string(s.scratch)] = name
	}
	for int(r.stream) >= len(h.defs) {
		h.defs = append(h.defs, headDef{off: at.off})
	}
	h.byKey[streamKey{t.num, name}] = r.stream
	d := &h.defs[r.stream]
	d.seq, d.place, d.ts = st.seq, st.place, st.ts
	if r.ctl&ctlDef != 0 {
		if d.times++; d.times == 1 {
			d.off = at.off
		}
	}
	h.index(rd, t.num, at.off, r.ctl&ctlCarried != 0)
	i := int32(len(h.recs) - 1)
	h.recs[i].prev, t.chain = t.chain, i
}

func (s *Store) applyCursor(l *loader, g *segment, rec *cursorRec) {
	k := cursorKey{rec.client, rec.pattern}
	if rec.ended {
		if c := s.cursors[k]; c != nil {
			s.notes -= len(c.note)
		}
		delete(s.cursors, k)
		delete(l.acks, k)
		return
	}
	c := s.cursors[k]
	if c == nil {
		if len(s.cursors) >= maxCursors {
			return
		}
		c = &cursor{acks: map[uint32]ack{}}
		s.cursors[k] = c
		l.acks[k] = map[string]cursorAck{}
	}
	c.seg, c.place = g.no, max(c.place, rec.place)
	c.used, c.before = s.opt.Mono(), 0
	if rec.used >= sane {
		c.before = rec.used
		s.ageLocked(c, c.used)
	}
	c.written = c.used
	if rec.note != nil {
		s.notes += len(rec.note) - len(c.note)
		c.note, c.noteSeg = rec.note, g.no
	}
	for _, a := range rec.acks {
		a.seg = g.no
		l.acks[k][a.topic] = a
	}
}

// mend cuts the tail, sets damaged spans aside and writes voids over them.
func (s *Store) mend(g *segment, h *head, buf []byte, bad []span, torn int) error {
	for _, b := range bad {
		s.setAside(g, buf, b)
	}
	if torn == 0 {
		err := s.opt.FS.Remove(s.segPath(g.no))
		s.drop(g)
		return err
	}
	adopted := h != nil && g.foot == 0 && h.base < h.limit
	if torn < 0 && len(bad) == 0 && !adopted {
		return nil
	}
	f, err := s.opt.FS.Open(s.segPath(g.no), true)
	if err != nil {
		return err
	}
	if err = s.mendFile(f, g, bad, torn); err != nil || !adopted {
		return errors.Join(err, f.Close())
	}
	_ = f.Allocate(int64(h.limit)) // a disk that is full says so when it is written
	h.f = f
	s.used += int64(h.limit) - g.charged
	g.charged = int64(h.limit)
	return nil
}

func (s *Store) mendFile(f File, g *segment, bad []span, torn int) error {
	if torn >= 0 {
		if err := f.Truncate(int64(torn)); err != nil {
			return err
		}
		s.used += charge(int64(torn)) - g.charged
		g.charged = charge(int64(torn))
	}
	for _, b := range bad {
		if torn >= 0 && b.off >= torn {
			continue
		}
		void := g.key.finish(make([]byte, b.end-b.off), 0, b.off, kindVoid)
		if _, err := f.WriteAt(void, int64(b.off)); err != nil {
			return err
		}
	}
	if torn < 0 && len(bad) == 0 {
		return nil
	}
	return f.Sync()
}
