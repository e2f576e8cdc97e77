package store

import (
	"bytes"

	"topicd/codec"
)

// A note is what a client has its cursor remember beside numbers: some bytes that
// are written with the next sync, before what Append was given after them is
// acknowledged, and carried as long as the cursor lives.

// maxNote is the longest note: it fits into the smallest segment.
const maxNote = 8 << 10

// noteBytes is what all notes may take together, on disk and in memory.
func (o *Options) noteBytes() int { return int(min(o.Bytes/16, 1<<20)) }

var errNote = &codec.Error{Code: codec.CodeNoRoom, Msg: "store: no room for what a client wants to be remembered"}

// Acked is a number that a cursor has acked.
type Acked struct {
	Topic string
	Seq   uint64
}

// Note has a cursor, which is made if need be, remember a note instead of the one
// before, and numbers with it: both or none of them. note is copied.
func (s *Store) Note(client, pattern string, note []byte, acks []Acked) *codec.Error {
	s.mu.Lock()
	defer s.poke()
	defer s.mu.Unlock()
	c, err := s.useLocked(client, pattern)
	if err == nil && (len(note) > maxNote || s.notes+len(note)-len(c.note) > s.opt.noteBytes()) {
		err = errNote
	}
	for i := 0; i < len(acks) && err == nil; i++ {
		err = s.ackLocked(c, acks[i].Topic, acks[i].Seq)
	}
	if err != nil || bytes.Equal(c.note, note) {
		return err
	}
	s.notes += len(note) - len(c.note)
	c.note, c.noteDirty = bytes.Clone(note), true
	s.movedLocked()
	return nil
}
