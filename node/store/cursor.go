package store

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io/fs"
	"sort"
	"time"

	"topicd/codec"
	"topicd/node/fields"
)

// A cursor is what a client has acked of the topics of a pattern: kept on disk,
// so that it goes on there after any restart, at least once.
type cursor struct {
	acks    map[uint32]ack // by topic number
	place   Place          // of a cursor over the whole log
	used    time.Duration  // last use, by the monotonic clock; negative = before this run
	before  int64          // where that was in an earlier run: when, by the wall's clock, as long as that is not set
	written time.Duration  // when use was last written
	seg     uint64         // the segment that says that it exists, and its place
	dirty   bool
	ended   bool
	held    int // by subscribers who are here: it does not end meanwhile

	note      []byte // what its client has it remember; replaced, never changed
	noteSeg   uint64 // the newest segment that says so
	noteDirty bool
}

type cursorKey struct{ client, pattern string }

type ack struct {
	seq   uint64
	seg   uint64 // the newest segment that says so
	dirty bool
}

const (
	maxCursors   = 4096
	maxCursorKey = 512
	usedEvery    = 24 * time.Hour // use is written this often
)

// Use makes sure that a cursor exists and notes that it is in use.
func (s *Store) Use(client, pattern string) *codec.Error {
	s.mu.Lock()
	_, err := s.useLocked(client, pattern)
	s.mu.Unlock()
	s.poke()
	return err
}

func (s *Store) useLocked(client, pattern string) (*cursor, *codec.Error) {
	k := cursorKey{client, pattern}
	c := s.cursors[k]
	if c == nil || c.ended {
		if len(s.cursors) >= maxCursors {
			return nil, codec.Errorf(codec.CodeNoRoom, "store: too many durable subscriptions")
		}
		if len(client)+len(pattern) > maxCursorKey {
			return nil, codec.Errorf(codec.CodeTooLarge, "store: the names of a durable subscription are too long")
		}
		c = &cursor{acks: map[uint32]ack{}, dirty: true}
		s.cursors[k] = c
		s.movedLocked()
	}
	c.used = s.opt.Mono()
	if c.used-c.written > usedEvery || c.before > 0 {
		c.before = 0
		c.dirty = true
		s.movedLocked()
	}
	return c, nil
}

func (s *Store) movedLocked() {
	s.moved = true
	s.waitsLocked()
}

// Ack moves a cursor of a topic forward to seq, which was read; lower numbers
// are ignored, and so are topics that are not stored. It is on disk after the
// next sync: after a crash some readings come again.
func (s *Store) Ack(client, pattern, topic string, seq uint64) *codec.Error {
	s.mu.Lock()
	defer s.poke()
	defer s.mu.Unlock()
	c, err := s.useLocked(client, pattern)
	if err != nil {
		return err
	}
	return s.ackLocked(c, topic, seq)
}

func (s *Store) ackLocked(c *cursor, topic string, seq uint64) *codec.Error {
	t := s.byName[topic]
	if t == nil {
		return nil
	}
	a, known := c.acks[t.num]
	if !known {
		if s.acks >= s.opt.Acks {
			return codec.Errorf(codec.CodeNoRoom, "store: too many acknowledged numbers are kept")
		}
		s.acks++
	} else if seq <= a.seq {
		return nil
	}
	a.seq, a.dirty = seq, true
	c.acks[t.num] = a
	s.movedLocked()
	return nil
}

// AckPlace moves a cursor over the whole log: everything below p is done.
func (s *Store) AckPlace(client, pattern string, p Place) *codec.Error {
	s.mu.Lock()
	defer s.poke()
	defer s.mu.Unlock()
	c, err := s.useLocked(client, pattern)
	if err == nil && p > c.place {
		c.place, c.dirty = p, true
		s.movedLocked()
	}
	return err
}

// Acked tells what a cursor has acked, in the order of names, and its place.
// ok false: there is no such cursor.
func (s *Store) Acked(client, pattern string, each func(topic string, ep, seq uint64)) (p Place, ok bool) {
	type line struct {
		topic   string
		ep, seq uint64
	}
	s.mu.Lock()
	c := s.cursors[cursorKey{client, pattern}]
	if c == nil || c.ended {
		s.mu.Unlock()
		return 0, false
	}
	list := make([]line, 0, len(c.acks))
	for num, a := range c.acks {
		t := s.table[num]
		list = append(list, line{t.name, t.ep, a.seq})
	}
	p = c.place
	s.mu.Unlock()
	sort.Slice(list, func(i, j int) bool { return list[i].topic < list[j].topic })
	if each != nil {
		for _, l := range list {
			each(l.topic, l.ep, l.seq)
		}
	}
	return p, true
}

