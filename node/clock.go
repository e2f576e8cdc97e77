package node

import "time"

// Two clocks drive the hub. The clock on the wall says when a reading came (its
// ts) and nothing else: a board without a battery boots in 1970 and learns the
// time an hour later. Whatever is waited for, aged, limited or positioned goes by
// the hub's own clock, which begins at 1 with the hub and only goes forward.

// Clock tells both times, in milliseconds: wall since 1970, mono since whatever
// moment, but never less than it told before.
type Clock func() (wall, mono int64)

// systemClock is the machine's.
func systemClock() Clock {
	start := time.Now()
	return func() (wall, mono int64) {
		now := time.Now()
		return now.UnixMilli(), int64(now.Sub(start)/time.Millisecond) + 1
	}
}

// Wall is the time on the wall, milliseconds since 1970: for what people read.
func (h *Hub) Wall() int64 {
	wall, _ := h.opt.Clock()
	return wall
}

// Mono is the hub's own time, in milliseconds: for everything else.
func (h *Hub) Mono() int64 {
	_, mono := h.opt.Clock()
	return mono
}

// Turn begins a turn at the hub's time.
func (h *Hub) Turn() *Turn {
	turn := new(Turn)
	h.Tick(turn)
	return turn
}

// arrived is when a reading that the log of t holds came, by the hub's clock. The
// caller holds t.mu.
func (h *Hub) arrived(t *Topic, seq uint64) int64 {
	_, mono := t.log.Time(h.arena, &h.calendar, seq)
	return mono
}

// eraNow is the calendar's era. What comes from the disk was stored in another one,
// perhaps by another run: its age is reckoned by this one.
func (h *Hub) eraNow() uint16 { return h.calendar.Era(h.opt.Clock()) }

// Tick sets the turn to the hub's time.
func (h *Hub) Tick(turn *Turn) { turn.Wall, turn.Mono = h.opt.Clock() }
