package node

import (
	"errors"
	"fmt"
	"topicd/node/arena"
	"topicd/node/fan"
)

// CheckInvariants proves the hub's invariants and returns every breach. Nothing may
// use the hub meanwhile. Tests call it after each step; a method called Check the
// linker would keep in the program, 24 KB, for an interface that has one of that name.
func (h *Hub) CheckInvariants() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	var errs []error
	bad := func(format string, a ...any) { errs = append(errs, fmt.Errorf(format, a...)) }
	chunks := make(map[uint32]bool)
	var bytes, large int64
	refs := make(map[*audience]int32)
	topics, own := 0, 0
	for t := range h.topics.all {
		topics++
		if t.name[0] == '$' {
			own++
		}
		if h.byName.get(&h.topics, t.name) != t {
			bad("topic %q is in the table but not found by name", t.name)
		}
		if h.topics.at(t.idx) != t {
			bad("topic %q has another's number", t.name)
		}
		bytes += h.checkLog(t, chunks, bad)
		large += h.largeOf(t)
		if t.aud != nil {
			refs[t.aud]++
		}
		h.checkAudience(t, bad)
	}
	for _, d := range h.dying {
		if !d.t.dead || h.topics.at(d.t.idx) != d.t {
			bad("topic %q has ended and is not on its way out", d.t.name)
		}
		bytes += h.checkLog(d.t, chunks, bad)
		large += h.largeOf(d.t)
	}
	if large != h.large.Held() {
		bad("newest readings are %d bytes beyond their topics' share, counted %d", large, h.large.Held())
	}
	if own != h.own {
		bad("%d topics of the hub's own, counted %d", own, h.own)
	}
	if topics != h.byName.n {
		bad("%d topics in the table, %d by name", topics, h.byName.n)
	}
	if used, _, _ := h.arena.Usage(); used != bytes {
		bad("arena: %d bytes handed out, topics hold %d", used, bytes)
	}
	h.checkAudiences(refs, bad)
	h.checkSessions(bad)
	h.checkPages(bad)
	return errors.Join(errs...)
}

// checkAudiences compares the audiences that are kept with how many topics have them.
func (h *Hub) checkAudiences(refs map[*audience]int32, bad func(string, ...any)) {
	kept, shared := 0, 0
	for a := range refs {
		if !a.Named() {
			shared++
		}
	}
	for a := range h.auds.All {
		kept++
		if a.Refs() != refs[a] {
			bad("audience of %d: %d references, %d topics", len(a.Listeners()), a.Refs(), refs[a])
		}
	}
	if kept != shared {
		bad("%d audiences kept, %d in use", kept, shared)
	}
}

// largeOf is what a topic's newest reading, and the copy of what is retained, are
// beyond its share.
func (h *Hub) largeOf(t *Topic) int64 {
	n := 0
	if t.log.Count() > 0 && t.name[0] != '$' { // the hub's own are few, and not counted
		raw, _ := t.log.Read(h.arena, t.log.Next()-1, nil, 1)
		rec, _ := arena.Parse(raw)
		n = int(h.excess(rec.Size()))
	}
	if t.rare != nil {
		n += int(h.excess(int(t.rare.copy.Bytes())))
	}
	return int64(n) * largeUnit
}

// checkLog returns the bytes of the arena that the topic holds.
func (h *Hub) checkLog(t *Topic, chunks map[uint32]bool, bad func(string, ...any)) int64 {
	if err := t.log.Check(h.arena, chunks); err != nil {
		bad("topic %q: %v", t.name, err)
	}
	n := int64(h.heldLocked(t))
	if m := h.past(t); m != nil {
		if err := m.Check(h.arena, chunks); err != nil {
			bad("topic %q, its minutes: %v", t.name, err)
		}
	}
	if t.rare != nil {
		if err := t.rare.copy.Check(h.arena, chunks); err != nil {
			bad("topic %q, the copy of what is retained: %v", t.name, err)
		}
		n += int64(t.rare.copy.Bytes())
	}
	return n
}

func (h *Hub) checkAudience(t *Topic, bad func(string, ...any)) {
	want := make(map[*Session]*Subscription)
	exact := int32(0)
	for s := range h.sessions.All {
		if b := h.bestLocked(s, nil, t.name); b != nil {
			want[s] = b
			if b.exact {
				exact++
			}
		}
	}
	got := 0
	if t.aud != nil {
		for _, b := range t.aud.Listeners() {
			got++
			if want[b.s] != b {
				bad("topic %q is heard by %q of session %d, which is not its best", t.name, b.pattern, b.s.id)
			}
		}
	}
	if got != len(want) || t.aud.Named() != (exact > 0) {
		bad("topic %q: %d listen, %d should, %d of them exactly", t.name, got, len(want), exact)
	}
}

