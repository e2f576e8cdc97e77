package store

import (
	"encoding/binary"
	"errors"
	"io"
	"math/bits"
	"slices"
)

// segReader reads one segment's file with small reads where the footer leads,
// and all of it where there is no footer or damage is in the way.
type segReader struct {
	key    key
	end    int // of its records
	foot   int // its footer, 0 = none
	f      File
	s      *Store
	seg    *segment
	defs   []headDef // of the head, which has no footer
	inHead bool
	counts [3]int // topics, readings, streams of the footer; 0 = no footer
	win    window // records
	aux    window // footer and definitions
	known  map[uint32]stream
	whole  []byte // all of it, once it had to be read
	all    parsed
}

// window is a piece of the file in memory.
type window struct {
	buf []byte
	off int
}

var errGone = errors.New("store: the segment is gone")

// errUnreadable: neither footer nor records say it.
var errUnreadable = errors.New("store: unreadable")

func (s *Store) openSeg(g *segment) (*segReader, error) {
	s.mu.Lock()
	if g.gone {
		s.mu.Unlock()
		return nil, errGone
	}
	g.readers++
	s.mu.Unlock()
	f, err := s.opt.FS.Open(s.segPath(g.no), false)
	if err != nil {
		s.leave(g)
		if isNotExist(err) {
			return nil, errGone
		}
		return nil, err
	}
	r, _ := s.segReaders.Get().(*segReader)
	if r == nil {
		r = &segReader{known: map[uint32]stream{}}
	}
	r.s, r.seg, r.f, r.key = s, g, f, g.key
	s.mu.Lock()
	defer s.mu.Unlock()
	r.end, r.foot = g.end, g.foot
	return r, nil
}

// leave says that one reader of g less has its file open.
func (s *Store) leave(g *segment) {
	s.mu.Lock()
	g.readers--
	s.mu.Unlock()
}

// close gives the reader back: what it handed out is void from here on. nil is none.
func (r *segReader) close() {
	if r == nil {
		return
	}
	_ = r.f.Close()
	r.s.leave(r.seg)
	clear(r.known)
	pool := &r.s.segReaders
	*r = segReader{known: r.known, win: window{buf: r.win.buf[:0]}, aux: window{buf: r.aux.buf[:0]}}
	pool.Put(r)
}

// get returns n bytes at off, reading about chunk bytes if they are not there.
// They are valid until the next get.
func (w *window) get(f File, off, n, chunk int) []byte {
	if off >= w.off && off+n <= w.off+len(w.buf) {
		return w.buf[off-w.off : off-w.off+n]
	}
	want := max(n, chunk)
	w.buf = slices.Grow(w.buf[:0], want)[:want]
	got, err := f.ReadAt(w.buf, int64(off))
	if err != nil && !errors.Is(err, io.EOF) {
		got = 0
	}
	w.buf, w.off = w.buf[:got], off
	if got < n {
		return nil
	}
	return w.buf[:n]
}

// record reads the record at off; kind 0: there is none.
func (r *segReader) record(w *window, off, chunk int) (kind byte, payload []byte, size int) {
	if r.whole != nil {
		return r.key.record(r.whole, off, off)
	}
	b := w.get(r.f, off, recHead, chunk)
	if b == nil {
		return 0, nil, 0
	}
	word := binary.LittleEndian.Uint32(b[4:])
	n := int(word >> 4 & maxPayload)
	if word != r.key.word(off, byte(word&15), n) || off+recHead+n > maxSegment {
		return 0, nil, 0
	}
	if b = w.get(r.f, off, recHead+n, chunk); b == nil {
		return 0, nil, 0
	}
	kind, payload, _ = r.key.record(b, 0, off)
	return kind, payload, recSize(n)
}

// readWhole reads the segment and finds its records anew.
func (r *segReader) readWhole() {
	if r.whole != nil {
		return
	}
	b := make([]byte, r.end)
	n, err := r.f.ReadAt(b, 0)
	if err != nil && !errors.Is(err, io.EOF) {
		for at := 0; at < len(b); at += block {
			_, _ = r.f.ReadAt(b[at:min(at+block, len(b))], int64(at))
		}
		n = len(b)
	}
	r.whole = b[:n]
	r.all = parseSegment(r.key, r.whole)
}

// footer reads the footer's counts.
func (r *segReader) footer() bool {
	if r.foot == 0 || r.inHead || r.whole != nil {
		return false
	}
	if r.counts[0] > 0 {
		return true
	}
	b := r.aux.get(r.f, r.foot, recHead+footHead, 1024)
	if b == nil {
		return false
	}
	var c [3]int
	for i := range c {
		c[i] = int(binary.LittleEndian.Uint32(b[recHead+4*i:]) & 0xfffff)
	}
	if r.foot+recHead+footHead+c[0]*footEntry+2*c[1]+2*c[2] > r.end {
		return false
	}
	r.counts = c
	return c[0] > 0
}

func (r *segReader) entriesAt() int { return r.foot + recHead + footHead }

