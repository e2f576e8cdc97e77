package store

import "time"

// reach is how far a sync goes.
type reach struct {
	off   int           // in the segment: what is written
	base  int           // and what of it are records to their end
	recs  int           // in the head's index
	pos   int           // in inflight
	held  int           // of inflight behind pos, what waits for the next sync
	place Place         // the first of that
	since time.Duration // and when it began to wait
}

// whole is all that the head has put.
func (s *Store) whole(pos int) reach {
	h := s.head
	return reach{off: h.off(), base: h.off(), recs: len(h.recs), pos: pos}
}

// blocks is all, but for the readings behind the last whole block where they are so
// young that they can wait for the next sync: a device writes blocks, and one that is
// written when it is full is written once.
func (s *Store) blocks(all reach) reach {
	h := s.head
	to := reach{off: all.off &^ (block - 1), base: h.base, recs: h.n, pos: s.flown}
	if s.opt.Sync == 0 || to.off <= h.wrote {
		return all
	}
	for to.recs < len(h.recs) {
		st := unstage(s.inflight[to.pos:])
		if st.forget {
			return all
		}
		if to.base = 4 * int(h.recs[to.recs].off); h.end(to.recs) > to.off {
			if to.recs == h.n || !s.canWait(&st) {
				return all
			}
			to.held, to.place, to.since = all.pos-to.pos, st.place, st.at
			return to
		}
		to.pos += st.size
		to.recs++
	}
	return all
}

// zero writes a new file full, unless the last one was filled in a few large syncs.
// In blocks that are allocated and not written ext4 has the fsync of each piece write
// three blocks of its journal more; this writes each block once more, in one stride.
func (s *Store) zero(f File, size int) (err error) {
	b := make([]byte, syncBytes)
	for at := 0; s.slow && at < size && err == nil; at += len(b) {
		_, err = f.WriteAt(b[:min(len(b), size-at)], int64(at))
	}
	return err
}

// end is where a reading's record ends, and what was put behind it that is none.
func (h *head) end(rec int) int {
	if rec+1 < len(h.recs) {
		return 4 * int(h.recs[rec+1].off)
	}
	return h.off()
}

// canWait reports whether a reading may go with the next sync, and all behind it.
func (s *Store) canWait(st *staged) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return !s.closing && st.place > s.wanted && s.opt.Mono()-st.at < s.opt.Sync/2
}
