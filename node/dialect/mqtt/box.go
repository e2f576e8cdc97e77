package mqtt

import (
	"sync"

	"topicd/node"
)

// box is what a client is sent in order with its readings: a SUBACK before what
// is retained, a CONNACK and what was not acknowledged before all else. It is a
// task of the session, in line while there is something in it.
type box struct {
	b      []byte
	shared int // bytes of it that shares have put there, counted by the server
	said   int // and answers
}

// maxBox is how much may wait for a peer that asks and does not read, in answers: what
// shares have put there it has not asked for.
const maxBox = 64 << 10

// say puts a packet into the box. false: its peer does not read.
func (c *client) say(pkt []byte, turn *node.Turn) bool {
	c.mu.Lock()
	said := len(pkt)
	if c.out.box != nil {
		said += c.out.box.said
	}
	ok := said <= maxBox && c.srv.said.Take(len(pkt))
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
	c.srv.unbox(b.shared)
	c.srv.said.Give(b.said)
	if cap(b.b) <= 4096 {
		*b = box{b: b.b[:0]}
		boxes.Put(b)
	}
	return dst
}

// unbox gives back what was in boxes. Shares whose members could take no more, because
// all together were full, are looked at.
func (s *Server) unbox(n int) {
	if s.boxes.Free(n) {
		s.wake()
	}
}

// attend has the box emptied soon.
func (c *client) attend(turn *node.Turn) bool {
	c.mu.Lock()
	in, waits := c.out.inLine, c.out.waits
	c.out.inLine, c.out.asked = true, true
	c.mu.Unlock()
	if in && waits {
		c.sess.Sink().Wake() // who fills the session may have asked the task already
	}
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
		waits, sent := false, false
		for more := true; more && len(dst) < limit; {
			dst, more, waits = c.resend(dst, f)
			sent = sent || more
		}
		if sent && !waits { // cursors with windows have waited for it
			turn := c.srv.hub.Turn()
			c.sess.Resume(turn)
			turn.Wake()
		}
		c.roomier()
		c.mu.Lock()
		if !c.out.asked && c.out.due() < 0 { // nothing came up meanwhile
			c.out.inLine = false
			c.mu.Unlock()
			return dst, true
		}
		asked := c.out.asked
		c.out.waits = waits
		c.mu.Unlock()
		if waits && !asked || len(dst) >= limit {
			return dst, false
		}
	}
}
