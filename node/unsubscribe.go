package node

import (
	"topicd/codec"
	"topicd/node/fan"
)

// Unsubscribe ends the subscription with exactly this pattern.
func (s *Session) Unsubscribe(pattern []byte, turn *Turn) *codec.Error {
	h := s.hub
	h.mu.Lock()
	b := s.subscribedLocked(string(pattern))
	if b == nil {
		h.mu.Unlock()
		return codec.Errorf(codec.CodeNotFound, "not subscribed to %q", pattern)
	}
	h.dropSubLocked(b, turn.Mono)
	s.mu.Lock()
	if s.ready.Len() > 0 && !s.closed { // what b held back another one has now
		s.queueLocked(turn)
	}
	s.mu.Unlock()
	h.mu.Unlock()
	h.reap(turn.Mono, reapAt)
	return nil
}

// subscribedLocked is the session's subscription to the pattern, nil if it has none.
func (s *Session) subscribedLocked(pattern string) *Subscription {
	s.mu.Lock()
	defer s.mu.Unlock()
	for b := range s.subs.all {
		if !b.ending && b.pattern == pattern {
			return b
		}
	}
	return nil
}

// dropSubLocked takes b out of every audience; other subscriptions of its
// session take its place where they fit. Unread readings that another of them
// wants stay to be read. It gives the hub's mu back for moments.
func (h *Hub) dropSubLocked(b *Subscription, now int64) {
	s := b.s
	h.leaveLocked(s, []*Subscription{b}, now)
	s.mu.Lock()
	s.purgeLocked(b)
	s.subs.put(b.slot, nil)
	s.mu.Unlock()
}

// leaveLocked takes subscriptions of s out of every audience: one, in whose place
// others of s may come, or all of them when s is closed. It goes through the
// topics once, and lets others have the hub's mu every holdFor topics: a topic
// that is born meanwhile does not know the patterns any more.
func (h *Hub) leaveLocked(s *Session, subs []*Subscription, now int64) {
	patterns := false
	for _, b := range subs {
		if b == nil || b.ending {
			continue
		}
		h.nsubs--
		h.patternBytes -= int64(sizeClass(len(b.pattern)))
		if reservedPattern(b.pattern) {
			h.watched--
		}
		if !b.exact {
			h.patterns.Remove(b)
			patterns = true
		} else if t := h.byName.get(&h.topics, b.pattern); t != nil {
			t.mu.Lock()
			if serving(t.aud, s) == b {
				h.replaceLocked(t, b, h.bestLocked(s, b, t.name))
			}
			t.mu.Unlock()
			h.reapIfDue(t, now)
		}
	}
	if !patterns {
		return
	}
	l := leaving{h: h, s: s}
	if !s.closed {
		l.only = subs[0]
	}
	for i := uint32(0); i < h.topics.used; i++ {
		if i%holdFor == 0 {
			if i > 0 {
				h.mu.Unlock()
				h.mu.Lock()
				h.gaveBack++
			}
			l.served, l.next = make(map[*audience]*Subscription), make(map[replacement]*audience)
		}
		if t := h.topics.at(i); t != nil && !t.dead {
			l.topic(t)
		}
	}
}

// holdFor is how many topics are looked at before others may have the hub's lock:
// 0.5 ms where each has an audience of its own.
const holdFor = 1024

// leaving is a session, or one subscription of it, on its way out.
type leaving struct {
	h      *Hub
	s      *Session
	only   *Subscription               // nil: all of the session's
	served map[*audience]*Subscription // the leaving one that an audience has, nil = none
	next   map[replacement]*audience   // topics that shared an audience go on to share one
}

// replacement is an audience and who takes the leaving one's place in it.
type replacement struct {
	old   *audience
	other *Subscription
}

func (l *leaving) topic(t *Topic) {
	t.mu.Lock()
	defer t.mu.Unlock()
	b, known := l.served[t.aud]
	if !known {
		if b = serving(t.aud, l.s); l.only != nil && b != l.only {
			b = nil
		}
		l.served[t.aud] = b
	}
	if b == nil {
		return
	}
	var other *Subscription
	if l.only != nil {
		other = l.h.bestLocked(l.s, b, t.name)
	}
	if b.exact || t.aud.Named() {
		l.h.replaceLocked(t, b, other)
		return
	}
	key := replacement{t.aud, other}
	next, known := l.next[key]
	if !known {
		next = l.h.auds.Get(without(t.aud, b, other))
		l.next[key] = next
	}
	l.h.setAudience(t, next)
}

