package node

import (
	"sync"
	"sync/atomic"
	"unsafe"

	"topicd/codec"
	"topicd/node/bound"
	"topicd/node/fan"
	"topicd/node/internal/prefetch"
)

// Sink is the transport's end of a session.
type Sink interface {
	// Wake says that the session has something to read: the transport must
	// call Fill soon, from any goroutine, one at a time. It is called without
	// locks and must not block.
	Wake()
	// Cut asks the transport to tell the peer why and to close. It may be
	// called with locks held and must not call back into the hub.
	Cut(why *codec.Error)
}

// Deaf is the sink of a session that subscribes to nothing and is over before
// it could be cut: a request's.
type Deaf struct{}

// Wake implements Sink.
func (Deaf) Wake() {}

// Cut implements Sink.
func (Deaf) Cut(*codec.Error) {}

// Session is one connected peer: what it subscribed to and the short list of
// what it has not read yet.
//
// What a delivery touches stands first: with a thousand readers each line of
// cache counts.
type Session struct {
	sink Sink // static after construction

	// guarded by mu
	mu      sync.Mutex
	closed  bool
	queued  bool // on a turn's list, or being filled: nobody else needs to wake it
	shown   bool // its presence is known to the hub
	stale   bool
	away    bool   // its peer has gone and may come back
	newcome bool   // kept readings are to be read first: ext.newcomer is there
	named   bool   // name is its own; else it is nameless, or its peer is away
	speech  uint8  // what the peer speaks, among the hub's speeches
	nheld   uint16 // subscriptions with cursors held back: by a rate, a window, the disk

	pick    uint16 // scratch: slot of the best match, plus 1, while an audience is made; guarded by the hub's mu
	addrLen uint16 // of from; static after construction
	agent   bool   // it keeps no topic; guarded by the hub's mu
	mute    bool   // no readings before what its reader has to say; guarded by mu

	ready fan.List // guarded by mu, as are the two that follow
	tasks *task
	subs  slots

	hub *Hub // static after construction

	out  atomic.Int64 // readings handed over
	drop atomic.Int64 // readings not handed over

	marks fan.Marks // topics marked for a pattern; written under mu, read without

	id  uint32 // static after construction
	cut bool   // its sink was told to end, which is counted once; guarded by mu

	in    atomic.Int64 // readings taken from the peer
	heard atomic.Int64 // last sign of life, milliseconds of the hub's clock

	// owned by the peer's reader
	budget budget
	made   bound.Allowance // topics that it made
	last   *Topic          // where it published last: most sensors have one topic

	// written by the peer's reader under mu
	ext    *extra // what only some peers need
	name   string // that it gave itself, which its readings carry; "" = none
	rights Rights // what it may do, nil = everything

	// static after construction
	from  string // its address, and behind it the URL that it came by
	since int64  // when it began, by the hub's own clock
}

// extra is what devices that count their readings and peers that use aliases have.
type extra struct {
	free    bool     // it may make any number of topics
	window  *window  // dedupe of its device
	aliases []*Topic // alias n is aliases[n-1]

	newcomer *newcomer // kept readings that it is to be given

	fetching *page             // what a parked cursor waits for
	page     *page             // the same, once it has come
	leftover *page             // a page of which a window had no room for all
	sought   fan.Marks         // topics where the disk has said already from where their cursor reads
	far      map[uint32]uint64 // topics whose cursor stands further behind than an entry can tell, and where
	later    later             // answers that wait for the disk
	parked   fan.List          // cursors that wait for their turn to have a page fetched
	marks    bool              // live markers wait for cursors that do, or did: see markWaits
}

// extraLocked is s.ext, made when it is first needed.
func (s *Session) extraLocked() *extra {
	if s.ext == nil {
		s.ext = new(extra)
	}
	return s.ext
}

// speech is what peers speak.
type speech struct{ dialect, enc string }

func (s *Session) speechLocked() speech { return (*s.hub.speeches.Load())[s.speech] }

// addr is the peer's address.
func (s *Session) addr() string { return s.from[:s.addrLen] }

