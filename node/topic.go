package node

import (
	"hash/maphash"
	"sync"
	"sync/atomic"
	"topicd/node/arena"
	"topicd/node/fan"
)

// Topic is one named, bounded log and the audience that hears it.
type Topic struct {
	// static after construction
	name string
	idx  uint32 // its place in the hub's table and in every session's set of marks
	gen  uint32 // topics deleted before this one was born; part of its epoch

	// guarded by mu
	mu   sync.Mutex
	log  arena.Log
	aud  *audience // nil: nobody
	rare *rare     // nil for most
	idle uint32    // seconds of the hub's clock when it was last seen unused, 0 = in use
	by   [2]uint32 // the sessions that published last: while they are connected it is in use
	dead bool      // deleted; nothing is stored or marked any more
	dull uint8     // readings in a row that left and said no number, dullAt at most; and counted
	over uint16    // what its newest reading is beyond its share, in largeUnits
}

// declaration is what Make said of a topic.
type declaration struct {
	static bool
	cap    uint32 // bytes, 0 = the hub's default
	stale  uint32 // seconds without a reading that make it stale, 0 = never
	keep   uint32 // seconds it outlives its last user, keepDefault = the hub's

	durable bool // somebody said so

	writable bool // a set-point
	min, max float64
}

// rare is what only some topics have.
type rare struct {
	declaration
	tape Tape   // nil: not durable
	ep   uint64 // of a durable topic: it outlives restarts

	// Numbers that a run which ended badly may have given to readings that are not on
	// disk: they are given to no other.
	hole, holeEnd uint64

	// What a reader found missing on disk right before the log's first: readings that
	// came while the disk was full.
	bare, bareEnd uint64

	taken arena.Record // what tape is given: a record of the caller's would have to lie on the heap

	// Where somebody publishes by MQTT without RETAIN: the number of the newest
	// reading with it, 0 = none, and a copy for when it has left the log.
	passing bool
	kept    uint64
	copy    arena.Log
}

// rareLocked is t.rare, made when it is first needed.
func (t *Topic) rareLocked() *rare {
	if t.rare == nil {
		t.rare = &rare{declaration: *undeclared}
	}
	return t.rare
}

// durableLocked: something of the topic is on disk, or is going to be.
func (t *Topic) durableLocked() bool {
	return t.rare != nil && t.rare.tape != nil && (t.rare.durable || t.rare.tape.First() < t.log.Next())
}

// tapedLocked: what is published to the topic goes to disk.
func (t *Topic) tapedLocked() bool { return t.rare != nil && t.rare.tape != nil }

// Durable tells whether what is published to the topic goes to disk.
func (t *Topic) Durable() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.tapedLocked()
}

// epochOf changes whenever the topic's numbers restart. The caller holds t.mu.
func (h *Hub) epochOf(t *Topic) uint64 {
	if t.rare != nil && t.rare.ep != 0 {
		return t.rare.ep
	}
	return h.epoch + uint64(t.gen)
}

const keepDefault = ^uint32(0)

var undeclared = &declaration{keep: keepDefault}

// declared is what holds for t: never nil, not to be changed.
func (t *Topic) declared() *declaration {
	if t.rare == nil {
		return undeclared
	}
	return &t.rare.declaration
}

// Name is the topic's name.
func (t *Topic) Name() string { return t.name }

// index finds topics by name: open addressing over the topics' numbers. A map
// of strings takes 43 bytes a topic, this 8. A slot holds number + 1 and, in the
// bits above, a piece of the name's hash: a wrong topic is not even looked at,
// which would be three lines of cold memory.
type index struct {
	seed  maphash.Seed
	slots []uint32 // 0 = free; a power of two of them
	n     int
}

const tagMask = ^uint32(1<<fan.TopicBits - 1)

// home is the name's first slot and its tag.
func (x *index) home(name string) (int, uint32) {
	h := maphash.String(x.seed, name)
	return int(uint32(h)) & (len(x.slots) - 1), uint32(h>>32) & tagMask
}

