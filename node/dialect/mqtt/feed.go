package mqtt

import (
	"slices"

	"topicd/codec"
	"topicd/node"
	"topicd/node/dialect/mqtt/packet"
)

// feed is what a client is sent. It is the format of its subscriptions where they
// are not plain. All of it is guarded by the client's mu.
type feed struct {
	v         packet.Version
	limit     uint8 // of flights: the client's receive maximum, at most maxWindow
	gives     uint8 // topic aliases that the client takes
	lastID    uint16
	inLine    bool   // the box is a task of the session
	asked     bool   // somebody asked for the box while it was being emptied
	waits     bool   // the task waits for the disk, with what is sent again
	ended     bool   // no share may hand it anything more
	old       bool   // readings of before this run may have been sent
	values    bool   // Config.Values
	maxPacket uint32 // the client's maximum packet size, 0 = none
	subs      subs
	box       *box  // nil = empty
	more      *more // nil until the client is sent what is not everybody's
}

// memo is what the subscriptions want of the topic that was asked for last, and
// scratch.
type memo struct {
	topic topicID
	wish  wish
	props packet.Props
}

// maxScratch is what a client keeps for properties.
const maxScratch = 1 << 10

// Window is how many messages a client may leave unacknowledged: it may say
// less. Each is a place of 32 bytes and not the message. A busy reader is written to
// once in its pace, 2 ms, a window at most: with 32 the hub had 12,000 messages a
// second from 1,000 senders of QoS 1 to one reader, and 14.4 µs of CPU for each, with
// 64 22,000 and 12.0, with 128 50,000 and 10.1 (Mosquitto 18).
const (
	maxWindow  = 128
	keptWindow = 32 // where the session outlives the process: it stands in its note, with the topics' names
)

// flight is a message that its client has not acknowledged to the end.
type flight struct {
	id       uint16
	qos      byte
	released bool // PUBREC has come: PUBREL is to be answered (4.3.3)
	retain   bool
	durable  bool // what it says is on disk
	shared   bool // a share handed it out
	due      bool // it is to be sent again
	fresh    bool // to this client for the first time
	topicID
	seq uint64
}

// topicID is a topic that may have ended: its name would be kept, and counted by nobody.
type topicID struct {
	num uint32
	ep  uint64 // 0 = none
}

func topicOf(r *node.Reading) topicID { return topicID{r.Num, r.Ep} }

// topic is the topic, nil when it has ended.
func (s *Server) topic(t topicID) *node.Topic { return s.hub.TopicOf(t.num, t.ep) }

// Room implements node.Windowed.
func (c *client) Room() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.out.room()
}

// room is how many more fit; none, before what is sent again has been.
func (o *feed) room() int {
	if o.due() >= 0 {
		return 0
	}
	return int(o.limit) - len(o.unacked())
}

// Append implements node.Format.
func (c *client) Append(dst []byte, r *node.Reading) ([]byte, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	o := &c.out
	w := o.wants(r)
	if w.qos > 0 {
		c.keepSent(r)
	}
	if !w.some || w.noLocal && r.Origin == c.sess.ID() || r.Stored && isEmpty(r) {
		r.Unwanted = true
		return dst, false
	}
	return o.send(dst, r, w.qos, w.asPublished && !r.Passing, w.ids)
}

// flat is how subscriptions of QoS 0 are read that meet no other: they do not wait
// for a window (3.3.4-7).
type flat struct {
	node.Binary
	c *client
}

// Append implements node.Format.
func (f flat) Append(dst []byte, r *node.Reading) ([]byte, bool) { return f.c.Append(dst, r) }

// send appends a reading at the lower of two QoS, and notes that it is on its way.
func (o *feed) send(dst []byte, r *node.Reading, qos byte, retain bool, ids []uint32) ([]byte, bool) {
	m := message{v: o.v, qos: min(qos, publishedQoS(r)), retain: r.Stored || retain, values: o.values}
	if m.qos > 0 {
		m.dup = o.old && r.Past
		m.id = o.nextID()
	}
	out, ok := o.write(dst, r, &m, ids)
	if ok && m.qos > 0 {
		o.lastID = m.id
		x := o.rest()
		x.flights = append(x.flights, flight{id: m.id, qos: m.qos, retain: m.retain, durable: r.Durable, topicID: topicOf(r), seq: r.Seq})
	}
	return out, ok
}

