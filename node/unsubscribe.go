package node

import "topicd/codec"

// Unsubscribe ends the subscription with exactly this pattern.
func (s *Session) Unsubscribe(pattern []byte, turn *Turn) *codec.Error {
	h := s.hub
	h.mu.Lock()
	defer h.mu.Unlock()
	s.mu.Lock()
	var b *Subscription
	for _, c := range s.subs {
		if c != nil && c.pattern == string(pattern) {
			b = c
		}
	}
	s.mu.Unlock()
	if b == nil {
		return codec.Errorf(codec.CodeNotFound, "not subscribed to %q", pattern)
	}
	h.dropSubLocked(b)
	return nil
}

// dropSubLocked takes b out of every audience; other subscriptions of its
// session take its place where they fit. Unread readings that another of them
// wants stay to be read.
func (h *Hub) dropSubLocked(b *Subscription) {
	s := b.s
	if b.exact {
		if t := h.byName.get(&h.topics, b.pattern); t != nil {
			t.mu.Lock()
			if t.aud.of(s) == b {
				h.replaceLocked(t, b, h.bestLocked(s, b, t.name))
			}
			t.mu.Unlock()
		}
	} else {
		h.patterns.remove(b)
		serves := make(map[*audience]bool)
		for t := range h.topics.all {
			t.mu.Lock()
			yes, known := serves[t.aud]
			if !known {
				yes = t.aud.of(s) == b
				serves[t.aud] = yes
			}
			if yes {
				h.replaceLocked(t, b, h.bestLocked(s, b, t.name))
			}
			t.mu.Unlock()
		}
	}
	s.mu.Lock()
	s.purgeLocked(b)
	s.subs[b.slot] = nil
	s.mu.Unlock()
	h.nsubs--
	if reservedPattern(b.pattern) {
		h.watched--
	}
	if b.exact {
		h.reapIfDue(h.byName.get(&h.topics, b.pattern))
	}
}

// replaceLocked puts other (nil: nobody) in b's place in t's audience.
func (h *Hub) replaceLocked(t *Topic, b, other *Subscription) {
	subs := make([]*Subscription, 0, len(t.aud.subs))
	for _, c := range t.aud.subs {
		if c != b {
			subs = append(subs, c)
		} else if other != nil {
			subs = append(subs, other)
		}
	}
	h.setAudience(t, h.auds.get(subs))
	if b.exact {
		b.s.moveMark(b, other, t)
	}
}

// bestLocked is the session's best subscription for the name, b left out.
func (h *Hub) bestLocked(s *Session, b *Subscription, name string) (best *Subscription) {
	for _, c := range s.subs {
		if c != nil && c != b && (best == nil || c.rank > best.rank) && (c.pattern == name || !c.exact && codec.Match(c.pattern, name)) {
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
	if !from.marked(t) || to == nil {
		return
	}
	from.setMarkLocked(t, false)
	to.setMarkLocked(t, true)
	for i := range s.ready.n {
		if e := s.ready.at(i); e.topic() == t.idx {
			*e = newEntry(t.idx, to.slot, uint64(e.from()))
			return
		}
	}
	for _, h := range from.held.waiting() {
		if h.topic == t.idx {
			from.unholdLocked(t.idx)
			s.appendLocked(newEntry(t.idx, to.slot, uint64(h.from)))
			return
		}
	}
}

// purgeLocked takes the entries of b off the list, or gives them to the
// subscription that now serves their topic.
func (s *Session) purgeLocked(b *Subscription) {
	old := s.ready
	s.ready = fifo{}
	for i := range old.n {
		e := *old.at(i)
		if e.slot() == b.slot {
			if e.topic() == liveMark {
				continue
			}
			t := s.hub.topics.at(e.topic())
			other := s.hub.bestLocked(s, b, t.name)
			if other == nil {
				b.setMarkLocked(t, false)
				continue
			}
			e = newEntry(t.idx, other.slot, uint64(e.from()))
		}
		s.appendLocked(e)
	}
	s.hub.readyBytes.Add(-int64(old.truncate(0)))
	for _, h := range b.held.waiting() {
		b.setMarkLocked(s.hub.topics.at(h.topic), false)
	}
	if b.held != nil {
		s.nheld--
		b.held = nil
	}
}
