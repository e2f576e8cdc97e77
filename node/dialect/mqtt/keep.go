package mqtt

import (
	"sync"
	"sync/atomic"

	"topicd/codec"
	"topicd/node"
)

// What outlives the process of a client's session: a note in the hub's archive with
// its subscriptions, its expiry and its windows (note.go), and how far it is with each
// durable topic. It is written where a client was told something that it may rely on
// (SUBSCRIBE, QoS 2 to a durable topic), when its connection ends, and else once in
// saveEvery while anything of durable topics is under way: not per message.
//
// A note and the numbers beside it are on disk together or not at all, so that a
// message is either under way or still to be read.

// keep is what a client has of it: nil unless it outlives its connection.
type keep struct {
	unsaved atomic.Bool

	mu   sync.Mutex  // before the client's: one writes at a time
	rec  node.Record // nil until there is something to keep
	over bool        // ended, or there is no room for it
	full bool        // for numbers

	// guarded by the client's mu
	sent map[topicID]uint64 // durable topics, and up to where they are read, since the last note
	vain bool               // nobody writes it any more
}

// kind is what the archive knows MQTT's clients by.
const kind = "mqtt"

// maxSent is how many topics of a client are noted before they are written, maxNoted
// how many of all: 50 bytes each. What comes of others meanwhile comes again after a
// restart.
const (
	maxSent  = 4096
	maxNoted = 4 * maxSent
)

// keepSent notes that a reading of a durable topic was read. The caller holds c.mu.
func (c *client) keepSent(r *node.Reading) {
	k := c.keep
	if k == nil || !r.Durable || r.Stored || k.vain {
		return
	}
	if k.sent == nil {
		k.sent = make(map[topicID]uint64)
	}
	if _, known := k.sent[topicOf(r)]; known || len(k.sent) < maxSent && c.srv.noted.Take(1) {
		k.sent[topicOf(r)] = r.Seq
	}
	c.touch()
}

// unsentLocked: a map that was large once stays so, so it goes. The caller holds c.mu.
func (c *client) unsentLocked() {
	c.srv.noted.Give(len(c.keep.sent))
	c.keep.sent = nil
}

// touch has the client's note written soon.
func (c *client) touch() {
	if k := c.keep; k != nil && !k.unsaved.Swap(true) && !c.srv.unsaved.Swap(true) {
		c.srv.wake()
	}
}

// save writes the client's note.
func (s *Server) save(c *client, turn *node.Turn) {
	if c.keep == nil {
		return
	}
	s.mu.Lock()
	n := note{here: c.conn.Load() != nil, left: s.leftLocked(c, turn), addr: c.sess.Info().Addr}
	s.mu.Unlock()
	c.write(&n)
}

// leftLocked is what is left of a client's expiry, in seconds.
func (s *Server) leftLocked(c *client, turn *node.Turn) uint32 {
	if c.conn.Load() != nil || c.absent == nil {
		return c.expiry
	}
	return uint32(max(1, (s.span(c.expiry)-(turn.Mono-c.absent.since))/1000))
}

func (c *client) write(n *note) {
	k := c.keep
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.over {
		return
	}
	k.unsaved.Store(false)
	n.subs = c.memberships()
	c.mu.Lock()
	n.takeLocked(c)
	read := k.sent
	c.unsentLocked()
	c.mu.Unlock()
	sent := make([]node.Acked, 0, len(read))
	for id, seq := range read {
		if t := c.srv.topic(id); t != nil {
			sent = append(sent, node.Acked{Topic: t.Name(), Seq: seq})
		}
	}
	err := c.recordLocked()
	if err == nil {
		err = k.rec.Note(n.append(nil, c.srv), sent)
	}
	if err != nil || k.full {
		c.unkeepLocked()
	}
}

// memberships are the shared subscriptions of a client.
func (c *client) memberships() (list []sub) {
	for _, g := range c.sharesOf() {
		g.mu.Lock()
		if m := g.memberLocked(c); m != nil {
			list = append(list, m.sub)
		}
		g.mu.Unlock()
	}
	return list
}

// recordLocked finds the client's record or begins one. The caller holds keep.mu.
func (c *client) recordLocked() (err *codec.Error) {
	if k := c.keep; k.rec == nil {
		k.rec, err = c.srv.cfg.Archive.Remember(kind, c.id)
	}
	return err
}

// unkeepLocked: the client does not outlive the process, there is no room for what
// would have to be kept. Half of it would be worse than nothing: after a restart it is
// told that it has no session, and subscribes again. The caller holds keep.mu.
func (c *client) unkeepLocked() {
	c.srv.hub.Stats.Add(node.RefusedKept, 1)
	c.endRecordLocked()
}

func (c *client) endRecordLocked() {
	k := c.keep
	k.over = true
	c.mu.Lock()
	k.vain = true
	c.unsentLocked()
	c.mu.Unlock()
	if k.rec != nil {
		k.rec.End()
		k.rec = nil
	}
}

