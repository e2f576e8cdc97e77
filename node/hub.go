package node

import (
	"hash/maphash"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"topicd/codec"
	"topicd/node/arena"
	"topicd/node/bound"
	"topicd/node/fan"
	"topicd/node/internal/keyed"
)

// Hub is the core: topics, their readings, and who hears them. It is a data
// structure: it opens no socket, starts no goroutine and has no clock of its
// own. All methods may be called from any goroutine unless they say otherwise.
type Hub struct {
	// static after construction
	opt      Options
	epoch    uint64
	share    int // bytes that each topic has room for, whatever others hold
	arena    *arena.Arena
	calendar arena.Calendar
	Stats    Stats

	makers   makers
	listed   listing
	pages    pages         // that have come from the disk
	laters   laters        // sessions with answers that wait for the disk
	declared chan struct{} // static topics have changed; one value is enough
	reaping  sync.Mutex    // one reap at a time; before all others

	topics     table
	readyBytes atomic.Int64 // of all ready lists
	readyLimit int64
	nsessions  atomic.Int64
	fair       atomic.Uint32 // bytes that each topic may always hold
	large      bound.Bytes   // that newest readings are beyond their topics' share
	pasts      pasts
	speeches   atomic.Pointer[[]speech] // what peers speak; written under mu
	history    atomic.Int64             // bytes of heap that topics' minutes take

	// guarded by mu. Lock order: hub → topic → session → arena.
	mu           sync.RWMutex
	byName       index
	patterns     fan.Trie[*Subscription]
	auds         fan.Audiences[*Subscription]
	sessions     keyed.Table[*Session]
	devices      map[string]*window // dedupe, by device
	named        map[string]int     // connections that go by a name
	ids          uint32             // sessions ever opened
	rank         uint64             // subscriptions ever made
	nsubs        int
	patternBytes int64    // of all subscriptions' patterns
	dying        []dying  // topics that have ended since the last reap
	deleted      uint32   // topics ever deleted: a topic born later has another epoch
	names        int64    // bytes of topic names
	own          int      // topics of the hub's own: presence must not take all places
	swept        uint32   // where the next sweep goes on
	brief        bool     // some topic may live shorter than briefKeep
	victim       uint32   // where the next search for room goes on
	leaves       leaver   // for it
	dry          [2]int64 // when a search for room found none: among topics above their share, among all
	gaveBack     int      // times that long work let others have mu
	watched      int      // subscriptions that may want to hear of everybody's presence
	began        int64
	statsAt      int64 // when the figures were published last
}

// New makes an empty hub.
func New(opt Options) *Hub {
	opt = opt.withDefaults()
	h := &Hub{
		opt:        opt,
		epoch:      opt.Epoch,
		brief:      opt.Keep < briefKeep,
		arena:      arena.New(opt.Memory),
		readyLimit: opt.Ready,
		byName:     index{seed: maphash.MakeSeed()},
		auds:       make(fan.Audiences[*Subscription]),
		devices:    make(map[string]*window),
		named:      make(map[string]int),
		declared:   make(chan struct{}, 1),
		makers:     makers{byHost: make(map[string]*bound.Allowance)},
	}
	h.speeches.Store(&firstSpeeches)
	h.large.Most = opt.mostLarge()
	h.share = max(smallReading, int(opt.Memory*7/8)/opt.Topics)
	turn := h.Turn()
	h.began = turn.Mono
	h.calendar.Begin(turn.Wall, turn.Mono)
	if c := opt.Carried; c != nil {
		if c.deleted < mostDeleted { // else some of its epochs are not known
			h.epoch, h.deleted = c.epoch, uint32(c.deleted)+1 // who is born anew has another epoch than what ended
		}
		h.calendar.Before(c.wall-c.mono, c.newest)
	}
	h.shareLocked()
	return h
}

// Close gives the arena back. No method may be called after it.
func (h *Hub) Close() { h.arena.Close() }

