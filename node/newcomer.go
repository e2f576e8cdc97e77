package node

import (
	"topicd/node/arena"
	"topicd/node/fan"
)

// newcomer is what a session is still to be given of kept readings: a place for
// each, as on the list of cursors, read before everything else. It is one reading
// and not a cursor: what came behind it is not a newcomer's, and what comes from
// the subscription on the cursor finds.
type newcomer struct{ list fan.List }

// welcome puts the kept reading of t, if it has one, on the session's list. Called
// with t.mu held.
func (r *replay) welcome(t *Topic, turn *Turn) {
	seq := t.keptLocked()
	if seq == t.log.Next() {
		return
	}
	s := r.b.s
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return
	}
	x := s.extraLocked()
	if x.newcomer == nil {
		x.newcomer, s.newcome = new(newcomer), true
	}
	if grown := x.newcomer.list.Push(fan.NewEntry(t.idx, r.b.slot, seq)); grown > 0 && s.hub.growReady(int64(grown), s) {
		s.cutBehindLocked()
	}
	s.queueLocked(turn)
}

// welcomeUnlock appends the next kept reading and gives s.mu back. false: its
// window is full, nothing has happened and s.mu is held.
func (s *Session) welcomeUnlock(dst []byte, now int64, f Framer, sc *Scratch) ([]byte, bool) {
	h, l := s.hub, &s.ext.newcomer.list
	e := *l.At(0)
	b := s.subs.at(e.Slot())
	if b.view.windowed && b.view.format.(Windowed).Room() <= 0 {
		return dst, false
	}
	t := h.topics.at(e.Topic())
	h.readyBytes.Add(-int64(l.Pop()))
	if l.Len() == 0 {
		s.leaveOffLocked()
	}
	v := visit{s: s, t: t, b: b, view: b.view, now: now}
	s.mu.Unlock()
	t.mu.Lock()
	seq := t.keptLocked()
	if t.dead || uint32(seq) != e.From() || seq == t.log.Next() {
		t.mu.Unlock() // it has ended, or what took its place came to all who were there
		return dst, true
	}
	log := &t.log
	if t.keepsCopy(seq) {
		log = &t.rare.copy
	}
	v.ep, v.lasts = h.epochOf(t), t.tapedLocked()
	sc.raw, _ = log.Read(h.arena, seq, sc.raw[:0], 1)
	t.mu.Unlock()
	rec, _ := arena.Parse(sc.raw)
	v.begin(sc)
	sc.reading.Stored = true
	dst, ok := v.one(dst, seq, &rec, f, sc)
	if ok {
		s.out.Add(1)
		h.Stats.Add(Delivered, 1)
	}
	return dst, true
}

// unwelcomeLocked drops entries that go for whatever reason.
func (s *Session) unwelcomeLocked(goes func(fan.Entry) bool) {
	if !s.newcome {
		return
	}
	l, keep := &s.ext.newcomer.list, int32(0)
	for i := range l.Len() {
		if e := *l.At(i); !goes(e) {
			*l.At(keep) = e
			keep++
		}
	}
	s.hub.readyBytes.Add(-int64(l.Truncate(keep)))
	if keep == 0 {
		s.leaveOffLocked()
	}
}

func (s *Session) leaveOffLocked() {
	if s.newcome {
		s.hub.readyBytes.Add(-int64(s.ext.newcomer.list.Truncate(0)))
		s.ext.newcomer, s.newcome = nil, false
	}
}
