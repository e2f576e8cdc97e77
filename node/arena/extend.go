package arena

import "encoding/binary"

// Oldest is the oldest record. Its slices lie in the arena, or in buf where the record
// lies in several chunks: false when it is longer than buf. They are good until the
// log changes.
func (l *Log) Oldest(a *Arena, buf []byte) (r Record, ok bool) {
	if l.count == 0 {
		return r, false
	}
	p := place{l.headChunk, int(l.headOff)}
	if b := a.bytes(p.c)[p.off:]; len(b) >= headSize && len(b) >= recordSize(b) {
		r, _ = Parse(b)
		return r, true
	}
	var head [headSize]byte
	l.copyAt(a, p, head[:])
	n := recordSize(head[:])
	if n > len(buf) {
		return r, false
	}
	l.copyAt(a, p, buf[:n])
	r, _ = Parse(buf[:n])
	return r, true
}

// Extend appends to the data of the newest record, which has no Ext. Before it, the
// oldest records go until limit bytes hold, or until the arena has room. It reports
// whether there was room; if not, nothing has changed but that records may have gone.
func (l *Log) Extend(a *Arena, data []byte, limit uint32) bool {
	if l.count == 0 {
		return false
	}
	top := topClass(limit)
	for l.count > 1 && l.bytes+l.growth(a, len(data), top) > limit {
		l.Evict(a)
	}
	chain, ok := l.reserve(a, len(data), top)
	for !ok && l.count > 1 {
		l.Evict(a)
		chain, ok = l.reserve(a, len(data), top)
	}
	if !ok {
		return false
	}
	if chain != 0 {
		for c := chain; c != 0; c = nextChunk(a.bytes(c)) {
			l.bytes += uint32(a.size(c))
		}
		setNext(a.bytes(l.tailChunk), chain)
	}
	l.put(a, data)
	var head [headSize]byte
	at := place{l.lastChunk, int(l.lastOff)}
	l.copyAt(a, at, head[:])
	n := binary.LittleEndian.Uint32(head[8:])
	binary.LittleEndian.PutUint32(head[8:], n+uint32(len(data)))
	l.storeAt(a, at, head[:])
	return true
}

// storeAt writes src over what stands from p on.
func (l *Log) storeAt(a *Arena, p place, src []byte) {
	for len(src) > 0 {
		b := a.bytes(p.c)
		if p.off == len(b) {
			p = place{nextChunk(b), chunkHead}
			continue
		}
		n := copy(b[p.off:], src)
		p.off += n
		src = src[n:]
	}
}

// Origin is the origin of record seq, which the log holds.
func (l *Log) Origin(a *Arena, seq uint64) uint32 {
	var head [headSize]byte
	l.copyAt(a, l.find(a, seq), head[:])
	return binary.LittleEndian.Uint32(head[12:])
}
