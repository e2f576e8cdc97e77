package store

import (
	"encoding/binary"
	"slices"

	"topicd/node/fields"
)

// jump notes an unclean end: from place at on, skipped places were never given
// and times jumps of Ahead were made in the numbers of all topics.
type jump struct {
	at             Place
	skipped, times uint64
}

// lostRange says why places from..to, where they are missing, are gone.
type lostRange struct {
	from, to Place
	reason   Reason
}

// Reason is why readings that were stored are gone.
type Reason uint8

const (
	ByBytes Reason = iota
	ByAge
	ByDamage
	reasons
)

func (r Reason) String() string { return [...]string{"bytes", "age", "damaged"}[r] }

// maxNotes bounds jumps and lost ranges: older ones are joined.
const maxNotes = 32

// standing is the record kindState: where the log stood when it was written.
type standing struct {
	boot  uint32
	epoch uint64 // the first that the next run may use
	place Place
	lost  [reasons]uint64
	torn  uint64
	jumps []jump
	gone  []lostRange
	cuts  []cut
}

// cut says that a segment which failed ends at end. What lies behind was written
// anew into a later one, but the truncation may not have reached the device:
// some of those records would come back and hide the ones that were acknowledged.
type cut struct {
	no  uint64
	end int
}

// maxCuts bounds the cuts that are remembered.
const maxCuts = 64

func (st *standing) put(b []byte) []byte {
	b = binary.AppendUvarint(b, uint64(st.boot))
	b = binary.AppendUvarint(b, st.epoch)
	b = binary.AppendUvarint(b, uint64(st.place))
	for _, n := range st.lost {
		b = binary.AppendUvarint(b, n)
	}
	b = binary.AppendUvarint(b, st.torn)
	b = binary.AppendUvarint(b, uint64(len(st.jumps)))
	for _, j := range st.jumps {
		b = binary.AppendUvarint(b, uint64(j.at))
		b = binary.AppendUvarint(b, j.skipped)
		b = binary.AppendUvarint(b, j.times)
	}
	b = binary.AppendUvarint(b, uint64(len(st.gone)))
	for _, g := range st.gone {
		b = binary.AppendUvarint(b, uint64(g.from))
		b = binary.AppendUvarint(b, uint64(g.to))
		b = append(b, byte(g.reason))
	}
	b = binary.AppendUvarint(b, uint64(len(st.cuts)))
	for _, c := range st.cuts {
		b = binary.AppendUvarint(b, c.no)
		b = binary.AppendUvarint(b, uint64(c.end))
	}
	return b
}

func parseStanding(b []byte) (st standing, ok bool) {
	f := fields.Reader{B: b}
	st.boot = uint32(f.Uint())
	st.epoch = f.Uint()
	st.place = Place(f.Uint())
	for i := range st.lost {
		st.lost[i] = f.Uint()
	}
	st.torn = f.Uint()
	for n := min(f.Uint(), maxNotes); n > 0; n-- {
		st.jumps = append(st.jumps, jump{Place(f.Uint()), f.Uint(), f.Uint()})
	}
	for n := min(f.Uint(), maxNotes); n > 0; n-- {
		g := lostRange{from: Place(f.Uint()), to: Place(f.Uint())}
		g.reason = Reason(f.Uint()) % reasons
		st.gone = append(st.gone, g)
	}
	if len(f.B) == 0 {
		return st, !f.Bad // written before there were cuts
	}
	for n := min(f.Uint(), maxCuts); n > 0; n-- {
		st.cuts = append(st.cuts, cut{f.Uint(), int(f.Uint() & (4*maxSegment - 1))})
	}
	return st, !f.Bad
}

// standingLocked is where the log stands now.
func (s *Store) standingLocked() standing {
	return standing{
		boot: s.boot, epoch: s.epoch + EpochRoom, place: s.place, torn: s.stats.Torn,
		lost:  [reasons]uint64{s.stats.LostBytes, s.stats.LostAge, s.stats.LostDamaged},
		jumps: s.jumps, gone: s.lost, cuts: s.cuts,
	}
}

// jumpsSince is how many jumps of Ahead the numbers of a topic have made whose
// newest reading lies at p.
func (s *Store) jumpsSince(p Place) (n uint64) {
	for _, j := range s.jumps {
		if j.at > p {
			n += j.times
		}
	}
	return n
}

// skipped is how many places in from..to were never given.
func skipped(jumps []jump, from, to Place) (n uint64) {
	for _, j := range jumps {
		lo, hi := max(from, j.at-Place(j.skipped)), min(to, j.at)
		if lo < hi {
			n += uint64(hi - lo)
		}
	}
	return n
}

func (s *Store) noteJump(j jump) {
	s.jumps = append(s.jumps, j)
	if len(s.jumps) > maxNotes {
		a, b := s.jumps[0], s.jumps[1]
		s.jumps[1] = jump{b.at, a.skipped + b.skipped, a.times + b.times}
		s.jumps = append([]jump(nil), s.jumps[1:]...)
	}
}

// withLost is list with why the readings of a segment are gone.
func withLost(list []lostRange, from, to Place, r Reason) []lostRange {
	if from == 0 {
		return list
	}
	list = slices.Clone(list) // readers have the old one
	if n := len(list); n > 0 && list[n-1].reason == r && list[n-1].to < from {
		list[n-1].to = to
	} else {
		list = append(list, lostRange{from, to, r})
	}
	if len(list) > maxNotes {
		list[1].from = list[0].from
		list = list[1:]
	}
	return list
}

// why says for what reason the places from..to (exclusive) are missing.
func why(gone []lostRange, from, to, horizon Place) Reason {
	for _, g := range gone {
		if from <= g.to && g.from < to {
			return g.reason
		}
	}
	if from < horizon {
		return ByBytes
	}
	return ByDamage
}

// noteCut remembers where a segment that failed ends. Of too many the oldest go
// that never held anything.
func (s *Store) noteCut(c cut) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.cuts = append(slices.Clip(s.cuts), c)
	if len(s.cuts) > maxCuts {
		i := max(0, slices.IndexFunc(s.cuts, func(c cut) bool { return c.end == 0 }))
		s.cuts = slices.Delete(slices.Clone(s.cuts), i, i+1)
	}
}

// dropCutsLocked forgets the cuts of segments whose removal is on disk.
func (s *Store) dropCutsLocked() {
	s.cuts = slices.DeleteFunc(slices.Clone(s.cuts), func(c cut) bool {
		return !slices.ContainsFunc(s.segs, func(g *segment) bool { return g.no == c.no })
	})
}
