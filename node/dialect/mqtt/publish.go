package mqtt

import (
	"hash/crc32"
	"sync"

	"topicd/codec"
	"topicd/node"
	"topicd/node/dialect/mqtt/packet"
)

// scratch is what a publish needs for the time that it takes.
type scratch struct{ data, ext []byte }

var scratches = sync.Pool{New: func() any { return new(scratch) }}

// publish stores a message as a reading.
func publish(s *node.Session, topic []byte, q *packet.Publish, turn *node.Turn) (node.Published, *codec.Error) {
	w := scratches.Get().(*scratch)
	defer func() {
		if cap(w.data) <= 64<<10 && cap(w.ext) <= 4096 {
			scratches.Put(w)
		}
	}()
	out, enc, inPlace := bodyOf(w.data[:0], q.Payload)
	w.data = out
	b := node.Body{Enc: enc, Data: out, Passing: !q.Retain, QoS: q.QoS + 1}
	if inPlace {
		b.Data = q.Payload
	}
	if raw := inPlace && isString(q.Payload); raw || q.Has&handedOn != 0 {
		w.ext = appendExt(w.ext[:0], raw, q.Props, q.Has)
		b.Ext = w.ext
	}
	return s.Publish(topic, b, 0, turn)
}

// Limits of what a client may have under way; CONNACK says them.
const (
	receiveMaximum = 256 // QoS 2 messages that are not released
	takenAliases   = 16  // topic aliases
)

var (
	errSubID    = &packet.Error{Reason: packet.ProtocolError, Clause: "3.3.4-6", Msg: "a subscription identifier from a client"}
	errAlias    = &packet.Error{Reason: packet.BadAlias, Clause: "3.3.2-9", Msg: "a topic alias above the maximum"}
	errNoAlias  = &packet.Error{Reason: packet.ProtocolError, Clause: "3.3.2.3.4", Msg: "a topic alias that was never given"}
	errTooMany  = &packet.Error{Reason: packet.TooManyInFlight, Clause: "3.3.4-9", Msg: "more QoS 2 messages than the receive maximum"}
	errNames    = &packet.Error{Reason: packet.QuotaExceeded, Clause: "4.13.2", Msg: "the names that aliases stand for take too much"}
	errNoRoomAt = &packet.Error{Reason: packet.QuotaExceeded, Clause: "4.13.2", Msg: "the hub has no room for it; before MQTT 5 only the end of the connection says so"}
)

// published handles a PUBLISH.
func (c *conn) published(p node.Peer, pkt []byte, turn *node.Turn) *packet.Error {
	var q packet.Publish
	if err := q.Decode(pkt, c.v); err != nil {
		return err
	}
	if q.Has.Has(packet.SubscriptionID) {
		return errSubID
	}
	topic := q.Topic
	switch {
	case q.Alias > takenAliases:
		return errAlias
	case q.Alias > 0 && len(topic) > 0:
		if !c.alias(q.Alias, topic) {
			return errNames
		}
	case q.Alias > 0:
		var known []string
		if c.past != nil {
			known = c.past.aliases
		}
		if int(q.Alias) > len(known) || known[q.Alias-1] == "" {
			return errNoAlias
		}
		topic = []byte(known[q.Alias-1])
	}
	if q.QoS == 2 {
		in := incoming{id: q.ID, sum: c.client.sum(topic, q.Payload)}
		switch before, known, full := c.client.received(in); {
		case known: // and on disk when what was received last is
			c.stored(p, packet.PUBREC, q.ID, &node.Published{Commit: before}, turn)
			return nil
		case full:
			return errTooMany
		}
		c.receive(topic, in, turn)
	}
	if q.Has.Has(packet.PayloadFormat) && q.Props.Num(packet.PayloadFormat, 0) == 1 && !packet.ValidUTF8(q.Payload) {
		return c.refused(p, &q, packet.BadPayload, turn)
	}
	res, err := publish(p.Session(), topic, &q, turn)
	if err == nil && c.v != packet.V5 {
		err = res.Unkept // an acknowledgement would say that it is on disk
	}
	if err != nil {
		return c.refused(p, &q, reasonOf(err, packet.PUBACK), turn)
	}
	switch q.QoS {
	case 1:
		c.stored(p, packet.PUBACK, q.ID, &res, turn)
	case 2:
		if res.Unkept != nil && c.v == packet.V5 { // PUBREC says that it is over
			c.client.release(q.ID)
		}
		c.client.waitsFor(res.Commit)
		c.stored(p, packet.PUBREC, q.ID, &res, turn)
	}
	return nil
}

