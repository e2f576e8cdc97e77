package node

import (
	"strings"

	"topicd/codec"
	"topicd/node/fan"
)

// SubOptions say where the cursors of a subscription start and how they jump.
type SubOptions struct {
	Last     int64 // stored readings per topic first
	Since    int64 // with HasSince: those after this number, or of the last -Since seconds
	HasSince bool
	After    int64        // with HasSince: those of this time of the hub's clock on instead, 0 = not given
	Ep       uint64       // the epoch of Since's number, 0 = not given
	Rate     float64      // at most so many readings per second and topic, the newest wins; 0 = all
	Latest   bool         // only ever the newest
	Once     bool         // exact names: the session's patterns do not make it hear stored readings again
	NotOwn   bool         // not what this session published
	Kept     bool         // of each topic the newest reading that was published with RETAIN first, if there is one, as MQTT has it
	Not      uint32       // not what the session of this number published, 0 = all
	Cursor   Cursor       // durable topics: where it went on last time, nil = nobody noted it
	New      *MakeOptions // exact names: how the topic is made if it is not there yet
	Format   Format
	Tag      uint64 // the dialect's own, to know the subscription by
}

// Subscribed tells what a subscription found.
type Subscribed struct {
	Ep     uint64
	Topics int    // topics that it hears now
	From   uint64 // exact names: the first number that will be sent
	Gap    uint64 // readings asked for with Since that are gone
	Topic  *Topic // exact names only
	Born   bool   // it was made by this

	Pattern string // as the session keeps it: who keeps it too has no copy
}

// Subscribe adds a subscription, or changes the options of the one with the
// same pattern and replays. Stored readings come first, then the format's live
// marker, then the rest. Where several subscriptions of a session fit a topic
// a reading is sent once, as the most particular one wants it: an exact name
// before a pattern, a later one before an earlier one.
func (s *Session) Subscribe(pattern []byte, opt SubOptions, turn *Turn) (Subscribed, *codec.Error) {
	if err := codec.CheckPattern(pattern); err != nil {
		return Subscribed{}, err
	}
	if err := s.MaySubscribe(pattern); err != nil {
		return Subscribed{}, err
	}
	h := s.hub
	h.mu.Lock()
	defer h.mu.Unlock()
	s.Charge(subCharge)
	b, err := h.subscriptionLocked(s, string(pattern))
	if err != nil {
		return Subscribed{}, err
	}
	s.mu.Lock()
	was := b.view
	b.view, b.live, b.stored, b.began = opt.view(h, turn), false, 0, turn.Mono
	b.not.Store(opt.not(s))
	s.reviewedLocked(b, was, turn.Mono)
	s.mu.Unlock()

	r := replay{b: b, opt: &opt, turn: turn}
	r.res.Ep, r.res.Pattern = h.epoch, b.pattern
	if b.exact {
		t, born, err := s.topicLocked(b.pattern, opt.New == nil || b.pattern[0] != '$', turn.Mono)
		if err != nil {
			h.dropSubLocked(b, turn.Mono)
			return Subscribed{}, err
		}
		if born && opt.New != nil {
			if err := h.declareLocked(t, opt.New); err != nil {
				h.dropSubLocked(b, turn.Mono)
				return Subscribed{}, err
			}
		}
		r.res.Born = born
		r.res.Topic = t
		r.topic(t)
	} else {
		s.Charge(h.byName.n / PatternCost)
		h.showAllLocked(b.pattern, turn)
		r.unhold()
		for t := range h.topics.all {
			if codec.Match(b.pattern, t.name) {
				r.topic(t)
			}
		}
	}
	s.mu.Lock()
	s.pushLocked(fan.NewEntry(fan.LiveMark, b.slot, 0), turn)
	s.mu.Unlock()
	return r.res, nil
}

// replay is a subscription on its way to the topics it fits.
type replay struct {
	b    *Subscription
	opt  *SubOptions
	turn *Turn
	memo map[*audience]joined // topics that shared an audience go on to share one
	pos  map[uint32]int32     // place of marked topics in the ready list, made when first needed
	res  Subscribed
}

