package node

import "topicd/node/fan"

// A session has one page fetched at a time. The cursor that it is for is held back
// (onDisk); those that stand before the disk's readings too are parked behind it, in 8
// bytes each, and look again one by one as pages come.

func (s *Session) parkLocked(b *Subscription, e fan.Entry) {
	x := s.extraLocked()
	b.nparked++
	if grown := x.parked.Push(e); grown > 0 {
		s.hub.readyBytes.Add(int64(grown))
	}
}

// unparkFirstLocked puts the first that is parked back on the list of what is to be read.
func (s *Session) unparkFirstLocked() {
	l := &s.ext.parked
	e := *l.At(0)
	b := s.subs.at(e.Slot())
	b.nparked--
	if freed := l.Pop(); freed > 0 {
		s.hub.readyBytes.Add(-int64(freed))
	}
	s.appendStoredLocked(b, e)
}

// appendStoredLocked is append for a cursor that comes from the disk: the live marker,
// which may be on the list already, has to come behind it.
func (s *Session) appendStoredLocked(b *Subscription, e fan.Entry) {
	b.markAgain = !b.live && !b.markWaits
	s.appendLocked(e)
}

// sieveParkedLocked drops the parked cursors that keep does not want.
func (s *Session) sieveParkedLocked(keep func(e fan.Entry) bool) {
	if s.ext == nil || s.ext.parked.Len() == 0 {
		return
	}
	l, n := &s.ext.parked, int32(0)
	for i := range l.Len() {
		e := *l.At(i)
		if keep(e) {
			*l.At(n) = e
			n++
		} else if b := s.subs.at(e.Slot()); b != nil {
			b.nparked--
		}
	}
	s.hub.readyBytes.Add(-int64(l.Truncate(n)))
}

// unparkTopicLocked takes the subscription's parked cursor on the topic away, and tells
// where it stood.
func (b *Subscription) unparkTopicLocked(topic uint32) (from uint32, ok bool) {
	if b.nparked == 0 {
		return 0, false
	}
	if l := &b.s.ext.parked; l.At(0).Topic() == topic { // as when all are asked for again
		from = l.At(0).From()
		b.nparked--
		b.s.hub.readyBytes.Add(-int64(l.Pop()))
		return from, true
	}
	b.s.sieveParkedLocked(func(e fan.Entry) bool {
		if e.Topic() == topic {
			from, ok = e.From(), true
			return false
		}
		return true
	})
	return from, ok
}

// An entry has the low half of a cursor's number, which tells numbers apart that are less
// than 2^32 behind the log's end. Those of a durable topic leap by 2^24 with each power
// cut: of a board that was switched off hundreds of times some are further behind, and
// stand here beside.
const (
	farBehind = 1 << 31
	farCost   = 48 // bytes of one in a map, about; they count as lists of what is unread do
)

// standLocked notes where a cursor stands, of a log whose end is there, or behind it.
func (s *Session) standLocked(topic uint32, at, end uint64) {
	if end-at >= farBehind {
		x := s.extraLocked()
		if x.far == nil {
			x.far = make(map[uint32]uint64)
		}
		n := len(x.far)
		x.far[topic] = at
		s.hub.readyBytes.Add(int64(len(x.far)-n) * farCost)
	} else if s.farLocked(topic) > 0 {
		delete(s.ext.far, topic)
		s.hub.readyBytes.Add(-farCost)
	}
}

// farLocked is what standLocked has noted of a topic's cursor, 0 = nothing.
func (s *Session) farLocked(topic uint32) uint64 {
	if x := s.ext; x != nil && len(x.far) > 0 {
		return x.far[topic]
	}
	return 0
}

// numberOf is the number that an entry stands for. What was noted of a cursor that has gone
// is another's number.
func numberOf(e fan.Entry, end, far uint64) uint64 {
	at := end - uint64(uint32(end)-e.From())
	if far > 0 && far < at && uint32(far) == e.From() {
		return far
	}
	return at
}
