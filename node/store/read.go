package store

import (
	"errors"
	"sort"
)

// Page is a run of readings of one topic. The slices of the readings are valid
// until the page is read into again.
type Page struct {
	Readings []Reading
	Next     uint64 // go on with this number
	More     bool   // more is stored from Next on
	size     int
	buf      []byte // the readings' bytes
	view     topicView
}

// PageBytes is a page's usual size.
const PageBytes = 16 << 10

// topicView is what a reader took of a topic under the lock.
type topicView struct {
	name   string
	hash   uint64
	ep     uint64
	num    uint32
	stored uint64 // newest committed
	last   uint64
	first  uint64     // oldest number on disk, 0 = not known
	segs   []*segment // sealed ones: the store's own list, see nextSeg
	head   *segment
	defs   []headDef
	recs   []headRec // its readings in the head, oldest first
	age    ageRule
}

func (t *topicView) owns(st *stream) bool { return st.ep == t.ep && string(st.topic) == t.name }

// viewLocked takes a view of t with the head's readings from number from on.
func (s *Store) viewLocked(t *topic, v *topicView, from uint64) {
	*v = topicView{name: t.name, hash: t.hash, ep: t.ep, num: t.num, stored: t.stored, last: t.last, first: t.first,
		segs: s.segs, recs: v.recs[:0], age: s.ageRuleLocked(), head: s.indexOf, defs: s.defs}
	if n := len(v.segs); n > 0 && (v.segs[n-1] == v.head || v.segs[n-1].end == 0) {
		v.segs = v.segs[:n-1]
	}
	for i := t.chain; i >= 0 && s.index[i].seq >= from; i = s.index[i].prev {
		v.recs = append(v.recs, s.index[i])
	}
	for i, j := 0, len(v.recs)-1; i < j; i, j = i+1, j-1 {
		v.recs[i], v.recs[j] = v.recs[j], v.recs[i]
	}
}

func (s *Store) view(name string, v *topicView, from uint64) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	t := s.byName[name]
	if t != nil {
		s.viewLocked(t, v, from)
	}
	return t != nil
}

// Read fills p with readings of a topic from number from on, about maxBytes of
// them and at least one if there is one. It may be called from any goroutine
// and holds up neither Append nor the writer. What it costs depends on what it
// returns, not on how much is stored.
func (s *Store) Read(name string, from uint64, maxBytes int, p *Page) error {
	p.Readings, p.Next, p.More, p.size, p.buf = p.Readings[:0], from, false, 0, p.buf[:0]
	for try := 0; ; try++ {
		if !s.view(name, &p.view, p.Next) {
			return nil
		}
		full, err := s.readSegs(p, maxBytes)
		if errors.Is(err, errGone) && try < 8 {
			continue // given up meanwhile; what was carried is elsewhere now
		}
		if err != nil && !errors.Is(err, errGone) {
			return err
		}
		if full {
			p.More = true
			return nil
		}
		if s.readPending(p, maxBytes) {
			return nil
		}
	}
}

// readSegs reads what is in segments. full: the page has no more room.
func (s *Store) readSegs(p *Page, maxBytes int) (full bool, err error) {
	v := &p.view
	if len(v.recs) == 0 || v.recs[0].seq > p.Next {
		i, r, e, err := s.startSeg(v, p.Next)
		for ; i >= 0 && err == nil && !full; i = s.nextSeg(v, i+1, len(v.segs), 1) {
			if r == nil {
				if r, err = s.openSeg(v.segs[i]); err != nil {
					break
				}
				e, _ = r.topicIn(v)
			}
			full = p.readSeg(r, e, maxBytes)
			r.close()
			r = nil
		}
		if full || err != nil {
			return full, err
		}
	}
	if len(v.recs) == 0 {
		return false, nil
	}
	r, err := s.openSeg(v.head)
	if err != nil {
		return false, err
	}
	defer r.close()
	r.defs, r.inHead = v.defs, true
	offs := make([]int, 0, len(v.recs))
	for i := range v.recs {
		if v.recs[i].seq >= p.Next {
			offs = append(offs, 4*int(v.recs[i].off))
		}
	}
	return p.take(r, offs, maxBytes), nil
}