// alias notes what an alias stands for; false: there is no room for it. It is the
// topic's own name where there is one, and counts all the same: the topic may end.
func (c *conn) alias(n uint16, topic []byte) bool {
	x := c.extra()
	for len(x.aliases) < int(n) {
		x.aliases = append(x.aliases, "")
	}
	a := &x.aliases[n-1]
	if *a == string(topic) {
		return true
	}
	c.srv.names.Give(len(*a))
	*a = ""
	if len(topic) > codec.MaxTopic { // it never is one
		return true
	}
	if !c.srv.names.Take(len(topic)) {
		return false
	}
	if t := c.srv.hub.Find(topic); t != nil {
		*a = t.Name()
	} else {
		*a = string(topic)
	}
	return true
}

// refused answers a message that is not stored. MQTT 5 tells why; before it who
// has no right is acknowledged all the same (3.1.1: 3.3.5-2), and what there is no
// room for ends the connection, so that it is sent again.
func (c *conn) refused(p node.Peer, q *packet.Publish, why packet.Reason, turn *node.Turn) *packet.Error {
	ends := c.v != packet.V5 && why != packet.NotAuthorized && why != packet.BadTopic
	if q.QoS == 2 && (ends || c.v == packet.V5) {
		c.client.release(q.ID)
	}
	switch {
	case q.QoS == 0:
	case ends:
		return errNoRoomAt
	case q.QoS == 1:
		c.ack(p, packet.PUBACK, q.ID, why, turn)
	default:
		c.ack(p, packet.PUBREC, q.ID, why, turn)
	}
	return nil
}

// ack acknowledges at once, or behind what waits for the disk.
func (c *conn) ack(p node.Peer, t packet.Type, id uint16, why packet.Reason, turn *node.Turn) {
	a := packet.Ack{Type: t, ID: id, Reason: why}
	var b [8]byte
	if s := p.Session(); s.Waits() {
		if s.Later(0, &laterAck{a, c.v, c}, turn) != nil {
			c.behind(p, turn)
		}
		return
	}
	p.Send(false, a.Append(b[:0], c.v), turn)
}

// behind ends the connection of a client with too many acknowledgements that wait
// for the disk: it sends again what was not acknowledged.
func (c *conn) behind(p node.Peer, turn *node.Turn) {
	c.srv.hub.Stats.Add(node.CutRoom, 1)
	c.end(p, packet.QuotaExceeded, "too much waits for the disk", turn)
}

// stored acknowledges a message when it is as safe as its topic wants.
func (c *conn) stored(p node.Peer, t packet.Type, id uint16, res *node.Published, turn *node.Turn) {
	switch {
	case res.Unkept != nil:
		c.ack(p, t, id, reasonOf(res.Unkept, t), turn)
	case res.Commit != 0:
		if p.Session().Later(res.Commit, &laterAck{packet.Ack{Type: t, ID: id}, c.v, c}, turn) != nil {
			c.behind(p, turn)
		}
	default:
		c.ack(p, t, id, packet.Success, turn)
	}
}

// laterAck is an acknowledgement that waits.
type laterAck struct {
	ack  packet.Ack
	v    packet.Version
	conn *conn
}

// saysNothing: a connection before MQTT 5 is cut for what is not on disk. It has no word
// for that, nor for anything else (Bye).
const saysNothing = -1

