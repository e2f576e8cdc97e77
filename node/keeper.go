package node

import "topicd/codec"

// Cursor is what a durable subscription has acknowledged. Its methods are called
// with the topic's lock held and do not wait for the disk.
type Cursor interface {
	// New: nothing was acknowledged yet, and SubOptions say where it begins.
	New() bool
	// Acked is the number behind which the topic goes on.
	Acked(topic string) uint64
	// Begin notes that a new subscription does not want what is up to seq.
	Begin(topic string, seq uint64)
}

// Kept is the durable subscription of somebody who is here.
type Kept interface {
	Cursor
	// Ack notes that what is up to seq is done with. It is on disk with the next
	// sync: after a crash some readings come again.
	Ack(topic string, seq uint64) *codec.Error
	// Leave says that its subscriber has gone.
	Leave()
}

// Keeper keeps durable subscriptions: a Disk that can.
type Keeper interface {
	// Subscribe finds the one of that name and pattern, or begins it. who is a device
	// or a token.
	Subscribe(who, name, pattern string) (Kept, *codec.Error)
	// Forget ends those of that name, to one pattern or to all where it is "", and
	// tells how many there were.
	Forget(who, name, pattern string) int
}

// Newest is the number of the topic's newest reading, 0 = none yet.
func (h *Hub) Newest(t *Topic) uint64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.log.Next() - 1
}

// start is the first stored reading that the subscriber wants of t, or has not
// acknowledged.
func (r *replay) start(t *Topic) uint64 {
	c := r.opt.Cursor
	if c == nil || t.rare == nil || t.rare.tape == nil {
		return r.wanted(t)
	}
	if c.New() {
		start := r.wanted(t)
		c.Begin(t.name, r.unwanted(t, start))
		return start
	}
	acked, first := c.Acked(t.name), t.firstLocked()
	start := min(acked+1, t.log.Next())
	if start < first {
		r.res.Gap += first - start
	}
	r.res.Gap += t.holeLocked(acked)
	return t.pastHoleLocked(max(start, first))
}

// unwanted is the newest number that a new durable subscription does not want. Where
// only the disk knows which ones are the last so many, they are taken to be numbered
// without a hole.
func (r *replay) unwanted(t *Topic, start uint64) uint64 {
	if o := r.opt; !o.HasSince && start < t.log.First() {
		if newest, _ := t.rare.tape.Newest(); newest > uint64(o.Last) {
			return max(start-1, newest-uint64(o.Last))
		}
	}
	return start - 1
}

// Archive is a Keeper that also keeps what a dialect knows of its clients, over
// restarts.
type Archive interface {
	// Remembered yields those of a kind that are known from before: their names and
	// notes.
	Remembered(kind string, yield func(name string, note []byte))
	// Remember finds a client of that kind, or begins one.
	Remember(kind, name string) (Record, *codec.Error)
}

// Acked is the number up to which a topic is done with.
type Acked struct {
	Topic string
	Seq   uint64
}

// Record is what an Archive keeps of one client: how far it is with durable topics,
// and a note.
type Record interface {
	Kept
	// Note has the note replaced, and numbers acknowledged with it, both or neither of
	// them. It is on disk with the next sync, before a reading that is published after
	// it is acknowledged.
	Note(note []byte, acks []Acked) *codec.Error
	// End forgets the client.
	End()
}
