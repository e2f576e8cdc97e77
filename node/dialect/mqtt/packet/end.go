package packet

// End is a DISCONNECT or an AUTH (3.14, 3.15): a reason and properties, both of
// which may be left out.
type End struct {
	Type   Type
	Reason Reason
	Props  Props
}

var (
	errAuthOld    = protocol("3.15", "AUTH before MQTT 5")
	errAuthMethod = protocol("3.15.2.2.2", "AUTH without an authentication method")
)

// Decode reads a packet that Split returned, of either type.
func (p *End) Decode(pkt []byte, v Version) *Error {
	if p.Type = TypeOf(pkt); p.Type != DISCONNECT && p.Type != AUTH {
		return errWrongType
	}
	if p.Type == AUTH && v != V5 {
		return errAuthOld
	}
	r := open(pkt, p.Type, v)
	p.Reason, p.Props = Success, nil
	if v != V5 {
		return r.end()
	}
	if len(r.b) > 0 {
		if p.Reason = Reason(r.byte()); !p.Reason.In(p.Type) {
			return errReason
		}
	}
	var has Has
	if len(r.b) > 0 {
		p.Props, has = r.props(p.Type)
	}
	if p.Type == AUTH && p.Reason != Success && r.err == nil && !has.Has(AuthMethod) {
		return errAuthMethod
	}
	return r.end()
}

// Append appends the packet, in its short form where the reason allows it.
func (p *End) Append(dst []byte, v Version) []byte {
	switch {
	case v != V5 || p.Reason == Success && len(p.Props) == 0:
		return appendHead(dst, p.Type, 0, 0)
	case len(p.Props) == 0 && p.Type == DISCONNECT:
		return append(appendHead(dst, p.Type, 0, 1), byte(p.Reason))
	}
	dst = appendHead(dst, p.Type, 0, 1+propsSize(p.Props, v))
	return appendProps(append(dst, byte(p.Reason)), p.Props, v)
}

// CheckPing checks a PINGREQ or PINGRESP (3.12, 3.13), which has no content.
func CheckPing(pkt []byte, v Version) *Error {
	t := TypeOf(pkt)
	if t != PINGREQ && t != PINGRESP {
		return errWrongType
	}
	r := open(pkt, t, v)
	return r.end()
}

// AppendPing appends a PINGREQ or PINGRESP.
func AppendPing(dst []byte, t Type) []byte { return append(dst, byte(t)<<4, 0) }
