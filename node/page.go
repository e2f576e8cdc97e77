package node

import (
	"math"
	"sync"

	"topicd/node/fan"
)

// A cursor that waits for the disk is parked, and its page comes. What its window has no
// room for stays with the session as its leftover: the cursor waits for room as any other
// does, and takes more of the page when it is its turn. A leftover only saves reading the
// page again: it may be dropped at any time, and is the cursor's when it begins where the
// cursor stands.

// page is what a parked cursor waits for.
type page struct {
	s          *Session
	t          *Topic
	b          *Subscription
	from, next uint64
	to         uint64 // where the arena began
	view       view
	at         uint64 // where rest begins: at first from, or what the view was looked for
	buf        *[]byte
	rest       []byte // of buf: what nobody was given
	yielded    bool   // as a leftover it has let other cursors go first
}

// past: the cursor stands before what the arena holds, and the disk has more. The
// caller holds t.mu.
func (v *visit) past(t *Topic, from uint64) bool {
	first, r := t.log.First(), t.rare
	return from < first && !t.dead && r != nil && r.tape != nil && !v.view.latest && r.tape.First() < first &&
		(from < r.bare || first > r.bareEnd)
}

// pastUnlock gives the reader what it has room for of the session's leftover, or parks
// the cursor until a page from the disk is there. It gives t.mu back.
func (v *visit) pastUnlock(dst []byte, t *Topic, from uint64, f Framer, sc *Scratch) []byte {
	s := v.s
	var here, asked *page
	s.mu.Lock()
	if !s.closed && s.ready.Len() > 0 && *s.ready.At(0) == v.e && s.hub.topics.at(t.idx) == t {
		here, asked = v.pageLocked(t, from)
	}
	s.mu.Unlock()
	t.mu.Unlock()
	if asked != nil {
		s.hub.opt.Disk.Go(func() { asked.read(t.rare.tape) })
	}
	if here == nil {
		return dst
	}
	if !v.view.windowed { // any more
		v.room = math.MaxInt
	}
	dst, _ = v.paged(dst, here, f, sc)
	s.mu.Lock()
	v.advanceLocked(t, from, here.at, false, !v.live)
	s.takenUnlock(here)
	return dst
}

// pageLocked is for a cursor that is the first of the list and stands before the arena.
// here: the session's leftover is what it wants. Otherwise the cursor goes from there:
// behind the others, who go first as they do while a page is read, or it is parked. asked
// is the page that is to be read for it.
func (v *visit) pageLocked(t *Topic, from uint64) (here, asked *page) {
	s, x := v.s, v.s.extraLocked()
	p, alone := x.leftover, s.ready.Len() == 1
	sought := v.live || x.sought.Has(t.idx)
	if p != nil && p.t == t && p.at == from && sought {
		if p.yielded = !p.yielded && !alone; !p.yielded {
			return p, nil
		}
		s.popLocked()
		s.appendStoredLocked(v.b, v.e)
		return nil, nil
	}
	s.popLocked()
	if x.fetching != nil || p != nil && v.view.windowed && !alone { // of pages for windows a session has one
		s.parkLocked(v.b, v.e)
		return nil, nil
	}
	if v.view.windowed {
		s.dropLeftoverLocked()
	}
	s.holdLocked(v.b, held{t.idx, uint32(from), onDisk})
	p = &page{s: s, t: t, b: v.b, from: from, at: from, to: t.log.First(), view: v.view}
	if sought { // what leaves the disk in front of it is lost to it, and told
		p.view = view{}
	}
	x.fetching = p
	return nil, p
}

const (
	pageQuota = 16 << 10 // bytes read from the disk at a time
	pageBuf   = pageQuota + 4<<10
	maxPages  = 128 // pages that wait for their readers, or for room: the oldest is read once more when its time comes
	// MaxPageBytes is what all of them take: one page may be a reading of a MiB.
	MaxPageBytes = maxPages * pageBuf
)