// Epoch is the number that changes whenever sequence numbers restart.
func (h *Hub) Epoch() uint64 { return h.epoch }

// Run is a number that no other run of this hub has, though it may go on with its epoch.
func (h *Hub) Run() uint64 { return h.opt.Epoch }

// Options are the limits in force, defaults filled in.
func (h *Hub) Options() Options { return h.opt }

// Open begins a session. The caller calls Close when the peer is gone.
func (h *Hub) Open(sink Sink, addr, url string, turn *Turn) (*Session, *codec.Error) {
	s := &Session{hub: h, sink: sink, from: addr + redact(url), addrLen: uint16(len(addr)), since: turn.Mono}
	s.budget.fill(&h.opt, turn.Mono)
	s.heard.Store(turn.Mono)
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.sessions.Len() >= h.opt.Sessions {
		h.Stats.Add(RefusedSessions, 1)
		return nil, errSessions
	}
	s.id = h.newIDLocked()
	h.sessions.Put(s)
	h.nsessions.Add(1)
	h.Stats.Add(Opened, 1)
	return s, nil
}

// newIDLocked is a session number that is not in use: each HTTP request takes one,
// and after 2^32 of them they begin anew. 0 is nobody's.
func (h *Hub) newIDLocked() uint32 {
	for {
		h.ids++
		if h.ids != 0 && h.sessionLocked(h.ids) == nil {
			return h.ids
		}
	}
}

// sessionLocked is the session of that number, nil if there is none.
func (h *Hub) sessionLocked(id uint32) *Session {
	return h.sessions.Find(id, func(s *Session) bool { return s.id == id })
}

// Hash implements keyed.Value.
func (s *Session) Hash() uint32 { return s.id }

var errSessions = &codec.Error{Code: codec.CodeNoRoom, Msg: "the hub serves as many connections as it may: try again later", Retry: 10_000}

// Close ends the session: its subscriptions go, its presence says offline.
func (s *Session) Close(turn *Turn) {
	h := s.hub
	h.mu.Lock()
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		h.mu.Unlock()
		return
	}
	s.closed = true // nothing is marked any more
	h.readyBytes.Add(-int64(s.ready.Truncate(0)))
	s.sieveParkedLocked(func(fan.Entry) bool { return false })
	s.leaveOffLocked()
	s.tasks = nil
	if x := s.ext; x != nil {
		s.unsayLocked()
		if x.page != nil {
			h.pages.gone(x.page)
		}
		h.readyBytes.Add(-int64(len(x.far)) * farCost)
		x.page, x.fetching, x.far = nil, nil, nil
		s.dropLeftoverLocked()
	}
	s.mu.Unlock()
	h.leaveLocked(s, slices.Collect(s.subs.all), turn.Mono)
	s.mu.Lock()
	s.subs = slots{}
	s.mu.Unlock()
	h.sessions.Remove(s)
	h.nsessions.Add(-1)
	h.offlineLocked(s, turn)
	h.Stats.Add(Closed, 1)
	h.mu.Unlock()
	h.reap(turn.Mono, reapAt)
}

// all yields the living topics. The caller holds the hub's mu.
func (b *table) all(yield func(*Topic) bool) {
	for i := range b.used {
		if t := b.at(i); t != nil && !t.dead && !yield(t) {
			return
		}
	}
}

// topicLocked finds the topic or makes it. The caller holds mu.
func (h *Hub) topicLocked(name string) (*Topic, *codec.Error) {
	if t := h.byName.get(&h.topics, name); t != nil {
		return t, nil
	}
	own := name[0] == '$'
	if h.byName.n >= h.opt.Topics || own && h.own >= h.opt.Topics/4 || h.topics.full() ||
		h.names+int64(sizeClass(len(name))) > int64(h.opt.Topics)*nameShare {
		h.Stats.Add(RefusedTopics, 1)
		return nil, errTopics
	}
	if own {
		h.own++
	}
	t := &Topic{name: name, gen: h.deleted}
	t.log.Begin(1)
	h.openTapeLocked(t, false)
	h.topics.put(t)
	h.byName.put(&h.topics, t)
	h.names += int64(sizeClass(len(name)))
	h.shareLocked()
	if subs := h.listenersLocked(name); len(subs) > 0 {
		h.setAudience(t, h.auds.Get(subs))
	}
	return t, nil
}

