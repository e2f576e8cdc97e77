package mqtt

import (
	"slices"
	"sync"
	"sync/atomic"

	"topicd/codec"
	"topicd/node"
	"topicd/node/dialect/mqtt/packet"
)

// client is what MQTT calls a session (4.1): what a client finds again when it
// comes back. While it is away its subscriptions stand in a node.Session without
// a socket, which keeps eight bytes for each topic that it has not read.
type client struct {
	// static after construction
	id   string
	srv  *Server
	sess *node.Session
	kept bool // sess outlives connections: it is not a connection's own

	peer atomic.Pointer[speaker] // nil while it is away
	over atomic.Bool             // cut while it was away

	// guarded by the server's mu
	conn   *conn  // nil while it is away
	next   *conn  // waits until conn has gone, to take over
	gone   bool   // another session has its name, or its time is over
	expiry uint32 // seconds that it is kept without a connection, forever = no end
	since  int64  // when it went away, by the hub's clock
	owner  string // whom it is counted for while it is away
	will   *will  // that waits for its delay

	// owned by the connection's reader
	received idSet // QoS 2, not released yet

	mu     sync.Mutex // for the reader and who fills; after the hub's locks
	out    feed
	shares []*share
}

// speaker is the peer of a connection.
type speaker struct{ node.Peer }

// forever is an expiry without end (3.1.2.11.2).
const forever = 1<<32 - 1

// Wake implements node.Sink for sessions that outlive connections.
func (c *client) Wake() {
	if p := c.peer.Load(); p != nil {
		p.Peer.(node.Sink).Wake()
	}
}

// Cut implements node.Sink.
func (c *client) Cut(why *codec.Error) {
	if p := c.peer.Load(); p != nil {
		p.Peer.(node.Sink).Cut(why)
		return
	}
	c.over.Store(true)
}

// judge drops what the rights of a client's new connection do not allow: who knows
// an identifier and has another token does not get what the first one may read.
func (c *client) judge(turn *node.Turn) {
	s := c.sess
	c.mu.Lock()
	var mine []string
	for x := range c.out.subs.all {
		mine = append(mine, x.filter)
	}
	flights, shares := slices.Clone(c.out.flights), slices.Clone(c.shares)
	c.mu.Unlock()
	mine = slices.DeleteFunc(mine, func(f string) bool { return s.MaySubscribe([]byte(f)) == nil })
	flights = slices.DeleteFunc(flights, func(x flight) bool { return !s.MayRead(x.topic) })
	c.mu.Lock()
	for _, f := range mine {
		c.out.subs.remove(f)
	}
	c.out.changed()
	c.out.flights, c.out.box.again = flights, len(flights)
	c.mu.Unlock()
	for _, f := range mine {
		_ = s.Unsubscribe([]byte(f), turn)
	}
	for _, g := range shares {
		if _, f := packet.Share([]byte(g.key)); s.MaySubscribe(f) != nil {
			c.srv.part(c, g.key, turn)
		}
	}
}

// idSet are packet identifiers; most often there are none, and never many.
type idSet []uint16

func (s idSet) has(id uint16) bool {
	for _, x := range s {
		if x == id {
			return true
		}
	}
	return false
}

func (s *idSet) remove(id uint16) bool {
	for i, x := range *s {
		if x == id {
			*s = append((*s)[:i], (*s)[i+1:]...)
			return true
		}
	}
	return false
}

// sub is one subscription as its client wants it.
type sub struct {
	filter      string
	id          uint32 // subscription identifier, 0 = none
	qos         byte
	noLocal     bool
	asPublished bool
	as          as
}

// as is how the hub reads a subscription.
type as uint8

const (
	asAll    as = iota // as everybody's: plainFormat
	asOwn              // as the client's, without acknowledgements: flat
	asWindow           // as the client's, with its window
)

// subs are a client's subscriptions. Exact names are found by a map once there
// are some: Home Assistant subscribes to hundreds.
type subs struct {
	list   []sub          // with wildcards
	only   []sub          // exact names
	byName map[string]int // places in only, nil while they are few
}

// all yields every subscription.
func (s *subs) all(yield func(*sub) bool) {
	for i := range s.list {
		if !yield(&s.list[i]) {
			return
		}
	}
	for i := range s.only {
		if !yield(&s.only[i]) {
			return
		}
	}
}

func (s *subs) find(filter string) *sub {
	if codec.HasWildcard(filter) {
		for i := range s.list {
			if s.list[i].filter == filter {
				return &s.list[i]
			}
		}
		return nil
	}
	if i := s.exact(filter); i >= 0 {
		return &s.only[i]
	}
	return nil
}

// fewSubs are looked through faster than found in a map.
const fewSubs = 8

func (s *subs) exact(name string) int {
	if s.byName != nil {
		if i, ok := s.byName[name]; ok {
			return i
		}
		return -1
	}
	for i := range s.only {
		if s.only[i].filter == name {
			return i
		}
	}
	return -1
}

// put adds a subscription or replaces the one with its filter.
func (s *subs) put(n sub) {
	if old := s.find(n.filter); old != nil {
		*old = n
		return
	}
	if codec.HasWildcard(n.filter) {
		s.list = append(s.list, n)
		return
	}
	s.only = append(s.only, n)
	if s.byName != nil {
		s.byName[n.filter] = len(s.only) - 1
	} else if len(s.only) > fewSubs {
		s.byName = make(map[string]int, 2*fewSubs)
		for i := range s.only {
			s.byName[s.only[i].filter] = i
		}
	}
}

func (s *subs) remove(filter string) bool {
	if codec.HasWildcard(filter) {
		for i := range s.list {
			if s.list[i].filter == filter {
				s.list = append(s.list[:i], s.list[i+1:]...)
				return true
			}
		}
		return false
	}
	i := s.exact(filter)
	if i < 0 {
		return false
	}
	last := len(s.only) - 1
	s.only[i] = s.only[last]
	if s.byName != nil {
		s.byName[s.only[i].filter] = i
		delete(s.byName, filter)
	}
	s.only = s.only[:last]
	return true
}

// wish is what all subscriptions that fit a topic want of it together.
type wish struct {
	some        bool
	qos         byte
	noLocal     bool // each of them
	asPublished bool // one of them
	ids         []uint32
}

// of is what the subscriptions want of a topic: the highest QoS (3.3.4-2), each
// identifier (3.3.4-3).
func (s *subs) of(topic string, ids []uint32) (w wish) {
	w.ids, w.noLocal = ids, true
	if i := s.exact(topic); i >= 0 {
		w.add(&s.only[i])
	}
	for i := range s.list {
		if codec.Match(s.list[i].filter, topic) {
			w.add(&s.list[i])
		}
	}
	return w
}

func (w *wish) add(s *sub) {
	w.some = true
	w.qos = max(w.qos, s.qos)
	w.noLocal = w.noLocal && s.noLocal
	w.asPublished = w.asPublished || s.asPublished
	if s.id > 0 {
		w.ids = append(w.ids, s.id)
	}
}

// meets reports whether two subscriptions may fit one topic.
func (s *sub) meets(o *sub) bool {
	switch a, b := codec.HasWildcard(s.filter), codec.HasWildcard(o.filter); {
	case a && b:
		return true // perhaps; it is not worth knowing
	case a:
		return codec.Match(s.filter, o.filter)
	case b:
		return codec.Match(o.filter, s.filter)
	}
	return s.filter == o.filter
}

// plain reports whether a subscription of a client reads as everybody's of its
// kind: then the hub encodes once for all of them.
func (s *sub) plain() bool { return s.qos == 0 && s.id == 0 && !s.noLocal && !s.asPublished }
