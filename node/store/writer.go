package store

import (
	"errors"
	"fmt"
	"runtime"
	"slices"
	"time"
)

// writeLoop is the writer: the only goroutine that writes to the segments.
func (s *Store) writeLoop() {
	defer close(s.done)
	timer := time.NewTimer(time.Hour)
	for {
		wait, stop := s.due()
		if stop {
			break
		}
		if wait > 0 {
			timer.Reset(wait)
			select {
			case <-s.wake:
				if s.opt.Sync == 0 {
					runtime.Gosched() // others that are about to publish share the fsync
				}
			case <-timer.C:
			}
			continue
		}
		s.turn()
	}
	timer.Stop()
	s.end()
}

// due is how long the writer may sleep, and whether it is to end.
func (s *Store) due() (wait time.Duration, stop bool) {
	now := s.opt.Mono()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closing {
		return 0, true
	}
	if s.state.Trouble != OK {
		return s.retryAt - now, false
	}
	wait = time.Hour
	if s.opt.Age > 0 || len(s.cursors) > 0 {
		wait = s.agedAt + s.tick() - now
	}
	if len(s.inflight) > s.flown+s.held || len(s.pending) >= syncBytes {
		wait = 0
	} else if s.waits {
		wait = min(wait, s.since+s.opt.Sync-now)
	}
	return wait, false
}

// tick is how often the writer looks for what is too old.
func (s *Store) tick() time.Duration {
	t := time.Minute
	if s.opt.Age > 0 {
		t = min(t, s.opt.Age/16)
	}
	return max(min(t, s.opt.Forget/16), 10*time.Millisecond)
}

// turn writes what waits. In trouble it is the attempt to get out of it.
func (s *Store) turn() {
	err := s.write()
	if err != nil {
		s.abandon()
		if err = s.write(); err != nil { // anew, in a segment of its own
			s.abandon()
		}
	}
	s.settle(err)
	s.mu.Lock()
	close(s.turned)
	s.turned = make(chan struct{})
	s.mu.Unlock()
	s.opt.Changed()
}

// write takes what waits and writes and syncs all of it.
func (s *Store) write() error {
	now := s.opt.Mono()
	if s.agedAt == 0 || now-s.agedAt >= s.tick() {
		if err := s.expire(now); err != nil {
			return err
		}
		s.agedAt = now
	}
	s.mu.Lock()
	s.takeLocked()
	moved := s.moved
	s.mu.Unlock()
	pos := s.flown + s.held
	for pos < len(s.inflight) {
		st := unstage(s.inflight[pos:])
		if err := s.putStaged(&st, pos); err != nil {
			return err
		}
		pos += st.size
	}
	if err := s.putMoved(pos); err != nil {
		return err
	}
	if s.head != nil {
		to := s.whole(pos)
		if !moved {
			to = s.blocks(to)
		}
		if err := s.syncTo(to); err != nil {
			return err
		}
	}
	s.mu.Lock()
	if s.flown == len(s.inflight) { // what is on disk does not wait, and Append counts what does
		s.inflight, s.flown = s.inflight[:0], 0
	}
	s.mu.Unlock()
	return nil
}

// takeLocked takes what waits; behind what the last sync held back, if it did.
func (s *Store) takeLocked() {
	switch {
	case s.flown == len(s.inflight):
		s.inflight, s.pending = s.pending, s.shrunk(s.inflight[:0])
	case s.held > 0:
		s.inflight = append(slices.Delete(s.inflight, 0, s.flown), s.pending...)
		s.pending = s.pending[:0]
	default:
		return
	}
	s.flown, s.waits = 0, false
}

// shrunk gives back a buffer that one burst made large.
func (s *Store) shrunk(b []byte) []byte {
	if cap(b) > 2*syncBytes && len(s.pending) < syncBytes/2 {
		return make([]byte, 0, syncBytes+syncBytes/2)
	}
	return b
}

// putStaged puts what lies at pos of inflight into the head.
func (s *Store) putStaged(st *staged, pos int) error {
	s.mu.Lock()
	t := s.table[st.topic]
	s.mu.Unlock()
	if st.forget {
		if err := s.room(recHead+len(t.name)+24, pos); err != nil {
			return err
		}
		s.head.raw(kindForget, putForget(nil, t.name, st.ep))
		return nil
	}
	r := st.reading(t)
	if err := s.room(recBound(&r), pos); err != nil {
		return err
	}
	s.head.put(&r, st.topic, false, &s.scratch)
	return nil
}

// recBound is at most what a reading's payload takes.
func recBound(r *Reading) int {
	return 100 + len(r.Topic) + len(r.From) + len(r.Dev) + len(r.Data)
}

// room makes sure that the head takes a record of n bytes.
func (s *Store) room(n, pos int) error {
	if s.head != nil && s.head.fits(n) {
		return nil
	}
	return s.roll(pos)
}

// flush writes what the head has put.
func (s *Store) flush(to reach) error {
	h := s.head
	if h.wrote < to.off {
		n, err := h.f.WriteAt(h.buf[h.wrote-h.base:to.off-h.base], int64(h.wrote))
		s.mu.Lock()
		s.stats.Written += uint64(n)
		s.mu.Unlock()
		if err != nil {
			return fmt.Errorf("write %s: %w", segName(h.seg.no), err)
		}
		h.wrote = to.off
	}
	h.buf = slices.Delete(h.buf, 0, to.base-h.base)
	h.base = to.base
	if cap(h.buf) > 2*syncBytes {
		h.buf = slices.Clone(h.buf)
	}
	return nil
}

