package mqtt

import (
	"topicd/codec"
	"topicd/node"
	"topicd/node/dialect/mqtt/packet"
)

// piece is how far the packet is that is handled in pieces: each filter may ask all
// topics, and one packet has room for many. Nothing that follows it is read meanwhile.
type piece struct {
	at    uint32   // filters that are done
	codes []byte   // of SUBSCRIBE, what became of them
	gone  []uint32 // of UNSUBSCRIBE, which of them there were
}

// begun is what has been done of the packet.
func (c *conn) begun() (w piece) {
	if x := c.past; x != nil && x.piece != nil {
		w, x.piece = *x.piece, nil
	}
	return w
}

// enough tells whether it is others' turn.
func enough(s *node.Session, began int64) bool { return s.Worked()-began > node.PieceOfWork }

// later has the rest of the packet handled soon.
func (c *conn) later(p node.Peer, w piece) {
	c.extra().piece = &w
	p.Again()
}

// subscribe handles a SUBSCRIBE (3.8). The answer comes before the readings of its
// subscriptions, but where it is handled in pieces (3.8.4).
func (c *conn) subscribe(p node.Peer, pkt []byte, turn *node.Turn) *packet.Error {
	var q packet.Subscribe
	if err := q.Decode(pkt, c.v); err != nil {
		return err
	}
	s := p.Session()
	a := packet.SubAck{Type: packet.SUBACK, ID: q.ID}
	s.Mute()
	defer s.Unmute(turn)
	most := uint32(c.srv.hub.Options().Subs)
	w, began, i := c.begun(), s.Worked(), uint32(0)
	for f := range q.Filters.All {
		switch i++; {
		case i <= w.at:
		case i > most: // 262,144 fit into a packet
			w.codes = append(w.codes, subCode(packet.QuotaExceeded, c.v))
		case enough(s, began):
			w.at = i - 1
			c.later(p, w)
			return nil
		default:
			w.codes = append(w.codes, subCode(c.wants(s, &f, q.Props.Num(packet.SubscriptionID, 0), turn), c.v))
		}
	}
	a.Codes = w.codes
	c.srv.save(c.client, turn)
	if !c.client.say(a.Append(nil, c.v), turn) {
		return errNotReading
	}
	return nil
}

// wants makes one subscription, or says why not.
func (c *conn) wants(s *node.Session, f *packet.Filter, id uint32, turn *node.Turn) packet.Reason {
	if packet.CheckFilter(f.Filter) != nil || longShare(f.Filter) {
		return packet.BadFilter
	}
	if s.Debt() > maxDebt {
		return packet.QuotaExceeded
	}
	err := c.mayHear(s, f.Filter)
	if err == nil {
		w := wanted{sub{filter: string(f.Filter), id: id, qos: f.QoS, noLocal: f.NoLocal, asPublished: f.AsPublished}, f.RetainHandling}
		err = c.client.add(s, &w, false, turn)
	}
	if err != nil {
		return reasonOf(err, packet.SUBACK)
	}
	return packet.Reason(f.QoS)
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
	res, err := s.Subscribe([]byte(w.filter), opt, turn)
	cl.mu.Lock()
	defer cl.mu.Unlock()
	switch {
	case err == nil:
		w.filter = res.Pattern
		cl.out.subs.put(w.sub)
	case isNew:
		cl.out.subs.remove(w.filter)
		cl.out.changed()
	}
	return err
}

// unsubscribe handles an UNSUBSCRIBE (3.10).
func (c *conn) unsubscribe(p node.Peer, pkt []byte, turn *node.Turn) *packet.Error {
	var q packet.Unsubscribe
	if err := q.Decode(pkt, c.v); err != nil {
		return err
	}
	s := p.Session()
	w, began, i := c.begun(), s.Worked(), uint32(0)
	for f := range q.Filters.All {
		if i++; i <= w.at || packet.CheckFilter(f) != nil {
			continue
		}
		if len(w.gone) > 0 && enough(s, began) { // names that are not there are no work
			w.at = i - 1
			c.later(p, w)
			return nil
		}
		s.Charge(1)
		if c.drop(s, f, turn) {
			w.gone = append(w.gone, i)
		}
	}
	a := packet.SubAck{Type: packet.UNSUBACK, ID: q.ID}
	i = 0
	for f := range q.Filters.All {
		code := packet.NoSubscription
		if i++; len(w.gone) > 0 && w.gone[0] == i {
			code, w.gone = packet.Success, w.gone[1:]
		} else if packet.CheckFilter(f) != nil {
			code = packet.BadFilter
		}
		a.Codes = append(a.Codes, byte(code))
	}
	c.srv.save(c.client, turn)
	p.Send(false, a.Append(nil, c.v), turn)
	return nil
}

// drop ends a subscription; false: there is none.
func (c *conn) drop(s *node.Session, filter []byte, turn *node.Turn) bool {
	if packet.IsShared(filter) {
		return c.srv.part(c.client, string(filter), s, turn)
	}
	c.client.mu.Lock()
	had := c.client.out.subs.remove(string(filter))
	c.client.out.changed()
	c.client.mu.Unlock()
	if had {
		if codec.HasWildcard(string(filter)) {
			s.Charge(c.srv.hub.Counts().Topics / node.PatternCost)
		}
		_ = s.Unsubscribe(filter, turn)
	}
	return had
}
