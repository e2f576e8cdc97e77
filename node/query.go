package node

import (
	"slices"
	"sort"
	"strconv"
	"strings"
	"sync"

	"topicd/codec"
	"topicd/node/arena"
)

// TopicInfo is what `list topics` tells of a topic.
type TopicInfo struct {
	Topic       string
	Static      bool
	Seq         uint64 // number of the newest reading, 0 = none yet
	TS          int64  // its time, milliseconds since 1970
	Readings    int
	Bytes       int64 // of the arena
	Past        int64 // of Bytes: minutes of readings that are no longer stored
	Cap         int64
	Subscribers int
	Stale       bool
	Durable     bool
	Writable    bool // a set-point
	Min, Max    float64
	Epoch       uint64
}

// AppendJSON appends the topic's row in lists: an object.
func (i *TopicInfo) AppendJSON(b []byte) []byte {
	b = codec.AppendString(append(b, `{"topic":`...), codec.JSON, i.Topic)
	b = strconv.AppendBool(append(b, `,"static":`...), i.Static)
	b = strconv.AppendUint(append(b, `,"seq":`...), i.Seq, 10)
	b = strconv.AppendInt(append(b, `,"ts":`...), i.TS, 10)
	b = strconv.AppendInt(append(b, `,"readings":`...), int64(i.Readings), 10)
	b = strconv.AppendInt(append(b, `,"bytes":`...), i.Bytes, 10)
	b = strconv.AppendInt(append(b, `,"cap":`...), i.Cap, 10)
	b = strconv.AppendInt(append(b, `,"subscribers":`...), int64(i.Subscribers), 10)
	b = strconv.AppendBool(append(b, `,"stale":`...), i.Stale)
	b = strconv.AppendBool(append(b, `,"durable":`...), i.Durable)
	if i.Writable {
		b = append(b, `,"writable":true`...)
	}
	if i.Min < i.Max {
		b = strconv.AppendFloat(append(b, `,"min":`...), i.Min, 'g', -1, 64)
		b = strconv.AppendFloat(append(b, `,"max":`...), i.Max, 'g', -1, 64)
	}
	return append(b, '}')
}

// Topics are the topics that fit the pattern, by name. "" and # do not fit
// names that begin with $.
func (h *Hub) Topics(pattern string) []*Topic {
	var ts []*Topic
	for _, t := range h.Listed(pattern) {
		if Fits(pattern, t) {
			ts = append(ts, t)
		}
	}
	return ts
}

// Fits tells whether a topic of Listed is one of Topics.
func Fits(pattern string, t *Topic) bool {
	return pattern == "" || pattern == t.name || codec.Match(pattern, t.name)
}

// Listed are topics by name, all that fit the pattern among them. The list is
// shared and not to be changed: requests that wait to be read hold no list each,
// and asking again and again sorts nothing.
func (h *Hub) Listed(pattern string) []*Topic {
	if t := h.Find([]byte(pattern)); t != nil {
		return []*Topic{t}
	}
	l := &h.listed
	l.mu.Lock()
	defer l.mu.Unlock()
	if h.gather(l) { // sorted without the hub's lock: 16,000 take 5 ms
		for _, ts := range [][]*Topic{l.open, l.own} {
			slices.SortFunc(ts, func(a, b *Topic) int { return strings.Compare(a.name, b.name) })
		}
	}
	if strings.HasPrefix(pattern, "$") {
		return l.own
	}
	return l.open
}

// gather puts the topics on the lists, unsorted; false when they are the same
// still. The caller holds l.mu.
func (h *Hub) gather(l *listing) bool {
	h.mu.RLock()
	defer h.mu.RUnlock()
	now := h.topicsVersionLocked()
	if l.made && l.at == now {
		return false
	}
	l.lists = lists{made: true, at: now}
	for t := range h.topics.all {
		if t.name[0] == '$' {
			l.own = append(l.own, t)
		} else {
			l.open = append(l.open, t)
		}
	}
	return true
}

