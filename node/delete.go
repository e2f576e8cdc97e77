package node

import (
	"slices"

	"topicd/codec"
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
// as an Ender is sent what it had not been given, the oldest farewellQuota bytes
// of that, and, but for by, that it ended.
func (h *Hub) Delete(name []byte, by *Session, turn *Turn) *codec.Error {
	h.mu.Lock()
	t := h.byName.get(&h.topics, string(name))
	if t == nil {
		h.mu.Unlock()
		return codec.Errorf(codec.CodeNotFound, "no topic %q", name)
	}
	var stay []*Subscription
	var going []farewell
	left := make(leftover)
	t.mu.Lock()
	if t.declared().static {
		h.declaredChanged()
	}
	for _, b := range t.aud.listeners() {
		switch {
		case !b.exact:
		case b.ender() != nil:
			going = append(going, farewell{b, b.ender(), left.of(h, t, b)})
		default:
			stay = append(stay, b)
		}
	}
	t.dead = true // from here on nobody is given a reading of it
	t.mu.Unlock()
	for _, g := range going {
		h.dropSubLocked(g.b)
	}
	h.killLocked(t)
	h.reapLocked(map[*Topic]bool{t: true})
	h.bearLocked(t, stay)
	h.mu.Unlock()
	for _, g := range going {
		g.send(g.b.s != by, turn)
	}
	return nil
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
		heir.decl = t.decl
	}
	subs := heir.aud.listeners()
	for _, b := range exact {
		subs = withSub(subs, b)
	}
	h.setAudience(heir, h.auds.get(subs))
	heir.mu.Unlock()
}

// farewell is a subscription that ends with its topic, and what it is still owed.
type farewell struct {
	b      *Subscription
	as     Ender
	unread []Reading
}

// send says goodbye, without locks.
func (f *farewell) send(told bool, turn *Turn) {
	p, ok := f.b.s.sink.(interface {
		Send(text bool, payload []byte, turn *Turn)
	})
	if !ok {
		return
	}
	for i := range f.unread {
		if b, ok := f.as.Append(nil, &f.unread[i]); ok {
			p.Send(f.as.Text(), b, turn)
		}
	}
	if told {
		p.Send(f.as.Text(), f.as.End(nil, f.b.pattern), turn)
	}
}

// What sessions are owed of a topic that ends: of one, and of all together.
const (
	farewellQuota = 16 << 10
	farewellTotal = 1 << 20
)

// leftover are copies of unread readings by where they begin: most listeners
// stand at the same place.
type leftover map[uint64][]Reading

// of is what b has not been given of t. The caller holds t.mu.
func (l leftover) of(h *Hub, t *Topic, b *Subscription) []Reading {
	from, ok := b.cursor(t)
	if !ok {
		return nil
	}
	if first := t.log.first(); from < first {
		b.lost(first - from)
		from = first
	}
	all, known := l[from]
	if !known && len(l) < farewellTotal/farewellQuota {
		raw, to := t.log.read(h.arena, from, nil, farewellQuota)
		for seq := from; seq < to; seq++ {
			var rec record
			rec, raw = parseRecord(raw)
			all = append(all, Reading{Topic: t.name, Seq: seq, TS: rec.ts, Origin: rec.origin, CBOR: rec.flags&flagCBOR != 0, From: rec.name, Data: rec.data})
		}
		l[from] = all
	}
	b.lost(t.log.next - from - uint64(len(all)))
	not := b.not.Load()
	all = slices.DeleteFunc(slices.Clone(all), func(r Reading) bool { return not != 0 && r.Origin == not })
	b.s.out.Add(int64(len(all)))
	h.Stats.Add(Delivered, int64(len(all)))
	return all
}

// lost counts readings that b will not be given any more.
func (b *Subscription) lost(n uint64) {
	b.s.drop.Add(int64(n))
	b.s.hub.Stats.Add(DropOverrun, int64(n))
}

// cursor is where b stands on t, if it has something to read there.
func (b *Subscription) cursor(t *Topic) (from uint64, ok bool) {
	b.s.mu.Lock()
	defer b.s.mu.Unlock()
	for i := range b.s.ready.n {
		if e := *b.s.ready.at(i); e.topic() == t.idx {
			end := t.log.next
			from = end - uint64(uint32(end)-e.from())
			return from, from < end
		}
	}
	return 0, false
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
	for _, b := range t.aud.listeners() {
		if b.exact && b.reads(f) {
			list = append(list, b.s)
		}
	}
	return list
}

// killLocked takes the topic out of the hub; its number lives until reapLocked.
func (h *Hub) killLocked(t *Topic) {
	t.mu.Lock()
	t.dead = true
	t.log.clear(h.arena)
	h.setAudience(t, nil)
	t.mu.Unlock()
	h.byName.remove(&h.topics, t)
	if t.name[0] == '$' {
		h.own--
	}
	h.names -= int64(sizeClass(len(t.name)))
	h.shareLocked()
	h.deleted++
}

// reapLocked takes dead topics out of all sessions, then frees their numbers:
// a number must not mean another topic while a cursor still holds it.
func (h *Hub) reapLocked(dead map[*Topic]bool) {
	if len(dead) == 0 {
		return
	}
	for _, s := range h.sessions {
		s.mu.Lock()
		s.forgetLocked(dead)
		s.mu.Unlock()
	}
	for t := range dead {
		h.topics.remove(t.idx)
	}
}

// forgetLocked drops every trace of dead topics from the session.
func (s *Session) forgetLocked(dead map[*Topic]bool) {
	gone := func(topic uint32) bool { return topic != liveMark && dead[s.hub.topics.at(topic)] }
	keep := int32(0)
	for i := range s.ready.n {
		e := *s.ready.at(i)
		if gone(e.topic()) {
			t := s.hub.topics.at(e.topic())
			s.subs[e.slot()].setMarkLocked(t, false)
			s.subs[e.slot()].lost(uint64(uint32(t.log.next) - e.from()))
			continue
		}
		*s.ready.at(keep) = e
		keep++
	}
	s.hub.readyBytes.Add(-int64(s.ready.truncate(keep)))
	if s.nheld == 0 {
		return
	}
	for _, b := range s.subs {
		if b == nil {
			continue
		}
		for _, w := range slices.Clone(b.held.waiting()) {
			if gone(w.topic) {
				t := s.hub.topics.at(w.topic)
				b.setMarkLocked(t, false)
				b.unholdLocked(w.topic)
				b.lost(uint64(uint32(t.log.next) - w.from))
			}
		}
	}
}