// find finds a topic's entry in the footer. Entries are sorted by a hash, so
// its place is guessed and the guess is a block or two off at most.
func (r *segReader) find(hash uint64) (e entry, ok bool, err error) {
	if !r.footer() {
		return e, false, errUnreadable
	}
	n := r.counts[0]
	const per = block / footEntry
	hi, _ := bits.Mul64(hash, uint64(n))
	lo := max(0, min(int(hi)-per/2, n-per))
	dir := 0
	for lo >= 0 && lo < n {
		m := min(per, n-lo)
		b := r.aux.get(r.f, r.entriesAt()+lo*footEntry, m*footEntry, 0)
		if b == nil {
			return e, false, errUnreadable
		}
		for i := 0; i < m; i++ {
			x, sound := parseEntry(b[i*footEntry:])
			if !sound {
				return e, false, errUnreadable
			}
			if x.hash == hash {
				return x, true, nil
			}
			if i == 0 && hash < x.hash && dir <= 0 {
				dir = -2
			} else if i == m-1 && hash > x.hash && dir >= 0 {
				dir = 2
			}
		}
		switch dir {
		case -2:
			if lo == 0 {
				return e, false, nil
			}
			lo, dir = max(0, lo-per), -1
		case 2:
			lo, dir = lo+per, 1
		default:
			return e, false, nil
		}
	}
	return e, false, nil
}

// topicIn is what a segment holds of a topic: its entry and, when asked, where.
func (r *segReader) topicIn(t *topicView) (e entry, ok bool) {
	e, ok, err := r.find(t.hash)
	if err == nil {
		return e, ok
	}
	r.readWhole()
	for _, off := range r.offsetsWhole(t) {
		rd, good := r.reading(off, t, block)
		if !good {
			continue
		}
		if e.count == 0 {
			e.first, e.maxTS = rd.Seq, rd.TS
		}
		e.last, e.maxTS = rd.Seq, max(e.maxTS, rd.TS)
		e.count++
	}
	return e, e.count > 0
}

// offsets lists where the readings of an entry are.
func (r *segReader) offsets(t *topicView, e entry) []int {
	if r.footer() {
		at := r.entriesAt() + r.counts[0]*footEntry + 2*int(e.start)
		if int(e.start)+int(e.count) <= r.counts[1] {
			if b := r.aux.get(r.f, at, 2*int(e.count), 0); b != nil {
				out := make([]int, e.count)
				for i := range out {
					out[i] = 4 * int(binary.LittleEndian.Uint16(b[2*i:]))
				}
				return out
			}
		}
	}
	r.readWhole()
	return r.offsetsWhole(t)
}

func (r *segReader) offsetsWhole(t *topicView) (out []int) {
	for _, at := range r.all.recs {
		kind, payload, _ := r.key.record(r.whole, at.off, at.off)
		if kind != kindReading {
			continue
		}
		x, ok := parseReading(payload)
		if st := r.all.streams.get(x.stream); ok && st != nil && t.owns(st) {
			out = append(out, at.off)
		}
	}
	return out
}

// stream finds the definition of a stream.
func (r *segReader) stream(num uint32) *stream {
	if st, ok := r.known[num]; ok {
		return &st
	}
	if r.whole == nil {
		if off := r.defAt(num); off > 0 {
			kind, payload, _ := r.record(&r.aux, off, 1024)
			if kind == kindReading {
				if x, ok := parseReading(payload); ok && x.ctl&ctlDef != 0 && x.stream == num {
					st := x.def.clone()
					r.known[num] = st
					return &st
				}
			}
		}
		r.readWhole()
	}
	return r.all.streams.get(num)
}

// defAt is where a stream is defined, 0 if that is not known.
func (r *segReader) defAt(num uint32) int {
	if r.inHead {
		if int(num) < len(r.defs) {
			return r.defs[num].off
		}
		return 0
	}
	if !r.footer() || int(num) >= r.counts[2] {
		return 0
	}
	at := r.entriesAt() + r.counts[0]*footEntry + 2*r.counts[1] + 2*int(num)
	b := r.aux.get(r.f, at, 2, 0)
	if b == nil {
		return 0
	}
	return 4 * int(binary.LittleEndian.Uint16(b))
}

// reading reads the reading at off if it is one of t's (t nil: of any). Its
// slices are valid until the next one is read.
func (r *segReader) reading(off int, t *topicView, chunk int) (Reading, bool) {
	kind, payload, _ := r.record(&r.win, off, chunk)
	if kind != kindReading {
		return Reading{}, false
	}
	x, ok := parseReading(payload)
	if !ok {
		return Reading{}, false
	}
	st := &x.def
	if x.ctl&ctlDef == 0 {
		if st = r.stream(x.stream); st == nil {
			return Reading{}, false
		}
	}
	if t != nil && !t.owns(st) {
		return Reading{}, false
	}
	name := ""
	if t != nil {
		name = t.name
	} else {
		name = string(st.topic)
	}
	return x.in(st, name), true
}
