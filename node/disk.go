package node

import (
	"encoding/binary"
	"math"
	"sync"

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
	// Newest is the number of the newest reading, 0 when there is none.
	Newest() uint64
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
	if x.hole = tape.Newest() + 1; x.hole == 1 || x.hole > next {
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
	defer h.mu.Unlock()
	for _, name := range names {
		_, _ = h.topicLocked(name) // beyond the limit on topics: it stays on disk, and comes with its next reading
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

// Background runs work that may wait for the disk.
func (h *Hub) Background(work func()) { h.opt.Disk.Go(work) }

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
		r := Reading{Topic: t.name, Ep: ep}
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

// page is what a parked cursor waits for.
type page struct {
	s          *Session
	t          *Topic
	b          *Subscription
	from, next uint64
	view       view
	at         uint64 // where the page begins: from, or what the view was looked for
	buf        *[]byte
}

// past: the cursor stands before what the arena holds, and the disk has more. The
// caller holds t.mu.
func (v *visit) past(t *Topic, from uint64) bool {
	first := t.log.First()
	return from < first && !t.dead && t.rare != nil && t.rare.tape != nil && !v.view.latest && t.rare.tape.First() < first
}

// awaitUnlock parks the cursor until a page from the disk is there, or only parks it
// when the session waits for another already. It gives t.mu back.
func (v *visit) awaitUnlock(t *Topic, from uint64) {
	s := v.s
	var p *page
	s.mu.Lock()
	if !s.closed && s.ready.Len() > 0 && *s.ready.At(0) == v.e && s.hub.topics.at(t.idx) == t {
		s.popLocked()
		s.holdLocked(v.b, held{t.idx, uint32(from), onDisk})
		if x := s.extraLocked(); x.fetching == nil {
			p = &page{s: s, t: t, b: v.b, from: from, at: from, view: v.view}
			if v.live {
				p.view = view{}
			}
			x.fetching = p
		}
	}
	s.mu.Unlock()
	to := t.log.First()
	t.mu.Unlock()
	if p != nil {
		s.hub.opt.Disk.Go(func() { p.read(t.rare.tape, to) })
	}
}

const (
	pageQuota = 16 << 10 // bytes read from the disk at a time
	maxPages  = 128      // pages that wait for their readers: the oldest is read once more when its time comes
)

var pageBufs = sync.Pool{New: func() any { b := make([]byte, 0, pageQuota+4<<10); return &b }}

// read fetches the page and hands it to its session, on a goroutine of the disk's.
func (p *page) read(tape Tape, to uint64) {
	p.buf = pageBufs.Get().(*[]byte)
	err := p.seek(tape, to)
	if err == nil {
		*p.buf, p.next, err = tape.Read((*p.buf)[:0], p.at, to, pageQuota)
	}
	if err != nil {
		*p.buf, p.next = (*p.buf)[:0], to // go on where the arena does
		p.s.hub.Stats.Add(FailedReads, 1)
	}
	p.s.hub.pages.come(p)
	s := p.s
	s.mu.Lock()
	wake := !s.closed && s.ext.fetching == p
	if wake {
		s.ext.page, s.queued = p, true
	}
	s.mu.Unlock()
	if wake {
		s.sink.Wake()
	}
}

// seek finds where the page begins, for a cursor that only knows how many readings
// or which time it wants: it stands before all that is stored.
func (p *page) seek(tape Tape, to uint64) (err error) {
	at := uint64(0)
	if p.from <= tape.First() {
		switch {
		case p.view.ts != 0:
			at, err = tape.Since(p.view.ts)
		case p.view.last > 0:
			at, err = tape.Last(int(p.view.last))
		}
	}
	p.at = min(max(p.at, at), to)
	return err
}

// pages are those that have come and wait for their readers, oldest first.
type pages struct {
	mu   sync.Mutex
	list []*page
}

// come adds a page. When there are too many the oldest is given up: its reader does
// not read, and has it fetched again when it does.
func (w *pages) come(p *page) {
	w.mu.Lock()
	w.list = append(w.list, p)
	var old *page
	if len(w.list) > maxPages {
		old = w.list[0]
		w.list = w.list[1:]
	}
	w.mu.Unlock()
	if old == nil {
		return
	}
	s := old.s
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.closed && s.ext.page == old {
		s.ext.page, s.ext.fetching = nil, nil
		s.unparkLocked(old.b, old.t.idx)
	}
}

func (w *pages) gone(p *page) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for i, q := range w.list {
		if q == p {
			w.list = append(w.list[:i], w.list[i+1:]...)
			return
		}
	}
}

// pageUnlock gives the reader the page that has come, or as much of it as its
// window has room for. It gives s.mu back.
func (s *Session) pageUnlock(dst []byte, now int64, f Framer, sc *Scratch) []byte {
	p := s.ext.page
	b := p.b
	s.mu.Unlock()
	p.t.mu.Lock()
	dead := p.t.dead
	p.t.mu.Unlock()
	s.mu.Lock()
	if s.closed || s.ext.page != p { // given up meanwhile
		s.mu.Unlock()
		return dst
	}
	s.ext.page, s.ext.fetching = nil, nil
	mine := !dead && b.holds(p.t.idx, uint32(p.from)) // else a new request has moved the cursor
	v := visit{s: s, t: p.t, b: b, view: b.view, not: b.not.Load(), live: b.live, now: now, room: math.MaxInt}
	if b.view.windowed {
		v.room = b.view.format.(Windowed).Room()
	}
	s.mu.Unlock()
	s.hub.pages.gone(p)
	at, n := p.from, uint32(0)
	if mine {
		dst, at, n = v.paged(dst, p, f, sc)
	}
	s.mu.Lock()
	if !s.closed {
		if mine && b.holds(p.t.idx, uint32(p.from)) {
			if !b.live {
				b.stored += n
			}
			b.unholdLocked(p.t.idx)
			s.appendLocked(fan.NewEntry(p.t.idx, b.slot, at))
		}
		s.unparkNextLocked()
	}
	s.mu.Unlock()
	pageBufs.Put(p.buf)
	return dst
}

// unparkLocked puts a cursor that waited for the disk back on the list.
func (s *Session) unparkLocked(b *Subscription, topic uint32) {
	for _, w := range b.held.waiting() {
		if w.topic == topic && w.due == onDisk {
			b.unholdLocked(topic)
			s.appendLocked(fan.NewEntry(topic, b.slot, uint64(w.from)))
			break
		}
	}
	s.unparkNextLocked()
}

// unparkNextLocked lets one more cursor look whether it must wait for the disk, and
// the marks behind stored readings go on where none does any more.
func (s *Session) unparkNextLocked() {
	found := false
	for _, b := range s.subs {
		if b == nil {
			continue
		}
		for _, w := range b.held.waiting() {
			if w.due == onDisk && !found {
				found = true
				b.unholdLocked(w.topic)
				s.appendLocked(fan.NewEntry(w.topic, b.slot, uint64(w.from)))
				break
			}
		}
		if b.markWaits && !b.waitsForDisk() {
			b.markWaits = false
			s.appendLocked(fan.NewEntry(fan.LiveMark, b.slot, 0))
		}
	}
}

// waitsForDisk: some of the subscription's cursors do.
func (b *Subscription) waitsForDisk() bool {
	for _, w := range b.held.waiting() {
		if w.due == onDisk {
			return true
		}
	}
	return false
}

// holds: the subscription's cursor on the topic is parked there.
func (b *Subscription) holds(topic, from uint32) bool {
	for _, w := range b.held.waiting() {
		if w.topic == topic && w.from == from && w.due == onDisk {
			return true
		}
	}
	return false
}

// paged appends the readings of a page and returns where the cursor stands then,
// and how many readings those were.
func (v *visit) paged(dst []byte, p *page, f Framer, sc *Scratch) ([]byte, uint64, uint32) {
	v.begin(sc)
	at, n := p.at, int64(0)
	era := v.s.hub.eraNow()
	for b := *p.buf; len(b) > 0 && v.room > 0; {
		seq, rec, rest := parsePaged(b)
		b, rec.Era = rest, era
		if lost := seq - at; lost > 0 && lost < renumbered {
			v.overrun += lost
			sc.reading.Drop += lost
		}
		at = seq + 1
		var ok bool
		if dst, ok = v.one(dst, seq, &rec, f, sc); ok {
			n++
			v.room--
		}
		if len(b) == 0 {
			at = p.next
		}
	}
	if len(*p.buf) == 0 {
		if lost := p.next - at; lost > 0 && lost < renumbered {
			v.overrun += lost
		}
		at = p.next
	}
	v.drop = v.overrun
	v.countDrop()
	v.s.out.Add(n)
	v.s.hub.Stats.Add(Delivered, n)
	return dst, at, uint32(n)
}

// renumbered: after a crash numbers go on so far above what was stored that nobody
// was ever sent one of them. That hole is no loss.
const renumbered = 1 << 22
