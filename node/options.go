package node

import (
	"math/rand/v2"
	"strings"
	"time"
	"unsafe"

	"topicd/node/arena"
	"topicd/node/fan"
)

// Options configure a Hub. The zero value of a field means its default.
type Options struct {
	Memory   int64                    // bytes of the arena, the budget of all stored readings; default 16 MiB
	TopicCap int                      // bytes that one topic may hold; default 64 KiB
	Topics   int                      // topics at most, $-topics included; default one per KiB of Memory
	Sessions int                      // sessions at most; default 1024
	Subs     int                      // subscriptions per session; default 256
	Ready    int64                    // bytes of all ready lists together; default half of Memory
	MaxBody  int                      // bytes of one reading's data; default 64 KiB
	Rate     int                      // requests per second and session; default 10,000; negative = no limit
	ByteRate int                      // request bytes per second and session; default 16 MiB; negative = no limit
	Made     int                      // topics that one session may make in the time of Keep; 0 = no limit of its own
	Keep     time.Duration            // life of an unused dynamic topic; default 10 min
	Stale    time.Duration            // a session not heard of for so long is stale; default 60 s
	Owner    func(addr string) string // whom a session's address is counted for; default its host
	Name     string                   // the hub's own name, for welcome and statistics

	Reserved []string // names of clients that only the hub's own sessions have

	Carried *Carried // what another run has handed on, for TakeBack; its epoch comes before Epoch

	Disk  Disk   // where durable topics are kept; nil: there are none
	Clock Clock  // default the system's
	Epoch uint64 // default the time of construction: differs after a restart
}

func (o Options) withDefaults() Options {
	def := func(p *int, v int) {
		if *p == 0 {
			*p = v
		}
	}
	if o.Memory == 0 {
		o.Memory = 16 << 20
	}
	def(&o.TopicCap, 64<<10)
	def(&o.Topics, int(min(o.Memory>>10, fan.MaxTopics)))
	def(&o.Sessions, 1024)
	def(&o.Subs, 256)
	if o.Ready == 0 {
		o.Ready = o.Memory / 2
	}
	def(&o.MaxBody, 64<<10)
	def(&o.Rate, 10_000)
	def(&o.ByteRate, 16<<20)
	if o.Keep == 0 {
		o.Keep = 10 * time.Minute
	}
	if o.Stale == 0 {
		o.Stale = time.Minute
	}
	if o.Owner == nil {
		o.Owner = func(addr string) string { return addr[:max(0, strings.LastIndexByte(addr, ':'))] }
	}
	if o.Clock == nil {
		o.Clock = systemClock()
	}
	if c := o.Carried; c != nil {
		o.Clock = c.clock(o.Clock)
	}
	if o.Epoch == 0 {
		wall, _ := o.Clock()
		if o.Epoch = uint64(max(1, wall)); wall < unset { // a board without a battery starts at this time again and again
			o.Epoch += rand.Uint64N(unset)
		}
	}
	o.Topics = min(o.Topics, fan.MaxTopics)
	o.Subs = min(o.Subs, fan.MaxSlots)
	o.TopicCap = min(o.TopicCap, MaxCap)
	o.MaxBody = min(o.MaxBody, MaxData)
	o.Keep = min(o.Keep, MaxKeep)
	return o
}

// unset is a time in 2001: the clock of a machine that shows an older one was never set.
const unset = 1_000_000_000_000

// What the words of a record and of a topic can hold. Settings beyond it are to be
// refused where they are made; here they are cut to it.
const (
	MaxCap  = 1<<30 - 1 // bytes of one topic
	MaxExt  = arena.MaxExt
	MaxData = arena.MaxData             // bytes of one reading's data
	MaxKeep = (1<<31 - 1) * time.Second // 68 years

	MaxTopics = fan.MaxTopics
	MaxSubs   = fan.MaxSlots // of one session
)

// What things cost, in bytes of heap, the allocator's size classes included.
// TestAccounting holds them to 1 % of the real heap.
const (
	topicCost   = int64(unsafe.Sizeof(Topic{})) + 8 + ptr // its place in index and table; and its name
	ptr         = int64(unsafe.Sizeof(uintptr(0)))
	nameShare   = 128 // of a topic in the bytes that all names may take; one may be longer
	sessionCost = 384 // session, its names and its place in the hub; the transport adds its own
	subCost     = 240 // subscription, its pattern, its share of an audience
)

// Worst is the most that a hub may take, by part, in bytes: all limits reached
// at once. What a transport needs per session comes on top.
type Worst struct {
	Arena, Topics, Minutes, Sessions, Subscriptions, Ready int64
}

// Total is the sum.
func (w Worst) Total() int64 {
	return w.Arena + w.Topics + w.Minutes + w.Sessions + w.Subscriptions + w.Ready
}

// Worst computes the memory bound from the limits.
func (o Options) Worst() Worst {
	o = o.withDefaults()
	subs := int64(o.Sessions) * int64(min(o.Subs, SubsPerSession)) // more only for some
	return Worst{
		Arena:         o.Memory,
		Topics:        int64(o.Topics) * (topicCost + nameShare),
		Minutes:       o.historyHeap(),
		Sessions:      int64(o.Sessions) * sessionCost,
		Subscriptions: subs * subCost,
		Ready:         o.Ready,
	}
}
