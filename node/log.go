package node

import "encoding/binary"

// log is a topic's bounded log: a chain of chunks in the arena. All of it is
// guarded by the topic's lock. Sequence numbers have no holes, so a record's
// number follows from its place.
type log struct {
	next  uint64 // sequence number that the next record will get, from 1
	count uint32 // records held; the oldest is next-count
	bytes uint32 // chunk bytes taken from the arena
	// Places are kept as chunk and offset side by side to spare the padding.
	headChunk, tailChunk, lastChunk, hintChunk chunk
	headOff, tailOff, lastOff, hintOff         uint16
	hintSeq                                    uint32 // low half of the number at the hint; readers move in step
}

type place struct {
	c   chunk
	off int
}

const recordHead = 16

// record is what is stored of one reading. Its slices lie in a scratch buffer.
type record struct {
	ts     int64  // milliseconds since 1970
	era    uint16 // of the calendar: with it ts says how old the reading is
	origin uint32 // session that published it
	flags  uint8
	name   []byte
	data   []byte
}

// Flags of a record, four bits.
const flagCBOR = 1

const (
	tsBits  = 44        // until the year 2527
	maxData = 1<<24 - 1 // bytes of one reading
)

func putRecordHead(h *[recordHead]byte, r *record) {
	binary.LittleEndian.PutUint64(h[0:], uint64(r.ts)&(1<<tsBits-1)|uint64(r.flags&15)<<tsBits|uint64(r.era)<<48)
	binary.LittleEndian.PutUint32(h[8:], uint32(len(r.data))|uint32(len(r.name))<<24)
	binary.LittleEndian.PutUint32(h[12:], r.origin)
}

// parseRecord splits the first record off b, a run of whole records.
func parseRecord(b []byte) (r record, rest []byte) {
	w := binary.LittleEndian.Uint64(b)
	l := binary.LittleEndian.Uint32(b[8:])
	n, d := int(l>>24), int(l&maxData)
	r.ts, r.flags, r.era = splitStamp(w)
	r.origin = binary.LittleEndian.Uint32(b[12:])
	r.name = b[recordHead : recordHead+n : recordHead+n]
	r.data = b[recordHead+n : recordHead+n+d : recordHead+n+d]
	return r, b[recordHead+n+d:]
}

func recordSize(head []byte) int {
	l := binary.LittleEndian.Uint32(head[8:])
	return recordHead + int(l>>24) + int(l&maxData)
}

// splitStamp takes the first word of a record's head apart.
func splitStamp(w uint64) (ts int64, flags uint8, era uint16) {
	return int64(w & (1<<tsBits - 1)), uint8(w >> tsBits & 15), uint16(w >> 48)
}

func (l *log) first() uint64 { return l.next - uint64(l.count) }

// Chunk heads.
func nextChunk(b []byte) chunk  { return chunk(binary.LittleEndian.Uint32(b)) }
func setNext(b []byte, c chunk) { binary.LittleEndian.PutUint32(b, uint32(c)) }
func firstRecord(b []byte) (seq uint32, off int) {
	return binary.LittleEndian.Uint32(b[4:]), int(binary.LittleEndian.Uint16(b[8:]))
}
func setFirst(b []byte, seq uint64, off int) {
	binary.LittleEndian.PutUint32(b[4:], uint32(seq))
	binary.LittleEndian.PutUint16(b[8:], uint16(off))
}

// append stores r as the newest record. Before it, the oldest go until limit
// bytes hold; the newest goes only when its successor takes its very place.
// fair is what the topic may always hold: above it, it makes room from its own
// when the arena is full. append reports how many records went and whether r
// was stored. If not, the arena has no room, and the caller must make some
// elsewhere or come again with fair 0.
func (l *log) append(a *arena, r *record, limit, fair uint32) (evicted int, ok bool) {
	need := recordHead + len(r.name) + len(r.data)
	if l.fits(a, r, need) {
		return 0, true
	}
	top := topClass(min(limit, max(fair, unit)))
	for l.count > 1 && l.bytes+l.growth(a, need, top) > limit {
		l.evict(a)
		evicted++
	}
	chain, ok := l.reserve(a, need, top)
	for !ok && l.count > 1 && l.bytes > fair {
		l.evict(a)
		evicted++
		chain, ok = l.reserve(a, need, top)
	}
	if !ok && fair == 0 && l.count == 1 {
		if chain = l.reuse(a, need); chain != 0 {
			evicted++
			ok = true
		}
	}
	if !ok {
		return evicted, false
	}
	l.write(a, chain, r)
	for l.count > 1 && l.bytes > limit {
		l.evict(a)
		evicted++
	}
	return evicted, true
}