// EndCursor forgets a cursor. ok false: there was none.
func (s *Store) EndCursor(client, pattern string) (ok bool) {
	s.mu.Lock()
	c := s.cursors[cursorKey{client, pattern}]
	if ok = c != nil && !c.ended; ok {
		s.endLocked(c)
	}
	s.mu.Unlock()
	s.poke()
	return ok
}

func (s *Store) endLocked(c *cursor) {
	c.ended, c.dirty = true, true
	s.acks -= len(c.acks)
	s.notes -= len(c.note)
	c.acks, c.note, c.noteDirty = nil, nil, false
	s.movedLocked()
}

// CursorInfo is a durable cursor.
type CursorInfo struct {
	Client, Pattern string
	Idle            time.Duration // since it was last used
	Topics          int           // with an acked number
	Place           Place
	Note            []byte
}

// Cursors lists the durable cursors, in the order of their names.
func (s *Store) Cursors() []CursorInfo {
	now := s.opt.Mono()
	s.mu.Lock()
	var list []CursorInfo
	for k, c := range s.cursors {
		if !c.ended {
			list = append(list, CursorInfo{k.client, k.pattern, now - c.used, len(c.acks), c.place, c.note})
		}
	}
	s.mu.Unlock()
	sort.Slice(list, func(i, j int) bool {
		a, b := &list[i], &list[j]
		return a.Client < b.Client || a.Client == b.Client && a.Pattern < b.Pattern
	})
	return list
}

func (s *Store) expireCursors(now time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range s.cursors {
		if c.before > 0 {
			s.ageLocked(c, now)
		}
		if !c.ended && c.held == 0 && now-c.used > s.opt.Forget {
			s.endLocked(c)
		}
	}
}

// ageLocked finds how long ago a cursor was used in an earlier run, once the clock is set:
// a board without a battery learns the time when it has been up for a while.
func (s *Store) ageLocked(c *cursor, now time.Duration) {
	if w := s.opt.Wall(); w >= sane {
		c.used, c.before = now-time.Duration(max(0, w-c.before))*time.Millisecond, 0
	}
}

// cursorRec is the record kindCursor: a cursor and some of its acked numbers.
type cursorRec struct {
	client, pattern string
	ended           bool
	used            int64 // wall time of the last use, 0 = the clock was not set
	place           Place
	acks            []cursorAck
	note            []byte // nil: the one before holds
}

type cursorAck struct {
	topic   string
	ep, seq uint64
	num     uint32 // the topic's, when written
	seg     uint64 // the segment that says so, when read
}

func (c *cursorRec) put(b []byte) []byte {
	b = putString(putString(b, c.client), c.pattern)
	var f byte
	if c.ended {
		f = 1
	}
	b = append(b, f)
	b = binary.AppendUvarint(b, zig(c.used))
	b = binary.AppendUvarint(b, uint64(c.place))
	b = binary.AppendUvarint(b, uint64(len(c.acks)))
	for _, a := range c.acks {
		b = putString(b, a.topic)
		b = binary.AppendUvarint(b, a.ep)
		b = binary.AppendUvarint(b, a.seq)
	}
	if c.note != nil { // stores of before know none
		b = append(binary.AppendUvarint(b, uint64(len(c.note))), c.note...)
	}
	return b
}

func parseCursor(b []byte) (c cursorRec, ok bool) {
	f := fields.Reader{B: b}
	c.client, c.pattern = string(f.Bytes()), string(f.Bytes())
	c.ended = f.Uint() != 0
	c.used = f.Int()
	c.place = Place(f.Uint())
	for n := f.Uint(); n > 0 && !f.Bad; n-- {
		c.acks = append(c.acks, cursorAck{topic: string(f.Bytes()), ep: f.Uint(), seq: f.Uint()})
	}
	if len(f.B) > 0 {
		if n := f.Bytes(); len(n) > 0 {
			c.note = bytes.Clone(n)
		}
	}
	return c, !f.Bad
}

func isNotExist(err error) bool { return errors.Is(err, fs.ErrNotExist) }