// publishedQoS is the QoS that a reading was published with. What others than MQTT
// publish is stored when it is acknowledged: QoS 1.
func publishedQoS(r *node.Reading) byte {
	if r.QoS > 0 {
		return r.QoS - 1
	}
	return 1
}

// wants is what the subscriptions want of a topic. Readings come in runs.
func (o *feed) wants(r *node.Reading) *wish {
	m := &o.rest().memo
	if t := topicOf(r); m.topic != t || t.ep == 0 {
		m.topic, m.wish = t, o.subs.of(r.Topic, m.wish.ids[:0])
	}
	return &m.wish
}

// changed is to be called when subs have.
func (o *feed) changed() {
	if o.more != nil {
		o.more.memo.topic = topicID{}
	}
}

// as says how a subscription is to be read beside the others.
func (c *client) as(s *sub) as {
	o := &c.out
	if s.qos > 0 {
		return asWindow
	}
	own := c.kept || o.gives > 0 || o.maxPacket > 0 || !s.plain()
	for x := range o.subs.all {
		if x.filter == s.filter || !x.meets(s) {
			continue
		}
		if x.qos > 0 {
			return asWindow
		}
		own = own || !x.plain()
	}
	if own {
		return asOwn
	}
	return asAll
}

// format is the format for that.
func (c *client) format(a as) node.Format {
	switch {
	case a == asWindow:
		return c
	case a == asOwn:
		return flat{c: c}
	case c.out.v == packet.V5:
		return plainly(packet.V5, c.srv.cfg.Values)
	}
	return plainly(packet.V4, c.srv.cfg.Values)
}

// nextID is an identifier that no flight has (2.2.1).
func (o *feed) nextID() uint16 {
	for id := o.lastID + 1; ; id++ {
		if id != 0 && o.flight(id) < 0 {
			return id
		}
	}
}

func (o *feed) flight(id uint16) int {
	return slices.IndexFunc(o.unacked(), func(f flight) bool { return f.id == id })
}

func (o *feed) land(i int) { o.more.flights = slices.Delete(o.more.flights, i, i+1) }

// message is what of a PUBLISH is not the reading's.
type message struct {
	v           packet.Version
	qos         byte
	dup, retain bool
	values      bool // Config.Values
	id          uint16
}

// write appends a reading as a PUBLISH; false when it has expired, has no form,
// or is larger than the client takes (3.1.2-25).
func (o *feed) write(dst []byte, r *node.Reading, m *message, ids []uint32) ([]byte, bool) {
	mine := o.rest()
	p := mine.memo.props[:0]
	if m.v == packet.V5 {
		for _, id := range ids {
			p = p.AppendNum(packet.SubscriptionID, id)
		}
	}
	x := parseExt(r.Ext)
	p, ok := x.hand(p, m.v, r.Age)
	if !ok {
		r.Unwanted = true // 3.3.2-5
		return dst, false
	}
	topic := r.Topic
	// Not with QoS 2: mqtt.js 5.16 forgets the topic of such a message until PUBREL.
	aliased := m.v == packet.V5 && m.qos < 2 && !m.dup
	if n := slices.Index(mine.aliases, topicOf(r)) + 1; n > 0 && aliased {
		p = p.AppendNum(packet.TopicAlias, uint32(n))
		topic = ""
	}
	fresh := topic != "" && aliased && len(mine.aliases) < int(o.gives)
	if fresh {
		p = p.AppendNum(packet.TopicAlias, uint32(len(mine.aliases)+1))
	}
	if mine.memo.props = p; cap(p) > maxScratch {
		mine.memo.props = nil // each reader of one message with 64 KB of them kept as much
	}
	start := len(dst)
	out, ok := appendReading(dst, r, m, topic, p, x.raw)
	if ok && o.maxPacket > 0 && len(out)-start > int(o.maxPacket) {
		return out[:start], false
	}
	if ok && fresh {
		mine.aliases = append(mine.aliases, topicOf(r))
	}
	return out, ok
}