// listing is the last list that was made, for a second.
type listing struct {
	mu sync.Mutex // before the hub's
	lists
}

type lists struct {
	made      bool
	at        uint64
	open, own []*Topic // by name; own begin with $
}

func (l *listing) forget() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lists = lists{}
}

// TopicsVersion is a number that changes whenever a topic comes or goes: who shows
// the list need not read it to know that it is the same.
func (h *Hub) TopicsVersion() uint64 {
	h.mu.RLock()
	defer h.mu.RUnlock()
	return h.topicsVersionLocked()
}

func (h *Hub) topicsVersionLocked() uint64 {
	return uint64(h.byName.n) + 2*uint64(h.deleted) // each birth adds one, so does each death
}

// Info describes a topic at that time of the hub's clock.
func (h *Hub) Info(t *Topic, mono int64) TopicInfo {
	t.mu.Lock()
	defer t.mu.Unlock()
	d := t.declared()
	i := TopicInfo{
		Topic: t.name, Static: d.static, Seq: t.log.Next() - 1, Readings: int(t.log.Count()),
		Bytes: int64(h.heldLocked(t)), Past: int64(h.heldLocked(t) - t.log.Bytes()), Cap: int64(d.cap), Epoch: h.epochOf(t),
	}
	i.Writable, i.Min, i.Max = d.writable, d.min, d.max
	i.Durable = t.rare != nil && t.rare.tape != nil
	if d.cap == 0 {
		i.Cap = int64(h.opt.TopicCap)
	}
	if t.aud != nil {
		i.Subscribers = len(t.aud.Listeners())
	}
	at := h.began
	if t.log.Count() > 0 {
		i.TS, at = t.log.Time(h.arena, &h.calendar, t.log.Next()-1)
	}
	if i.Durable && t.log.Count() == 0 {
		i.Seq, i.TS = t.rare.tape.Newest()
	}
	i.Stale = d.stale > 0 && mono-at > int64(d.stale)*1000
	return i
}

// Span is the numbers of the stored readings that a get asks for: the newest
// last (0 = all), or those after since as in SubOptions. from == to: none. Of a
// durable topic it may wait for the disk (OnDisk).
func (h *Hub) Span(t *Topic, last int64, hasSince bool, since, mono int64) (from, to uint64) {
	return h.span(t, last, hasSince, since, mono, true)
}

// SpanHeld is Span of what is in memory: it waits for nothing.
func (h *Hub) SpanHeld(t *Topic, last int64, hasSince bool, since, mono int64) (from, to uint64) {
	return h.span(t, last, hasSince, since, mono, false)
}

func (h *Hub) span(t *Topic, last int64, hasSince bool, since, mono int64, disk bool) (from, to uint64) {
	t.mu.Lock()
	to = t.log.Next()
	if from = t.log.First(); disk {
		from = t.firstLocked()
	}
	first, held := t.log.First(), uint64(t.log.Count()) // in memory
	var tape Tape
	if from < first {
		tape = t.rare.tape
	}
	after := uint64(0)
	if hasSince && since < 0 {
		after = t.log.After(h.arena, &h.calendar, mono+since*1000)
	}
	t.mu.Unlock()
	switch {
	case after > first || after > 0 && tape == nil:
		from = after
	case after > 0:
		from = h.seek(tape.Since(h.calendar.Earliest(mono + since*1000)))
	case hasSince:
		from = max(from, min(uint64(since)+1, to))
	}
	switch {
	case last <= 0:
	case uint64(last) <= held || tape == nil:
		from = max(from, to-min(to, uint64(last)))
	default:
		from = max(from, h.seek(tape.Last(int(last))))
	}
	return min(from, to), to
}

// seek is a number found on a disk, 0 where that could not be read.
func (h *Hub) seek(at uint64, err error) uint64 {
	if err != nil {
		h.Stats.Add(FailedReads, 1)
		return 0
	}
	return at
}

