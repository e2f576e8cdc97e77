package link

import (
	"context"
	"math"
	"time"

	"topicd/codec"
)

// begin counts one more that comes. false: nobody does any more.
func (s *Server) begin() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.closed {
		s.opening++
	}
	return !s.closed
}

func (s *Server) begun() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.opening--
}

// Closing tells whether everybody was told to go: there is no use in coming.
func (s *Server) Closing() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.closing
}

// left counts connections and those that are about to be. When there are none
// nobody comes any more.
func (s *Server) left() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := len(s.conns) + s.opening
	s.closed = s.closed || s.closing && n == 0
	return n
}

// add puts c on the list. late: Shutdown has been through it, and c was not told.
func (s *Server) add(c *conn) (late bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c.idx = int32(len(s.conns))
	s.conns = append(s.conns, c)
	s.moved++
	if len(s.conns) == 1 {
		select {
		case s.kick <- struct{}{}:
		default:
		}
	}
	if s.closed {
		c.sock.shut()
	}
	return s.closing
}

func (s *Server) remove(c *conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := len(s.conns) - 1
	s.conns[c.idx] = s.conns[n]
	s.conns[c.idx].idx = c.idx
	s.conns[n] = nil
	s.conns = s.conns[:n]
	s.moved++
}

// each calls do for all connections that are there when it begins, a few at a time
// and the last one first: it was there before, who takes the place of one that goes.
func (s *Server) each(do func(*conn)) (n int) {
	var few [64]*conn
	for at := math.MaxInt; at > 0; {
		s.mu.Lock()
		at = min(at, len(s.conns))
		k := copy(few[:], s.conns[max(0, at-len(few)):at])
		s.mu.Unlock()
		for _, c := range few[:k] {
			do(c)
		}
		at -= k
		n += k
	}
	return n
}

var errGoingAway = &codec.Error{Code: codec.CodeGoingAway, Msg: "the hub is shutting down", Retry: 1000}

// Shutdown says bye to every peer, lets what they have to read drain until ctx
// ends, closes them with 1001 and waits for every goroutine.
func (s *Server) Shutdown(ctx context.Context) {
	s.mu.Lock()
	if s.closing {
		s.mu.Unlock()
		return
	}
	s.closing = true
	s.mu.Unlock()
	turn := s.hub.Turn()
	s.each(func(c *conn) {
		c.mu.Lock()
		c.draining = true
		c.mu.Unlock()
		s.cut(c, errGoingAway, turn)
		c.Wake()
	})
	for tick := time.NewTicker(5 * time.Millisecond); s.left() > 0; { // who comes now is told at once
		select {
		case <-tick.C:
			continue
		case <-ctx.Done():
		}
		tick.Stop()
		s.mu.Lock()
		s.closed = true
		s.mu.Unlock()
		s.each(func(c *conn) { c.sock.shut() })
		break
	}
	for s.left() > 0 { // their readers see the end now
		time.Sleep(time.Millisecond)
	}
	close(s.stop)
	s.stopPoll()
	s.flushers.mu.Lock()
	s.flushers.closed = true
	s.flushers.mu.Unlock()
	s.flushers.cond.Broadcast()
	s.pacer.mu.Lock()
	s.pacer.closed = true
	s.pacer.mu.Unlock()
	select {
	case s.pacer.wake <- struct{}{}:
	default:
	}
	s.wg.Wait()
}
