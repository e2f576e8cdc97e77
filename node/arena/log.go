package arena

import "encoding/binary"

// Log is a topic's bounded log: a chain of chunks in the arena. It has no lock of
// its own: its topic's guards it. Sequence numbers have no holes, so a record's
// number follows from its place.
type Log struct {
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

// Begin says which number the next record gets: 1, or where a topic's numbers went
// on before. The log must be empty.
func (l *Log) Begin(next uint64) { l.next = next }

// Next is the number that the next record will get.
func (l *Log) Next() uint64 { return l.next }

// First is the number of the oldest record; Next where there is none.
func (l *Log) First() uint64 { return l.next - uint64(l.count) }

// Count is how many records it holds.
func (l *Log) Count() uint32 { return l.count }

// Bytes is what it takes of the arena.
func (l *Log) Bytes() uint32 { return l.bytes }

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

// Append stores r as the newest record. Before it, the oldest go until limit
// bytes hold; the newest goes only when its successor takes its very place.
// fair is what the topic may always hold: above it, it makes room from its own
// when the arena is full. Append reports how many records went and whether r
// was stored. If not, the arena has no room, and the caller must make some
// elsewhere or come again with fair 0.
func (l *Log) Append(a *Arena, r *Record, limit, fair uint32) (evicted int, ok bool) {
	return l.AppendTelling(a, r, limit, fair, nil)
}

// Leaver is told that the oldest record of a log is about to go (Log.Oldest).
type Leaver interface{ Leaves(a *Arena, l *Log) }

// AppendTelling is Append that tells out of each record that goes, unless it is nil.
func (l *Log) AppendTelling(a *Arena, r *Record, limit, fair uint32, out Leaver) (evicted int, ok bool) {
	need := r.Size()
	if l.fits(a, r, need) {
		return 0, true
	}
	top := topClass(min(limit, max(fair, unit)))
	for l.count > 1 && l.bytes+l.growth(a, need, top) > limit {
		l.EvictTelling(a, out)
		evicted++
	}
	chain, ok := l.reserve(a, need, top)
	for !ok && l.count > 1 && l.bytes > fair {
		l.EvictTelling(a, out)
		evicted++
		chain, ok = l.reserve(a, need, top)
	}
	if !ok && fair == 0 && l.count == 1 {
		if chain = l.reuse(a, need, out); chain != 0 {
			evicted++
			ok = true
		}
	}
	if !ok {
		return evicted, false
	}
	l.write(a, chain, r)
	for l.count > 1 && l.bytes > limit {
		l.EvictTelling(a, out)
		evicted++
	}
	return evicted, true
}

// fits writes r where the last chunk has room for it, which is so eight times
// out of nine in a log of 100-byte readings: no chunk comes or goes.
func (l *Log) fits(a *Arena, r *Record, need int) bool {
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
	putRecordHead((*[headSize]byte)(b[off:]), r)
	off += headSize
	off += copy(b[off:], r.Name)
	if len(r.Ext) > 0 {
		binary.LittleEndian.PutUint16(b[off:], uint16(len(r.Ext)))
		off += 2 + copy(b[off+2:], r.Ext)
	}
	off += copy(b[off:], r.Data)
	l.tailOff = uint16(off)
	l.next++
	l.count++
	return true
}

// reuse empties the log and returns its chunks as a chain for need bytes, 0
// and nothing changed when they are too few.
func (l *Log) reuse(a *Arena, need int, out Leaver) chunk {
	room := 0
	for c := l.headChunk; c != 0; c = nextChunk(a.bytes(c)) {
		room += a.size(c) - chunkHead
	}
	if room < need {
		return 0
	}
	if out != nil {
		out.Leaves(a, l)
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
	*l = Log{next: l.next}
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
func (l *Log) tailRoom(a *Arena) int {
	if l.tailChunk == 0 {
		return 0
	}
	return a.size(l.tailChunk) - int(l.tailOff)
}

// growth is the chunk bytes that need more bytes of records will take.
func (l *Log) growth(a *Arena, need int, top uint8) uint32 {
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
func (l *Log) nextClass(last, need int, top uint8) uint8 {
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
func (l *Log) reserve(a *Arena, need int, top uint8) (chain chunk, ok bool) {
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
func (l *Log) write(a *Arena, chain chunk, r *Record) {
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
	var h [headSize]byte
	putRecordHead(&h, r)
	l.put(a, h[:])
	l.put(a, r.Name)
	if len(r.Ext) > 0 {
		l.put(a, binary.LittleEndian.AppendUint16(nil, uint16(len(r.Ext))))
		l.put(a, r.Ext)
	}
	l.put(a, r.Data)
	l.next++
	l.count++
}

func (l *Log) put(a *Arena, p []byte) {
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

// EvictTelling is Evict that tells out, unless it is nil.
func (l *Log) EvictTelling(a *Arena, out Leaver) {
	if out != nil {
		out.Leaves(a, l)
	}
	l.Evict(a)
}

// Evict drops the oldest record.
func (l *Log) Evict(a *Arena) {
	var head [headSize]byte
	l.copyAt(a, place{l.headChunk, int(l.headOff)}, head[:])
	p := l.skip(a, place{l.headChunk, int(l.headOff)}, recordSize(head[:]), true)
	l.headChunk, l.headOff = p.c, uint16(p.off)
	l.count--
	if l.count == 0 {
		l.Clear(a)
	}
}

// Clear gives every chunk back; sequence numbers go on.
func (l *Log) Clear(a *Arena) {
	for c := l.headChunk; c != 0; {
		n := nextChunk(a.bytes(c))
		a.release(c)
		c = n
	}
	*l = Log{next: l.next}
}
