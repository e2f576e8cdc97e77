package store

import "topicd/codec"

// Hold is Use for a subscriber who stays: until Release the cursor does not end for
// want of use.
func (s *Store) Hold(client, pattern string) *codec.Error {
	s.mu.Lock()
	c, err := s.useLocked(client, pattern)
	if err == nil {
		c.held++
	}
	s.mu.Unlock()
	s.poke()
	return err
}

// Release says that a subscriber who held the cursor has gone.
func (s *Store) Release(client, pattern string) {
	s.mu.Lock()
	if c := s.cursors[cursorKey{client, pattern}]; c != nil && !c.ended && c.held > 0 {
		c.held--
		c.used, c.dirty = s.opt.Mono(), true
		s.movedLocked()
	}
	s.mu.Unlock()
	s.poke()
}

// AckedOf is what a cursor has acked of one topic. known false: there is no such
// cursor; 0: nothing of that topic.
func (s *Store) AckedOf(client, pattern, topic string) (seq uint64, known bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.cursors[cursorKey{client, pattern}]
	if c == nil || c.ended {
		return 0, false
	}
	if t := s.byName[topic]; t != nil {
		seq = c.acks[t.num].seq
	}
	return seq, true
}
