package arena

import "encoding/binary"

// skip moves p on by n bytes; with free it gives back the chunks it leaves.
func (l *Log) skip(a *Arena, p place, n int, free bool) place {
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
func (l *Log) copyAt(a *Arena, p place, dst []byte) place {
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
func (l *Log) find(a *Arena, seq uint64) place {
	first := l.First()
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
	var head [headSize]byte
	for ; at < seq; at++ {
		l.copyAt(a, p, head[:])
		p = l.skip(a, p, recordSize(head[:]), false)
	}
	return p
}

// Read appends whole records from seq on to dst until quota bytes are there or
// the log ends, at least one. It returns the number behind the last one.
func (l *Log) Read(a *Arena, seq uint64, dst []byte, quota int) ([]byte, uint64) {
	p := l.find(a, seq)
	start := len(dst)
	for seq < l.next && (len(dst) == start || len(dst)-start < quota) {
		var head [headSize]byte
		q := l.copyAt(a, p, head[:])
		n := recordSize(head[:])
		dst = append(dst, head[:]...)
		at := len(dst)
		dst = grow(dst, n-headSize)
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

// Time is when record seq arrived: its ts, and the same by the hub's clock.
func (l *Log) Time(a *Arena, c *Calendar, seq uint64) (ts, mono int64) {
	var head [headSize]byte
	l.copyAt(a, l.find(a, seq), head[:])
	ts, _, era := splitStamp(binary.LittleEndian.Uint64(head[:]))
	return ts, c.Mono(ts, era)
}

// After is the number of the oldest record that arrived at that time of the
// hub's clock or later. That clock only goes forward, so it halves.
func (l *Log) After(a *Arena, c *Calendar, mono int64) uint64 {
	lo, hi := l.First(), l.next
	for lo < hi {
		mid := lo + (hi-lo)/2
		if _, at := l.Time(a, c, mid); at < mono {
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