// Info is what is known of a peer.
type Info struct {
	Client  string // device id, client name, or a name from the hub
	Named   bool   // the peer named itself: readings carry it as "from"
	Addr    string
	URL     string
	Dialect string
	Enc     string
	Since   int64  // milliseconds since 1970, as the wall's clock now stands
	State   string // online or stale
}

// Unread is on how many topics the session has something to read.
func (s *Session) Unread() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := int(s.ready.Len())
	if s.newcome {
		n += int(s.ext.newcomer.list.Len())
	}
	return n
}

// Warm has the processor fetch what a delivery touches of the session: soon it
// will be filled.
func (s *Session) Warm() {
	prefetch.Lines(unsafe.Pointer(s))
	prefetch.Lines(unsafe.Add(unsafe.Pointer(s), 2*prefetch.Line))
}

// ID is the session's number. Another one may have it 2^32 sessions later.
func (s *Session) ID() uint32 { return s.id }

// Hub is the hub that the session belongs to.
func (s *Session) Hub() *Hub { return s.hub }

// Heard notes a sign of life of the peer at that time of the hub's clock.
func (s *Session) Heard(mono int64) { s.heard.Store(mono) }

// KeepsNoTopics says that the session publishes for others, who come and go: that it
// is there does not keep the topics that it published to.
func (s *Session) KeepsNoTopics() {
	s.hub.mu.Lock()
	s.agent = true
	s.hub.mu.Unlock()
}

// LastHeard is when the peer gave its last sign of life, by the hub's clock.
func (s *Session) LastHeard() int64 { return s.heard.Load() }

// Sink is the transport's end, as given to Hub.Open.
func (s *Session) Sink() Sink { return s.sink }

// Info is what is known of the peer.
func (s *Session) Info() Info {
	s.mu.Lock()
	defer s.mu.Unlock()
	wall, mono := s.hub.opt.Clock()
	i := Info{Client: s.clientLocked(), Addr: s.addr(), URL: s.from[s.addrLen:], Since: wall - (mono - s.since), State: s.stateLocked()}
	i.Named = s.named
	said := s.speechLocked()
	i.Dialect, i.Enc = said.dialect, said.enc
	return i
}

func (s *Session) stateLocked() string {
	switch {
	case s.away:
		return "offline"
	case s.stale:
		return "stale"
	}
	return "online"
}

// Subscription is one pattern of a session and how it is read.
//
// What a publish and a delivery touch stands first, on one line of cache.
type Subscription struct {
	// static after construction
	s     *Session
	rank  uint64 // of two that fit a topic the higher serves it; no two are equal
	exact bool

	live bool   // the stored readings are through; guarded by the session's mu
	slot uint16 // static after construction

	// written under the session's mu, read without: the only mark that an exact
	// subscription needs
	ready atomic.Uint32 // number of the topic that its cursor is on, plus 1; 0 = it has none

	// session whose readings are left out, 0 = none; written under the session's
	// mu, read without by publishers
	not atomic.Uint32

	view view // guarded by the session's mu

	pattern string // static after construction

	// guarded by the session's mu
	stored uint32 // readings sent before live
	ending bool   // its topic has ended; guarded by the hub's mu as well
	told   bool   // and that is told, when what was left has been read
	ended  bool   // which it has: its slot is free

	nparked   int32 // of its cursors, those in ext.parked
	markWaits bool  // the live marker waits for cursors that wait for the disk
	markAgain bool  // a cursor with stored readings went behind the live marker: so must the marker
	began     int64 // when it was made, by the hub's clock: older readings are stored ones
	held      *heldList

	at int32 // place in its list of the trie; guarded by the hub's mu
}

// view is how a subscription reads: what stays of its options.
type view struct {
	format Format
	tag    uint64
	rate   float32
	latest bool
	once   bool

	windowed bool // format is Windowed

	// Where stored readings begin that are found on the disk only, once it is asked:
	// so many, or less than 0 those of this ts on, negated. 0: the cursor says.
	from int64
}

