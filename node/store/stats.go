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
//	topics   × 320                     entry, name, map
//	segments × (160 + topics/8)        what lies where: one bit a topic
//	3 × Pending                        two buffers that swap, one that is shrunk late
//	4 × segment                        the head's records and a segment read whole
//	the head's index                   64 bytes a reading of 24 bytes or more, 120 a stream
//	Acks × 64
//	Devices × 2 × (PerDevice × 40 + 100) until Devices was called
//
// A Read takes 64 KiB more for as long as it runs, and a segment where damage
// is in the way.
func Worst(o Options, topics int) int64 {
	o = o.withDefaults()
	n, seg := int64(min(topics, o.Topics)), int64(o.segmentSize())
	segs := o.segmentBytes()/seg + 1
	perHead := seg / 24 * 64
	streams := min(n, seg/64) * 120
	devices := int64(o.Devices) * 2 * (PerDevice*40 + 100)
	return n*320 + segs*(160+n/8) + 3*int64(o.Pending) + 4*seg + perHead + streams + int64(o.Acks)*64 + devices
}
