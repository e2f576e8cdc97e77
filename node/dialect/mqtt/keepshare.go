package mqtt

import (
	"encoding/binary"
	"sync"

	"topicd/codec"
	"topicd/node"
	"topicd/node/dialect/mqtt/packet"
	"topicd/node/fields"
)

// A share with a member that outlives the process, and wants QoS 1 or 2, does so too:
// how far it has handed out durable topics is kept, and what of QoS 1 nobody has
// acknowledged and nobody keeps. What a member that is kept has not acknowledged
// stands in its note, which is written first: of the two states that a crash may
// leave, both notes or the member's alone, a message is in the first under way and in
// the second under way and to be read, which had tells.

// kindShare is what the archive knows shares by.
const kindShare = "mqtt-share"

// shareKeep is what a share has of it.
type shareKeep struct {
	mu   sync.Mutex         // one writes at a time; after the server's
	rec  node.Record        // nil once it has ended, or the hub is about to
	sent map[topicID]uint64 // since the last note, nil: nothing is new; guarded by the share's mu
	vain bool               // nobody writes it any more; guarded by the share's mu
	had  map[handed]bool    // what members have under way since before; owned by who hands out
}

// handed is a message of a topic.
type handed struct {
	topicID
	seq uint64
}

// keepLocked has the share kept from now on: for the client that joins with that
// subscription. The caller holds the server's mu. What it returns is where its own
// subscription begins.
func (g *share) keepLocked(c *client, w *sub) node.Cursor {
	a := g.srv.cfg.Archive
	if a == nil || c.keep == nil || w.qos == 0 || g.keep.Load() != nil {
		return nil
	}
	rec, err := a.Remember(kindShare, g.key)
	if err == nil {
		x := &shareCursor{Record: rec, begins: rec.New()}
		if !x.begins || rec.Note((&shareNote{}).append(nil, g.srv), nil) == nil {
			g.keep.Store(&shareKeep{rec: rec})
			return x
		}
		rec.End()
	}
	g.srv.hub.Stats.Add(node.RefusedKept, 1)
	return nil
}

// shareCursor is the node.Cursor of a share.
type shareCursor struct {
	node.Record
	begins bool
}

// New implements node.Cursor.
func (x *shareCursor) New() bool { return x.begins }

// Begin implements node.Cursor. Without room for a number the topic begins anew.
func (x *shareCursor) Begin(topic string, seq uint64) { _ = x.Ack(topic, seq) }