var pageBufs = sync.Pool{New: func() any { b := make([]byte, 0, pageBuf); return &b }}

// read fetches the page and hands it to its session, on a goroutine of the disk's.
func (p *page) read(tape Tape) {
	p.buf = pageBufs.Get().(*[]byte)
	err := p.seek(tape)
	if err == nil {
		*p.buf, p.next, err = tape.Read((*p.buf)[:0], p.at, p.to, pageQuota)
	}
	if err != nil {
		*p.buf, p.next = (*p.buf)[:0], p.to // go on where the arena does
		p.s.hub.Stats.Add(FailedReads, 1)
	}
	p.rest = *p.buf
	p.s.hub.pages.come(p)
	s := p.s
	s.mu.Lock()
	wake := !s.closed && s.ext.fetching == p
	if wake {
		s.ext.page, s.queued = p, true
	}
	s.mu.Unlock()
	if !wake {
		p.s.hub.pages.gone(p)
		return
	}
	s.sink.Wake()
}

// seek finds where the page begins, for a cursor that only knows how many readings
// or which time it wants: it stands before all that is stored.
func (p *page) seek(tape Tape) (err error) {
	at := uint64(0)
	if p.from <= tape.First() {
		switch {
		case p.view.from < 0:
			at, err = tape.Since(-p.view.from)
		case p.view.from > 0:
			at, err = tape.Last(int(p.view.from))
		}
	}
	p.at = min(max(p.at, at), p.to)
	return err
}

// pages are those that have come and wait for their readers, oldest first.
type pages struct {
	mu    sync.Mutex // after the sessions'
	list  []*page
	bytes int
}

// come adds a page. When there are too many the oldest are given up: their readers
// do not read, and have them fetched again when they do.
func (w *pages) come(p *page) {
	var old []*page
	w.mu.Lock()
	w.list = append(w.list, p)
	w.bytes += cap(*p.buf)
	for len(w.list) > maxPages || w.bytes > MaxPageBytes && len(w.list) > 1 {
		old = append(old, w.list[0])
		w.bytes -= cap(*w.list[0].buf)
		w.list[0] = nil
		w.list = w.list[1:]
	}
	w.mu.Unlock()
	for _, p := range old {
		p.giveUp()
	}
}

// giveUp puts the cursor of a page that nobody takes back on its reader's list.
func (p *page) giveUp() {
	s := p.s
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.closed:
	case s.ext.leftover == p:
		s.ext.leftover = nil
	case s.ext.page == p:
		s.ext.page, s.ext.fetching = nil, nil
		s.unparkLocked(p.b, p.t.idx)
	}
}

// dropLeftoverLocked drops the session's leftover, if it has one.
func (s *Session) dropLeftoverLocked() {
	if x := s.ext; x != nil && x.leftover != nil {
		s.hub.pages.gone(x.leftover)
		x.leftover = nil
	}
}

// takenUnlock is called when the reader was given what it had room for of a page. What
// is left stays the session's leftover, unless that was dropped meanwhile; else the buffer
// is lent to the next page, unless a large reading has blown it up. It gives s.mu back.
func (s *Session) takenUnlock(p *page) {
	mine := s.ext.leftover == p
	if mine && len(p.rest) > 0 {
		s.mu.Unlock()
		return
	}
	if mine {
		s.dropLeftoverLocked()
	}
	s.mu.Unlock()
	if cap(*p.buf) <= 2*pageBuf {
		pageBufs.Put(p.buf)
	}
}

