package node

import (
	"sync"
	"sync/atomic"
	"time"
	"unsafe"

	"topicd/codec"
	"topicd/node/arena"
	"topicd/node/fields"
	"topicd/node/internal/prefetch"
)

// Body is a reading's data as it came: one complete, validated value.
type Body struct {
	Enc  codec.Encoding
	Data []byte

	Passing bool   // published without MQTT's RETAIN
	QoS     uint8  // one more than MQTT's QoS, 0 = not by MQTT
	TS      int64  // when it was taken elsewhere, milliseconds since 1970; 0 = now
	Ext     []byte // what the dialect's own subscribers are told beside, at most MaxExt bytes
}

func (b *Body) flags() uint8 {
	f := b.QoS << arena.QoSBit & arena.QoS
	if b.Enc == codec.CBOR {
		f |= arena.CBOR
	}
	if b.Passing {
		f |= arena.Passing
	}
	return f
}

// Published says where a reading went.
type Published struct {
	Topic *Topic
	Seq   uint64
	Dup   bool // it was there already: Seq is the number it has

	// Of a durable topic: what an answer has to wait for (Session.Later), or why it
	// is not going to be on disk. It was delivered all the same.
	Commit Commit
	Unkept *codec.Error
}

// Publish stores a reading for its topic, which is made within the limits, and
// makes its listeners' cursors ready. It never waits for a reader. seq is the
// publisher's own number for dedupe, 0 = none; it counts for named devices.
// The body is copied. Called by the peer's reader only.
func (s *Session) Publish(name []byte, b Body, seq uint64, turn *Turn) (Published, *codec.Error) {
	t := s.last
	if t == nil || t.name != string(name) {
		if err := codec.CheckTopic(name); err != nil {
			return Published{}, err
		}
		if err := s.MayPublish(name); err != nil {
			return Published{}, err
		}
		var err *codec.Error
		if t, err = s.topic(name, turn.Mono); err != nil {
			return Published{}, err
		}
		s.last = t
	}
	return s.publish(t, b, seq, turn)
}

var (
	errReserved = &codec.Error{Code: codec.CodeForbidden, Msg: "names that begin with $ are the hub's own"}
	errBody     = &codec.Error{Code: codec.CodeTooLarge, Msg: "the reading is larger than this hub takes"}
	errNoRoom   = &codec.Error{Code: codec.CodeNoRoom, Msg: "the hub's memory is full of other topics' newest readings", Retry: 1000}
)

// PublishAlias is Publish to a topic that Alias named.
func (s *Session) PublishAlias(alias uint64, b Body, seq uint64, turn *Turn) (Published, *codec.Error) {
	t := s.Aliased(alias)
	if t == nil {
		return Published{}, errAlias
	}
	if t != s.last { // the alias may have come with a sub
		if t.name[0] == '$' {
			return Published{}, errReserved
		}
		if s.rights != nil {
			if err := s.MayPublish([]byte(t.name)); err != nil {
				return Published{}, err
			}
		}
		s.last = t
	}
	return s.publish(t, b, seq, turn)
}

var errAlias = &codec.Error{Code: codec.CodeNotFound, Msg: "no such topic alias on this connection: publish to the name once more"}

// Alias is a small number that stands for the topic on this connection, 0 when
// the connection has too many already. Called by the peer's reader only.
func (s *Session) Alias(t *Topic) uint64 {
	s.mu.Lock()
	x := s.extraLocked()
	s.mu.Unlock()
	for i, a := range x.aliases {
		if a == t || a.name == t.name {
			x.aliases[i] = t
			return uint64(i + 1)
		}
	}
	if len(x.aliases) >= maxAliases {
		return 0
	}
	x.aliases = append(x.aliases, t)
	return uint64(len(x.aliases))
}

// Aliased is the topic of an alias, nil if there is none.
func (s *Session) Aliased(alias uint64) *Topic {
	if s.ext == nil || alias == 0 || alias > uint64(len(s.ext.aliases)) {
		return nil
	}
	return s.ext.aliases[alias-1]
}

// maxAliases: up to 23 are one byte of CBOR, up to 64 spare a bridge its names.
const maxAliases = 64

