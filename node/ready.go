package node

// marked reports whether the cursor of this subscription on t exists already.
// One atomic load (three for a pattern): the price of a publish for a reader
// that has not caught up. Called with t.mu held.
func (b *Subscription) marked(t *Topic) bool {
	if b.exact {
		return b.ready.Load() == t.idx+1
	}
	return b.s.marks.Has(t.idx)
}

// setMarkLocked notes that a cursor of b on t exists.
func (b *Subscription) setMarkLocked(t *Topic, on bool) {
	switch {
	case !b.exact:
		b.s.marks.Set(t.idx, on)
	case on:
		b.ready.Store(t.idx + 1)
	default:
		// Of a name that ended and was made again the cursor on the old topic may be
		// on the list still.
		b.ready.CompareAndSwap(t.idx+1, 0)
	}
}