// without are an audience's listeners with other (nil: nobody) in b's place.
func without(a *audience, b, other *Subscription) []*Subscription {
	subs := make([]*Subscription, 0, len(a.Listeners()))
	for _, c := range a.Listeners() {
		if c != b {
			subs = append(subs, c)
		} else if other != nil {
			subs = append(subs, other)
		}
	}
	return subs
}

// replaceLocked puts other (nil: nobody) in b's place in t's audience.
func (h *Hub) replaceLocked(t *Topic, b, other *Subscription) {
	h.setAudience(t, h.auds.Get(without(t.aud, b, other)))
	if b.exact {
		b.s.moveMark(b, other, t)
	}
}

// bestLocked is the session's best subscription for the name, b left out.
func (h *Hub) bestLocked(s *Session, b *Subscription, name string) (best *Subscription) {
	for c := range s.subs.all {
		if c != b && !c.ending && (best == nil || c.rank > best.rank) && (c.pattern == name || !c.exact && codec.Match(c.pattern, name)) {
			best = c
		}
	}
	return best
}

// moveMark hands the cursor on t from one subscription of s to another, one of
// them exact. Called with t.mu held.
func (s *Session) moveMark(from, to *Subscription, t *Topic) {
	if from == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed || !from.marked(t) || to == nil {
		return
	}
	from.setMarkLocked(t, false)
	to.setMarkLocked(t, true)
	for i := range s.ready.Len() {
		if e := s.ready.At(i); e.Topic() == t.idx {
			*e = fan.NewEntry(t.idx, to.slot, uint64(e.From()))
			return
		}
	}
	for b := range s.subs.all { // an earlier one may have it still, of a topic that from serves since
		for _, h := range b.held.waiting() {
			if h.topic == t.idx {
				b.unholdLocked(t.idx)
				s.appendLocked(fan.NewEntry(t.idx, to.slot, uint64(h.from)))
				return
			}
		}
	}
	if s.ext == nil {
		return
	}
	for i := range s.ext.parked.Len() {
		if e := *s.ext.parked.At(i); e.Topic() == t.idx {
			s.subs.at(e.Slot()).unparkTopicLocked(t.idx)
			s.appendLocked(fan.NewEntry(t.idx, to.slot, uint64(e.From())))
			return
		}
	}
}

// purgeLocked takes the entries of b off the list, or gives them to the
// subscription that now serves their topic. The caller holds the hub's mu, so
// audiences do not change.
func (s *Session) purgeLocked(b *Subscription) {
	s.unwelcomeLocked(func(e fan.Entry) bool { return e.Slot() == b.slot })
	s.dropLeftoverLocked()
	old := s.ready
	s.ready = fan.List{}
	serves := make(map[*audience]*Subscription)
	give := func(topic, from uint32) {
		t := s.hub.topics.at(topic)
		other, known := serves[t.aud]
		if !known {
			other = serving(t.aud, s)
			serves[t.aud] = other
		}
		if other == nil {
			b.setMarkLocked(t, false)
		} else {
			s.appendStoredLocked(other, fan.NewEntry(topic, other.slot, uint64(from)))
		}
	}
	for i := range old.Len() {
		if e := *old.At(i); e.Slot() != b.slot {
			s.appendLocked(e)
		} else if !e.IsMark() {
			give(e.Topic(), e.From())
		}
	}
	s.hub.readyBytes.Add(-int64(old.Truncate(0)))
	for _, h := range b.held.waiting() { // by its rate, its window or the disk
		give(h.topic, h.from)
	}
	if b.held != nil {
		s.nheld--
		b.held = nil
	}
	s.sieveParkedLocked(func(e fan.Entry) bool {
		if e.Slot() == b.slot {
			give(e.Topic(), e.From())
		}
		return e.Slot() != b.slot
	})
}
