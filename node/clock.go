package node

import (
	"sync"
	"sync/atomic"
	"time"
)

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

// Tick sets the turn to the hub's time.
func (h *Hub) Tick(turn *Turn) { turn.Wall, turn.Mono = h.opt.Clock() }

// calendar knows how far the wall was from the hub's clock, and since when: a
// stored reading keeps its ts and the number of its era, which is enough to tell
// its age whatever the wall did since.
type calendar struct {
	now atomic.Uint64 // era<<48 | distance of the wall from the hub's clock, 48 bits

	mu   sync.Mutex
	eras []int64 // the distance in each era, a ring of maxEras
}

const (
	eraBits = 16
	maxEras = 1 << eraBits
	// stepOver is how far apart the two clocks may drift before that is a step, in
	// milliseconds. The kernel slews both alike, so what differs more was set.
	stepOver = 100
	apart    = 1<<48 - 1
)

// begin starts the first era.
func (c *calendar) begin(wall, mono int64) {
	c.eras = []int64{wall - mono}
	c.now.Store(uint64(wall-mono) & apart)
}

// era is the number of the era in which it is wall and mono.
func (c *calendar) era(wall, mono int64) uint16 {
	now := c.now.Load()
	d := int64(now<<16) >> 16 // the sign lies in bit 47
	if off := wall - mono - d; off > stepOver || off < -stepOver {
		return c.step(wall - mono)
	}
	return uint16(now >> 48)
}

// step begins a new era, unless another goroutine has.
func (c *calendar) step(d int64) uint16 {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := c.now.Load()
	if off := d - int64(now<<16)>>16; off <= stepOver && off >= -stepOver {
		return uint16(now >> 48)
	}
	e := uint16(now>>48) + 1
	if int(e) < len(c.eras) {
		c.eras[e] = d // 65,536 steps ago
	} else {
		c.eras = append(c.eras, d)
	}
	c.now.Store(uint64(e)<<48 | uint64(d)&apart)
	return e
}

// mono is the hub's time at ts in that era.
func (c *calendar) mono(ts int64, era uint16) int64 {
	if now := c.now.Load(); uint16(now>>48) == era {
		return ts - int64(now<<16)>>16
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return ts - c.eras[era]
}