// sync writes and syncs the head and commits what it holds: all of inflight up
// to pos is on disk then.
func (s *Store) sync(pos int) error {
	if s.head == nil {
		return nil
	}
	return s.syncTo(s.whole(pos))
}

func (s *Store) syncTo(to reach) error {
	h := s.head
	if err := s.flush(to); err != nil {
		return err
	}
	if h.dirty {
		if err := h.f.Sync(); err != nil {
			return fmt.Errorf("sync %s: %w", segName(h.seg.no), err)
		}
		h.dirty = len(h.buf) > 0
		h.syncs++
		s.mu.Lock()
		s.stats.Syncs++
		s.mu.Unlock()
	}
	if h.fresh {
		if err := s.syncDir(s.opt.Dir); err != nil {
			return err
		}
		h.fresh = false
		s.mu.Lock()
		s.dropCutsLocked()
		s.mu.Unlock()
	}
	s.commit(to)
	return nil
}

func (s *Store) syncDir(dir string) error {
	if s.noDirSync {
		return nil
	}
	err := s.opt.FS.SyncDir(dir)
	if err != nil && noDirSync(err) {
		s.noDirSync = true
		s.opt.Log.Warn("this file system cannot sync directories: a power cut may lose the newest file of the store", "dir", dir)
		return nil
	}
	if err != nil {
		return fmt.Errorf("sync directory: %w", err)
	}
	return nil
}

// commit shows what is on disk to readers and moves Synced.
func (s *Store) commit(to reach) {
	h := s.head
	var last Place
	var buried []uint32
	for at := s.flown; at < to.pos; {
		st := unstage(s.inflight[at:])
		last = max(last, st.place)
		if st.forget {
			buried = append(buried, st.topic)
		}
		at += st.size
	}
	s.mu.Lock()
	for i := h.n; i < to.recs; i++ {
		s.commitRec(h, int32(i))
	}
	h.n = to.recs
	s.index, s.defs, s.indexOf = h.recs, h.defs, h.seg
	h.seg.end = h.base
	s.flown, s.held = to.pos, to.held
	if to.held > 0 {
		if s.waits, s.since = true, to.since; to.place <= s.wanted { // Sync was called meanwhile
			s.since -= s.opt.Sync
		}
	}
	s.buried = append(s.buried, buried...)
	s.buryCursorsLocked()
	s.mu.Unlock()
	if last > 0 {
		s.synced.Store(uint64(last))
	}
}

func (s *Store) commitRec(h *head, i int32) {
	r, g := &h.recs[i], h.seg
	t := s.table[r.topic]
	g.took(r.place, r.ts, r.carry)
	if !r.carry {
		s.stats.Readings++
	}
	if t.dead {
		return
	}
	r.prev, t.chain = t.chain, i
	if t.seg != g {
		if t.seg != nil {
			t.seg.newest--
		}
		g.newest++
		t.seg = g
	}
	t.off, t.stored = uint32(r.off)*4, r.seq
	t.place = r.place
	t.limit = max(t.limit, r.seq+Ahead)
	g.set(r.topic)
}

// settle says how the turn went: it moves the state and tells those who wait.
func (s *Store) settle(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err == nil {
		if s.state.Trouble != OK {
			s.opt.Log.Info("store writes again")
		}
		s.state, s.refusal = State{}, nil
		return
	}
	st := State{Failing, err.Error()}
	if noSpace(err) || errors.Is(err, errBound) {
		st.Trouble = Full
		s.stats.ErrFull++
	} else {
		s.stats.ErrIO++
	}
	if s.state.Trouble == OK {
		s.opt.Log.Error("store cannot write; live delivery goes on", "reason", st.Reason)
	}
	s.state, s.refusal = st, st.err()
	s.failed.Store(uint64(s.place))
	s.retryAt = s.opt.Mono() + retryEvery
}

// Close writes what waits and a mark that nothing is missing, so that numbers
// go on without a jump. In trouble it tries once.
func (s *Store) Close() error {
	s.mu.Lock()
	if s.closing {
		s.mu.Unlock()
		<-s.done
		return nil
	}
	s.closing = true
	s.mu.Unlock()
	s.poke()
	<-s.done
	err := s.closeErr
	return errors.Join(err, s.lock.Close())
}

// end is the writer's last turn.
func (s *Store) end() {
	s.turn()
	s.mu.Lock()
	s.closed = true
	ok := s.state.Trouble == OK
	s.mu.Unlock()
	if ok { // what came between the turn and closed
		if err := s.write(); err != nil {
			s.settle(err)
			ok = false
		}
	}
	if ok {
		s.closeErr = s.putClean()
	} else {
		s.closeErr = s.Err()
	}
	if s.head != nil {
		s.closeErr = errors.Join(s.closeErr, s.head.f.Close())
	}
	s.opt.Changed()
}

// putClean writes the numbers that no reading says, and the mark.
func (s *Store) putClean() error {
	if err := s.putMarks(s.flown); err != nil {
		return err
	}
	if err := s.room(4096, s.flown); err != nil {
		return err
	}
	s.putState(nil)
	s.head.raw(kindClean, nil)
	if err := s.flush(s.whole(s.flown)); err != nil {
		return err
	}
	// What a recycled file holds behind the mark would look like a torn tail.
	return errors.Join(s.head.f.Truncate(int64(s.head.base)), s.sync(s.flown))
}
