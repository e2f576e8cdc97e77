package node

import (
	"topicd/codec"
	"topicd/node/arena"
)

// MQTT's RETAIN: a newcomer by MQTT gets the newest reading that was published with
// it (MQTT 5 3.3.1.3). What all others publish counts as such, so a topic needs to
// note it only once somebody publishes without RETAIN.

// keepLocked notes before r is stored in t what newcomers by MQTT get then. The
// caller holds t.mu.
func (h *Hub) keepLocked(t *Topic, r *arena.Record) {
	if r.Flags&arena.Passing == 0 {
		if t.rare != nil && t.rare.passing {
			t.rare.passing = false
			h.uncopyLocked(t)
		}
		return
	}
	x := t.rareLocked()
	if x.passing {
		return
	}
	x.passing, x.kept = true, 0
	if t.log.Count() == 0 {
		return
	}
	x.kept = t.log.Next() - 1
	raw, _ := t.log.Read(h.arena, x.kept, nil, 1)
	rec, _ := arena.Parse(raw)
	h.copyLocked(t, x.kept, &rec)
}

// recallKept finds on disk what newcomers by MQTT get of a topic: the newest reading
// that was published with RETAIN among the last keptAmong. Called at start, when
// there is nothing of the topic in memory.
func (h *Hub) recallKept(t *Topic) {
	if t.rare == nil || t.rare.tape == nil {
		return
	}
	newest, _ := t.rare.tape.Newest()
	if newest == 0 {
		return
	}
	var kept arena.Record
	var at uint64
	for from, to := max(t.rare.tape.First(), newest-min(newest, keptAmong)+1), newest+1; from < to; {
		page, next, err := t.rare.tape.Read(nil, from, to, pageQuota)
		if err != nil || next <= from {
			break
		}
		for from = next; len(page) > 0; {
			var seq uint64
			var rec arena.Record
			if seq, rec, page = parsePaged(page); rec.Flags&arena.Passing == 0 {
				kept, at = rec, seq
			}
		}
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	x := t.rare
	x.passing, x.kept = true, at
	if at > 0 {
		kept.Era = h.eraNow()
		h.copyLocked(t, at, &kept)
	}
}

const keptAmong = 1000

// keptLocked is the number of the reading that newcomers by MQTT get, the log's
// next where there is none. The caller holds t.mu.
func (t *Topic) keptLocked() uint64 {
	switch x := t.rare; {
	case x != nil && x.passing && x.kept == 0, t.log.Count() == 0 && (x == nil || !x.passing):
		return t.log.Next()
	case x != nil && x.passing && (x.kept >= t.log.First() || t.keepsCopy(x.kept)):
		return x.kept
	case x != nil && x.passing:
		return t.log.Next()
	}
	return t.log.Next() - 1
}

// keepsCopy: that number is kept beside the log.
func (t *Topic) keepsCopy(seq uint64) bool {
	return t.rare != nil && t.rare.passing && t.rare.kept == seq && t.rare.copy.Count() > 0
}

// Unkeep ends what newcomers by MQTT get of a topic: somebody published an empty
// payload with RETAIN. Readings stay, for everybody else.
func (s *Session) Unkeep(name []byte) *codec.Error {
	h := s.hub
	t := h.Find(name)
	if t == nil {
		return nil
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	x := t.rareLocked()
	x.passing, x.kept = true, 0
	h.uncopyLocked(t)
	return nil
}
