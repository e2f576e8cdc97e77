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
	node.Binary // as a format

	// static after construction
	id   string
	srv  *Server
	sess *node.Session

	conn atomic.Pointer[conn] // nil while it is away; written under the server's mu
	over atomic.Bool          // cut while it was away

	expiry uint32 // seconds that it is kept without a connection, forever = no end; guarded by the server's mu

	*lasting // static after construction

	mu  sync.Mutex // for the reader and who fills; after the hub's locks
	out feed
}

// lasting is what a client has that is kept where it has no connection.
type lasting struct {
	kept bool  // sess outlives connections: it is not a connection's own; static after construction
	keep *keep // what outlives the process; static after construction

	absent *absence // nil while it is here; guarded by the server's mu
}

var fleeting = &lasting{} // of all who are not kept; never written

// absence is what is known of a client that is away.
type absence struct {
	since int64  // when it went away, by the hub's clock
	owner string // whom it is counted for meanwhile
	will  *will  // that waits for its delay
}

// more is what only some clients have. It is guarded by the client's mu.
type more struct {
	flights  []flight
	dues     bool      // some may be due
	aliases  []topicID // that the client knows: alias n is aliases[n-1]
	shares   []*share
	memo     memo
	received idSet       // QoS 2, not released yet
	commit   node.Commit // the last of them is on disk with it
	late     *late       // reading of the flight that is sent again next
}

// rest is o.more, made when it is first needed.
func (o *feed) rest() *more {
	if o.more == nil {
		o.more = new(more)
	}
	return o.more
}

// unacked are the messages that the client has not acknowledged.
func (o *feed) unacked() []flight {
	if o.more == nil {
		return nil
	}
	return o.more.flights
}

// forever is an expiry without end (3.1.2.11.2).
const forever = 1<<32 - 1

// Wake implements node.Sink for sessions that outlive connections.
func (c *client) Wake() {
	if cn := c.conn.Load(); cn != nil {
		cn.own.Sink().Wake()
	}
}

// Cut implements node.Sink.
func (c *client) Cut(why *codec.Error) {
	if cn := c.conn.Load(); cn != nil {
		cn.own.Sink().Cut(why)
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
	var flights []flight
	var shares []*share
	if m := c.out.more; m != nil {
		flights, shares = slices.Clone(m.flights), slices.Clone(m.shares)
	}
	c.mu.Unlock()
	mine = slices.DeleteFunc(mine, func(f string) bool { return s.MaySubscribe([]byte(f)) == nil })
	flights = slices.DeleteFunc(flights, func(x flight) bool {
		t := c.srv.topic(x.topicID)
		return t != nil && !s.MayRead(t.Name())
	})
	c.mu.Lock()
	for _, f := range mine {
		c.out.subs.remove(f)
	}
	c.out.changed()
	if len(flights) > 0 || c.out.more != nil {
		c.out.rest().flights = flights
	}
	c.mu.Unlock()
	for _, f := range mine {
		_ = s.Unsubscribe([]byte(f), turn)
	}
	for _, g := range shares {
		if _, f := packet.Share([]byte(g.key)); s.MaySubscribe(f) != nil {
			c.srv.part(c, g.key, s, turn)
		}
	}
}

// incoming is a message of QoS 2 that its client has not released.
type incoming struct {
	id  uint16
	old bool   // of an earlier run of the hub: its id may be another message's since
	sum uint32 // of a client that is kept: what the message said
}

// idSet are packet identifiers; most often there are none, and never many.
type idSet []incoming

// has reports whether a message of that identifier has come, and is not another one
// than before a restart.
func (s *idSet) has(id uint16, sum uint32) bool {
	for _, x := range *s {
		if x.id == id {
			return !x.old || x.sum == sum
		}
	}
	return false
}

func (s *idSet) remove(id uint16) bool {
	for i, x := range *s {
		if x.id == id {
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

// subs are a client's subscriptions: those with wildcards first, then exact names,
// which are found by a map once there are some: Home Assistant subscribes to hundreds.
type subs struct {
	list []sub
	many *many // nil: none has wildcards, and they are few
}

type many struct {
	wild   int            // how many have wildcards
	byName map[string]int // places in list of exact names, nil while they are few
}

// wild is how many have wildcards.
func (s *subs) wild() int {
	if s.many == nil {
		return 0
	}
	return s.many.wild
}

func (s *subs) places() map[string]int {
	if s.many == nil {
		return nil
	}
	return s.many.byName
}

// rest is s.many, made when it is first needed.
func (s *subs) rest() *many {
	if s.many == nil {
		s.many = new(many)
	}
	return s.many
}

// all yields every subscription.
func (s *subs) all(yield func(*sub) bool) {
	for i := range s.list {
		if !yield(&s.list[i]) {
			return
		}
	}
}

func (s *subs) find(filter string) *sub {
	if i := s.place(filter); i >= 0 {
		return &s.list[i]
	}
	return nil
}

func (s *subs) place(filter string) int {
	if !codec.HasWildcard(filter) {
		return s.exact(filter)
	}
	return slices.IndexFunc(s.list[:s.wild()], func(x sub) bool { return x.filter == filter })
}

// fewSubs are looked through faster than found in a map.
const fewSubs = 8

func (s *subs) exact(name string) int {
	if by := s.places(); by != nil {
		if i, ok := by[name]; ok {
			return i
		}
		return -1
	}
	for i := s.wild(); i < len(s.list); i++ {
		if s.list[i].filter == name {
			return i
		}
	}
	return -1
}

// set puts a subscription into a place.
func (s *subs) set(i int, n sub) {
	s.list[i] = n
	if by := s.places(); by != nil && i >= s.wild() {
		by[n.filter] = i
	}
}

// put adds a subscription or replaces the one with its filter.
func (s *subs) put(n sub) {
	if old := s.find(n.filter); old != nil {
		*old = n
		return
	}
	last := len(s.list)
	s.list = append(s.list, n)
	if codec.HasWildcard(n.filter) {
		first := s.wild()
		s.rest().wild++
		s.set(last, s.list[first]) // the first exact name, if there is one, makes room
		s.set(first, n)
		return
	}
	s.set(last, n)
	if s.places() == nil && last-s.wild() >= fewSubs {
		by := make(map[string]int, 2*fewSubs)
		for i := s.wild(); i <= last; i++ {
			by[s.list[i].filter] = i
		}
		s.rest().byName = by
	}
}

func (s *subs) remove(filter string) bool {
	i := s.place(filter)
	if i < 0 {
		return false
	}
	last := len(s.list) - 1
	if i < s.wild() { // the last one with wildcards takes its place, and the last of all that one's
		s.many.wild--
		s.list[i] = s.list[s.many.wild]
		i = s.many.wild
	} else {
		delete(s.places(), filter)
	}
	if i < last {
		s.set(i, s.list[last])
	}
	s.list[last] = sub{}
	s.list = s.list[:last]
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
		w.add(&s.list[i])
	}
	for i := range s.list[:s.wild()] {
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
