package mqtt

import (
	"topicd/codec"
	"topicd/node"
	"topicd/node/dialect/mqtt/packet"
)

// partAll takes a client that has ended out of its shares. What of QoS 1 it has not
// acknowledged is another member's (4.8.2).
func (c *client) partAll(turn *node.Turn) {
	c.mu.Lock()
	c.out.ended = true
	c.emptyLocked(nil)
	var shares []*share
	var left []flight
	if m := c.out.more; m != nil {
		shares, m.shares = m.shares, nil
		for _, x := range m.flights {
			if x.shared && x.qos == 1 {
				left = append(left, x)
			}
		}
	}
	c.mu.Unlock()
	for _, g := range shares {
		c.srv.mu.Lock()
		g.leaveLocked(c, turn)
		c.srv.mu.Unlock()
		left = g.inherit(left)
	}
}

// mostAgain is how much of members that have ended may wait in one share.
const mostAgain = 256

// inherit takes what is the share's of what a member has left.
func (g *share) inherit(left []flight) (others []flight) {
	_, filter := packet.Share([]byte(g.key))
	g.mu.Lock()
	for _, x := range left {
		t := g.srv.topic(x.topicID)
		switch {
		case t != nil && string(filter) != t.Name() && !codec.Match(string(filter), t.Name()):
			others = append(others, x)
		case t == nil || len(g.members) == 0 || len(g.again) >= mostAgain || !g.srv.again.Take(1):
			g.srv.hub.Stats.Add(node.DropOverrun, 1)
		default:
			g.again = append(g.again, x)
			g.newsLocked()
		}
	}
	g.mu.Unlock()
	if len(left) > 0 {
		g.handOut()
	}
	return others
}

// takeOver gives the member a message that another one had; false: it has ended.
func (m *member) takeOver(x flight) bool {
	c := m.client
	c.mu.Lock()
	defer c.mu.Unlock()
	o := &c.out
	if o.ended {
		return false
	}
	x.id, x.due, x.fresh = o.nextID(), true, true
	o.lastID = x.id
	o.rest().flights, o.more.dues = append(o.rest().flights, x), true
	return true
}

// takeBack keeps a message for the next member: the one that was to get it has ended
// since it was picked. Of QoS 0, and 2, it goes with that one.
func (g *share) takeBack(r *node.Reading, qos byte) {
	if min(qos, publishedQoS(r)) != 1 {
		g.srv.hub.Stats.Add(node.DropOverrun, 1)
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if len(g.again) >= mostAgain || !g.srv.again.Take(1) {
		g.srv.hub.Stats.Add(node.DropOverrun, 1)
		return
	}
	g.again = append(g.again, flight{qos: 1, retain: r.Stored, durable: r.Durable, shared: true, topicID: topicOf(r), seq: r.Seq})
	g.newsLocked()
}