func (o *SubOptions) view(h *Hub, turn *Turn) view {
	h.calendar.Era(turn.Wall, turn.Mono) // the wall may have been set since the last reading
	_, windowed := o.Format.(Windowed)
	v := view{format: o.Format, tag: o.Tag, rate: float32(o.Rate), latest: o.Latest, once: o.Once, windowed: windowed}
	switch {
	case o.Cursor != nil && !o.Cursor.New(): // it says where
	case !o.HasSince:
		v.from = max(0, o.Last)
	case o.After > 0:
		v.from = -h.calendar.Earliest(o.After)
	case o.Since < 0:
		v.from = -h.calendar.Earliest(turn.Mono + o.Since*1000)
	}
	return v
}

func (o *SubOptions) not(s *Session) uint32 {
	if o.NotOwn {
		return s.id
	}
	return o.Not
}

// held is a cursor waiting for its rate.
type held struct {
	topic uint32
	from  uint32
	due   int64 // milliseconds of the hub's clock
}

// heldList are the cursors of one subscription that wait, the first due first:
// all wait equally long.
type heldList struct {
	list []held
	head int
}

func (l *heldList) waiting() []held {
	if l == nil {
		return nil
	}
	return l.list[l.head:]
}

// mark makes b's cursor on t, standing at from. Called with t.mu held.
func (s *Session) mark(b *Subscription, t *Topic, from uint64, turn *Turn) {
	s.mu.Lock()
	s.markLocked(b, t, from, turn)
	s.mu.Unlock()
}

func (s *Session) markLocked(b *Subscription, t *Topic, from uint64, turn *Turn) {
	if s.closed || b.marked(t) {
		return
	}
	b.setMarkLocked(t, true)
	s.pushLocked(fan.NewEntry(t.idx, b.slot, from), turn)
}

func (s *Session) pushLocked(e fan.Entry, turn *Turn) {
	if grown := s.ready.Push(e); grown > 0 && s.hub.growReady(int64(grown), s) {
		s.cutBehindLocked()
	}
	s.queueLocked(turn)
}

// cutBehindLocked ends a session whose list is too long; it may grow until that is so.
func (s *Session) cutBehindLocked() {
	if !s.cut {
		s.cut = true
		s.hub.Stats.Add(CutBehind, 1)
	}
	s.sink.Cut(errBehind)
}

// appendLocked is push for entries that only move: they may not end the session.
func (s *Session) appendLocked(e fan.Entry) {
	if grown := s.ready.Push(e); grown > 0 {
		s.hub.readyBytes.Add(int64(grown))
	}
}

func (s *Session) popLocked() {
	if freed := s.ready.Pop(); freed > 0 {
		s.hub.readyBytes.Add(-int64(freed))
	}
}

// queueLocked puts the session on the turn unless somebody already answers for it.
func (s *Session) queueLocked(turn *Turn) {
	if !s.queued {
		s.queued = true
		turn.ready = append(turn.ready, s)
	}
}

var errBehind = &codec.Error{Code: codec.CodeNoRoom, Msg: "too far behind: the hub has no room for the list of what you have not read", Retry: 5000}

// A Task makes frames at its reader's pace: the pages of a long answer.
type Task interface {
	// Step appends frames until dst holds limit bytes or there are no more.
	Step(dst []byte, limit int, f Framer) (out []byte, done bool)
}

// task is a Task in line.
type task struct {
	Task
	next *task
}

const maxTasks = 8

// Enqueue adds a task to what the session has to read.
func (s *Session) Enqueue(t Task, turn *Turn) *codec.Error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return errClosed
	}
	at, n := &s.tasks, 0
	for ; *at != nil; at = &(*at).next {
		n++
	}
	if n >= maxTasks {
		s.hub.Stats.Add(RefusedTasks, 1)
		return errTasks
	}
	*at = &task{Task: t}
	s.queueLocked(turn)
	return nil
}

var (
	errTasks  = &codec.Error{Code: codec.CodeTooFast, Msg: "too many unanswered requests on this connection: read their answers first", Retry: 100}
	errClosed = &codec.Error{Code: codec.CodeGoingAway, Msg: "the session is closed"}
)