// fits writes r where the last chunk has room for it, which is so eight times
// out of nine in a log of 100-byte readings: no chunk comes or goes.
func (l *log) fits(a *arena, r *record, need int) bool {
	if l.tailChunk == 0 {
		return false
	}
	b := a.bytes(l.tailChunk)
	off := int(l.tailOff)
	if len(b)-off < need {
		return false
	}
	if _, first := firstRecord(b); first == 0 {
		setFirst(b, l.next, off)
	}
	l.lastChunk, l.lastOff = l.tailChunk, l.tailOff
	putRecordHead((*[recordHead]byte)(b[off:]), r)
	off += recordHead
	off += copy(b[off:], r.name)
	off += copy(b[off:], r.data)
	l.tailOff = uint16(off)
	l.next++
	l.count++
	return true
}

// reuse empties the log and returns its chunks as a chain for need bytes, 0
// and nothing changed when they are too few.
func (l *log) reuse(a *arena, need int) chunk {
	room := 0
	for c := l.headChunk; c != 0; c = nextChunk(a.bytes(c)) {
		room += a.size(c) - chunkHead
	}
	if room < need {
		return 0
	}
	chain := l.headChunk
	for c := chain; c != 0; c = nextChunk(a.bytes(c)) {
		setFirst(a.bytes(c), 0, 0)
		if need -= a.size(c) - chunkHead; need <= 0 { // the rest goes back
			rest := nextChunk(a.bytes(c))
			setNext(a.bytes(c), 0)
			for rest != 0 {
				n := nextChunk(a.bytes(rest))
				a.release(rest)
				rest = n
			}
		}
	}
	*l = log{next: l.next}
	return chain
}

// topClass is the largest class worth using for a log of limit bytes: with
// fewer than eight chunks a full log would hold little more than half of it.
func topClass(limit uint32) uint8 {
	c := uint8(numClasses - 1)
	for c > 0 && uint32(classSize(c))*8 > limit {
		c--
	}
	return c
}

// tailRoom is the space left in the last chunk.
func (l *log) tailRoom(a *arena) int {
	if l.tailChunk == 0 {
		return 0
	}
	return a.size(l.tailChunk) - int(l.tailOff)
}

// growth is the chunk bytes that need more bytes of records will take.
func (l *log) growth(a *arena, need int, top uint8) uint32 {
	var n uint32
	last := 0
	if l.tailChunk != 0 {
		last = a.size(l.tailChunk)
	}
	for rest := need - l.tailRoom(a); rest > 0; {
		last = classSize(l.nextClass(last, rest, top))
		n += uint32(last)
		rest -= last - chunkHead
	}
	return n
}

// nextClass: the first chunk of a topic fits its record, each further one may
// be twice the last up to the top class, so that small topics stay small and
// long logs waste little.
func (l *log) nextClass(last, need int, top uint8) uint8 {
	if last == 0 {
		return classFor(need)
	}
	c := uint8(0)
	for c < top && classSize(c) < 2*last {
		c++
	}
	return c
}

// reserve takes the chunks that need more bytes want, chained, or none at all.
func (l *log) reserve(a *arena, need int, top uint8) (chain chunk, ok bool) {
	var last chunk
	lastSize := 0
	if l.tailChunk != 0 {
		lastSize = a.size(l.tailChunk)
	}
	for rest := need - l.tailRoom(a); rest > 0; {
		c := a.alloc(l.nextClass(lastSize, rest, top))
		if c == 0 {
			for chain != 0 {
				n := nextChunk(a.bytes(chain))
				a.release(chain)
				chain = n
			}
			return 0, false
		}
		b := a.bytes(c)
		setNext(b, 0)
		setFirst(b, 0, 0)
		if last == 0 {
			chain = c
		} else {
			setNext(a.bytes(last), c)
		}
		last, lastSize = c, len(b)
		rest -= len(b) - chunkHead
	}
	return chain, true
}

// write appends r; the chunks it needs past the tail stand ready in chain.
func (l *log) write(a *arena, chain chunk, r *record) {
	for c := chain; c != 0; c = nextChunk(a.bytes(c)) {
		l.bytes += uint32(a.size(c))
	}
	if l.tailChunk == 0 {
		l.headChunk, l.headOff = chain, chunkHead
		l.tailChunk, l.tailOff = chain, chunkHead
	} else {
		setNext(a.bytes(l.tailChunk), chain)
		if l.tailRoom(a) == 0 {
			l.tailChunk, l.tailOff = chain, chunkHead
		}
	}
	b := a.bytes(l.tailChunk)
	if _, off := firstRecord(b); off == 0 {
		setFirst(b, l.next, int(l.tailOff))
	}
	l.lastChunk, l.lastOff = l.tailChunk, l.tailOff
	var h [recordHead]byte
	putRecordHead(&h, r)
	l.put(a, h[:])
	l.put(a, r.name)
	l.put(a, r.data)
	l.next++
	l.count++
}

func (l *log) put(a *arena, p []byte) {
	for len(p) > 0 {
		b := a.bytes(l.tailChunk)
		if int(l.tailOff) == len(b) {
			l.tailChunk, l.tailOff = nextChunk(b), chunkHead
			continue
		}
		n := copy(b[l.tailOff:], p)
		l.tailOff += uint16(n)
		p = p[n:]
	}
}

