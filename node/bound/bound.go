// Package bound counts what many may hold together, and what one may do in a
// second. The transport, HTTP and the dialects share the two types, so that
// there is one place that can be wrong.
package bound

import "sync/atomic"

// Bytes are what many hold together of something that peers decide the size of:
// beginnings of messages, bodies, answers that nobody reads.
type Bytes struct {
	// static after construction
	Most int64 // that all together may hold
	Few  int64 // bytes that are granted to anybody, whatever the others hold

	held atomic.Int64
}

// Take counts n more bytes, unless that is too much for all together and more
// than a few: false says that nothing was counted.
func (b *Bytes) Take(n int) bool {
	if b.held.Add(int64(n)) > b.Most && int64(n) > b.Few {
		b.held.Add(-int64(n))
		return false
	}
	return true
}

// Give takes n bytes off the count. What was taken is given back once.
func (b *Bytes) Give(n int) { b.held.Add(-int64(n)) }

// Free is Give, and tells whether all together held more than they may until then, and
// do not any more.
func (b *Bytes) Free(n int) bool {
	left := b.held.Add(-int64(n))
	return left <= b.Most && left+int64(n) > b.Most
}

// Move counts that somebody holds now bytes who held was: it is never refused,
// for what is kept because it has come in already. See Full.
func (b *Bytes) Move(was, now int) {
	if now != was {
		b.held.Add(int64(now - was))
	}
}

// Held is what all hold together.
func (b *Bytes) Held() int64 { return b.held.Load() }

// Full tells whether all together hold more than they may.
func (b *Bytes) Full() bool { return b.held.Load() > b.Most }

// Allowance is what somebody may use up in a span of time; all of it may go at
// once, and it fills in that span. It has one owner. The zero value is whole.
// Each connection has two: it is small.
type Allowance struct {
	used float32 // at that time; nothing is noted of who is refused, so that nothing is rounded away
	at   uint32  // milliseconds of the owner's clock, of which only differences count
}

// Take charges n of at most most in span milliseconds, at now, milliseconds of a
// clock that only goes forward. false: it was used up, and nothing is charged. The
// last to be granted may be more than what was left.
func (a *Allowance) Take(n, most int, span, now int64) bool {
	used := a.usedAt(most, span, now)
	if used >= float64(most) {
		return false
	}
	if a.at += a.since(now); used == 0 {
		a.at = uint32(now)
	}
	a.used = float32(used + float64(n))
	return true
}

// Whole tells whether nothing of it is used up any more.
func (a *Allowance) Whole(most int, span, now int64) bool {
	return a.usedAt(most, span, now) == 0
}

func (a *Allowance) usedAt(most int, span, now int64) float64 {
	return max(0, float64(a.used)-float64(a.since(now))*float64(most)/float64(span))
}

// since is the time since the last one that was granted, up to the 49 days that 32
// bits can tell. Who shares an allowance may come with times that overlap.
func (a *Allowance) since(now int64) uint32 {
	if d := uint32(now) - a.at; d < 1<<32-overlap {
		return d
	}
	return 0
}

const overlap = 1 << 16 // milliseconds