// joined is an audience with the new subscription in it, and the subscription
// that serves the session there.
type joined struct {
	aud  *audience
	mine *Subscription
}

// topic adds the subscription to t's audience and puts its cursor at the start.
func (r *replay) topic(t *Topic) {
	h := r.b.s.hub
	t.mu.Lock()
	defer t.mu.Unlock()
	old := t.aud
	next, known := r.memo[old]
	if !known {
		next.aud = h.auds.Get(old.With(r.b))
		next.mine = serving(next.aud, r.b.s)
		if r.memo == nil && !r.b.exact { // which has one topic
			r.memo = make(map[*audience]joined)
		}
		if r.memo != nil {
			r.memo[old] = next
		}
	}
	if next.aud != old {
		if r.b.exact {
			r.b.s.moveMark(serving(old, r.b.s), r.b, t)
		}
		h.setAudience(t, next.aud)
	}
	t.idle = 0
	r.res.Topics++
	if r.opt.Kept {
		r.welcome(t, r.turn)
	}
	start := r.start(t)
	if r.b.exact {
		r.res.Ep = h.epochOf(t)
		r.res.From = start
	}
	if start < t.log.Next() || next.aud != old {
		r.cursor(t, next.mine, start)
	}
}

// unhold makes cursors due that the rate of an earlier pattern holds back, where the
// new one fits: it serves them from now on. One pass, or many topics would cost topics².
func (r *replay) unhold() {
	s, topics := r.b.s, &r.b.s.hub.topics
	s.mu.Lock()
	defer s.mu.Unlock()
	for p := range s.subs.all {
		if p.exact || p.rank >= r.b.rank || p.view.rate == 0 || p.held == nil {
			continue
		}
		s.resumeLocked(p, func(w held) bool {
			t := topics.at(w.topic)
			return w.due < onDisk && t != nil && !t.dead && codec.Match(r.b.pattern, t.name)
		})
	}
}

// wanted is the first stored reading that the options ask for.
func (r *replay) wanted(t *Topic) uint64 {
	first, next := t.firstLocked(), t.log.Next()
	start := next
	switch o := r.opt; {
	case !o.HasSince && uint64(o.Last) > uint64(t.log.Count()) && first < t.log.First():
		start = first // the disk is asked where the last ones begin
	case !o.HasSince:
		start = next - min(uint64(max(0, o.Last)), uint64(t.log.Count()))
	case o.After > 0 || o.Since < 0:
		at := o.After
		if at == 0 {
			at = r.turn.Mono + o.Since*1000
		}
		if start = r.after(t, at); start == t.log.First() {
			start = first // the disk may have more of that time
		}
	case o.Ep != 0 && o.Ep != r.b.s.hub.epochOf(t) && o.Ep != r.b.s.hub.epoch:
		start = first // other numbers than the subscriber knows: start over
	default:
		if start = min(uint64(o.Since)+1, next); start < first {
			r.res.Gap += first - start
		}
		r.res.Gap += t.holeLocked(uint64(o.Since))
	}
	return t.pastHoleLocked(max(start, first))
}

func (r *replay) after(t *Topic, mono int64) uint64 {
	h := r.b.s.hub
	return t.log.After(h.arena, &h.calendar, mono)
}

// cursor puts the session's cursor on t at start, or back to it. w serves the
// session on t.
func (r *replay) cursor(t *Topic, w *Subscription, start uint64) {
	s := w.s
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed || w != r.b && w.view.once {
		return
	}
	if x := s.ext; x != nil {
		if x.sought.Set(t.idx, false); x.leftover != nil && x.leftover.t == t {
			s.dropLeftoverLocked()
		}
	}
	end := t.log.Next()
	if !w.marked(t) {
		if start < end {
			s.markLocked(w, t, start, r.turn)
		}
	} else if w.unholdLocked(t.idx) {
		s.pushLocked(fan.NewEntry(t.idx, w.slot, start), r.turn)
	} else if e := r.entryLocked(s, t.idx); e != nil {
		start = min(start, numberOf(*e, end, s.farLocked(t.idx)))
		*e = fan.NewEntry(t.idx, w.slot, start)
	}
	s.standLocked(t.idx, start, end)
}

