package node

import (
	"slices"

	"topicd/codec"
	"topicd/node/fan"
)

// Ender is a Format of a dialect in which the end of a topic is told:
// subscriptions to its exact name end with it.
type Ender interface {
	Format
	// End appends the message that the topic was deleted.
	End(dst []byte, topic string) []byte
}

// Delete ends a topic and its readings. Where somebody is subscribed to its
// exact name it is born again at once, empty and dynamic: one that was so already
// ends as it would have, with its last subscriber if that was said. Who reads it
// as an Ender is given what it had not read, for farewell at most, and, but for
// by, is told that it ended.
func (h *Hub) Delete(name []byte, by *Session, turn *Turn) *codec.Error {
	h.mu.Lock()
	t := h.byName.get(&h.topics, string(name))
	if t == nil {
		h.mu.Unlock()
		return codec.Errorf(codec.CodeNotFound, "no topic %q", name)
	}
	t.mu.Lock() // until it is dead: what is published between Forget and its end would come back with a restart
	if t.rare != nil && t.rare.tape != nil {
		t.rare.tape.Forget()
	}
	var stay, going []*Subscription
	for _, b := range t.aud.Listeners() {
		switch {
		case !b.exact:
		case b.ender() != nil:
			going = append(going, b)
		default:
			stay = append(stay, b)
		}
	}
	h.killLocked(t, turn.Mono, len(going) > 0)
	t.mu.Unlock()
	for _, b := range going {
		h.endSubLocked(b, b.s != by, turn)
	}
	h.bearLocked(t, stay)
	h.mu.Unlock()
	h.reap(turn.Mono, reapAt)
	return nil
}

// endSubLocked ends a subscription with its topic: an entry behind its cursor says
// so to the reader. Until then it keeps its place among the session's.
func (h *Hub) endSubLocked(b *Subscription, told bool, turn *Turn) {
	s := b.s
	s.mu.Lock()
	defer s.mu.Unlock()
	b.ending, b.told = true, told
	h.nsubs--
	h.patternBytes -= int64(sizeClass(len(b.pattern)))
	for _, w := range b.held.waiting() {
		s.appendLocked(fan.NewEntry(w.topic, b.slot, uint64(w.from)))
	}
	if b.held != nil {
		s.nheld--
		b.held = nil
	}
	s.sieveParkedLocked(func(e fan.Entry) bool {
		if e.Slot() == b.slot {
			s.appendLocked(e)
		}
		return e.Slot() != b.slot
	})
	if !s.closed {
		s.pushLocked(fan.NewEntry(fan.EndMark, b.slot, 0), turn)
	}
}

// endLocked takes an end entry off the list: the subscription's place is free. It
// returns what to write, nil = nothing.
func (s *Session) endLocked(b *Subscription) Ender {
	s.popLocked()
	b.ended = true
	e, _ := b.view.format.(Ender)
	if !b.told {
		return nil
	}
	return e
}

// bearLocked makes the topic again for those who go on to listen to its name.
func (h *Hub) bearLocked(t *Topic, exact []*Subscription) {
	if len(exact) == 0 {
		return
	}
	heir, err := h.topicLocked(t.name)
	if err != nil {
		return // cannot be: its place has just become free
	}
	heir.mu.Lock()
	if !t.declared().static {
		if t.rare != nil {
			x := heir.rareLocked()
			x.declaration, x.durable = t.rare.declaration, false
		}
	}
	for _, b := range exact {
		h.setAudience(heir, h.auds.Get(heir.aud.With(b)))
	}
	heir.mu.Unlock()
}

// lost counts readings that b will not be given any more.
func (b *Subscription) lost(n uint64) {
	b.s.drop.Add(int64(n))
	b.s.hub.Stats.Add(DropOverrun, int64(n))
}

func (b *Subscription) reads(f Format) bool {
	b.s.mu.Lock()
	defer b.s.mu.Unlock()
	return b.view.format == f
}

// ender is its format where that tells of ends, else nil.
func (b *Subscription) ender() Ender {
	b.s.mu.Lock()
	defer b.s.mu.Unlock()
	e, _ := b.view.format.(Ender)
	return e
}

// Listeners are the sessions that subscribed to exactly this name and read it
// as f, in no order.
func (h *Hub) Listeners(name []byte, f Format) []*Session {
	h.mu.RLock()
	defer h.mu.RUnlock()
	t := h.byName.get(&h.topics, string(name))
	if t == nil {
		return nil
	}
	var list []*Session
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, b := range t.aud.Listeners() {
		if b.exact && b.reads(f) {
			list = append(list, b.s)
		}
	}
	return list
}