// evict drops the oldest record.
func (l *log) evict(a *arena) {
	var head [recordHead]byte
	l.copyAt(a, place{l.headChunk, int(l.headOff)}, head[:])
	p := l.skip(a, place{l.headChunk, int(l.headOff)}, recordSize(head[:]), true)
	l.headChunk, l.headOff = p.c, uint16(p.off)
	l.count--
	if l.count == 0 {
		l.clear(a)
	}
}

// clear gives every chunk back; sequence numbers go on.
func (l *log) clear(a *arena) {
	for c := l.headChunk; c != 0; {
		n := nextChunk(a.bytes(c))
		a.release(c)
		c = n
	}
	*l = log{next: l.next}
}

// skip moves p on by n bytes; with free it gives back the chunks it leaves.
func (l *log) skip(a *arena, p place, n int, free bool) place {
	for {
		b := a.bytes(p.c)
		if left := len(b) - p.off; n < left || n == left && nextChunk(b) == 0 {
			p.off += n
			return p
		} else {
			n -= left
		}
		next := nextChunk(b)
		if free {
			if l.hintChunk == p.c {
				l.hintChunk = 0
			}
			l.bytes -= uint32(len(b))
			a.release(p.c)
		}
		p = place{next, chunkHead}
	}
}

// copyAt fills dst from p on and returns the place behind it.
func (l *log) copyAt(a *arena, p place, dst []byte) place {
	for len(dst) > 0 {
		b := a.bytes(p.c)
		if p.off == len(b) {
			p = place{nextChunk(b), chunkHead}
			continue
		}
		n := copy(dst, b[p.off:])
		p.off += n
		dst = dst[n:]
	}
	return p
}

// find returns the place of a number that the log holds.
func (l *log) find(a *arena, seq uint64) place {
	first := l.first()
	switch {
	case seq == l.next-1:
		return place{l.lastChunk, int(l.lastOff)}
	case seq == first:
		return place{l.headChunk, int(l.headOff)}
	}
	p, at := place{l.headChunk, int(l.headOff)}, first
	if h := l.next - uint64(uint32(l.next)-l.hintSeq); l.hintChunk != 0 && h >= first && h <= seq {
		p, at = place{l.hintChunk, int(l.hintOff)}, h
	}
	for { // hop over chunks as long as the next one begins at or before seq
		n := nextChunk(a.bytes(p.c))
		for n != 0 { // a chunk in the middle of a large record names none
			if _, off := firstRecord(a.bytes(n)); off != 0 {
				break
			}
			n = nextChunk(a.bytes(n))
		}
		if n == 0 {
			break
		}
		low, off := firstRecord(a.bytes(n))
		s := l.next - uint64(uint32(l.next)-low)
		if s > seq {
			break
		}
		p, at = place{n, off}, s
	}
	var head [recordHead]byte
	for ; at < seq; at++ {
		l.copyAt(a, p, head[:])
		p = l.skip(a, p, recordSize(head[:]), false)
	}
	return p
}

// read appends whole records from seq on to dst until quota bytes are there or
// the log ends, at least one. It returns the number behind the last one.
func (l *log) read(a *arena, seq uint64, dst []byte, quota int) ([]byte, uint64) {
	p := l.find(a, seq)
	start := len(dst)
	for seq < l.next && (len(dst) == start || len(dst)-start < quota) {
		var head [recordHead]byte
		q := l.copyAt(a, p, head[:])
		n := recordSize(head[:])
		dst = append(dst, head[:]...)
		at := len(dst)
		dst = grow(dst, n-recordHead)
		p = l.copyAt(a, q, dst[at:])
		seq++
	}
	if seq < l.next {
		// A record may end exactly at its chunk's end: the next one then
		// begins in the chunk behind.
		if b := a.bytes(p.c); p.off == len(b) {
			p = place{nextChunk(b), chunkHead}
		}
		l.hintChunk, l.hintOff, l.hintSeq = p.c, uint16(p.off), uint32(seq)
	}
	return dst, seq
}

// stamp is the ts of record seq, and its era.
func (l *log) stamp(a *arena, seq uint64) (ts int64, era uint16) {
	var head [recordHead]byte
	l.copyAt(a, l.find(a, seq), head[:])
	ts, _, era = splitStamp(binary.LittleEndian.Uint64(head[:]))
	return ts, era
}

// monoOf is when record seq arrived, by the hub's clock.
func (l *log) monoOf(a *arena, c *calendar, seq uint64) int64 { return c.mono(l.stamp(a, seq)) }

// after is the number of the oldest record that arrived at that time of the
// hub's clock or later. That clock only goes forward, so it halves.
func (l *log) after(a *arena, c *calendar, mono int64) uint64 {
	lo, hi := l.first(), l.next
	for lo < hi {
		mid := lo + (hi-lo)/2
		if l.monoOf(a, c, mid) < mono {
			lo = mid + 1
		} else {
			hi = mid
		}
	}
	return lo
}

func grow(b []byte, n int) []byte {
	if cap(b)-len(b) < n {
		b = append(b, make([]byte, n)...)
		return b
	}
	return b[:len(b)+n]
}
