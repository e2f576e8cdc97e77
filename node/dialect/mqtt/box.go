package mqtt

import (
	"sync"

	"topicd/node"
	"topicd/node/dialect/mqtt/packet"
)

// box is what a client is sent in order with its readings: a SUBACK before what
// is retained, a CONNACK and what was not acknowledged before all else. It is a
// task of the session, in line while there is something in it.
type box struct {
	b      []byte
	shared int // bytes of it that shares have put there, counted by the server
	said   int // and answers
}

// maxBox is how much may wait for a peer that asks and does not read.
const maxBox = 64 << 10

// say puts a packet into the box. false: its peer does not read.
func (c *client) say(pkt []byte, turn *node.Turn) bool {
	c.mu.Lock()
	ok := c.out.boxed()+len(pkt) <= maxBox && c.srv.said.Take(len(pkt))
	if ok {
		c.out.put(pkt)
		c.out.box.said += len(pkt)
	}
	c.mu.Unlock()
	return c.attend(turn) && ok
}

// boxed is how much is in the box.
func (o *feed) boxed() int {
	if o.box == nil {
		return 0
	}
	return len(o.box.b)
}

func (o *feed) put(pkts []byte) {
	if o.box == nil {
		o.box = boxes.Get().(*box)
	}
	o.box.b = append(o.box.b, pkts...)
}

// boxes are lent while there is something in them.
var boxes = sync.Pool{New: func() any { return new(box) }}

// emptyLocked appends what is in the box to dst.
func (c *client) emptyLocked(dst []byte) []byte {
	b := c.out.box
	if b == nil {
		return dst
	}
	c.out.box = nil
	dst = append(dst, b.b...)
	c.srv.boxes.Give(b.shared)
	c.srv.said.Give(b.said)
	if cap(b.b) <= 4096 {
		*b = box{b: b.b[:0]}
		boxes.Put(b)
	}
	return dst
}

// attend has the box emptied soon.
func (c *client) attend(turn *node.Turn) bool {
	c.mu.Lock()
	in := c.out.inLine
	c.out.inLine, c.out.asked = true, true
	c.mu.Unlock()
	return in || c.sess.Enqueue((*outbox)(c), turn) == nil
}

// outbox is the box of a client as a task.
type outbox client

// Step implements node.Task.
func (o *outbox) Step(dst []byte, limit int, f node.Framer) (out []byte, done bool) {
	c := (*client)(o)
	for {
		c.mu.Lock()
		c.out.asked = false
		if c.out.box != nil {
			at := len(dst)
			dst = f.End(c.emptyLocked(f.Begin(dst)), at, false)
		}
		c.mu.Unlock()
		for len(dst) < limit {
			next, more := c.resend(dst, f)
			if dst = next; !more {
				break
			}
		}
		c.roomier()
		c.mu.Lock()
		if !c.out.asked && c.out.again == 0 { // nothing came up meanwhile
			c.out.inLine = false
			c.mu.Unlock()
			return dst, true
		}
		c.mu.Unlock()
		if len(dst) >= limit {
			return dst, false
		}
	}
}

// resend sends the next flight again (4.4). One whose reading has gone from the
// hub's memory is given up: it was counted when it went.
func (c *client) resend(dst []byte, f node.Framer) (out []byte, more bool) {
	c.mu.Lock()
	o := &c.out
	if o.again == 0 {
		c.mu.Unlock()
		return dst, false
	}
	flights := o.unacked()
	i := len(flights) - int(o.again)
	if i < 0 {
		i, o.again = 0, uint8(len(flights))
	}
	if i >= len(flights) {
		o.again = 0
		c.mu.Unlock()
		return dst, false
	}
	o.again--
	x := flights[i]
	more = o.again > 0
	v := o.v
	c.mu.Unlock()
	at := len(dst)
	if x.released {
		rel := packet.Ack{Type: packet.PUBREL, ID: x.id}
		return f.End(rel.Append(f.Begin(dst), v), at, false), more
	}
	sent := false
	if t := c.sess.Hub().Find([]byte(x.topic)); t != nil {
		var raw []byte
		c.sess.Hub().Read(t, x.seq, x.seq+1, &raw, func(r *node.Reading) bool {
			if r.Ep != x.ep || r.Seq != x.seq {
				return false
			}
			c.mu.Lock()
			defer c.mu.Unlock()
			m := message{v: v, qos: x.qos, dup: true, retain: x.retain, id: x.id}
			out, ok := o.write(f.Begin(dst), r, &m, o.wants(x.topic).ids)
			if dst = out[:at]; ok {
				dst, sent = f.End(out, at, false), true
			}
			return false
		})
	}
	if !sent {
		c.mu.Lock()
		if i := o.flight(x.id); i >= 0 {
			o.land(i)
		}
		c.mu.Unlock()
		c.srv.hub.Stats.Add(node.DropOverrun, 1)
	}
	return dst, more
}
