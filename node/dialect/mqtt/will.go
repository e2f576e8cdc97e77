package mqtt

import (
	"topicd/node"
	"topicd/node/dialect/mqtt/packet"
)

// will is the message that is sent when its client is gone (3.1.2.5).
type will struct {
	delay uint32 // seconds
	due   int64  // of the hub's clock
	size  int    // bytes that are counted for it
	pub   packet.Publish
}

// newWill copies a CONNECT's will; nil where there is none, or no room for it.
func (s *Server) newWill(c *packet.Connect) *will {
	if !c.HasWill {
		return nil
	}
	w := &will{delay: c.Will.Props.Num(packet.WillDelay, 0)}
	n := len(c.Will.Topic) + len(c.Will.Payload) + len(c.Will.Props)
	if !s.wills.Take(n) {
		return nil
	}
	w.size = n
	buf := make([]byte, 0, n)
	keep := func(b []byte) []byte {
		at := len(buf)
		buf = append(buf, b...)
		return buf[at:len(buf):len(buf)]
	}
	w.pub = packet.Publish{Topic: keep(c.Will.Topic), Payload: keep(c.Will.Payload), Props: keep(c.Will.Props), QoS: c.Will.QoS, Retain: c.Will.Retain}
	for v := range w.pub.Props.All {
		w.pub.Has |= 1 << v.ID
	}
	return w
}

// forget: a will that there may be is not kept any more.
func (s *Server) forget(w *will) {
	if w != nil {
		s.wills.Give(w.size)
		w.size = 0
	}
}

// publishWill publishes a will with its client's rights; what it may not or there
// is no room for is counted by the hub.
func (s *Server) publishWill(c *client, w *will, turn *node.Turn) {
	s.forget(w)
	_, _ = publish(c.sess, w.pub.Topic, &w.pub, turn)
}
