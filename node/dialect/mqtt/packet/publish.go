package packet

// Publish is a PUBLISH (3.3). Its slices lie in the packet.
type Publish struct {
	Topic   []byte // empty where only the alias says it
	Payload []byte
	Props   Props
	Has     Has    // of Props
	ID      uint16 // with QoS 1 and 2
	Alias   uint16 // 0 = none
	QoS     byte
	Dup     bool
	Retain  bool
}

var errNoAlias = protocol("3.3.2.3.4", "neither a topic name nor an alias")

// Decode reads a packet that Split returned.
func (p *Publish) Decode(pkt []byte, v Version) *Error {
	r := open(pkt, PUBLISH, v)
	if r.err != nil {
		return r.err
	}
	flags := pkt[0]
	p.QoS, p.Dup, p.Retain = flags>>1&3, flags&8 != 0, flags&1 != 0
	p.ID, p.Alias, p.Props, p.Has = 0, 0, nil, 0
	p.Topic = r.binary()
	if r.err == nil && (len(p.Topic) > 0 || v != V5) {
		if err := CheckName(p.Topic); err != nil {
			return err
		}
	}
	if p.QoS > 0 {
		p.ID = r.id()
	}
	if v == V5 {
		if len(r.b) > 0 && r.b[0] == 0 {
			r.b = r.b[1:]
		} else if p.Props, p.Has = r.props(PUBLISH); p.Has.Has(TopicAlias) {
			p.Alias = uint16(p.Props.Num(TopicAlias, 0))
		}
		if r.err == nil && len(p.Topic) == 0 && p.Alias == 0 {
			return errNoAlias
		}
	}
	p.Payload = r.b
	return r.err
}

// Size is what Append will append.
func (p *Publish) Size(v Version) int {
	return PublishSize(v, p.QoS, len(clip(p.Topic)), len(p.Props), len(p.Payload))
}

// Append appends the packet. Props must have the alias, if any: the field Alias
// is not looked at.
func (p *Publish) Append(dst []byte, v Version) []byte {
	dst = appendPublish(dst, v, Flags(p.QoS, p.Dup, p.Retain), clip(p.Topic), p.ID, p.Props, len(p.Payload))
	return append(dst, p.Payload...)
}

// Flags are the flags of a PUBLISH's head (3.3.1).
func Flags(qos byte, dup, retain bool) byte {
	f := qos << 1
	if dup {
		f |= 8
	}
	if retain {
		f |= 1
	}
	return f
}

// AppendPublish appends a PUBLISH up to its payload, which the caller appends:
// for who has neither a Publish nor the topic as bytes.
func AppendPublish(dst []byte, v Version, flags byte, topic string, id uint16, props Props, payload int) []byte {
	return appendPublish(dst, v, flags, topic, id, props, payload)
}

// PublishSize is how long that packet is.
func PublishSize(v Version, qos byte, topic, props, payload int) int {
	n := 2 + topic + payload
	if v == V5 {
		n += varintSize(props) + props
	}
	if qos > 0 {
		n += 2
	}
	return 1 + varintSize(n) + n
}

func appendPublish[T string | []byte](dst []byte, v Version, flags byte, topic T, id uint16, props Props, payload int) []byte {
	n := 2 + len(topic) + propsSize(props, v) + payload
	if flags&6 != 0 {
		n += 2
	}
	dst = appendHead(dst, PUBLISH, flags, n)
	dst = append(append(dst, byte(len(topic)>>8), byte(len(topic))), topic...)
	if flags&6 != 0 {
		dst = append(dst, byte(id>>8), byte(id))
	}
	return appendProps(dst, props, v)
}

// Ack is a PUBACK, PUBREC, PUBREL or PUBCOMP (3.4 to 3.7).
type Ack struct {
	Type   Type
	ID     uint16
	Reason Reason
	Props  Props
}

var errReason = malformed("2.4", "a reason code that this packet may not carry")

// Decode reads a packet that Split returned, of any of the four types.
func (a *Ack) Decode(pkt []byte, v Version) *Error {
	if a.Type = TypeOf(pkt); a.Type < PUBACK || a.Type > PUBCOMP {
		return errWrongType
	}
	r := open(pkt, a.Type, v)
	a.ID, a.Reason, a.Props = r.id(), Success, nil
	if v != V5 || len(r.b) == 0 {
		return r.end()
	}
	a.Reason = Reason(r.byte())
	if !a.Reason.In(a.Type) {
		return errReason
	}
	if len(r.b) > 0 { // 3.4.2.2.1: without a byte for it there are none
		a.Props, _ = r.props(a.Type)
	}
	return r.end()
}

// Append appends the packet, in its short form where the reason allows it.
func (a *Ack) Append(dst []byte, v Version) []byte {
	var flags byte
	if a.Type == PUBREL {
		flags = 2
	}
	switch {
	case v != V5 || a.Reason == Success && len(a.Props) == 0:
		return append(appendHead(dst, a.Type, flags, 2), byte(a.ID>>8), byte(a.ID))
	case len(a.Props) == 0:
		return append(appendHead(dst, a.Type, flags, 3), byte(a.ID>>8), byte(a.ID), byte(a.Reason))
	}
	dst = appendHead(dst, a.Type, flags, 3+propsSize(a.Props, v))
	return appendProps(append(dst, byte(a.ID>>8), byte(a.ID), byte(a.Reason)), a.Props, v)
}
