package node

import (
	"encoding/binary"
	"math"

	"topicd/codec"
	"topicd/node/arena"
	"topicd/node/fan"
)

// A durable topic is a log with a longer past: its newest readings lie in the
// arena as any topic's, all of them on a Disk. Two things have to wait for a disk,
// and neither holds up anybody else: an answer that says "stored" (Later), and a
// cursor whose readings have left the arena, which is parked as a rate parks it
// until a page has been read outside all locks.

// Disk is where durable topics are kept. Its methods may be called from any
// goroutine; but for Go's work they must not wait for the disk.
type Disk interface {
	// Tape is the topic's part of the disk, nil when it is not to be durable: neither
	// its name nor somebody who declared it says so. The topic goes on with the epoch
	// and number that are returned: those given, or what the disk knows.
	Tape(topic string, declared bool, ep, next uint64) (Tape, uint64, uint64)
	// Committed tells what became of what Append took: done when it is on disk, why
	// when it never will be.
	Committed(c Commit) (done bool, why *codec.Error)
	// Figures yields what the disk has to tell, with names that begin with store_.
	Figures(yield func(name string, v int64))
	// Go runs work that waits for the disk on a goroutine of its own. There is at
	// most one at a time for each session and answer under way.
	Go(work func())
}

// Commit is a place in what a Disk has taken, 0 = nothing has to be waited for.
type Commit uint64

// Tape is one topic on a Disk.
type Tape interface {
	// Append takes a copy of a reading. It is called with the topic's lock held.
	// own is the number that the device dev gave it, 0 = none.
	Append(seq, ep uint64, r *arena.Record, own uint64) (Commit, *codec.Error)
	// First is the number of the oldest reading that can be read, the largest number
	// when there is none.
	First() uint64
	// Newest is the number of the newest reading and its ts, 0 when there is none.
	Newest() (seq uint64, ts int64)
	// Limit is the first number that must not be given yet: a crash now would have it
	// given once more.
	Limit() uint64
	// Since is the number of the first reading whose ts is ts or later, 0 when
	// nothing is stored; Last that of the n-th last. They may wait for the disk.
	Since(ts int64) (uint64, error)
	Last(n int) (uint64, error)
	// Read appends pages to dst: records, each behind its number (AppendPaged), from
	// the first that is not below from on, about quota bytes. next is the number to
	// go on with, at most to. It may wait for the disk.
	Read(dst []byte, from, to uint64, quota int) (page []byte, next uint64, err error)
	// Forget ends the topic: it was deleted.
	Forget()
}

// openTapeLocked looks whether t is durable. The caller holds mu, and t.mu or t is
// new.
func (h *Hub) openTapeLocked(t *Topic, declared bool) {
	if h.opt.Disk == nil || t.name[0] == '$' || t.rare != nil && t.rare.tape != nil {
		return
	}
	tape, ep, next := h.opt.Disk.Tape(t.name, declared, h.epochOf(t), t.log.Next())
	if tape == nil {
		return
	}
	x := t.rareLocked()
	x.tape, x.ep = tape, ep
	x.holeEnd = next
	newest, _ := tape.Newest()
	if x.hole = newest + 1; x.hole == 1 || x.hole > next {
		x.hole = next
	}
	if next != t.log.Next() {
		t.log.Clear(h.arena) // nothing is in it: numbers only jump at birth
		t.log.Begin(next)
	}
}

// Sent is a reading that a device sent with a number of its own: which number it has.
type Sent struct {
	Own uint64
	Sum uint32 // CRC-32C of the data
	Seq uint64
}

// Recall tells what a device had sent before this hub began, oldest first: what it
// sends again is recognised.
func (h *Hub) Recall(dev string, last []Sent) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.devices) >= maxWindows {
		return
	}
	w := new(window)
	for _, s := range last {
		w.note(sent{seq: s.Own, sum: s.Sum, at: s.Seq}, h.Mono())
	}
	h.devices[dev] = w
}

// Restore makes the topics that a disk holds: at start, before anybody comes.
func (h *Hub) Restore(names []string) {
	h.mu.Lock()
	var ts []*Topic
	for _, name := range names {
		if t, err := h.topicLocked(name); err == nil { // beyond the limit on topics: it stays on disk, and comes with its next reading
			ts = append(ts, t)
		}
	}
	h.mu.Unlock()
	for _, t := range ts {
		h.recallKept(t)
	}
}