// keepSent notes that a reading was handed out. It is called when whoever has it has
// noted so.
func (g *share) keepSent(r *node.Reading) {
	k := g.keep.Load()
	if k == nil || !r.Durable {
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if k.vain {
		return
	}
	g.newsLocked()
	if _, known := k.sent[topicOf(r)]; known || g.srv.noted.Take(1) {
		k.sent[topicOf(r)] = r.Seq
	}
}

// newsLocked has the share's note written soon.
func (g *share) newsLocked() {
	k := g.keep.Load()
	if k == nil || k.vain {
		return
	}
	if k.sent == nil {
		k.sent = make(map[topicID]uint64)
	}
	if !g.srv.unsaved.Swap(true) {
		g.srv.wake()
	}
}

// hadAlready tells whether a member has the message under way since before a restart.
func (g *share) hadAlready(r *node.Reading) bool {
	k, x := g.keep.Load(), handed{topicOf(r), r.Seq}
	if k == nil || !k.had[x] {
		return false
	}
	delete(k.had, x)
	return true
}

// shareNote is what is kept of a share beside its numbers.
type shareNote struct {
	g    *share
	acks []node.Acked
	left []flight // that nobody keeps
}

// Of that a note has room for so many, and so many bytes.
const (
	maxLeft      = 128
	maxShareNote = 7 << 10
)

// noteOf is what is to be kept of a share now; nil: nothing new. It is taken before
// the members' notes are written, and written after them.
func (s *Server) noteOf(g *share) *shareNote {
	g.mu.Lock()
	k := g.keep.Load()
	if k == nil || k.sent == nil {
		g.mu.Unlock()
		return nil
	}
	sent := k.sent
	s.noted.Give(len(sent))
	k.sent = nil
	n := &shareNote{g: g}
	for i := range g.again {
		n.add(&g.again[i])
	}
	for _, m := range g.members {
		if m.client.keep != nil {
			continue
		}
		m.client.mu.Lock()
		for i := range m.client.out.unacked() {
			if x := &m.client.out.more.flights[i]; x.shared && x.qos == 1 {
				n.add(x)
			}
		}
		m.client.mu.Unlock()
	}
	g.mu.Unlock()
	for id, seq := range sent {
		if t := s.topic(id); t != nil {
			n.acks = append(n.acks, node.Acked{Topic: t.Name(), Seq: seq})
		}
	}
	return n
}

func (n *shareNote) add(x *flight) {
	if x.durable && len(n.left) < maxLeft {
		n.left = append(n.left, *x)
	}
}

func (n *shareNote) append(b []byte, s *Server) []byte {
	num := func(v uint64) { b = binary.AppendUvarint(b, v) }
	num(noteForm)
	for i := range n.left {
		x := &n.left[i]
		t := s.topic(x.topicID)
		if _, filter := packet.Share([]byte(n.g.key)); t == nil || !fits(string(filter), t.Name()) {
			continue // another share's, or it has ended
		}
		if len(b)+len(t.Name()) > maxShareNote {
			break
		}
		num(uint64(x.qos) | bit(x.retain, noteRetain))
		num(uint64(len(t.Name())))
		b = append(b, t.Name()...)
		num(x.ep)
		num(x.seq)
	}
	return b
}

// fits reports whether a filter fits a topic.
func fits(filter, topic string) bool { return filter == topic || codec.Match(filter, topic) }

// write writes the note; where there is no room for it the share is not kept.
func (n *shareNote) write() {
	k := n.g.keep.Load()
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.rec != nil && k.rec.Note(n.append(nil, n.g.srv), n.acks) != nil {
		n.g.srv.hub.Stats.Add(node.RefusedKept, 1)
		k.rec.End()
		k.rec = nil
	}
}

// unkeep: the share has ended, or, where it leaves, the hub does.
func (g *share) unkeep(leave bool) {
	k := g.keep.Load()
	if k == nil {
		return
	}
	g.mu.Lock()
	k.vain = true
	g.srv.noted.Give(len(k.sent))
	k.sent = nil
	g.mu.Unlock()
	k.mu.Lock()
	defer k.mu.Unlock()
	switch {
	case k.rec == nil:
	case leave:
		k.rec.Leave()
	default:
		k.rec.End()
	}
	k.rec = nil
}

// notesOf are the notes of shares that have something new.
func (s *Server) notesOf() (list []*shareNote) {
	s.mu.Lock()
	all := make([]*share, 0, len(s.shares))
	for _, g := range s.shares {
		all = append(all, g)
	}
	s.mu.Unlock()
	for _, g := range all {
		if n := s.noteOf(g); n != nil {
			list = append(list, n)
		}
	}
	return list
}

// restoreShares goes on where shares were, when their members are there.
func (s *Server) restoreShares() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.cfg.Archive.Remembered(kindShare, func(key string, b []byte) {
		g := s.shares[key]
		if g == nil || g.keep.Load() == nil {
			if rec, err := s.cfg.Archive.Remember(kindShare, key); err == nil {
				rec.End() // none of its members was kept
			}
			return
		}
		had := make(map[handed]bool)
		_, filter := packet.Share([]byte(key))
		for _, m := range g.members {
			for _, x := range m.client.out.unacked() {
				if t := s.topic(x.topicID); x.shared && t != nil && fits(string(filter), t.Name()) {
					had[handed{x.topicID, x.seq}] = true
				}
			}
		}
		g.keep.Load().had = had
		g.parse(b)
	})
}

// parse reads a note. Nobody has the share yet.
func (g *share) parse(b []byte) {
	r := fields.Reader{B: b}
	if r.Uint() != noteForm {
		return
	}
	for len(r.B) > 0 {
		f := r.Uint()
		x := flight{qos: byte(f & 3), retain: f&noteRetain != 0, durable: true, shared: true}
		name := r.Bytes()
		x.ep, x.seq = r.Uint(), r.Uint()
		if r.Bad {
			return
		}
		t := g.srv.hub.Find(name)
		if t == nil {
			continue
		}
		num, ep := g.srv.hub.ID(t)
		x.num = num
		if had := g.keep.Load().had; ep == x.ep && !had[handed{x.topicID, x.seq}] && g.srv.again.Take(1) {
			g.again = append(g.again, x)
		}
	}
}
