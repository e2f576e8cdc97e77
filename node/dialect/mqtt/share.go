package mqtt

import (
	"slices"
	"sync"
	"sync/atomic"

	"topicd/codec"
	"topicd/node"
	"topicd/node/dialect/mqtt/packet"
)

// share is a shared subscription (4.8.2): one cursor for the group, in a session
// of its own without a socket. Whoever wakes it hands its messages out, each to the
// next member that is there and has room, into that member's box.
type share struct {
	node.Binary // as a format

	// static after construction
	srv  *Server
	key  string // the filter with $share and name
	sess *node.Session

	owner string // whom it is counted for: who made it

	keep atomic.Pointer[shareKeep] // what outlives the process, nil: nothing does

	mu      sync.Mutex // before the clients'
	members []*member
	next    int      // whose turn it is
	again   []flight // what members that have ended left unacknowledged
	pending bool     // there may be something to read
	busy    bool     // somebody hands out; the fields below are theirs

	taking *member
	full   bool // its own messages have taken its last room
}

// filling is what a share needs while it hands out.
type filling struct {
	out     []byte
	scratch node.Scratch
}

var fillings = sync.Pool{New: func() any { return new(filling) }}

type member struct {
	*client
	sub sub
}

const (
	// maxShareName: the standard allows 65,535 bytes.
	maxShareName = 256
	// maxMemberships are what one client may have: those of shares that are there
	// already take no session, but a hundred bytes each.
	maxMemberships = 32
	// shareCharge is what a share costs in requests beside its look at all topics: a
	// session is made and ended, and asks all topics both times. With 1 the heap rose to
	// 50 MB, with 50 eight clients kept everybody waiting for a second on a busy machine.
	shareCharge = 300
)

// join makes a client a member of a share, or changes how it is one. by pays for it.
func (s *Server) join(c *client, w sub, by *node.Session, turn *node.Turn) *codec.Error {
	s.mu.Lock()
	defer s.mu.Unlock()
	g := s.shares[w.filter]
	c.mu.Lock()
	x := c.out.rest()
	many := len(x.shares) >= maxMemberships && !slices.Contains(x.shares, g)
	c.mu.Unlock()
	if many {
		s.hub.Stats.Add(node.RefusedSubs, 1)
		return errShares
	}
	if g == nil {
		owner := s.ownerOf(c)
		if !s.mayShareLocked(owner) {
			s.hub.Stats.Add(node.RefusedSubs, 1)
			return errShares
		}
		g = &share{srv: s, key: w.filter, owner: owner}
		sess, err := s.hub.Open(g, node.Local, "", turn)
		if err != nil {
			return err
		}
		g.sess = sess
		sess.Describe("mqtt", "", turn)
		by.Charge(shareCharge + s.hub.Counts().Topics/node.PatternCost)
		_, filter := packet.Share([]byte(w.filter))
		if _, err := sess.Subscribe(filter, node.SubOptions{Format: g, Cursor: g.keepLocked(c, &w)}, turn); err != nil {
			g.unkeep(false)
			sess.Close(turn)
			return err
		}
		s.shares[w.filter] = g
	} else if x := g.keepLocked(c, &w); x != nil {
		_, filter := packet.Share([]byte(w.filter))
		_, _ = g.sess.Subscribe(filter, node.SubOptions{Format: g, Cursor: x}, turn)
	}
	w.filter = g.key
	g.mu.Lock()
	defer g.mu.Unlock()
	if m := g.memberLocked(c); m != nil {
		m.sub = w
		return nil
	}
	g.members = append(g.members, &member{c, w})
	c.mu.Lock()
	x.shares = append(x.shares, g)
	c.mu.Unlock()
	return nil
}

var errShares = &codec.Error{Code: codec.CodeNoRoom, Msg: "too many shared subscriptions"}

// mayShareLocked tells whether a client may make one more share. Each is a session
// of the hub's: of those an eighth may be shares, and half of these one address's.
func (s *Server) mayShareLocked(owner string) bool {
	most := max(2, s.hub.Options().Sessions/8)
	if len(s.shares) >= most {
		return false
	}
	n := 0
	for _, g := range s.shares {
		if g.owner == owner {
			n++
		}
	}
	return n < most/2
}

// ownerOf is whom a client is counted for.
func (s *Server) ownerOf(c *client) string {
	return s.hub.Options().Owner(c.sess.Info().Addr)
}

func (g *share) memberLocked(c *client) *member {
	for _, m := range g.members {
		if m.client == c {
			return m
		}
	}
	return nil
}

// part ends a membership. by pays for it.
func (s *Server) part(c *client, key string, by *node.Session, turn *node.Turn) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	g := s.shares[key]
	if g == nil {
		return false
	}
	c.mu.Lock()
	if m := c.out.more; m != nil {
		m.shares = slices.DeleteFunc(m.shares, func(x *share) bool { return x == g })
	}
	c.mu.Unlock()
	if len(g.members) == 1 {
		by.Charge(s.hub.Counts().Topics / node.PatternCost)
	}
	return g.leaveLocked(c, turn)
}

