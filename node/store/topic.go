package store

// topic is what memory knows of a stored topic: about 200 bytes and its name.
// All of it is guarded by Store.mu.
type topic struct {
	name string
	hash uint64 // of name and epoch: its key in footers
	ep   uint64
	num  uint32
	dead bool // forgotten; its number is given anew when the head is sealed

	first  uint64   // oldest number on disk, 0 = to be looked up
	last   uint64   // newest number appended
	ts     int64    // its time
	stored uint64   // newest number committed, 0 = none
	place  Place    // of the newest committed reading
	top    uint64   // a number that may have been handed out, refused or not
	limit  uint64   // Limit
	seg    *segment // where the newest committed reading lies
	off    uint32
	size   uint32 // of the newest appended record, for the bound on live bytes
	chain  int32  // its newest record in the head's index, -1 = none

	mark      uint64 // next number that a mark on disk says, 0 = none
	markPlace Place
	markSeg   uint64 // the segment of that mark
	markDirty bool   // it was written to a segment that failed
}

// hashOf is a topic's key in footers. The salt keeps it from being guessed.
func (s *Store) hashOf(name string, ep uint64) uint64 {
	h := s.salt ^ mix(ep)
	for len(name) >= 8 {
		h = mix(h ^ (uint64(name[0]) | uint64(name[1])<<8 | uint64(name[2])<<16 | uint64(name[3])<<24 |
			uint64(name[4])<<32 | uint64(name[5])<<40 | uint64(name[6])<<48 | uint64(name[7])<<56))
		name = name[8:]
	}
	var w uint64
	for i := 0; i < len(name); i++ {
		w = w<<8 | uint64(name[i])
	}
	return mix(h ^ w ^ uint64(len(name)+1)<<56)
}

// makeTopic adds a topic; nil when there are too many.
func (s *Store) makeTopic(name string, ep uint64) *topic {
	if len(s.byName) >= s.opt.Topics {
		return nil
	}
	var num uint32
	if n := len(s.free); n > 0 {
		num, s.free = s.free[n-1], s.free[:n-1]
	} else {
		num = uint32(len(s.table))
		s.table = append(s.table, nil)
	}
	t := &topic{name: name, ep: ep, num: num, hash: s.hashOf(name, ep), chain: -1}
	s.table[num] = t
	s.byName[name] = t
	return t
}

// forgetLocked takes a topic out of memory. Its records on disk are dead once
// the tombstone behind them is written.
func (s *Store) forgetLocked(t *topic) {
	t.dead = true
	delete(s.byName, t.name)
	s.live -= int64(t.size)
	for _, g := range s.segs {
		g.clear(t.num)
	}
	if t.seg != nil {
		t.seg.newest--
		t.seg = nil
	}
	for _, c := range s.cursors {
		if _, ok := c.acks[t.num]; ok {
			delete(c.acks, t.num)
			s.acks--
		}
	}
}

// nextLocked is the number that a run after this one would go on with.
func (s *Store) nextLocked(t *topic) uint64 {
	n := t.stored + 1 + Ahead*s.jumpsSince(t.place)
	if t.mark > 0 {
		n = max(n, t.mark+Ahead*s.jumpsSince(t.markPlace))
	}
	return n
}

// Forget says that a topic was deleted: its readings are gone for readers at
// once, and after the next sync for good. A topic of that name that is made
// later must have another epoch.
func (s *Store) Forget(name string) {
	s.mu.Lock()
	t := s.byName[name]
	if t != nil {
		s.forgetLocked(t)
		s.stageForget(t)
	}
	s.mu.Unlock()
	s.poke()
}

// TopicInfo is what is stored of a topic.
type TopicInfo struct {
	Name        string
	Ep          uint64
	First, Last uint64 // numbers on disk or waiting for it; 0, 0 = none
	TS          int64  // of the last
	// Next is the number that the hub must go on with: above every number that
	// anybody may have been sent.
	Next uint64
	// Limit is the first number that the hub must not hand out yet (Limit).
	Limit uint64
}

// Topics lists what is stored, in no order. Call it once after Open, before
// the first Append.
func (s *Store) Topics(each func(TopicInfo)) {
	s.mu.Lock()
	list := make([]*topic, 0, len(s.byName))
	for _, t := range s.byName {
		list = append(list, t)
	}
	s.mu.Unlock()
	for _, t := range list {
		if info, ok := s.info(t); ok {
			each(info)
		}
	}
}

// Topic is what is stored of one topic.
func (s *Store) Topic(name string) (TopicInfo, bool) {
	s.mu.Lock()
	t := s.byName[name]
	s.mu.Unlock()
	if t == nil {
		return TopicInfo{}, false
	}
	return s.info(t)
}

func (s *Store) info(t *topic) (TopicInfo, bool) {
	first, ok := s.firstOf(t)
	s.mu.Lock()
	defer s.mu.Unlock()
	return TopicInfo{Name: t.name, Ep: t.ep, First: first, Last: t.last, TS: t.ts, Next: max(t.top, t.last+1), Limit: t.limit}, ok && !t.dead
}

// Limit is the first number of a topic that the hub must not hand out yet,
// stored or not: a crash now would give it to another reading. It moves with
// what is synced, so it is met only when the store has not written for
// 16 million readings of one topic. 0 = the topic is not stored.
func (s *Store) Limit(name string) uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	if t := s.byName[name]; t != nil {
		return t.limit
	}
	return 0
}