func (s *Session) publish(t *Topic, b Body, seq uint64, turn *Turn) (Published, *codec.Error) {
	h := s.hub
	if len(b.Data) > h.opt.MaxBody || len(b.Ext) > MaxExt {
		h.Stats.Add(RefusedLarge, 1)
		return Published{}, errBody
	}
	var sum uint32
	var w *window
	r := arena.Record{TS: turn.Wall, Era: h.calendar.Era(turn.Wall, turn.Mono), Origin: s.id, Flags: b.flags(), Data: b.Data, Ext: b.Ext}
	if b.TS > 0 {
		r.TS = b.TS
	}
	if s.ext != nil {
		w = s.ext.window
	}
	if s.name != "" { // only read there: no copy for each reading
		r.Name = unsafe.Slice(unsafe.StringData(s.name), len(s.name))
	}
	if seq > 0 && w != nil {
		w.mu.Lock()
		defer w.mu.Unlock()
		sum = fields.Sum(0, b.Data)
		if e := w.find(seq, sum, s.id); e != nil {
			h.Stats.Add(Duplicates, 1)
			return Published{Topic: t, Seq: e.at, Dup: true, Commit: e.commit}, nil
		}
	}
	p, err := h.store(t, &r, s, seq, turn)
	if err != nil {
		return Published{}, err
	}
	t, n := p.Topic, p.Seq
	if s.last != nil && s.last.name == t.name {
		s.last = t // an heir of the same name
	}
	if seq > 0 && w != nil && p.Unkept == nil { // else it is sent again to be kept
		w.note(sent{seq, n, p.Commit, sum, s.id}, turn.Mono)
	}
	s.in.Add(1)
	return p, nil
}

// heir is the topic that has a dead one's name now.
func (h *Hub) heir(t *Topic) (*Topic, *codec.Error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.topicLocked(t.name)
}

// store appends r to t, or to its heir when t was deleted, and tells the
// audience. by is nil for the hub itself, own the number that by gave it.
func (h *Hub) store(t *Topic, r *arena.Record, by *Session, own uint64, turn *Turn) (Published, *codec.Error) {
	need := r.Size()
	fair := h.fair.Load()
	for try := 0; ; try++ {
		t.mu.Lock()
		if t.dead {
			t.mu.Unlock()
			var err *codec.Error
			if t, err = h.heir(t); err != nil {
				return Published{}, err
			}
			continue
		}
		limit, mine := turn.leaves.limitsLocked(h, t, fair)
		over := h.excess(need)
		if !h.admitLocked(t, over) {
			t.mu.Unlock()
			h.Stats.Add(RefusedRoom, 1)
			return Published{}, errLarge
		}
		if r.Flags&arena.Passing != 0 || t.rare != nil {
			h.keepLocked(t, r)
		}
		seq := t.log.Next()
		if t.rare != nil && t.rare.tape != nil && seq&(limitEvery-1) == 0 && seq+limitEvery >= t.rare.tape.Limit() {
			h.settleLocked(t, over, false)
			t.mu.Unlock()
			return Published{}, errLimit
		}
		evicted, ok := t.log.AppendTelling(h.arena, r, limit, mine, &turn.leaves)
		if ok {
			h.settleLocked(t, over, true)
			p := Published{Topic: t, Seq: seq}
			if t.rare != nil && t.rare.tape != nil {
				p.Commit, p.Unkept = t.rare.keep(seq, r, own)
			}
			if evicted > 0 && h.past(t) != nil {
				evicted += turn.leaves.trimLocked()
			}
			h.tell(t, seq, by, turn)
			t.mu.Unlock()
			h.Stats.Add(Stored, 1)
			if evicted > 0 {
				h.Stats.Add(Evicted, int64(evicted))
			}
			return p, nil
		}
		h.settleLocked(t, over, false)
		t.mu.Unlock()
		switch {
		case try < maxTries && h.makeRoom(need, fair, turn.Mono):
		case try < maxTries+1 && fair > 0:
			fair = 0 // from its own, then: the newest alone is sure
		case try < 2*maxTries && h.makeRoom(need, 0, turn.Mono):
		default:
			h.Stats.Add(RefusedRoom, 1)
			return Published{}, errNoRoom
		}
	}
}