// appendReading appends the PUBLISH of a reading.
func appendReading(dst []byte, r *node.Reading, m *message, topic string, p packet.Props, raw bool) ([]byte, bool) {
	flags := packet.Flags(m.qos, m.dup, m.retain)
	if m.values && r.QoS == 0 {
		var b [32]byte
		if v, ok := valueOf(b[:0], r); ok {
			return append(packet.AppendPublish(dst, m.v, flags, topic, m.id, p, len(v)), v...), true
		}
	}
	if b, ok := payloadIn(r, raw); ok {
		return append(packet.AppendPublish(dst, m.v, flags, topic, m.id, p, len(b)), b...), true
	}
	// The payload first, whose length is not known, then the head before it.
	start := len(dst)
	dst, ok := appendPayload(dst, r, raw)
	if !ok {
		return dst[:start], false
	}
	n := len(dst) - start
	head := packet.PublishSize(m.v, m.qos, len(topic), len(p), n) - n
	for range head {
		dst = append(dst, 0)
	}
	copy(dst[start+head:], dst[start:start+n])
	packet.AppendPublish(dst[:start], m.v, flags, topic, m.id, p, n)
	return dst, true
}

// ext is what MQTT keeps with a reading beside its data (node.Body.Ext): a byte of
// flags, then the properties that are handed on.
type ext struct {
	raw     bool // the JSON is as it was written: see payload.go
	expires bool // the message expiry interval is the first of the properties: 10,000 others cost each reader 0.1 ms
	props   packet.Props
}

const (
	extRaw     = 1
	extExpires = 2
	expirySize = 5 // of that property
)

// handedOn are the properties of a message that its readers get (3.3.2.3).
const handedOn = packet.Has(1<<packet.PayloadFormat | 1<<packet.MessageExpiry | 1<<packet.ContentType | 1<<packet.ResponseTopic |
	1<<packet.CorrelationData | 1<<packet.UserProperty)

// appendExt appends the ext of a message; nothing where there is nothing to say.
func appendExt(dst []byte, raw bool, p packet.Props, has packet.Has) []byte {
	if !raw && has&handedOn == 0 {
		return dst
	}
	var f byte
	if raw {
		f = extRaw
	}
	if has.Has(packet.MessageExpiry) {
		f |= extExpires
	}
	x := packet.Props(append(dst, f))
	if f&extExpires != 0 {
		x = x.AppendNum(packet.MessageExpiry, p.Num(packet.MessageExpiry, 0))
	}
	return x.AppendOnly(p, handedOn&^(1<<packet.MessageExpiry))
}

func parseExt(b []byte) ext {
	if len(b) == 0 {
		return ext{}
	}
	p := packet.Props(b[1:])
	return ext{b[0]&extRaw != 0, b[0]&extExpires != 0 && len(p) >= expirySize && p[0] == byte(packet.MessageExpiry), p}
}

// hand appends the properties as a reader gets them age milliseconds later; false
// when the message has expired (3.3.2-5, 3.3.2-6).
func (x *ext) hand(p packet.Props, v packet.Version, age int64) (packet.Props, bool) {
	if x.expires {
		left := int64(x.props.Num(packet.MessageExpiry, 0)) - age/1000
		if left <= 0 {
			return p, false
		}
		if v == packet.V5 {
			p = append(p, x.props[expirySize:]...).AppendNum(packet.MessageExpiry, uint32(left))
		}
		return p, true
	}
	if v == packet.V5 {
		p = append(p, x.props...)
	}
	return p, true
}

// isEmpty: an empty message that was retained ended what was retained before it
// (3.3.1-6); newcomers get neither.
func isEmpty(r *node.Reading) bool {
	if r.CBOR {
		b, ok := payloadIn(r, false)
		return ok && len(b) == 0
	}
	return string(r.Data) == `""` && !parseExt(r.Ext).raw
}

// payloadIn is the payload of a reading where it lies in it in one piece.
func payloadIn(r *node.Reading, raw bool) ([]byte, bool) {
	if !r.CBOR {
		return r.Data, raw || !isString(r.Data)
	}
	if b, ok := codec.ByteString(r.Data); ok {
		return b, true
	}
	return codec.TextString(r.Data)
}
