package mqtt

import (
	"context"
	"math"
	"slices"
	"time"

	"topicd/node"
)

// crowdedLocked takes clients that have been away for longest while there are too
// many, or too much that they have not read: of the address that has most of them,
// so that one peer with many names does not push out all others'.
func (s *Server) crowdedLocked(ends []func(*node.Turn)) []func(*node.Turn) {
	if s.away <= s.cfg.Away && s.unread <= s.cfg.Unread {
		return ends
	}
	n := make(map[string]int)
	for c := range s.clients.All {
		if c.conn.Load() == nil {
			n[c.absent.owner]++
		}
	}
	for s.away > s.cfg.Away || s.unread > s.cfg.Unread {
		var oldest *client
		for c := range s.clients.All {
			if c.conn.Load() == nil && (oldest == nil || n[c.absent.owner] > n[oldest.absent.owner] ||
				n[c.absent.owner] == n[oldest.absent.owner] && c.absent.since < oldest.absent.since) {
				oldest = c
			}
		}
		if oldest == nil {
			break
		}
		n[oldest.absent.owner]--
		s.unread -= oldest.sess.Unread()
		s.hub.Stats.Add(node.CutBehind, 1)
		ends = append(ends, s.takeLocked(oldest))
	}
	return ends
}

// run keeps the time of wills, of clients that are away, and the figures. Without
// any of them it sleeps: a hub with nothing to do lets its board do so too.
func (s *Server) run(ctx context.Context) {
	const every = 500 * time.Millisecond
	tick, runs := time.NewTimer(every), true
	defer tick.Stop()
	turn := s.hub.Turn()
	for {
		ticked := false
		select {
		case <-ctx.Done():
			return
		case <-s.kick:
		case <-tick.C:
			ticked, runs = true, false
		}
		s.hub.Tick(turn)
		s.sweep(turn)
		if ticked { // many notes at a time
			s.saveAll(turn)
		}
		s.figures(turn)
		turn.Wake()
		if !runs && s.waits() { // however often somebody has it look now
			tick.Reset(every)
			runs = true
		}
	}
}

// wake has run look now.
func (s *Server) wake() {
	select {
	case s.kick <- struct{}{}:
	default:
	}
}

// waits tells whether there is anything that time changes.
func (s *Server) waits() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.away > 0 || s.watched.Load() || s.unsaved.Load()
}

func (s *Server) sweep(turn *node.Turn) {
	for _, end := range s.due(turn) {
		end(turn)
		turn.Wake()
	}
}

// due is what has to be done now.
func (s *Server) due(turn *node.Turn) (todo []func(*node.Turn)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.unread = 0
	var over []*client
	for c := range s.clients.All {
		if c.conn.Load() != nil {
			continue
		}
		s.unread += c.sess.Unread()
		if w := c.absent.will; w != nil && turn.Mono >= w.due {
			c.absent.will = nil
			todo = append(todo, func(turn *node.Turn) { s.publishWill(c, w, turn) })
		}
		if c.over.Load() || turn.Mono-c.absent.since >= s.span(c.expiry) {
			over = append(over, c)
		}
	}
	for _, c := range over {
		todo = append(todo, s.takeLocked(c))
	}
	for _, g := range s.shares { // what waited for room in boxes of others
		todo = append(todo, func(*node.Turn) { g.handOut() })
	}
	return s.crowdedLocked(todo)
}

// span is an expiry in milliseconds, as far as it is kept.
func (s *Server) span(expiry uint32) int64 {
	most := s.cfg.Expiry.Milliseconds()
	if expiry == forever {
		return most
	}
	return min(int64(expiry)*1000, most)
}

// allowed is an expiry that a client asked for, as far as it gets it.
func (s *Server) allowed(expiry uint32) uint32 {
	return uint32(min(int64(expiry), int64(s.cfg.Expiry/time.Second), math.MaxUint32))
}

// closeFor is how long close takes at most: those who are left end with the hub.
const closeFor = 300 * time.Millisecond

// close ends those who are away: everybody else has left.
func (s *Server) close() {
	turn := s.hub.Turn()
	s.keepAll(turn)
	s.mu.Lock()
	var ends []func(*node.Turn)
	for _, c := range slices.Collect(s.clients.All) {
		s.forget(c.takeWillLocked())
		ends = append(ends, s.takeLocked(c))
	}
	s.mu.Unlock()
	began := time.Now()
	for _, end := range ends {
		if time.Since(began) > s.cfg.closeFor {
			return
		}
		end(turn)
		turn.Wake()
	}
}