// limitEvery: so seldom is a tape asked how far numbers may go on.
const limitEvery = 1024

var errLimit = &codec.Error{Code: codec.CodeGoingAway, Msg: "the disk has taken nothing for millions of readings of this topic: its numbers cannot go on", Retry: 10_000}

const maxTries = 4 // room that was made may be taken by another publisher

// tell marks the cursors of everybody who hears t. The caller holds t.mu.
func (h *Hub) tell(t *Topic, seq uint64, by *Session, turn *Turn) {
	if by != nil && t.by[0] != by.id {
		t.by[0], t.by[1] = by.id, t.by[0]
	}
	if t.aud == nil {
		return
	}
	subs := t.aud.Listeners()
	for i, b := range subs {
		if b.marked(t) || by != nil && b.not.Load() == by.id {
			continue
		}
		if i+8 < len(subs) { // they have most likely read all too
			prefetch.Lines(unsafe.Pointer(subs[i+8]))
			subs[i+4].s.Warm()
		}
		b.s.mark(b, t, seq, turn)
	}
}

// makeRoom frees n bytes of the arena, and a little more, from topics that
// hold more than fair, oldest readings first. It reports whether it freed any.
func (h *Hub) makeRoom(n int, fair uint32, now int64) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.makeRoomLocked(n, fair, now)
}

// dryFor is how long a search for room that found none is not repeated, in
// milliseconds: it looks at every topic, and one publish after the other would.
const dryFor = 50

func (h *Hub) makeRoomLocked(n int, fair uint32, now int64) bool {
	dry := &h.dry[0]
	if fair == 0 {
		dry = &h.dry[1]
	}
	if *dry > 0 && now-*dry < dryFor {
		return false
	}
	freed := false
	need := int64(n) + arena.Slack
	for range h.topics.used {
		if h.victim++; h.victim >= h.topics.used {
			h.victim = 0
		}
		t := h.topics.at(h.victim)
		if t == nil {
			continue
		}
		t.mu.Lock()
		for more := true; more && need > 0; {
			var n, evicted int64
			n, evicted, more = h.shedLocked(t, fair)
			h.Stats.Add(Evicted, evicted)
			need -= n
			freed = freed || n > 0
		}
		t.mu.Unlock()
		if need <= 0 {
			return true
		}
	}
	if !freed {
		*dry = now
	}
	return freed
}

// shareLocked notes what each topic may always hold: an equal share of the
// arena, less an eighth for what chunks waste. When the arena is full somebody
// then holds more than its share, and is soon found.
func (h *Hub) shareLocked() {
	h.fair.Store(uint32(min(h.opt.Memory*7/8/int64(max(1, h.byName.n)), 1<<30)))
}

// window is the memory of a device's own numbers: a reading sent again after a
// lost answer is recognised. On one connection the number alone decides; on a
// new one the body must be the same too, because a device that was switched
// off begins to count anew.
type window struct {
	used atomic.Int64 // when a number was noted last or a session let go of it, by the hub's clock
	held int          // sessions that have it; guarded by the hub's mu

	// A device that comes back may be read on its old connection still. Held
	// until the reading has its number: the lock before all others.
	mu   sync.Mutex
	last [windowSize]sent
	n    uint32 // it wraps after years, and windowSize goes into 2^32
}

type sent struct {
	seq, at uint64 // the device's number, and the reading's
	commit  Commit
	sum     uint32 // CRC-32C of the data
	session uint32
}

const (
	windowSize = 16
	windowKeep = 10 * time.Minute
	maxWindows = 1024
)

func (w *window) find(seq uint64, sum uint32, session uint32) *sent {
	for i := range w.last {
		if e := &w.last[i]; e.seq == seq && e.at > 0 && (e.sum == sum || e.session == session) {
			return e
		}
	}
	return nil
}

func (w *window) note(e sent, now int64) {
	w.last[w.n%windowSize] = e
	w.n++
	w.used.Store(now)
}