// leaveLocked takes a member out; the last one ends the share. The caller holds
// the server's mu.
func (g *share) leaveLocked(c *client, turn *node.Turn) bool {
	g.mu.Lock()
	n := len(g.members)
	g.members = slices.DeleteFunc(g.members, func(m *member) bool { return m.client == c })
	left := len(g.members)
	g.next = 0
	if left == 0 {
		g.srv.again.Give(len(g.again))
		g.srv.hub.Stats.Add(node.DropOverrun, int64(len(g.again)))
		g.again = nil
	}
	g.mu.Unlock()
	if left == 0 {
		delete(g.srv.shares, g.key)
		g.unkeep(false)
		g.sess.Close(turn)
	} else {
		g.handOut()
	}
	return left < n
}

// Wake implements node.Sink.
func (g *share) Wake() {
	g.mu.Lock()
	g.pending = true
	g.mu.Unlock()
	g.handOut()
}

// Cut implements node.Sink: a share has no peer. What it is behind by is dropped
// by the topics' own bounds.
func (g *share) Cut(*codec.Error) {}

// handOut gives messages to members until there are none, or no member has room:
// then the first that has some again goes on.
func (g *share) handOut() {
	turn := g.srv.hub.Turn()
	for g.one(turn) {
	}
	turn.Wake()
}

// one hands out one message; false when that is not possible now.
func (g *share) one(turn *node.Turn) bool {
	g.mu.Lock()
	var m *member
	if len(g.again) > 0 && !g.busy {
		m = g.pickLocked(1)
	}
	if m != nil {
		taken := m.takeOver(g.again[0])
		if taken {
			g.again = g.again[1:]
			g.srv.again.Give(1)
			g.newsLocked()
			g.next++
		}
		g.mu.Unlock()
		if taken {
			m.attend(turn)
		}
		return true
	}
	if g.pending && !g.busy {
		m = g.pickLocked(0)
	}
	if m == nil {
		g.mu.Unlock()
		return false
	}
	g.busy, g.pending = true, false // what comes from here on says so
	g.mu.Unlock()
	g.taking, g.full = m, false
	g.sess.Resume(turn)
	w := fillings.Get().(*filling)
	out, next := g.sess.Fill(w.out[:0], 1, turn.Mono, node.Unframed{}, &w.scratch)
	g.taking = nil
	if len(out) > 0 {
		m.put(out, turn)
	}
	if w.out = out[:0]; cap(out) <= maxBox { // a large message would be kept by each share
		fillings.Put(w)
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.busy = false
	g.pending = g.pending || g.full || next != node.Idle
	if len(out) > 0 {
		g.next++
	}
	return true
}

// put has the member sent what it was handed out. Where it has ended since, what of
// QoS 1 that is stands among its flights already, which are another's then.
func (m *member) put(out []byte, turn *node.Turn) {
	c := m.client
	c.mu.Lock()
	ended := c.out.ended
	if !ended {
		c.out.put(out)
		c.out.box.shared += len(out)
		c.srv.boxes.Move(0, len(out))
	}
	c.mu.Unlock()
	if !ended {
		c.attend(turn)
	}
}

// pickLocked is the next member of at least that QoS that is there and has room, nil if
// none has.
func (g *share) pickLocked(qos byte) *member {
	for i := range g.members {
		at := (g.next + i) % len(g.members)
		if m := g.members[at]; m.sub.qos >= qos && m.client.conn.Load() != nil && m.room() > 0 {
			g.next = at
			return m
		}
	}
	return nil
}

// room: a message would fit into its window and its box.
func (m *member) room() int {
	m.client.mu.Lock()
	defer m.client.mu.Unlock()
	o := &m.client.out
	switch {
	case o.ended || o.boxed() >= maxBox/2 || m.srv.boxes.Full():
		return 0
	case m.sub.qos == 0:
		return 1
	}
	return o.room()
}

// Room implements node.Windowed: one message, then it is another's turn.
func (g *share) Room() int {
	if g.taking == nil {
		return 0
	}
	n := min(1, g.taking.room())
	g.full = g.full || n <= 0
	return n
}

// Append implements node.Format: the message as the member gets it.
func (g *share) Append(dst []byte, r *node.Reading) ([]byte, bool) {
	m := g.taking
	if m == nil {
		return dst, false
	}
	if g.hadAlready(r) {
		r.Unwanted = true
		return dst, false
	}
	defer g.keepSent(r)
	var ids []uint32
	if m.sub.id > 0 {
		ids = append(ids, m.sub.id)
	}
	m.client.mu.Lock()
	o := &m.client.out
	if o.ended {
		m.client.mu.Unlock()
		g.takeBack(r, m.sub.qos)
		r.Unwanted = true
		return dst, false
	}
	defer m.client.mu.Unlock()
	n := len(o.unacked())
	out, ok := o.send(dst, r, m.sub.qos, m.sub.asPublished && !r.Passing, ids)
	if len(o.unacked()) > n {
		o.more.flights[n].shared = true
		m.client.touch()
	}
	return out, ok
}

// roomier: the client may take more of its shares.
func (c *client) roomier() {
	for _, g := range c.sharesOf() {
		g.handOut()
	}
}

// sharesOf are the shares that a client is a member of.
func (c *client) sharesOf() []*share {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.out.more == nil {
		return nil
	}
	return slices.Clone(c.out.more.shares)
}
