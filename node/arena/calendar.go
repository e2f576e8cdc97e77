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
	eras []era // a ring of maxEras
}

// era is a time in which nobody set the wall's clock.
type era struct {
	distance int64 // of the wall from the hub's clock
	begun    int64 // by the hub's clock
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
	c.eras = []era{{wall - mono, mono}}
	c.now.Store(uint64(wall-mono) & apart)
}

// Era is the number of the era in which it is wall and mono.
func (c *Calendar) Era(wall, mono int64) uint16 {
	now := c.now.Load()
	d := int64(now<<16) >> 16 // the sign lies in bit 47
	if off := wall - mono - d; off > stepOver || off < -stepOver {
		return c.step(wall-mono, mono)
	}
	return uint16(now >> 48)
}

// step begins a new era, unless another goroutine has.
func (c *Calendar) step(d, mono int64) uint16 {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := c.now.Load()
	if off := d - int64(now<<16)>>16; off <= stepOver && off >= -stepOver {
		return uint16(now >> 48)
	}
	e := uint16(now>>48) + 1
	if int(e) < len(c.eras) {
		c.eras[e] = era{d, mono} // 65,536 steps ago
	} else {
		c.eras = append(c.eras, era{d, mono})
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
	return ts - c.eras[era].distance
}

// Earliest is the least that the wall may have shown at that time of the hub's clock
// or at any later one: no reading that came since then has a ts before it. Of times
// before the first era, when another hub ran, it tells what the wall says now.
func (c *Calendar) Earliest(mono int64) int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := c.now.Load()
	least := int64(now<<16) >> 16
	if mono < c.eras[0].begun && len(c.eras) < maxEras {
		return mono + least
	}
	for e, n := uint16(now>>48), 0; n < len(c.eras); e, n = e-1, n+1 {
		at := &c.eras[e]
		least = min(least, at.distance)
		if at.begun <= mono {
			break
		}
	}
	return mono + least
}

// Before has the first era be that of another hub, whose wall was so far from a clock
// that this hub's goes on with. What it stored last had the ts newest: none of it is in
// the future. Called behind Begin.
func (c *Calendar) Before(distance, newest int64) {
	now := c.eras[0]
	c.eras = []era{{max(distance, newest-now.begun), now.begun}, now}
	c.now.Store(1<<48 | uint64(now.distance)&apart)
}
