package node

import (
	"math"
	"sync"

	"topicd/node/fan"
)

// A cursor that waits for the disk is parked, and its page comes.

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
	first, r := t.log.First(), t.rare
	return from < first && !t.dead && r != nil && r.tape != nil && !v.view.latest && r.tape.First() < first &&
		(from < r.bare || first > r.bareEnd)
}

// awaitUnlock parks the cursor until a page from the disk is there, or only parks it
// when the session waits for another already. It gives t.mu back.
func (v *visit) awaitUnlock(t *Topic, from uint64) {
	s := v.s
	var p *page
	s.mu.Lock()
	if !s.closed && s.ready.Len() > 0 && *s.ready.At(0) == v.e && s.hub.topics.at(t.idx) == t {
		s.popLocked()
		if x := s.extraLocked(); x.fetching != nil {
			s.parkLocked(v.b, fan.NewEntry(t.idx, v.b.slot, from))
		} else {
			s.holdLocked(v.b, held{t.idx, uint32(from), onDisk})
			p = &page{s: s, t: t, b: v.b, from: from, at: from, view: v.view}
			if v.live || x.sought.Has(t.idx) { // what leaves the disk in front of it is lost to it, and told
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
	pageBuf   = pageQuota + 4<<10
	maxPages  = 128 // pages that wait for their readers: the oldest is read once more when its time comes
	// maxPageBytes is what all of them take: one page may be a reading of a MiB.
	maxPageBytes = maxPages * pageBuf
)

var pageBufs = sync.Pool{New: func() any { b := make([]byte, 0, pageBuf); return &b }}

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
	if !wake {
		p.s.hub.pages.gone(p)
		return
	}
	s.sink.Wake()
}

// giveBack lends the page's buffer to the next one, unless a large reading has
// blown it up.
func (p *page) giveBack() {
	if cap(*p.buf) <= 2*pageBuf {
		pageBufs.Put(p.buf)
	}
}

// seek finds where the page begins, for a cursor that only knows how many readings
// or which time it wants: it stands before all that is stored.
func (p *page) seek(tape Tape, to uint64) (err error) {
	at := uint64(0)
	if p.from <= tape.First() {
		switch {
		case p.view.from < 0:
			at, err = tape.Since(-p.view.from)
		case p.view.from > 0:
			at, err = tape.Last(int(p.view.from))
		}
	}
	p.at = min(max(p.at, at), to)
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
	for len(w.list) > maxPages || w.bytes > maxPageBytes && len(w.list) > 1 {
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
	if !s.closed && s.ext.page == p {
		s.ext.page, s.ext.fetching = nil, nil
		s.unparkLocked(p.b, p.t.idx)
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
	v := visit{s: s, t: p.t, b: b, view: b.view, not: b.not.Load(), live: b.live, now: now, room: math.MaxInt}
	if b.view.windowed {
		v.room = b.view.format.(Windowed).Room()
	}
	s.mu.Unlock()
	s.hub.pages.gone(p)
	at, n := p.from, uint32(0)
	if mine && !dead { // else it is counted as lost where the cursor is looked at
		dst, at, n = v.paged(dst, p, f, sc)
	}
	s.mu.Lock()
	if !s.closed {
		if mine && b.holds(p.t.idx, uint32(p.from)) {
			if !b.live {
				b.stored += n
			}
			b.unholdLocked(p.t.idx)
			s.ext.sought.Set(p.t.idx, true)
			s.appendStoredLocked(b, fan.NewEntry(p.t.idx, b.slot, at))
		}
		s.unparkNextLocked()
	}
	s.mu.Unlock()
	p.giveBack()
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

// paged appends the readings of a page and returns where the cursor stands then,
// and how many readings those were.
func (v *visit) paged(dst []byte, p *page, f Framer, sc *Scratch) ([]byte, uint64, uint32) {
	v.t.mu.Lock()
	v.ep, v.lasts = v.s.hub.epochOf(v.t), true
	began := v.t.rare.holeEnd // where this run's numbers do
	v.t.mu.Unlock()
	v.begin(sc)
	at, n := p.at, int64(0)
	era := v.s.hub.eraNow()
	b := *p.buf
	for len(b) > 0 && v.room > 0 {
		seq, rec, rest := parsePaged(b)
		b, rec.Era = rest, era
		if lost := seq - at; lost > 0 && lost < renumbered {
			v.overrun += lost
			sc.reading.Drop += lost
		}
		at = seq + 1
		sc.reading.Past = seq < began
		var ok bool
		if dst, ok = v.one(dst, seq, &rec, f, sc); ok {
			n++
			v.room--
		}
	}
	switch lost := p.next - at; {
	case len(b) > 0: // there was no more room
	case lost >= renumbered:
		at = p.next
	case lost > 0 && len(*p.buf) == 0:
		v.t.mu.Lock()
		v.t.rare.bare, v.t.rare.bareEnd = at, p.next // start counts and tells it
		v.t.mu.Unlock()
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