// endRecord forgets what is kept of a client that has ended.
func (c *client) endRecord() {
	if k := c.keep; k != nil {
		k.mu.Lock()
		defer k.mu.Unlock()
		c.endRecordLocked()
	}
}

// cursor is where a subscription of QoS 1 or 2 begins on durable topics: nil where
// nothing is kept.
func (c *client) cursor(filter string, begins bool) *cursor {
	k := c.keep
	if k == nil {
		return nil
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.over || c.recordLocked() != nil {
		return nil
	}
	return &cursor{c: c, rec: k.rec, filter: filter, begins: begins}
}

// cursor is the node.Cursor of one subscription of a client, whose number of a topic
// is one for all its subscriptions.
type cursor struct {
	c      *client
	rec    node.Record
	filter string
	begins bool // nothing was known of the subscription
	full   bool // there was no room for a number
}

// New implements node.Cursor.
func (x *cursor) New() bool { return x.begins }

// Acked implements node.Cursor.
func (x *cursor) Acked(topic string) uint64 { return x.rec.Acked(topic) }

// Begin implements node.Cursor: where another subscription hears the topic already,
// what that one has not read yet stays to be read.
func (x *cursor) Begin(topic string, seq uint64) {
	if x.rec.Acked(topic) > 0 && x.c.hears(topic, x.filter) {
		return
	}
	if x.rec.Ack(topic, seq) != nil {
		x.full = true
	}
}

// done: the subscription is made.
func (x *cursor) done() {
	if k := x.c.keep; x.full {
		k.mu.Lock()
		k.full = true
		k.mu.Unlock()
	}
}

// hears: a subscription of QoS 1 or 2 other than filter fits the topic.
func (c *client) hears(topic, filter string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	for x := range c.out.subs.all {
		if x.qos > 0 && x.filter != filter && (x.filter == topic || codec.Match(x.filter, topic)) {
			return true
		}
	}
	return false
}

// saveAll writes the notes of clients of whom something is under way.
func (s *Server) saveAll(turn *node.Turn) {
	if !s.unsaved.Swap(false) {
		return
	}
	notes := s.notesOf()
	s.mu.Lock()
	var list []*client
	for c := range s.clients.All {
		if c.keep != nil && c.keep.unsaved.Load() {
			list = append(list, c)
		}
	}
	s.mu.Unlock()
	for _, c := range list {
		s.save(c, turn)
	}
	for _, n := range notes {
		n.write()
	}
}

// restore makes the clients that the archive knows: before anybody comes.
func (s *Server) restore(turn *node.Turn) {
	s.cfg.Archive.Remembered(kind, func(id string, b []byte) {
		var n note
		c := &client{id: id, srv: s, lasting: &lasting{kept: true, keep: new(keep)}}
		if !n.parse(b, c) {
			s.hub.Stats.Add(node.RefusedKept, 1) // of a later topicd, perhaps: it stays, unused, until it is forgotten
			return
		}
		s.find(&n, c)
		s.hub.Stats.Add(node.DropOverrun, int64(n.lost))
		sess, err := s.hub.Open(c, n.addr, "", turn)
		if err != nil {
			return
		}
		c.sess, c.out.old, c.expiry = sess, n.here, n.left
		c.keep.rec, _ = s.cfg.Archive.Remember(kind, id)
		sess.Describe(kind, "", turn)
		sess.Away(turn)
		c.absent = &absence{since: max(1, turn.Mono), owner: s.hub.Options().Owner(n.addr)}
		s.mu.Lock()
		s.clients.Put(c)
		s.away++
		s.mu.Unlock()
		for _, x := range n.subs {
			_ = c.add(sess, &wanted{sub: x, handling: 2}, true, turn)
		}
	})
	s.restoreShares()
	s.sweep(turn)
	s.wake()
}

// find says which topics the flights of a note are of; none: it has ended.
func (s *Server) find(n *note, c *client) {
	flights := c.out.unacked()
	for i, name := range n.topics {
		var id topicID
		if t := s.hub.Find([]byte(name)); t != nil {
			id.num, id.ep = s.hub.ID(t)
		}
		if x := &flights[i]; x.ep == id.ep {
			x.num = id.num
		} else {
			x.ep = 0
		}
	}
}

// keepAll leaves the notes for the next run.
func (s *Server) keepAll(turn *node.Turn) {
	notes := s.notesOf()
	s.mu.Lock()
	list := make([]*client, 0, s.clients.Len())
	for c := range s.clients.All {
		if c.keep != nil {
			list = append(list, c)
		}
	}
	s.mu.Unlock()
	for _, c := range list {
		s.mu.Lock()
		n := note{left: s.leftLocked(c, turn), addr: c.sess.Info().Addr}
		s.mu.Unlock()
		n.lost = c.sess.Fleeting()
		c.write(&n)
		k := c.keep
		k.mu.Lock()
		if k.over = true; k.rec != nil {
			k.rec.Leave()
			k.rec = nil
		}
		k.mu.Unlock()
	}
	for _, n := range notes {
		n.write()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, g := range s.shares {
		g.unkeep(true)
	}
}
