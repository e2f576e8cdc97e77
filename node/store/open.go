package store

import (
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"sort"
	"syscall"
)

// Open opens the store in Options.Dir, made when it is missing, mends what an
// unclean end or a damaged card left, and starts the writer. It reads all of
// the log, so that damage is known at once. Damage is no error. Errors are
// ErrLocked and a directory that cannot be written; a full or failing device
// makes a store in trouble, which writes as soon as it can.
func Open(opt Options) (*Store, error) {
	s := &Store{
		opt: opt.withDefaults(), wake: make(chan struct{}, 1), done: make(chan struct{}), turned: make(chan struct{}),
		byName: map[string]*topic{}, cursors: map[cursorKey]*cursor{}, devices: map[string]*device{},
	}
	if err := s.take(); err != nil {
		return nil, err
	}
	if err := s.recover(); err != nil {
		return nil, errors.Join(err, s.lock.Close())
	}
	go s.writeLoop()
	return s, nil
}

// take makes the directory and locks it.
func (s *Store) take() error {
	dir := s.opt.Dir
	err := s.opt.FS.MkdirAll(dir)
	if err == nil {
		s.lock, err = s.opt.FS.Lock(dir)
	}
	switch {
	case err == nil || errors.Is(err, ErrLocked):
	case errors.Is(err, fs.ErrPermission):
		err = fmt.Errorf("store: %s belongs to somebody else or may not be written: %w", dir, err)
	case errors.Is(err, syscall.EROFS):
		err = fmt.Errorf("store: %s lies on a file system that is mounted read-only: %w", dir, err)
	default:
		err = fmt.Errorf("store: %w", err)
	}
	return err
}

// loader is what reading the log gathers.
type loader struct {
	stand standing
	ep    uint64 // the largest seen
	acks  map[cursorKey]map[string]cursorAck
	marks map[string]markRec
	place Place // of the last reading in its place
	gap   bool  // damage since then
	front Place // the first reading, when damage lies before it
	torn  bool  // a tail was cut
	hurt  bool  // damage anywhere
	clean bool  // the last record is a clean mark
	head  *head
}

type markRec struct {
	ep, next uint64
	place    Place
	seg      uint64
}

func (s *Store) recover() error {
	list, err := s.opt.FS.ReadDir(s.opt.Dir)
	if err != nil {
		return fmt.Errorf("store: %w", err)
	}
	var segs []Entry
	for _, e := range list {
		if e.Name == spareName && !e.Dir {
			s.setSpareLocked(charge(e.Size)) // nobody else has the store yet
		}
		if _, ok := parseSegName(e.Name); ok && !e.Dir {
			segs = append(segs, e)
		}
	}
	sort.Slice(segs, func(i, j int) bool { return segs[i].Name < segs[j].Name })
	s.damaged.Store(s.damagedSize())
	s.findSalt(segs)
	l := &loader{acks: map[cursorKey]map[string]cursorAck{}, marks: map[string]markRec{}, clean: true}
	s.cuts = s.findCuts(segs)
	for i, e := range segs {
		no, _ := parseSegName(e.Name)
		s.boot = max(s.boot, uint32(no>>32))
		s.load(l, no, e.Size, i == len(segs)-1)
	}
	s.resolve(l)
	s.start(l)
	return nil
}

// begins reads into b what a segment begins with, nothing where it cannot be read.
func (s *Store) begins(e Entry, b []byte) (no uint64, _ []byte) {
	no, _ = parseSegName(e.Name)
	f, err := s.opt.FS.Open(s.segPath(no), false)
	if err != nil {
		return no, nil
	}
	n, _ := f.ReadAt(b, 0)
	_ = f.Close()
	return no, b[:n]
}

// findSalt takes the store's salt from the first header that is whole. Where
// none is left the log cannot be read and a new one begins.
func (s *Store) findSalt(segs []Entry) {
	b := make([]byte, segStart)
	for _, e := range segs {
		no, b := s.begins(e, b)
		if salt, ok := segSalt(b, no); ok {
			s.salt = salt
			return
		}
	}
	s.salt = random()
}

// findCuts takes from the newest first state that can be read where segments that
// failed end: each segment says it anew.
func (s *Store) findCuts(segs []Entry) []cut {
	b := make([]byte, block)
	for _, e := range slices.Backward(segs) {
		no, b := s.begins(e, b)
		kind, payload, _ := keyOf(s.salt, no).record(b, min(segStart, len(b)), segStart)
		if st, ok := parseStanding(payload); kind == kindState && ok {
			return st.cuts
		}
	}
	return nil
}

func random() uint64 {
	var b [8]byte
	_, _ = rand.Read(b[:])
	return binary.LittleEndian.Uint64(b[:])
}

// resolve settles what could only be known at the end of the log.
func (s *Store) resolve(l *loader) {
	st := &l.stand
	s.boot = max(s.boot, st.boot) + 1
	s.jumps, s.lost = st.jumps, st.gone
	s.stats.LostBytes, s.stats.LostAge = st.lost[ByBytes], st.lost[ByAge]
	s.stats.LostDamaged += st.lost[ByDamage]
	s.stats.Torn += st.torn
	if l.front > 0 {
		base := Place(0)
		for _, g := range st.gone {
			if g.to < l.front {
				base = max(base, g.to)
			}
		}
		n := uint64(l.front - base - 1)
		s.stats.LostDamaged += n - min(n, skipped(st.jumps, base+1, l.front))
	}
	s.place = max(s.place, st.place)
	s.epoch = max(uint64(max(s.opt.Wall(), 1)), st.epoch, l.ep+1)
	switch {
	case l.hurt: // it may have hit what the last runs wrote of their own leaps
		s.leap(8)
	case l.torn || !l.clean:
		s.leap(1)
	}
	s.began = s.place + 1
	s.synced.Store(uint64(s.place))
	for name, m := range l.marks {
		if t := s.byName[name]; t != nil && t.ep == m.ep {
			t.mark, t.markPlace, t.markSeg = m.next, m.place, m.seg
		}
	}
	for k, c := range s.cursors {
		for name, a := range l.acks[k] {
			if t := s.byName[name]; t != nil && t.ep == a.ep {
				c.acks[t.num] = ack{seq: a.seq, seg: a.seg}
				s.acks++
			}
		}
	}
}

// leap goes on above all places and numbers that the last run may have given.
func (s *Store) leap(times uint64) {
	s.place += Place(placeJump * times)
	s.noteJump(jump{at: s.place + 1, skipped: placeJump * times, times: times})
}

// start writes where the log stands: from then on this run's places, numbers
// and epochs are known to the next one. Where that cannot be written they are
// drawn so far above that no later run will come to them.
func (s *Store) start(l *loader) {
	s.shrink = s.tight()
	s.head = l.head
	err := s.putStanding()
	if err != nil {
		s.abandon()
		err = s.putStanding()
	}
	if err != nil {
		s.abandon()
		s.epoch += random() >> 20
		s.leap(random() >> 52)
		s.began = s.place + 1
		s.synced.Store(uint64(s.place))
	}
	for _, t := range s.byName {
		t.top = s.nextLocked(t)
		t.limit = t.top + Ahead
	}
	if err == nil && s.shrink {
		err = s.roll(0)
	}
	if err != nil {
		s.settle(err)
	}
	s.sampleLocked(s.opt.Mono())
}

func (s *Store) putStanding() error {
	if err := s.room(4096, 0); err != nil { // a new segment begins with it
		return err
	}
	for range 2 { // losing one of them must not bring back a number
		s.putState(nil)
	}
	return s.sync(0)
}