func (h *Hub) checkSessions(bad func(string, ...any)) {
	var ready int64
	subs := 0
	for s := range h.sessions.All {
		ready += s.ready.Bytes()
		if s.newcome != (s.ext != nil && s.ext.newcomer != nil) {
			bad("session %d does not know whether it is to get kept readings", s.id)
		} else if s.newcome {
			ready += s.ext.newcomer.list.Bytes()
		}
		if s.ext != nil {
			ready += s.ext.parked.Bytes() + int64(len(s.ext.far))*farCost
		}
		nheld := uint16(0)
		for b := range s.subs.all {
			if b.ended {
				continue
			}
			if !b.ending {
				subs++
			}
			if len(b.held.waiting()) > 0 {
				nheld++
			}
		}
		if nheld != s.nheld {
			bad("session %d: %d subscriptions hold cursors back, %d counted", s.id, nheld, s.nheld)
		}
		h.checkCursors(s, bad)
		if (s.ready.Len() > 0 || s.tasks != nil) && !s.queued {
			bad("session %d has something to read and nobody knows", s.id)
		}
	}
	if got := h.readyBytes.Load(); got != ready {
		bad("ready lists take %d bytes, %d counted", ready, got)
	}
	if subs != h.nsubs {
		bad("%d subscriptions, %d counted", subs, h.nsubs)
	}
}

// checkPages: each page that has come, or is a leftover, is a session's and is counted.
func (h *Hub) checkPages(bad func(string, ...any)) {
	listed, bytes := make(map[*page]bool), 0
	for _, p := range h.pages.list {
		listed[p] = true
		bytes += cap(*p.buf)
	}
	if bytes != h.pages.bytes || len(listed) != len(h.pages.list) {
		bad("%d pages wait, %d of them different, of %d bytes, counted %d", len(h.pages.list), len(listed), bytes, h.pages.bytes)
	}
	held := 0
	for s := range h.sessions.All {
		x := s.ext
		if x == nil {
			continue
		}
		for _, p := range []*page{x.page, x.leftover} {
			if p == nil {
				continue
			}
			if held++; p.s != s || !listed[p] {
				bad("session %d has a page that is not counted", s.id)
			}
		}
		if x.page != nil && (x.page != x.fetching || !s.queued) {
			bad("session %d: a page has come, and nobody knows", s.id)
		}
		if p := x.leftover; p != nil {
			if len(p.rest) == 0 {
				bad("session %d has a leftover with nothing in it", s.id)
			} else if seq, _, _ := parsePaged(p.rest); seq < p.at || p.next <= seq {
				bad("session %d has a leftover from %d to %d, which begins with %d", s.id, p.at, p.next, seq)
			}
		}
	}
	if held != len(listed) {
		bad("%d pages wait, sessions have %d", len(listed), held)
	}
}

// checkCursors: each topic that a session has not read has one cursor and one mark.
func (h *Hub) checkCursors(s *Session, bad func(string, ...any)) {
	cursors := make(map[uint32]bool)
	cursor := func(topic uint32, from uint32) {
		if cursors[topic] {
			bad("session %d has two cursors on topic %d", s.id, topic)
		}
		cursors[topic] = true
		t := h.topics.at(topic)
		if t == nil {
			bad("session %d has a cursor on a topic that is gone", s.id)
			return
		}
		if t.dead {
			return
		}
		if b := serving(t.aud, s); b == nil {
			bad("session %d has a cursor on %q and does not listen", s.id, t.name)
		} else if !b.marked(t) {
			bad("session %d: cursor on %q without a mark", s.id, t.name)
		}
		if uint32(t.log.Next())-from > 1<<31 && s.farLocked(topic) == 0 {
			bad("session %d: cursor on %q is ahead of it", s.id, t.name)
		}
	}
	list := func(l *fan.List) {
		for i := range l.Len() {
			if e := *l.At(i); !e.IsMark() {
				cursor(e.Topic(), e.From())
			}
		}
	}
	list(&s.ready)
	if s.ext != nil {
		list(&s.ext.parked)
		if s.ext.parked.Len() > 0 && s.ext.fetching == nil && !s.queued {
			bad("session %d: cursors wait for the disk, and nothing is fetched", s.id)
		}
	}
	for b := range s.subs.all {
		if !b.ended {
			for _, e := range b.held.waiting() {
				cursor(e.topic, e.from)
			}
		}
	}
	for t := range h.topics.all {
		if b := serving(t.aud, s); b != nil && b.marked(t) && !cursors[t.idx] {
			bad("session %d: mark on %q without a cursor", s.id, t.name)
		}
	}
}
