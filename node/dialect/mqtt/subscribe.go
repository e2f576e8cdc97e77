package mqtt

import (
	"topicd/codec"
	"topicd/node"
	"topicd/node/dialect/mqtt/packet"
)

// subscribe handles a SUBSCRIBE (3.8).
func (c *conn) subscribe(p node.Peer, pkt []byte, turn *node.Turn) *packet.Error {
	var q packet.Subscribe
	if err := q.Decode(pkt, c.v); err != nil {
		return err
	}
	id := q.Props.Num(packet.SubscriptionID, 0)
	a := packet.SubAck{Type: packet.SUBACK, ID: q.ID}
	var todo []wanted
	most := c.srv.hub.Options().Subs
	for f := range q.Filters.All {
		if len(a.Codes) >= most { // 262,144 fit into a packet
			a.Codes = append(a.Codes, subCode(packet.QuotaExceeded, c.v))
			continue
		}
		w := wanted{sub: sub{filter: string(f.Filter), id: id, qos: f.QoS, noLocal: f.NoLocal, asPublished: f.AsPublished}, handling: f.RetainHandling}
		code := packet.Reason(f.QoS)
		if packet.CheckFilter(f.Filter) != nil || longShare(f.Filter) {
			code = packet.BadFilter
		} else if err := c.mayHear(p.Session(), f.Filter); err != nil {
			code = reasonOf(err, packet.SUBACK)
		} else {
			w.at = len(a.Codes)
			todo = append(todo, w)
		}
		a.Codes = append(a.Codes, subCode(code, c.v))
	}
	// The answer goes into the box before what is retained; a subscription that the
	// hub then has no room for is told in it, so they are made first.
	for i := range todo {
		if p.Session().Debt() > maxDebt {
			a.Codes[todo[i].at] = subCode(packet.QuotaExceeded, c.v)
		} else if err := c.client.add(p.Session(), &todo[i], false, turn); err != nil {
			a.Codes[todo[i].at] = subCode(reasonOf(err, packet.SUBACK), c.v)
		}
	}
	c.srv.save(c.client, turn)
	if !c.client.say(a.Append(nil, c.v), turn) {
		return errNotReading
	}
	return nil
}

// maxDebt is how far ahead of its rate one SUBSCRIBE may get, in milliseconds: a hundred
// patterns in a hub of 16,384 topics, each of which asks all of them. Repeated
// through a packet of 256 KiB they kept the hub for minutes.
const maxDebt = 20_000

var errNotReading = &packet.Error{Reason: packet.QuotaExceeded, Clause: "4.13.2", Msg: "answers that are not read"}

// wanted is a subscription on its way.
type wanted struct {
	sub
	handling byte
	at       int
}

// mayHear asks before anything is changed.
func (c *conn) mayHear(s *node.Session, filter []byte) *codec.Error {
	if packet.IsShared(filter) {
		_, filter = packet.Share(filter)
	}
	if err := codec.CheckPattern(filter); err != nil {
		return err
	}
	return s.MaySubscribe(filter)
}

func longShare(filter []byte) bool {
	if !packet.IsShared(filter) {
		return false
	}
	name, _ := packet.Share(filter)
	return len(name) > maxShareName
}

// add makes a subscription or changes it. again: it was there before a restart.
func (cl *client) add(s *node.Session, w *wanted, again bool, turn *node.Turn) *codec.Error {
	if packet.IsShared([]byte(w.filter)) {
		return cl.srv.join(cl, w.sub, s, turn)
	}
	cl.mu.Lock()
	old := cl.out.subs.find(w.filter)
	isNew, begins := old == nil, old == nil || old.qos == 0
	w.as = cl.as(&w.sub)
	cl.out.subs.put(w.sub)
	cl.out.changed()
	var others []sub
	if w.as != asAll { // those that meet it are read otherwise now
		for o := range cl.out.subs.all {
			if o.as < w.as && o.filter != w.filter && o.meets(&w.sub) {
				o.as = cl.as(o)
				others = append(others, *o)
			}
		}
	}
	format := cl.format(w.as)
	cl.mu.Unlock()
	for _, o := range others {
		_, _ = s.Subscribe([]byte(o.filter), node.SubOptions{Format: cl.format(o.as)}, turn)
	}
	if codec.IsReserved([]byte(w.filter)) {
		if !cl.srv.watched.Swap(true) {
			cl.srv.figures(turn)
			cl.srv.wake()
		}
	}
	opt := node.SubOptions{Format: format, Kept: w.handling == 0 || w.handling == 1 && isNew}
	if w.qos > 0 && begins {
		if x := cl.cursor(w.filter, !again); x != nil {
			opt.Cursor = x
			defer x.done()
		}
	}
	_, err := s.Subscribe([]byte(w.filter), opt, turn)
	if err != nil && isNew {
		cl.mu.Lock()
		cl.out.subs.remove(w.filter)
		cl.out.changed()
		cl.mu.Unlock()
	}
	return err
}

// unsubscribe handles an UNSUBSCRIBE (3.10).
func (c *conn) unsubscribe(p node.Peer, pkt []byte, turn *node.Turn) *packet.Error {
	var q packet.Unsubscribe
	if err := q.Decode(pkt, c.v); err != nil {
		return err
	}
	a := packet.SubAck{Type: packet.UNSUBACK, ID: q.ID}
	for f := range q.Filters.All {
		p.Session().Charge(1)
		code := packet.Success
		switch {
		case packet.CheckFilter(f) != nil:
			code = packet.BadFilter
		case packet.IsShared(f):
			if !c.srv.part(c.client, string(f), turn) {
				code = packet.NoSubscription
			}
		default:
			c.client.mu.Lock()
			had := c.client.out.subs.remove(string(f))
			c.client.out.changed()
			c.client.mu.Unlock()
			if !had {
				code = packet.NoSubscription
			} else {
				_ = p.Session().Unsubscribe(f, turn)
			}
		}
		a.Codes = append(a.Codes, byte(code))
	}
	c.srv.save(c.client, turn)
	p.Send(false, a.Append(nil, c.v), turn)
	return nil
}