// dying is a topic that has ended and whose number sessions may still have on
// their lists.
type dying struct {
	t    *Topic
	next uint64 // of its log
	at   int64  // when it ended, by the hub's clock
}

const (
	// farewell is how long what was not read yet of a topic that ended is kept for
	// who is told of its end, in milliseconds.
	farewell = 5000
	// reapAt is how many ended topics are worth looking through the sessions' lists.
	reapAt = 64
)

// killLocked takes the topic out of the hub. From here on nothing is stored in it.
// Its number stays taken until reap, what was not read of it only with keep. The caller
// holds mu, and t.mu since it looked whether t is to end.
func (h *Hub) killLocked(t *Topic, now int64, keep bool) {
	t.dead = true
	if d := t.declared(); d.static || d.durable || d.writable {
		h.declaredChanged()
	}
	if !keep {
		h.clearLocked(t)
		now -= farewell
	}
	h.setAudience(t, nil)
	h.dying = append(h.dying, dying{t, t.log.Next(), now})
	h.byName.remove(&h.topics, t)
	if t.name[0] == '$' {
		h.own--
	}
	h.names -= int64(sizeClass(len(t.name)))
	h.shareLocked()
	h.deleted++
}

// reap takes topics that ended, when there are at least so many, out of all
// sessions and frees their numbers: a number must not mean another topic while a
// cursor holds it. The hub's lock is not held while it looks through the lists.
// Where very many end at a time nobody's farewell is waited for.
func (h *Hub) reap(now int64, least int) {
	h.reaping.Lock() // before all others
	defer h.reaping.Unlock()
	h.mu.Lock()
	if len(h.dying) < least {
		h.mu.Unlock()
		return
	}
	ended := make(map[uint32]dying, len(h.dying))
	rest := h.dying[:0]
	for _, d := range h.dying {
		if now-d.at >= farewell || len(h.dying) >= reapAt {
			ended[d.t.idx] = d
		} else {
			rest = append(rest, d)
		}
	}
	clear(h.dying[len(rest):])
	h.dying = rest
	if len(ended) == 0 {
		h.mu.Unlock()
		return
	}
	sessions := make([]*Session, 0, h.sessions.Len())
	for s := range h.sessions.All {
		sessions = append(sessions, s)
	}
	h.mu.Unlock()
	for _, s := range sessions {
		s.forget(ended)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	for idx, d := range ended {
		d.t.mu.Lock()
		h.clearLocked(d.t)
		d.t.mu.Unlock()
		h.topics.remove(idx)
	}
}

// forget drops every trace of ended topics from the session, and counts what it
// was not given of them.
func (s *Session) forget(ended map[uint32]dying) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return
	}
	s.unwelcomeLocked(func(e fan.Entry) bool { return ended[e.Topic()].t != nil })
	if x := s.ext; x != nil && x.leftover != nil && ended[x.leftover.t.idx].t == x.leftover.t {
		s.dropLeftoverLocked()
	}
	if s.nheld == 0 && (s.ext == nil || s.ext.parked.Len() == 0) && !s.readsLocked(ended) {
		return
	}
	keep := int32(0)
	for i := range s.ready.Len() {
		e := *s.ready.At(i)
		if d, gone := ended[e.Topic()]; gone {
			b := s.subs.at(e.Slot())
			b.setMarkLocked(d.t, false)
			b.lost(uint64(uint32(d.next) - e.From()))
			continue
		}
		*s.ready.At(keep) = e
		keep++
	}
	s.hub.readyBytes.Add(-int64(s.ready.Truncate(keep)))
	s.sieveParkedLocked(func(e fan.Entry) bool {
		d, gone := ended[e.Topic()]
		if gone {
			b := s.subs.at(e.Slot())
			b.setMarkLocked(d.t, false)
			b.lost(uint64(uint32(d.next) - e.From()))
		}
		return !gone
	})
	for b := range s.subs.all {
		for _, w := range slices.Clone(b.held.waiting()) {
			if d, gone := ended[w.topic]; gone {
				b.setMarkLocked(d.t, false)
				b.unholdLocked(w.topic)
				b.lost(uint64(uint32(d.next) - w.from))
			}
		}
	}
}

// readsLocked tells whether the session's list may name one of the topics, by its
// marks where the list is long.
func (s *Session) readsLocked(ended map[uint32]dying) bool {
	if s.ready.Len() <= reapAt {
		return s.ready.Len() > 0
	}
	for idx := range ended {
		if s.marks.Has(idx) {
			return true
		}
	}
	for b := range s.subs.all {
		if b.exact && b.ready.Load() > 0 {
			return true
		}
	}
	return false
}
