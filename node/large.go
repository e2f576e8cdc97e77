package node

import (
	"topicd/codec"
	"topicd/node/arena"
)

// No topic's newest reading is taken to make room, and neither is the copy of one that
// MQTT retains. So what they take beyond a topic's share is bounded for all topics
// together: with 300 readings of 60 KB one peer had filled the arena, and the hub
// refused everybody else's next reading of 20 bytes.

const (
	smallReading = 1 << 10 // a topic's share is not less
	largeUnit    = 256     // bytes; a topic's own count is in 16 bits
)

// mostLarge is how much of the arena may be such excess: a quarter. An address may
// make three quarters of all topics, of a share each, and has not filled it then.
func (o *Options) mostLarge() int64 { return max(o.Memory/4, min(o.Memory/2, int64(o.MaxBody))) }

// excess is what n bytes are beyond a topic's share, in largeUnits.
func (h *Hub) excess(n int) uint16 {
	if n <= h.share {
		return 0
	}
	return uint16((n - h.share + largeUnit - 1) / largeUnit)
}

// admitLocked asks whether the next reading of t may be so much beyond its share. The
// caller holds t.mu, and calls settleLocked when it has stored the reading or not.
func (h *Hub) admitLocked(t *Topic, over uint16) bool {
	return over <= t.over || h.large.Take(int(over-t.over)*largeUnit)
}

func (h *Hub) settleLocked(t *Topic, over uint16, stored bool) {
	if was := t.over; over > was && !stored {
		h.large.Give(int(over-was) * largeUnit)
	} else if stored && over != was {
		h.large.Give(max(0, int(was)-int(over)) * largeUnit)
		t.over = over
	}
}

// copyLocked keeps a copy of what is retained of t, if there is room. The caller holds
// t.mu.
func (h *Hub) copyLocked(t *Topic, seq uint64, r *arena.Record) {
	x := t.rare
	h.uncopyLocked(t)
	x.copy.Begin(seq)
	x.copy.Append(h.arena, r, MaxCap, 0)
	if n := h.excess(int(x.copy.Bytes())); !h.large.Take(int(n) * largeUnit) {
		x.copy.Clear(h.arena) // it is there until it leaves the log
	}
}

// uncopyLocked ends the copy.
func (h *Hub) uncopyLocked(t *Topic) {
	h.large.Give(int(h.excess(int(t.rare.copy.Bytes()))) * largeUnit)
	t.rare.copy.Clear(h.arena)
}

// clearLocked gives all memory of the topic's readings back.
func (h *Hub) clearLocked(t *Topic) {
	t.log.Clear(h.arena)
	h.forgetPastLocked(t)
	h.settleLocked(t, 0, true)
	if t.rare != nil {
		h.uncopyLocked(t)
	}
}

var errLarge = &codec.Error{Code: codec.CodeNoRoom, Msg: "the newest readings of topics take more than their share already: this hub has no room for another large one", Retry: 1000}
