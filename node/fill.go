package node

import "topicd/node/fan"

// Fill appends what s has to read to dst, until limit bytes are there or
// nothing is left. next tells when to call again: Idle = not before the sink's
// Wake, Again = at once when there is room, otherwise the time of the hub's
// clock when a reading held back by its rate is due.
//
// One caller at a time; dst's growth past limit is bounded by one batch.
func (s *Session) Fill(dst []byte, limit int, now int64, f Framer, sc *Scratch) (out []byte, next int64) {
	var waits *task // that has nothing to say yet
	for len(dst) < limit {
		s.mu.Lock()
		if s.closed {
			s.mu.Unlock()
			return dst, Idle
		}
		if s.ext != nil && s.ext.later.n.Load() > 0 {
			var more bool
			if dst, more = s.answerLocked(dst, f); more {
				s.mu.Unlock()
				continue
			}
		}
		if t := s.tasks; t != nil && t != waits {
			s.mu.Unlock()
			at, done := len(dst), false
			dst, done = t.Step(dst, limit, f)
			switch {
			case done:
				s.mu.Lock()
				if s.tasks == t {
					s.tasks = t.next
				}
				s.mu.Unlock()
			case len(dst) == at: // it waits for the disk, and wakes the session
				waits = t
			}
			continue
		}
		if s.ext != nil && s.ext.page != nil {
			dst = s.pageUnlock(dst, now, f, sc)
			continue
		}
		if s.newcome {
			var ok bool
			if dst, ok = s.welcomeUnlock(dst, now, f, sc); ok {
				continue
			}
		}
		due := s.dueLocked(now)
		if s.ready.Len() == 0 {
			s.queued = false
			s.mu.Unlock()
			return dst, due
		}
		s.queued = true // some may have been held back until now
		e := *s.ready.At(0)
		b := s.subs[e.Slot()]
		if e.Topic() == fan.EndMark {
			dst = s.endUnlock(dst, b, f)
			continue
		}
		if e.Topic() == fan.LiveMark {
			s.popLocked()
			if b.waitsForDisk() {
				b.markWaits = true
				s.mu.Unlock()
				continue
			}
			b.live = true
			stored, tag, format := int64(b.stored), b.view.tag, b.view.format
			s.mu.Unlock()
			at := len(dst)
			out, ok := format.Live(f.Begin(dst), b.pattern, tag, stored)
			if dst = out[:at]; ok {
				dst = f.End(out, at, format.Text())
			}
			continue
		}
		// Found while the entry holds its number: an ended topic's number is given
		// to another only after it has gone from every list.
		v := visit{s: s, t: s.hub.topics.at(e.Topic()), e: e, b: b, view: b.view, not: b.not.Load(), live: b.live, ending: b.ending, now: now}
		if b.view.windowed {
			if v.room = b.view.format.(Windowed).Room(); v.room <= 0 {
				s.popLocked()
				s.holdLocked(b, held{e.Topic(), e.From(), never})
				s.mu.Unlock()
				continue
			}
		}
		s.mu.Unlock()
		dst = v.read(dst, limit, f, sc)
	}
	return dst, Again
}

// endUnlock writes that the topic of b has ended, once what was left of it has been
// read. It gives s.mu back.
func (s *Session) endUnlock(dst []byte, b *Subscription, f Framer) []byte {
	if b.ready.Load() > 0 { // the cursor is behind it on the list
		s.popLocked()
		s.appendLocked(fan.NewEntry(fan.EndMark, b.slot, 0))
		s.mu.Unlock()
		return dst
	}
	as := s.endLocked(b)
	s.mu.Unlock()
	if as == nil {
		return dst
	}
	at := len(dst)
	return f.End(as.End(f.Begin(dst), b.pattern), at, as.Text())
}

// Idle and Again are values of Fill's next.
const (
	Idle  = int64(-1)
	Again = int64(0)
)

// dueLocked moves held cursors that are due to the ready list and returns when
// the next one is, or Idle.
func (s *Session) dueLocked(now int64) int64 {
	if s.nheld == 0 {
		return Idle
	}
	next := Idle
	for _, b := range s.subs {
		if b == nil || b.held == nil {
			continue
		}
		l := b.held
		for l.head < len(l.list) && l.list[l.head].due <= now {
			h := l.list[l.head]
			l.head++
			s.appendLocked(fan.NewEntry(h.topic, b.slot, uint64(h.from)))
		}
		if l.head == len(l.list) {
			s.nheld--
			b.held = nil
		} else if d := l.list[l.head].due; d < onDisk && (next == Idle || d < next) {
			next = d
		}
	}
	return next
}

func (s *Session) holdLocked(b *Subscription, h held) {
	if b.held == nil {
		s.nheld++
		b.held = new(heldList)
	}
	l := b.held
	if l.head > 64 && l.head > len(l.list)/2 {
		l.list = l.list[:copy(l.list, l.list[l.head:])]
		l.head = 0
	}
	l.list = append(l.list, h)
}