// get finds the topic, nil if there is none.
func (x *index) get(b *table, name string) *Topic {
	if len(x.slots) == 0 {
		return nil
	}
	for i, tag := x.home(name); ; i = (i + 1) & (len(x.slots) - 1) {
		v := x.slots[i]
		if v == 0 {
			return nil
		}
		if v&tagMask == tag {
			if t := b.at(v&^tagMask - 1); t.name == name {
				return t
			}
		}
	}
}

// put adds a topic whose name is not in it.
func (x *index) put(b *table, t *Topic) {
	if 4*(x.n+1) > 3*len(x.slots) {
		old := x.slots
		x.slots = make([]uint32, max(64, 2*len(old)))
		for _, v := range old {
			if v != 0 {
				x.place(b.at(v&^tagMask - 1))
			}
		}
	}
	x.n++
	x.place(t)
}

func (x *index) place(t *Topic) {
	i, tag := x.home(t.name)
	for x.slots[i] != 0 {
		i = (i + 1) & (len(x.slots) - 1)
	}
	x.slots[i] = tag | (t.idx + 1)
}

// remove takes a topic out and moves up those that had to pass its place.
func (x *index) remove(b *table, t *Topic) {
	mask := len(x.slots) - 1
	i, tag := x.home(t.name)
	for x.slots[i] != tag|(t.idx+1) {
		i = (i + 1) & mask
	}
	x.n--
	for j := i; ; {
		x.slots[i] = 0
		for {
			j = (j + 1) & mask
			v := x.slots[j]
			if v == 0 {
				return
			}
			// v may stay when its home lies behind the hole, on the way to j.
			if home, _ := x.home(b.at(v&^tagMask - 1).name); (j-home)&mask >= (j-i)&mask {
				x.slots[i] = v
				i = j
				break
			}
		}
	}
}

// table maps the small numbers of topics to topics without a lock: pages are
// made under the hub's lock and never move.
type table struct {
	pages [1 << fan.TopicBits >> pageBits]atomic.Pointer[tablePage]
	free  []uint32 // numbers of reaped topics
	used  uint32   // numbers ever given
}

const pageBits = 9

type tablePage [1 << pageBits]atomic.Pointer[Topic]

func (b *table) at(idx uint32) *Topic {
	return b.pages[idx>>pageBits].Load()[idx&(1<<pageBits-1)].Load()
}

func (b *table) put(t *Topic) {
	if n := len(b.free); n > 0 {
		t.idx = b.free[n-1]
		b.free = b.free[:n-1]
	} else {
		t.idx = b.used
		b.used++
	}
	p := &b.pages[t.idx>>pageBits]
	if p.Load() == nil {
		p.Store(new(tablePage))
	}
	p.Load()[t.idx&(1<<pageBits-1)].Store(t)
}

// full: every number is a topic's, or of one that has ended and not been reaped.
func (b *table) full() bool { return len(b.free) == 0 && b.used == fan.MaxTopics }

func (b *table) remove(idx uint32) {
	b.pages[idx>>pageBits].Load()[idx&(1<<pageBits-1)].Store(nil)
	b.free = append(b.free, idx)
}

// audience is who hears a topic. Topics with the same listeners share one; it
// never changes, a changed audience is another one.
type audience = fan.Audience[*Subscription]

// Rank, Exact, Pattern, Sibling and Place implement fan.Listener.
func (b *Subscription) Rank() uint64                 { return b.rank }
func (b *Subscription) Exact() bool                  { return b.exact }
func (b *Subscription) Pattern() string              { return b.pattern }
func (b *Subscription) Sibling(c *Subscription) bool { return b.s == c.s }
func (b *Subscription) Place() *int32                { return &b.at }

// serving is the subscription of s in an audience, nil if it does not listen.
func serving(a *audience, s *Session) *Subscription {
	for _, b := range a.Listeners() {
		if b.s == s {
			return b
		}
	}
	return nil
}
