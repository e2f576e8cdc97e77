package store

// Stats are the store's sizes and counters now.
func (s *Store) Stats() Stats {
	s.mu.Lock()
	defer s.mu.Unlock()
	st := s.stats
	st.Budget = s.opt.Bytes
	st.Bytes = s.used + s.damaged.Load() + s.opt.Bytes - s.opt.segmentBytes() - s.opt.damagedBytes()
	st.Segments, st.Topics, st.Pending = len(s.segs), len(s.byName), len(s.pending)+len(s.inflight)-s.flown
	for _, c := range s.cursors {
		if !c.ended {
			st.Cursors++
		}
	}
	return st
}

// Worst is the memory that a store takes at most, in bytes, with so many
// topics with names and publishers of usual length (32 bytes):
//
//	topics   × 320                the entry, its name, its place in the map
//	segments × (160 + topics/8)   what lies where: one bit a topic
//
// and the larger of what opening and running take:
//
//	opening  Devices × 1.25 × (PerDevice × 32 + 120), a segment; until Devices was called
//	running  2 × Pending          the buffer that fills and the one that is written
//	         3 × segment          what the head has not written, a segment read whole
//	         segment/24 × 48      the head's index: a reading takes 24 bytes or more
//	         segment/64 × 120     its streams
//	         Acks × 64, and a MiB of notes
//
// A Read takes 64 KiB more for as long as it runs, and a segment where damage
// is in the way.
func Worst(o Options, topics int) int64 {
	o = o.withDefaults()
	n, seg := int64(min(topics, o.Topics)), int64(o.segmentSize())
	segs := o.segmentBytes()/seg + 1
	opening := int64(o.Devices)*5/4*(PerDevice*32+120) + seg
	running := 2*int64(o.Pending) + 3*seg + seg/24*48 + min(n, seg/64)*120 + int64(o.Acks)*64 + int64(o.noteBytes())
	return n*320 + segs*(160+n/8) + max(opening, running)
}