// entryLocked finds the entry of a marked topic. The places are noted once per
// request, or a slow reader that subscribes again would cost topics²; a flusher
// may have moved the list since, so they are checked.
func (r *replay) entryLocked(s *Session, topic uint32) *fan.Entry {
	if r.pos == nil {
		r.pos = make(map[uint32]int32, s.ready.Len())
		for i := range s.ready.Len() {
			r.pos[s.ready.At(i).Topic()] = i
		}
	}
	if i, ok := r.pos[topic]; ok && i < s.ready.Len() && s.ready.At(i).Topic() == topic {
		return s.ready.At(i)
	}
	for i := range s.ready.Len() {
		if s.ready.At(i).Topic() == topic {
			return s.ready.At(i)
		}
	}
	return nil
}

// unholdLocked takes t out of the cursors held back by the rate.
func (b *Subscription) unholdLocked(topic uint32) bool {
	l := b.held
	for i, h := range l.waiting() {
		if h.topic == topic {
			if i == 0 {
				l.head++
			} else {
				i += l.head
				l.list = append(l.list[:i], l.list[i+1:]...)
			}
			if l.head == len(l.list) {
				b.s.nheld--
				b.held = nil
			}
			return true
		}
	}
	_, ok := b.unparkTopicLocked(topic)
	return ok
}

// subscriptionLocked finds or makes the subscription of s to the pattern.
func (h *Hub) subscriptionLocked(s *Session, pattern string) (*Subscription, *codec.Error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil, errClosed
	}
	n := 0
	for b := range s.subs.all {
		switch {
		case b.ended:
		case b.ending:
			n++
		case b.pattern == pattern:
			return b, nil
		default:
			n++
		}
	}
	if n >= h.opt.Subs || !h.roomForSub(pattern, n) {
		h.Stats.Add(RefusedSubs, 1)
		return nil, errSubs
	}
	slot := s.subs.free()
	h.rank++
	b := &Subscription{s: s, pattern: pattern, rank: h.rank, slot: slot, exact: !codec.HasWildcard(pattern)}
	if b.exact {
		b.rank |= 1 << 63
	} else {
		h.patterns.Add(b)
	}
	s.subs.put(slot, b)
	h.nsubs++
	h.patternBytes += int64(sizeClass(len(pattern)))
	if reservedPattern(pattern) {
		h.watched++
	}
	return b, nil
}

// SubsPerSession is how many subscriptions a session has on average: that bounds all
// sessions' together.
const SubsPerSession = 16

const (
	subBase   = subCost - 40 // a subscription without its pattern
	fewSubs   = 4            // a session's first ones, where they are
	fewLevels = 4            // short, find room that is nobody else's
)

// roomForSub tells whether one more subscription fits into what all may take
// together, for a session that has n. Patterns cost what they are: of 64 levels one
// takes 20 KB. A quarter is kept for those who want little.
func (h *Hub) roomForSub(pattern string, n int) bool {
	levels := 0
	if codec.HasWildcard(pattern) {
		levels = strings.Count(strings.TrimSuffix(pattern, "#"), "/") + 1
	}
	most := h.opt.Sessions * SubsPerSession
	if h.nsubs >= most {
		return false
	}
	bytes := int64(most) * subCost
	if n >= fewSubs || levels > fewLevels || len(pattern) > nameShare {
		bytes -= bytes / 4
	}
	used := int64(h.nsubs)*subBase + h.patternBytes + int64(h.patterns.Levels())*fan.LevelCost
	return used+subBase+int64(sizeClass(len(pattern)))+int64(levels)*fan.LevelCost <= bytes
}

var errSubs = &codec.Error{Code: codec.CodeNoRoom, Msg: "too many subscriptions: unsubscribe some or use a pattern"}