func (w *pages) gone(p *page) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for i, q := range w.list {
		if q == p {
			w.list = append(w.list[:i], w.list[i+1:]...)
			w.bytes -= cap(*p.buf)
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
	mine := b.holds(p.t.idx, uint32(p.from)) // else a new request has moved the cursor
	give := mine && !dead
	v := visit{s: s, t: p.t, b: b, view: b.view, not: b.not.Load(), live: b.live, now: now, room: math.MaxInt}
	if dead {
		p.at = p.from // counted as lost where the cursor is looked at
	}
	if give && b.view.windowed {
		v.room = b.view.format.(Windowed).Room()
		s.dropLeftoverLocked()
		s.ext.leftover = p
	} else {
		s.hub.pages.gone(p)
	}
	s.mu.Unlock()
	n := uint32(0)
	if give {
		dst, n = v.paged(dst, p, f, sc)
	}
	s.mu.Lock()
	if !s.closed {
		if mine && b.holds(p.t.idx, uint32(p.from)) {
			if !b.live {
				b.stored += n
			}
			b.unholdLocked(p.t.idx)
			s.ext.sought.Set(p.t.idx, true)
			s.appendStoredLocked(b, fan.NewEntry(p.t.idx, b.slot, p.at))
			s.standLocked(p.t.idx, p.at, p.to)
		}
		s.unparkNextLocked()
	}
	s.takenUnlock(p)
	return dst
}

// unparkLocked puts a cursor that waited for the disk back on the list.
func (s *Session) unparkLocked(b *Subscription, topic uint32) {
	for _, w := range b.held.waiting() {
		if w.topic == topic && w.due == onDisk {
			b.unholdLocked(topic)
			s.appendStoredLocked(b, fan.NewEntry(topic, b.slot, uint64(w.from)))
			break
		}
	}
	s.unparkNextLocked()
}

// unparkNextLocked lets one more cursor look whether it must wait for the disk, and
// the marks behind stored readings go on where none does any more.
func (s *Session) unparkNextLocked() {
	if s.ext.parked.Len() > 0 {
		s.unparkFirstLocked()
	}
	s.ext.marks = false
	for b := range s.subs.all {
		if b.markWaits && !b.waitsForDisk() {
			b.markWaits = false
			s.appendLocked(fan.NewEntry(fan.LiveMark, b.slot, 0))
		}
		s.ext.marks = s.ext.marks || b.markWaits
	}
}

// waitsForDisk: some of the subscription's cursors do.
func (b *Subscription) waitsForDisk() bool {
	if b.nparked > 0 {
		return true
	}
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

// paged appends the readings of a page that there is room for, and returns how many
// those were. The page is behind them then.
func (v *visit) paged(dst []byte, p *page, f Framer, sc *Scratch) ([]byte, uint32) {
	v.t.mu.Lock()
	v.ep, v.lasts = v.s.hub.epochOf(v.t), true
	began := v.t.rare.holeEnd // where this run's numbers do
	v.t.mu.Unlock()
	v.begin(sc)
	n := int64(0)
	era := v.s.hub.eraNow()
	for len(p.rest) > 0 && v.room > 0 {
		seq, rec, rest := parsePaged(p.rest)
		p.rest, rec.Era = rest, era
		if lost := seq - p.at; lost > 0 && lost < renumbered {
			v.overrun += lost
			sc.reading.Drop += lost
		}
		p.at = seq + 1
		sc.reading.Past = seq < began
		var ok bool
		if dst, ok = v.one(dst, seq, &rec, f, sc); ok {
			n++
			v.room--
		}
	}
	switch lost := p.next - p.at; {
	case len(p.rest) > 0: // there was no more room
	case lost >= renumbered:
		p.at = p.next
	case lost > 0 && len(*p.buf) == 0:
		v.t.mu.Lock()
		v.t.rare.bare, v.t.rare.bareEnd = p.at, p.next // start counts and tells it
		v.t.mu.Unlock()
	}
	v.drop = v.overrun
	v.countDrop()
	v.s.out.Add(n)
	v.s.hub.Stats.Add(Delivered, n)
	return dst, uint32(n)
}

// renumbered: after a crash numbers go on so far above what was stored that nobody
// was ever sent one of them. That hole is no loss.
const renumbered = 1 << 22