// Full tells that there is no room for readings and none can be made, because
// each topic is down to its newest. A hub that has run for a while always has no
// room; the oldest readings then make way.
func (h *Hub) Full() bool {
	if used, budget, _ := h.arena.Usage(); budget-used > arena.Slack {
		return false
	}
	h.mu.RLock()
	defer h.mu.RUnlock()
	for t := range h.topics.all {
		t.mu.Lock()
		more := t.log.Count() > 1 || h.heldLocked(t) > t.log.Bytes()
		t.mu.Unlock()
		if more {
			return false
		}
	}
	return true
}

// Read calls yield with stored readings of t from number from up to to, while
// it returns true, and returns the number behind the last one accepted. raw is
// scratch, kept for the next call. Of a durable topic it may wait for the disk
// (Past).
func (h *Hub) Read(t *Topic, from, to uint64, raw *[]byte, yield func(*Reading) bool) uint64 {
	t.mu.Lock()
	ep := h.epochOf(t)
	t.mu.Unlock()
	for from < to {
		if h.Past(t, from) {
			var ok bool
			if from, ok = h.readPast(t, ep, from, to, raw, yield); !ok {
				return from
			}
			continue
		}
		t.mu.Lock()
		if from = max(from, t.log.First()); t.dead || from >= min(to, t.log.Next()) {
			t.mu.Unlock()
			return to
		}
		var end uint64
		*raw, end = t.log.Read(h.arena, from, (*raw)[:0], batchQuota)
		t.mu.Unlock()
		end = min(end, to)
		b := *raw
		for ; from < end; from++ {
			var rec arena.Record
			rec, b = arena.Parse(b)
			r := Reading{Topic: t.name, Num: t.idx, Ep: ep}
			r.set(from, &rec)
			if !yield(&r) {
				return from
			}
		}
	}
	return from
}

// ClientInfo is what `list clients` tells of a session.
type ClientInfo struct {
	ID uint32
	Info
	Subs, Ready   int
	In, Out, Drop int64
}

// AppendJSON appends the client's row in lists: an object.
func (c *ClientInfo) AppendJSON(b []byte) []byte {
	b = codec.AppendString(append(b, `{"client":`...), codec.JSON, c.Client)
	b = codec.AppendString(append(b, `,"addr":`...), codec.JSON, c.Addr)
	b = codec.AppendString(append(b, `,"url":`...), codec.JSON, c.URL)
	b = codec.AppendString(append(b, `,"dialect":`...), codec.JSON, c.Dialect)
	b = codec.AppendString(append(b, `,"enc":`...), codec.JSON, c.Enc)
	b = strconv.AppendInt(append(b, `,"since":`...), c.Since, 10)
	b = strconv.AppendInt(append(b, `,"subs":`...), int64(c.Subs), 10)
	b = strconv.AppendInt(append(b, `,"in":`...), c.In, 10)
	b = strconv.AppendInt(append(b, `,"out":`...), c.Out, 10)
	b = strconv.AppendInt(append(b, `,"drop":`...), c.Drop, 10)
	return append(b, '}')
}

// Clients are the open sessions, oldest first.
func (h *Hub) Clients() []ClientInfo {
	h.mu.RLock()
	list := make([]*Session, 0, h.sessions.Len())
	for s := range h.sessions.All {
		list = append(list, s)
	}
	h.mu.RUnlock()
	sort.Slice(list, func(i, j int) bool { // by their numbers only where those have not begun anew
		a, b := list[i], list[j]
		return a.since < b.since || a.since == b.since && a.id < b.id
	})
	infos := make([]ClientInfo, 0, len(list))
	for _, s := range list {
		infos = append(infos, s.client())
	}
	return infos
}

func (s *Session) client() ClientInfo {
	c := ClientInfo{ID: s.id, Info: s.Info(), In: s.in.Load(), Out: s.out.Load(), Drop: s.drop.Load()}
	s.mu.Lock()
	defer s.mu.Unlock()
	c.Ready = int(s.ready.Len())
	for b := range s.subs.all {
		if !b.ending {
			c.Subs++
		}
	}
	return c
}
