package arena

import (
	"sync"
	"sync/atomic"
)

// Calendar knows how far the wall was from the hub's clock, and since when: a
// stored reading keeps its ts and the number of its era, which is enough to tell
// its age whatever the wall did since.
type Calendar struct {
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

// Begin starts the first era.
func (c *Calendar) Begin(wall, mono int64) {
	c.eras = []int64{wall - mono}
	c.now.Store(uint64(wall-mono) & apart)
}

// Era is the number of the era in which it is wall and mono.
func (c *Calendar) Era(wall, mono int64) uint16 {
	now := c.now.Load()
	d := int64(now<<16) >> 16 // the sign lies in bit 47
	if off := wall - mono - d; off > stepOver || off < -stepOver {
		return c.step(wall - mono)
	}
	return uint16(now >> 48)
}

// step begins a new era, unless another goroutine has.
func (c *Calendar) step(d int64) uint16 {
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

// Mono is the hub's time at ts in that era.
func (c *Calendar) Mono(ts int64, era uint16) int64 {
	if now := c.now.Load(); uint16(now>>48) == era {
		return ts - int64(now<<16)>>16
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return ts - c.eras[era]
}
