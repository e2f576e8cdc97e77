package arena

import (
	"errors"
	"fmt"
)

// Check proves the log's invariants and returns every breach. seen are the chunks
// of the arena's other logs; the log's own are added.
func (l *Log) Check(a *Arena, seen map[uint32]bool) error {
	var errs []error
	bad := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	if l.count == 0 {
		if l.bytes != 0 || l.headChunk != 0 {
			bad("empty, and holds %d bytes", l.bytes)
		}
		return errors.Join(errs...)
	}
	var bytes uint32
	last := chunk(0)
	for c := l.headChunk; c != 0; c = nextChunk(a.bytes(c)) {
		if seen[uint32(c)] {
			bad("chunk %d is another log's", c)
			return errors.Join(errs...)
		}
		seen[uint32(c)] = true
		bytes += uint32(a.size(c))
		last = c
	}
	if bytes != l.bytes || last != l.tailChunk {
		bad("%d bytes in chunks, %d counted; tail %d, %d", bytes, l.bytes, last, l.tailChunk)
	}
	p := place{l.headChunk, int(l.headOff)}
	for seq := l.First(); seq < l.next; seq++ {
		var head [headSize]byte
		if q := l.find(a, seq); a.normal(q) != a.normal(p) {
			bad("reading %d is at %v, found at %v", seq, p, q)
		}
		l.copyAt(a, p, head[:])
		p = l.skip(a, p, recordSize(head[:]), false)
	}
	if a.normal(p) != a.normal(place{l.tailChunk, int(l.tailOff)}) {
		bad("records end at %v, tail is %d+%d", p, l.tailChunk, l.tailOff)
	}
	return errors.Join(errs...)
}

// normal: the end of a chunk and the begin of the next are one place.
func (a *Arena) normal(p place) place {
	if b := a.bytes(p.c); p.off == len(b) && nextChunk(b) != 0 {
		return place{nextChunk(b), chunkHead}
	}
	return p
}
