package mqtt

import (
	"slices"

	"topicd/node"
	"topicd/node/dialect/mqtt/packet"
)

// due is the first flight that is to be sent again, -1 = there is none.
func (o *feed) due() int {
	m := o.more
	if m == nil || !m.dues {
		return -1
	}
	i := slices.IndexFunc(m.flights, func(x flight) bool { return x.due })
	m.dues = i >= 0
	return i
}

// resend sends the next flight again (4.4); more: there was one. One whose reading has
// gone is given up: it was counted when it went. waits: it lies on disk, and the client
// is attended to when it has come.
func (c *client) resend(dst []byte, f node.Framer) (out []byte, more, waits bool) {
	c.mu.Lock()
	o := &c.out
	i := o.due()
	if i < 0 {
		c.mu.Unlock()
		return dst, false, false
	}
	x, v := o.more.flights[i], o.v
	c.mu.Unlock()
	at, sent := len(dst), false
	if x.released {
		rel := packet.Ack{Type: packet.PUBREL, ID: x.id}
		dst, sent = f.End(rel.Append(f.Begin(dst), v), at, false), true
	} else if t := c.srv.topic(x.topicID); t != nil {
		l := c.fetch(t, &x)
		if l == nil {
			return dst, false, true
		}
		if r := &l.r; l.some && r.Ep == x.ep && r.Seq == x.seq {
			c.mu.Lock()
			m := message{v: v, qos: x.qos, dup: !x.fresh, retain: x.retain, id: x.id, values: o.values}
			out, ok := o.write(f.Begin(dst), r, &m, o.wants(r).ids)
			if dst = out[:at]; ok {
				dst, sent = f.End(out, at, false), true
			}
			c.mu.Unlock()
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if i := o.flight(x.id); i >= 0 {
		o.more.flights[i].due, o.more.flights[i].fresh = false, false
		if !sent {
			o.land(i)
			c.srv.hub.Stats.Add(node.DropOverrun, 1)
		}
	}
	return dst, true, false
}

// late is the reading of a flight.
type late struct {
	id   uint16
	come bool
	some bool // it is there still
	r    node.Reading
	raw  []byte // where r lies
}

func (l *late) read(h *node.Hub, t *node.Topic, seq uint64) {
	h.Read(t, seq, seq+1, &l.raw, func(r *node.Reading) bool {
		l.r, l.some = *r, true
		return false
	})
}

// fetch is the reading of a flight, nil as long as it has to be fetched from the disk:
// not by who writes to sockets. Of so many at a time, in bytes, as shares may hold.
func (c *client) fetch(t *node.Topic, x *flight) *late {
	h := c.srv.hub
	if !h.Past(t, x.seq) || c.srv.boxes.Full() {
		l := new(late)
		l.read(h, t, x.seq)
		return l
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	m := c.out.rest()
	if l := m.late; l != nil && l.id == x.id {
		if !l.come {
			return nil
		}
		c.dropLateLocked()
		return l
	}
	c.dropLateLocked()
	l := &late{id: x.id}
	m.late = l
	seq := x.seq
	c.sess.Background(func() {
		l.read(h, t, seq)
		c.mu.Lock()
		if m.late == l {
			l.come = true
			c.srv.boxes.Move(0, cap(l.raw))
		}
		c.mu.Unlock()
	})
	return nil
}

// dropLateLocked forgets what was fetched.
func (c *client) dropLateLocked() {
	if m := c.out.more; m != nil && m.late != nil {
		if m.late.come {
			c.srv.unbox(cap(m.late.raw))
		}
		m.late = nil
	}
}