// AppendPaged appends a record to a page that Tape.Read makes.
func AppendPaged(page []byte, seq uint64, r *arena.Record) []byte {
	return r.Append(binary.LittleEndian.AppendUint64(page, seq))
}

// parsePaged splits the first record off a page.
func parsePaged(page []byte) (seq uint64, r arena.Record, rest []byte) {
	seq = binary.LittleEndian.Uint64(page)
	r, rest = arena.Parse(page[8:])
	return seq, r, rest
}

// firstLocked is the number of the oldest reading of t, in memory or on disk. The
// caller holds t.mu.
func (t *Topic) firstLocked() uint64 {
	first := t.log.First()
	if t.rare != nil && t.rare.tape != nil {
		first = min(first, t.rare.tape.First())
	}
	return first
}

// keep gives a reading to the topic's tape. The caller holds the topic's lock.
func (x *rare) keep(seq uint64, r *arena.Record, own uint64) (Commit, *codec.Error) {
	x.taken = *r
	c, why := x.tape.Append(seq, x.ep, &x.taken, own)
	x.taken = arena.Record{}
	return c, why
}

// Hole is how many numbers above after were given, perhaps, to readings that a crash
// has lost: they are no reading's any more.
func (t *Topic) Hole(after uint64) uint64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.holeLocked(after)
}

func (t *Topic) holeLocked(after uint64) uint64 {
	if t.rare == nil || t.rare.holeEnd <= after {
		return 0
	}
	return t.rare.holeEnd - max(t.rare.hole, after+1)
}

// pastHoleLocked is the first number from seq on that a reading may have.
func (t *Topic) pastHoleLocked(seq uint64) uint64 {
	if t.rare != nil && seq >= t.rare.hole && seq < t.rare.holeEnd {
		return t.rare.holeEnd
	}
	return seq
}

// Past tells whether Read of that number waits for the disk.
func (h *Hub) Past(t *Topic, from uint64) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return !t.dead && from < t.log.First() && t.firstLocked() < t.log.First()
}

// OnDisk tells whether some of the topic is on disk only, so that Span and Read
// may wait for it.
func (t *Topic) OnDisk() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.firstLocked() < t.log.First()
}

// Background runs work that may wait for the disk, for a Task of the session that has
// nothing to say before it is done. Then the session is filled: its sink is woken even
// while somebody fills it, because who does may have asked the task already.
func (s *Session) Background(work func()) {
	s.hub.opt.Disk.Go(func() {
		work()
		s.sink.Wake()
	})
}

// readPast is the part of Read that the arena does not hold. It returns where to go
// on; false: yield has had enough.
func (h *Hub) readPast(t *Topic, ep, from, to uint64, raw *[]byte, yield func(*Reading) bool) (uint64, bool) {
	t.mu.Lock()
	first := t.log.First()
	t.mu.Unlock()
	b, next, err := t.rare.tape.Read((*raw)[:0], from, min(to, first), pageQuota)
	if err != nil {
		h.Stats.Add(FailedReads, 1)
		return min(to, first), true
	}
	for *raw = b; len(b) > 0; {
		var rec arena.Record
		var seq uint64
		seq, rec, b = parsePaged(b)
		r := Reading{Topic: t.name, Num: t.idx, Ep: ep}
		if r.set(seq, &rec); !yield(&r) {
			return seq, false
		}
	}
	return next, true
}

const (
	never  = math.MaxInt64     // when a cursor is due that waits for room in its window
	onDisk = math.MaxInt64 - 1 // and one that waits for a page
)

// Fleeting is how many readings the session has not read that end with this process:
// those of topics that are not durable.
func (s *Session) Fleeting() (n uint64) {
	h := s.hub
	h.mu.RLock()
	defer h.mu.RUnlock()
	s.mu.Lock()
	list := make([]fan.Entry, 0, s.ready.Len())
	for i := range s.ready.Len() {
		if e := *s.ready.At(i); !e.IsMark() {
			list = append(list, e)
		}
	}
	s.mu.Unlock()
	for _, e := range list {
		if t := h.topics.at(e.Topic()); t != nil {
			t.mu.Lock()
			if !t.dead && !t.tapedLocked() {
				n += uint64(uint32(t.log.Next()) - e.From())
			}
			t.mu.Unlock()
		}
	}
	return n
}
