package durable

import (
	"strings"

	"topicd/codec"
	"topicd/node"
	"topicd/node/store"
)

// A durable subscription is a cursor of the store for each of its patterns. Its key
// is who it belongs to, its name and the pattern: the hub's memory holds nothing of
// who is away, and a subscriber who comes back reads the store from there on.

// Subscription is a durable subscription of somebody who is here. It is the
// node.Cursor of its pattern.
type Subscription struct {
	d            *Disk
	key, pattern string
	began, over  bool
}

func cursorKey(who, name string) string { return who + "\x00" + name }

// Subscribe finds the durable subscription of that name, or begins one. It does not
// end for want of use until Leave.
func (d *Disk) Subscribe(who, name, pattern string) (node.Kept, *codec.Error) {
	return d.hold(who, name, pattern)
}

func (d *Disk) hold(who, name, pattern string) (node.Record, *codec.Error) {
	s := &Subscription{d: d, key: cursorKey(who, name), pattern: pattern}
	_, known := d.Store.AckedOf(s.key, pattern, "")
	s.began = !known
	if err := d.Store.Hold(s.key, pattern); err != nil {
		return nil, err
	}
	return s, nil
}

// New implements node.Cursor.
func (s *Subscription) New() bool { return s.began }

// Acked implements node.Cursor.
func (s *Subscription) Acked(topic string) uint64 {
	seq, _ := s.d.Store.AckedOf(s.key, s.pattern, topic)
	return seq
}

// Begin implements node.Cursor. Without room for one more number the topic's stored
// readings come all of them, next time.
func (s *Subscription) Begin(topic string, seq uint64) {
	if seq > 0 {
		_ = s.d.Store.Ack(s.key, s.pattern, topic, seq)
	}
}

// Ack implements node.Kept.
func (s *Subscription) Ack(topic string, seq uint64) *codec.Error {
	s.began = false
	return s.d.Store.Ack(s.key, s.pattern, topic, seq)
}

// Leave implements node.Kept.
func (s *Subscription) Leave() {
	if !s.over {
		s.over = true
		s.d.Store.Release(s.key, s.pattern)
	}
}

// Note implements node.Record.
func (s *Subscription) Note(note []byte, acks []node.Acked) *codec.Error {
	list := make([]store.Acked, len(acks))
	for i, a := range acks {
		list[i] = store.Acked(a)
	}
	return s.d.Store.Note(s.key, s.pattern, note, list)
}

// End implements node.Record.
func (s *Subscription) End() {
	s.over = true
	s.d.Store.EndCursor(s.key, s.pattern)
}

// Remember implements node.Archive: a client is a cursor over all topics.
func (d *Disk) Remember(kind, name string) (node.Record, *codec.Error) {
	return d.hold(kind, name, "")
}

// Remembered implements node.Archive.
func (d *Disk) Remembered(kind string, yield func(name string, note []byte)) {
	for _, c := range d.Store.Cursors() {
		if who, name := CursorName(c.Client); who == kind && len(c.Note) > 0 {
			yield(name, c.Note)
		}
	}
}

// Forget ends the durable subscriptions of that name, to one pattern or to all where
// it is "". It tells how many there were.
func (d *Disk) Forget(who, name, pattern string) (n int) {
	key := cursorKey(who, name)
	for _, c := range d.Store.Cursors() {
		if c.Client == key && (pattern == "" || c.Pattern == pattern) && d.Store.EndCursor(c.Client, c.Pattern) {
			n++
		}
	}
	return n
}

// CursorName is a cursor of the store as its subscriber knows it: who it belongs to
// and its name.
func CursorName(client string) (who, name string) {
	who, name, _ = strings.Cut(client, "\x00")
	return who, name
}

// Figures implements node.Disk.
func (d *Disk) Figures(yield func(name string, v int64)) {
	st, failed := d.Store.Stats(), int64(0)
	if d.Store.State().Trouble != store.OK {
		failed = 1
	}
	yield("store_bytes", st.Bytes)
	yield("store_budget", st.Budget)
	yield("store_topics", int64(st.Topics))
	yield("store_pending", int64(st.Pending))
	yield("store_failed", failed)
	yield("store_lost", int64(st.LostBytes+st.LostAge+st.LostDamaged))
	yield("store_subscriptions", int64(st.Cursors))
}