var errTopics = &codec.Error{Code: codec.CodeNoRoom, Msg: "the hub holds as many topics as it may", Retry: 60_000}

// listenersLocked is the best subscription of each session whose pattern fits.
func (h *Hub) listenersLocked(name string) []*Subscription {
	var subs []*Subscription
	h.patterns.Match(name, func(b *Subscription) {
		if b.s.pick == 0 {
			subs = append(subs, b)
		} else if b.rank < b.s.subs.at(b.s.pick-1).rank {
			return
		}
		b.s.pick = b.slot + 1
	})
	for i, b := range subs {
		subs[i], b.s.pick = b.s.subs.at(b.s.pick-1), 0
	}
	return subs
}

// setAudience gives t another audience. The caller holds mu and t.mu, or t is new.
func (h *Hub) setAudience(t *Topic, a *audience) {
	a.Take()
	h.auds.Release(t.aud)
	t.aud = a
}

// Make declares a topic or changes it.
func (h *Hub) Make(name []byte, o MakeOptions) (*Topic, *codec.Error) {
	if err := codec.CheckTopic(name); err != nil {
		return nil, err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	t, err := h.topicLocked(string(name))
	if err == nil {
		err = h.declareLocked(t, &o)
	}
	if err != nil {
		return nil, err
	}
	return t, nil
}

func (h *Hub) declareLocked(t *Topic, o *MakeOptions) *codec.Error {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.idle = 0
	d := *t.declared()
	d.static = d.static || o.Static
	if o.Cap > 0 {
		d.cap = uint32(min(o.Cap, h.opt.Memory, MaxCap))
	}
	if o.Stale > 0 {
		d.stale = uint32(min(o.Stale, 1<<31))
	}
	if o.Keep != nil {
		d.keep = uint32(max(0, min(*o.Keep, int(MaxKeep/time.Second))))
		h.brief = h.brief || d.keep > 0 && d.keep < uint32(briefKeep/time.Second)
	}
	if o.Durable {
		if h.opt.Disk == nil {
			return errNoDisk
		}
		h.openTapeLocked(t, true)
		d.durable = true
	}
	d.writable = d.writable || o.Writable
	if o.Min < o.Max {
		d.min, d.max = o.Min, o.Max
	}
	if d == *undeclared {
		return nil
	}
	if (d.static || d.durable || d.writable) && d != *t.declared() {
		h.declaredChanged()
	}
	t.rareLocked().declaration = d
	return nil
}

// MakeOptions are what can be said of a topic; zero fields change nothing.
type MakeOptions struct {
	Static bool
	Cap    int64 // bytes
	Stale  int64 // seconds
	Keep   *int  // seconds that the topic outlives its last user
	New    bool  // Session.Make: one that is there already stays as it is

	Durable bool // kept on disk from now on

	Writable bool    // a set-point: who shows it may offer to set it, who has the right may as ever
	Min, Max float64 // between which; both 0 = not said
}

var errNoDisk = &codec.Error{Code: codec.CodeMalformed, Msg: "this hub keeps no readings on disk: it has no state directory that takes files"}

// growReady counts the growth of a session's ready list and reports whether
// the session must go: the lists together are over their limit and its own is
// over its equal share.
func (h *Hub) growReady(n int64, s *Session) bool {
	total := h.readyBytes.Add(n)
	return total > h.readyLimit && s.ready.Bytes() > h.readyLimit/h.nsessions.Load()
}

// sizeClass is the heap that a string of n bytes takes.
func sizeClass(n int) int {
	switch {
	case n <= 8:
		return 8
	case n <= 32:
		return (n + 7) &^ 7
	default:
		return (n + 15) &^ 15
	}
}
