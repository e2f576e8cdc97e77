package node

import (
	"sync"
	"sync/atomic"

	"topicd/codec"
	"topicd/node/fan"
)

// Answer is what a peer is told once its reading is on disk.
type Answer interface {
	// Append appends the message; why is set when the reading will not be on disk.
	Append(dst []byte, f Framer, why *codec.Error) []byte
}

// later are a session's answers that wait, in their order.
type later struct {
	first, last *waiting
	n           atomic.Int32 // written under the session's mu
}

type waiting struct {
	Answer
	commit Commit
	next   *waiting
}

const (
	// maxLater is how many answers of a session may wait for the disk. More come
	// only when it is much slower than its peer, who is told to slow down.
	maxLater = 4096
	// maxLaters is how many of all sessions together may, some 2 MiB; a few of each
	// always. While the disk hangs every session's 4,096 would be 400 MiB.
	maxLaters = 16 << 10
	fewLaters = 16
)

var errLater = &codec.Error{Code: codec.CodeTooFast, Msg: "too many of your readings wait for the disk: wait for their answers first", Retry: 1000}

// Later has a sent when c is on disk, or will not be, behind all that waits already.
// With c 0 it only keeps the order. Called by the peer's reader only.
func (s *Session) Later(c Commit, a Answer, turn *Turn) *codec.Error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return errClosed
	}
	l := &s.extraLocked().later
	if s.waitsBehind(maxLaters) {
		s.hub.Stats.Add(RefusedLater, 1)
		return errLater
	}
	w := &waiting{Answer: a, commit: c}
	s.hub.laters.n.Add(1)
	if l.n.Add(1) == 1 {
		l.first = w
		s.hub.laters.add(s)
	} else {
		l.last.next = w
	}
	l.last = w
	s.queueLocked(turn)
	return nil
}

// Behind tells whether Later may refuse one more answer: a peer that cannot be told so
// is left unread until the disk has caught up. Called by the peer's reader only.
func (s *Session) Behind() bool { return s.Waits() && s.waitsBehind(maxLaters*3/4) }

// waitsBehind tells whether as many answers wait as may, of all sessions so many.
func (s *Session) waitsBehind(all int64) bool {
	n := s.ext.later.n.Load()
	return n >= maxLater || n >= fewLaters && s.hub.laters.n.Load() >= all
}

// Waits tells whether answers wait for the disk: what is to be said in its order
// must go by Later too. Called by the peer's reader only.
func (s *Session) Waits() bool {
	return s.ext != nil && s.ext.later.n.Load() > 0
}

// answerLocked appends the answers whose time has come, up to limit bytes; false when
// none has.
func (s *Session) answerLocked(dst []byte, limit int, f Framer) (out []byte, some bool) {
	l := &s.ext.later
	for l.n.Load() > 0 && len(dst) < limit {
		w := l.first
		var why *codec.Error
		if w.commit != 0 {
			done := false
			if done, why = s.hub.opt.Disk.Committed(w.commit); !done && why == nil {
				break
			}
		}
		dst, some = w.Append(dst, f, why), true
		l.first = w.next
		s.hub.laters.n.Add(-1)
		if l.n.Add(-1) == 0 {
			l.last = nil
			s.hub.laters.remove(s)
		}
	}
	return dst, some
}

// unsayLocked drops the answers that wait: the session ends, or its peer has gone.
func (s *Session) unsayLocked() {
	l := &s.ext.later
	if n := l.n.Swap(0); n > 0 {
		l.first, l.last = nil, nil
		s.hub.laters.n.Add(-int64(n))
		s.hub.laters.remove(s)
	}
}

// laters are the sessions with answers that wait, and a channel that is closed when
// the disk has more, for whoever waits on a goroutine of its own.
type laters struct {
	n    atomic.Int64 // answers that wait
	mu   sync.Mutex   // after the sessions'
	sess map[*Session]struct{}
	more chan struct{}
}

// Await waits until c is on disk, or will not be: why says so. done ends it.
func (h *Hub) Await(c Commit, done <-chan struct{}) (why *codec.Error) {
	for c != 0 {
		h.laters.mu.Lock()
		if h.laters.more == nil {
			h.laters.more = make(chan struct{})
		}
		more := h.laters.more
		h.laters.mu.Unlock()
		if ok, why := h.opt.Disk.Committed(c); ok || why != nil {
			return why
		}
		select {
		case <-more:
		case <-done:
			return errClosed
		}
	}
	return nil
}

func (l *laters) add(s *Session) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.sess == nil {
		l.sess = make(map[*Session]struct{})
	}
	l.sess[s] = struct{}{}
}

func (l *laters) remove(s *Session) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.sess, s)
}

// Committed says that the disk has more, or fails: answers that wait are looked at.
// Without locks.
func (h *Hub) Committed() {
	h.laters.mu.Lock()
	if h.laters.more != nil {
		close(h.laters.more)
		h.laters.more = nil
	}
	list := make([]*Session, 0, len(h.laters.sess))
	for s := range h.laters.sess {
		list = append(list, s)
	}
	h.laters.mu.Unlock()
	for _, s := range list {
		s.mu.Lock()
		s.queued = true
		s.mu.Unlock()
		s.sink.Wake()
	}
}

// Resume puts cursors that waited for room in their window back on the list: the
// peer has acknowledged. Called by the peer's reader only.
func (s *Session) Resume(turn *Turn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	some := s.newcome
	if s.closed || s.nheld == 0 && !some {
		return
	}
	for b := range s.subs.all {
		if b.view.windowed && b.held != nil {
			some = s.resumeLocked(b, func(w held) bool { return w.due == never }) || some
		}
	}
	if some {
		s.queueLocked(turn)
	}
}

// resumeLocked does so for those cursors of b that are held back and may go on.
func (s *Session) resumeLocked(b *Subscription, may func(held) bool) (some bool) {
	w := b.held.waiting()
	stay := w[:0]
	for _, h := range w {
		if may(h) {
			s.appendLocked(fan.NewEntry(h.topic, b.slot, uint64(h.from)))
		} else {
			stay = append(stay, h)
		}
	}
	some = len(stay) < len(w)
	if b.held.list = b.held.list[:b.held.head+len(stay)]; len(stay) == 0 {
		s.nheld--
		b.held = nil
	}
	return some
}

// reviewedLocked: b was read otherwise so far. Its cursors do not wait for a rate or a
// window that it has no more.
func (s *Session) reviewedLocked(b *Subscription, was view, now int64) {
	switch {
	case b.held == nil || was.rate == b.view.rate && was.windowed == b.view.windowed:
	case b.view.rate > 0 && !was.windowed:
		for i, w := range b.held.waiting() {
			if due := now + int64(1000/b.view.rate); w.due < onDisk {
				b.held.waiting()[i].due = min(w.due, due)
			}
		}
	default:
		s.resumeLocked(b, func(w held) bool { return w.due != onDisk })
	}
}
