package sense

import (
	"slices"
	"time"
)

// source is what one file (or a few that belong together) tells.
type source struct {
	path  string // the file that names it, below the root
	topic string // its first topic; with path, what it is known by after a new listing
	read  readFunc

	// guarded by Board.mu
	busy  bool // a goroutine reads it
	stuck bool // and has for longer than the Timeout
}

// readFunc reads a source and appends to r.out. It is never called twice at a
// time, so it may keep the figures of the round before.
type readFunc func(r *reader) error

// device is a list of sources that are read one after another.
type device struct {
	key    string // static: its directory or bus
	spread bool   // static: its sources have nothing in common, any number may be stuck

	// guarded by Board.mu
	sources []*source
	active  bool // queued or being read
	turn    int  // the round in which it was started
	next    int  // the source to read next
	cur     *source
	since   time.Time // when the read of cur began
	stuck   int
	listed  bool      // false: its directory is gone, only a stuck read keeps it
	fresh   []*source // of the last listing, to be taken over when idle; nil when taken
	out     []Reading
	skips   []Skip
}

// dead reports that so much of the device is stuck that the rest would be too.
func (d *device) dead() bool { return !d.spread && d.stuck >= maxStuck }

// nextLocked returns the source to read now, nil at the end.
func (d *device) nextLocked() *source {
	for d.next < len(d.sources) {
		s := d.sources[d.next]
		d.next++
		switch {
		case s.busy:
			d.skips = append(d.skips, Skip{Path: s.path, Reason: Stuck})
		case d.dead():
			d.skips = append(d.skips, Skip{Path: s.path, Reason: Busy})
		default:
			return s
		}
	}
	return nil
}

// start queues every idle device and sees that readers take them.
func (b *Board) start() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.markStuckLocked()
	b.devices = slices.DeleteFunc(b.devices, func(d *device) bool {
		if d.fresh != nil && !d.active {
			d.merge(d.fresh)
			d.fresh = nil
		}
		return !d.listed && !d.active && len(d.sources) == 0 && len(d.out)+len(d.skips) == 0
	})
	idle := maxReaders - b.readers
	for _, d := range b.devices {
		if d.active || len(d.sources) == 0 {
			continue
		}
		d.active, d.turn, d.next = true, b.turn, 0
		switch {
		case d.spread: // /proc does not wait for slow sensors
			b.readers++
			go b.readLoop(d)
		case idle > 0:
			idle--
			b.readers++
			go b.readLoop(d)
		default:
			b.queue = append(b.queue, d)
		}
	}
}

// readLoop reads d, then whatever is queued, and ends when nothing is, when the
// board is closed, or when it comes back from a read that was given up: then
// another goroutine has its place.
func (b *Board) readLoop(d *device) {
	r := b.bufs.Get().(*reader)
	b.mu.Lock()
	for d != nil {
		s := d.nextLocked()
		if s == nil || b.closed {
			d.active, d.cur = false, nil
			d = b.dequeueLocked()
			b.signal()
			continue
		}
		s.busy, d.cur, d.since = true, s, b.mono()
		b.mu.Unlock()
		r.out = r.out[:0]
		r.skips = r.skips[:0]
		err := s.read(r)
		b.mu.Lock()
		s.busy = false
		d.storeLocked(b, s, r, err)
		if s.stuck {
			s.stuck = false
			d.stuck--
			b.mu.Unlock()
			return // r with it: it may have grown to any size
		}
		d.cur = nil
	}
	b.readers--
	b.signal()
	b.mu.Unlock()
	b.bufs.Put(r)
}

func (b *Board) dequeueLocked() *device {
	if len(b.queue) == 0 || b.closed {
		return nil
	}
	d := b.queue[0]
	b.queue = append(b.queue[:0], b.queue[1:]...)
	return d
}

// signal wakes the round; one signal stands for any number.
func (b *Board) signal() {
	select {
	case b.wake <- struct{}{}:
	default:
	}
}

// maxPending bounds what a device keeps for a round that never comes.
const maxPending = 1024

func (d *device) storeLocked(b *Board, s *source, r *reader, err error) {
	if len(d.out)+len(r.out) <= maxPending {
		d.out = append(d.out, r.out...)
	}
	if len(d.skips)+len(r.skips) <= maxPending {
		d.skips = append(d.skips, r.skips...)
	}
	if err == nil {
		return
	}
	k := Skip{Path: s.path, Reason: reasonOf(err)}
	if k.Reason == Gone || k.Reason == Failed {
		k.Err = err
	}
	b.relist = b.relist || k.Reason == Gone
	if len(d.skips) < maxPending {
		d.skips = append(d.skips, k)
	}
}

// markStuck gives up files that were silent for the Timeout.
func (b *Board) markStuck() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.markStuckLocked()
}

func (b *Board) markStuckLocked() {
	// An eighth less: a round's timer starts a little before its reads.
	limit := b.o.Timeout - b.o.Timeout/8
	for _, d := range b.devices {
		if d.cur == nil || b.mono().Sub(d.since) < limit {
			continue
		}
		d.skips = append(d.skips, Skip{Path: d.cur.path, Reason: Stuck})
		d.cur.stuck = true
		d.cur = nil
		d.stuck++
		go b.readLoop(d) // the place of the one that is stuck
	}
}

// merge takes over a new listing of the device. Sources that are being read, or
// are what they were, stay: they know the round before.
func (d *device) merge(sources []*source) {
	old := make(map[string]*source, len(d.sources))
	for _, s := range d.sources {
		old[s.path] = s
	}
	merged := make([]*source, 0, len(sources))
	for _, s := range sources {
		if o := old[s.path]; o != nil && (o.busy || o.topic == s.topic) {
			s = o
		}
		delete(old, s.path)
		merged = append(merged, s)
	}
	for _, s := range d.sources { // gone from the directory, but its read is not back
		if old[s.path] == s && s.busy {
			merged = append(merged, s)
		}
	}
	d.sources = merged
}