// entryOf is what a segment holds of the view's topic.
func (s *Store) entryOf(v *topicView, g *segment) (e entry, ok bool, err error) {
	r, err := s.openSeg(g)
	if err != nil {
		return e, false, err
	}
	defer r.close()
	e, ok = r.topicIn(v)
	return e, ok, nil
}

// readSeg adds what a segment holds of the topic: e.
func (p *Page) readSeg(r *segReader, e entry, maxBytes int) (full bool) {
	if e.count == 0 || e.last < p.Next {
		return false
	}
	offs := r.offsets(&p.view, e)
	skip := 0
	if p.Next > e.first {
		if e.last-e.first+1 == uint64(len(offs)) {
			skip = int(p.Next - e.first)
		} else {
			skip = sort.Search(len(offs), func(i int) bool {
				rd, ok := r.reading(offs[i], &p.view, 512)
				return ok && rd.Seq >= p.Next
			})
			skip = max(0, skip-1) // one that cannot be read may have misled the search
		}
	}
	return p.take(r, offs[min(skip, len(offs)):], maxBytes)
}

// take adds the readings at offs. full: the page has no more room.
func (p *Page) take(r *segReader, offs []int, maxBytes int) (full bool) {
	for i, off := range offs {
		chunk := PageBytes
		if i+8 < len(offs) && offs[i+8]-off > 8*block || i+1 < len(offs) && offs[i+1]-off > 2*block {
			chunk = 1024
		}
		rd, ok := r.reading(off, &p.view, chunk)
		if !ok || rd.Seq < p.Next {
			continue
		}
		if p.add(&rd, maxBytes) {
			return true
		}
	}
	return false
}

// add adds a reading unless the page is full or the reading too old.
func (p *Page) add(rd *Reading, maxBytes int) (full bool) {
	if p.view.age.expired(rd.Place, rd.TS) && rd.Seq != p.view.last {
		p.Next = rd.Seq + 1
		return false
	}
	size := 48 + len(rd.From) + len(rd.Dev) + len(rd.Data)
	if len(p.Readings) > 0 && p.size+size > maxBytes {
		return true
	}
	p.size += size
	p.Readings = append(p.Readings, *rd)
	own := &p.Readings[len(p.Readings)-1]
	own.From, own.Dev, own.Data = p.keep(rd.From), p.keep(rd.Dev), p.keep(rd.Data)
	p.Next = rd.Seq + 1
	return false
}

// keep copies b into the page's buffer. Where that grows, what it gave before
// keeps the old one.
func (p *Page) keep(b []byte) []byte {
	n := len(p.buf)
	p.buf = append(p.buf, b...)
	return p.buf[n:len(p.buf):len(p.buf)]
}

// readPending adds what waits for the writer. done false: some of it was
// written since the view was taken, so the page wants another look.
func (s *Store) readPending(p *Page, maxBytes int) (done bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	t := s.byName[p.view.name]
	if t == nil || t.ep != p.view.ep {
		return true
	}
	if t.stored != p.view.stored {
		return false
	}
	if t.last <= t.stored {
		return true
	}
	s.eachPending(t, func(rd *Reading) bool {
		if rd.Seq < p.Next {
			return true
		}
		p.view.last = t.last
		p.More = p.add(rd, maxBytes)
		return !p.More
	})
	return true
}

// eachPending calls each for the readings of t that wait, in order.
func (s *Store) eachPending(t *topic, each func(*Reading) bool) {
	for _, b := range [][]byte{s.inflight[s.flown:], s.pending} {
		for len(b) > 0 {
			st := unstage(b)
			b = b[st.size:]
			if st.topic != t.num || st.forget {
				continue
			}
			rd := st.reading(t)
			if !each(&rd) {
				return
			}
		}
	}
}
