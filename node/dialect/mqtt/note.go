package mqtt

import (
	"encoding/binary"
	"slices"

	"topicd/node/fields"
)

// note is what is kept of a client beside how far it is with durable topics. Its form
// is a number of the form, then what stands in append, numbers as varints.
type note struct {
	here bool   // it was connected
	left uint32 // of its expiry, in seconds
	addr string
	lost uint64 // readings of topics that are not durable, which end with the process

	last     uint16 // identifier
	subs     []sub  // shared ones too
	flights  []flight
	topics   []string // of flights, as they are read
	received idSet
}

const noteForm = 1

// Bits of a subscription and of a flight, above their QoS.
const (
	noteNoLocal     = 1 << 2
	noteAsPublished = 1 << 3
	noteReleased    = 1 << 2
	noteRetain      = 1 << 3
	noteShared      = 1 << 4
)

// takeLocked takes over what is the client's, whose mu the caller holds.
func (n *note) takeLocked(c *client) {
	o := &c.out
	n.last = o.lastID
	for x := range o.subs.all {
		n.subs = append(n.subs, *x)
	}
	if m := o.more; m != nil {
		n.flights, n.received = slices.Clone(m.flights), slices.Clone(m.received)
	}
}

// append appends the note.
func (n *note) append(b []byte, s *Server) []byte {
	num := func(v uint64) { b = binary.AppendUvarint(b, v) }
	text := func(s string) { b = append(binary.AppendUvarint(b, uint64(len(s))), s...) }
	num(noteForm)
	num(bit(n.here, 1))
	num(uint64(n.left))
	text(n.addr)
	num(uint64(n.last))
	num(uint64(len(n.subs)))
	for i := range n.subs {
		x := &n.subs[i]
		text(x.filter)
		num(uint64(x.qos) | bit(x.noLocal, noteNoLocal) | bit(x.asPublished, noteAsPublished))
		num(uint64(x.id))
	}
	all := len(n.flights)
	n.flights = slices.DeleteFunc(n.flights, func(x flight) bool { return !x.durable && !x.released })
	num(n.lost + uint64(all-len(n.flights)))
	num(uint64(len(n.flights)))
	for i := range n.flights {
		x := &n.flights[i]
		num(uint64(x.id))
		num(uint64(x.qos) | bit(x.released, noteReleased) | bit(x.retain, noteRetain) | bit(x.shared, noteShared))
		name := ""
		if t := s.topic(x.topicID); t != nil {
			name = t.Name()
		}
		text(name)
		num(x.ep)
		num(x.seq)
	}
	num(uint64(len(n.received)))
	for _, x := range n.received {
		num(uint64(x.id))
		num(uint64(x.sum))
	}
	return b
}

func bit(on bool, v uint64) uint64 {
	if on {
		return v
	}
	return 0
}

// parse reads a note, and puts what of it is a client's into c; false: it is none.
func (n *note) parse(b []byte, c *client) bool {
	r := fields.Reader{B: b}
	if r.Uint() != noteForm {
		return false
	}
	o := &c.out
	n.here = r.Uint()&1 != 0
	n.left = uint32(r.Uint())
	n.addr = string(r.Bytes())
	o.lastID = uint16(r.Uint())
	for k := r.Uint(); k > 0 && !r.Bad; k-- {
		x := sub{filter: string(r.Bytes())}
		f := r.Uint()
		x.qos, x.noLocal, x.asPublished, x.id = byte(f&3), f&noteNoLocal != 0, f&noteAsPublished != 0, uint32(r.Uint())
		n.subs = append(n.subs, x)
	}
	n.lost = r.Uint()
	for k := r.Uint(); k > 0 && !r.Bad; k-- {
		x := flight{id: uint16(r.Uint()), durable: true}
		f := r.Uint()
		x.qos, x.released, x.retain = byte(f&3), f&noteReleased != 0, f&noteRetain != 0
		x.shared = f&noteShared != 0
		n.topics = append(n.topics, string(r.Bytes()))
		x.ep, x.seq = r.Uint(), r.Uint()
		o.rest().flights = append(o.rest().flights, x)
	}
	for k := r.Uint(); k > 0 && !r.Bad; k-- {
		o.rest().received = append(o.rest().received, incoming{id: uint16(r.Uint()), sum: uint32(r.Uint()), old: true})
	}
	if n.here { // numbers that it was sent since are not known: none of them is given again soon
		o.lastID += 1 << 15
	}
	return !r.Bad && (o.more == nil || len(o.more.flights) <= maxWindow && len(o.more.received) <= receiveMaximum)
}