// Append implements node.Answer.
func (l *laterAck) Append(dst []byte, f node.Framer, why *codec.Error) []byte {
	a := l.ack
	if why != nil {
		if l.v != packet.V5 { // no answer: the client sends it again when it is back (4.4), and not before
			if c := l.conn; c.said.Swap(saysNothing) != saysNothing {
				c.srv.hub.Stats.Add(node.CutRoom, 1)
				c.own.Sink().Cut(why)
			}
			return dst
		}
		a.Reason = reasonOf(why, a.Type)
		if a.Type == packet.PUBREC { // it is over, and its identifier may be another's next
			l.conn.client.release(a.ID)
		}
	}
	at := len(dst)
	return f.End(a.Append(f.Begin(dst), l.v), at, false)
}

// acked handles PUBACK, PUBREC, PUBREL and PUBCOMP.
func (c *conn) acked(p node.Peer, pkt []byte, turn *node.Turn) *packet.Error {
	var a packet.Ack
	if err := a.Decode(pkt, c.v); err != nil {
		return err
	}
	if a.Type == packet.PUBREL { // of what the client sends
		why := packet.Success
		if !c.client.release(a.ID) {
			why = packet.IDNotFound
		}
		c.ack(p, packet.PUBCOMP, a.ID, why, turn)
		return nil
	}
	landed, release := c.client.acked(&a)
	if release != nil {
		var b [8]byte
		p.Send(false, release.Append(b[:0], c.v), turn)
	}
	if landed {
		p.Session().Resume(turn)
		c.client.roomier()
	}
	return nil
}

// acked moves a flight on. landed: there is room for another; release: PUBREL is
// to be sent.
func (c *client) acked(a *packet.Ack) (landed bool, release *packet.Ack) {
	c.mu.Lock()
	defer c.mu.Unlock()
	o := &c.out
	i := o.flight(a.ID)
	switch a.Type {
	case packet.PUBACK:
		landed = i >= 0 && o.more.flights[i].qos == 1
	case packet.PUBCOMP:
		landed = i >= 0 && o.more.flights[i].qos == 2
	case packet.PUBREC:
		switch {
		case i < 0 || o.more.flights[i].qos != 2:
			return false, &packet.Ack{Type: packet.PUBREL, ID: a.ID, Reason: packet.IDNotFound}
		case a.Reason.Failed(): // 4.3.3: the message is over
			landed = true
		default:
			o.more.flights[i].released = true
			c.touch()
			return false, &packet.Ack{Type: packet.PUBREL, ID: a.ID}
		}
	}
	if landed {
		o.land(i)
	}
	c.touch()
	return landed, nil
}

// sum tells two messages apart that have one identifier, one before and one after a
// restart.
func (c *client) sum(topic, payload []byte) uint32 {
	if c.keep == nil {
		return 0
	}
	return crc32.Update(crc32.ChecksumIEEE(topic), crc32.IEEETable, payload)
}

// receive notes that a message of QoS 2 has come. Where it is kept on disk the note is
// there before it: sent once more after a restart it is not stored again.
func (c *conn) receive(topic []byte, in incoming, turn *node.Turn) {
	cl := c.client
	cl.mu.Lock()
	got := &cl.out.rest().received
	got.remove(in.id) // an old one
	*got = append(*got, in)
	cl.mu.Unlock()
	if cl.keep != nil {
		if t := c.srv.hub.Find(topic); t == nil || t.Durable() {
			c.srv.save(cl, turn)
		}
	}
}

// release: a message of QoS 2 is over.
func (c *client) release(id uint16) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.touch()
	return c.out.rest().received.remove(id)
}

// received tells whether a message of QoS 2 is known, and what then to wait for before it
// is acknowledged; full: no more of them may be under way.
func (c *client) received(in incoming) (before node.Commit, known, full bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	m := c.out.rest()
	return m.commit, m.received.has(in.id, in.sum), len(m.received) >= receiveMaximum
}

// waitsFor notes what a message of QoS 2 has to wait for.
func (c *client) waitsFor(commit node.Commit) {
	c.mu.Lock()
	defer c.mu.Unlock()
	m := c.out.rest()
	m.commit = max(m.commit, commit)
}
