package packet

// Connect is a CONNECT (3.1). Its slices lie in the packet.
type Connect struct {
	Version     Version
	CleanStart  bool // clean session before MQTT 5
	HasWill     bool
	HasUser     bool
	HasPassword bool
	KeepAlive   uint16 // seconds, 0 = none
	ClientID    []byte
	Props       Props
	Will        Will
	User        []byte
	Password    []byte
}

// Will is the message that is sent when its client is gone (3.1.2.5).
type Will struct {
	Topic   []byte
	Payload []byte
	Props   Props
	QoS     byte
	Retain  bool
}

var (
	errProtoName  = &Error{UnsupportedVersion, "3.1.2-1", "the protocol name is not MQTT"}
	errProtoLevel = &Error{UnsupportedVersion, "3.1.2-2", "an unknown protocol version"}
	errReservedC  = malformed("3.1.2-3", "the reserved flag of CONNECT is set")
	errWillQoS    = malformed("3.1.2-12", "a will of QoS 3")
	errNoWill     = malformed("3.1.2-11", "QoS or retain of a will that is not there")
	errPassword   = malformed("3.1.2-22", "a password without a user name, which MQTT 3.1.1 does not allow")
)

// Decode reads a packet that Split returned. When the version is not known the
// error is UnsupportedVersion and p.Version what the client said.
func (p *Connect) Decode(pkt []byte) *Error {
	r := open(pkt, CONNECT, V4)
	*p = Connect{}
	name := r.binary()
	level := Version(r.byte())
	if r.err != nil {
		return r.err
	}
	p.Version = level
	switch {
	case string(name) == "MQTT" && (level == V4 || level == V5):
	case string(name) == "MQIsdp" && level == V3:
	case string(name) == "MQTT" || string(name) == "MQIsdp":
		return errProtoLevel
	default:
		return errProtoName
	}
	if level == V5 {
		if r = open(pkt, CONNECT, V5); r.err != nil {
			return r.err
		}
		r.b = r.b[7:]
	}
	flags := r.byte()
	if err := p.flags(flags); err != nil && r.err == nil {
		return err
	}
	p.KeepAlive = r.uint16()
	if level == V5 {
		var has Has
		if p.Props, has = r.props(CONNECT); has.Has(AuthData) && !has.Has(AuthMethod) {
			return errAuthData
		}
	}
	p.ClientID = r.text()
	if p.HasWill {
		p.readWill(&r)
	}
	if p.HasUser {
		p.User = r.text()
	}
	if p.HasPassword {
		p.Password = r.binary()
	}
	return r.end()
}

func (p *Connect) flags(f byte) *Error {
	p.CleanStart, p.HasWill = f&2 != 0, f&4 != 0
	p.Will.QoS, p.Will.Retain = f>>3&3, f&0x20 != 0
	p.HasPassword, p.HasUser = f&0x40 != 0, f&0x80 != 0
	switch {
	case f&1 != 0:
		return errReservedC
	case p.Will.QoS == 3:
		return errWillQoS
	case !p.HasWill && f&0x38 != 0:
		return errNoWill
	case p.HasPassword && !p.HasUser && p.Version != V5:
		return errPassword
	}
	return nil
}

func (p *Connect) readWill(r *reader) {
	if p.Version == V5 {
		p.Will.Props, _ = r.props(inWill)
	}
	p.Will.Topic = r.binary()
	if err := CheckName(p.Will.Topic); err != nil {
		r.fail(err)
	}
	p.Will.Payload = r.binary()
}

// Append appends the packet.
func (p *Connect) Append(dst []byte) []byte {
	name := "MQTT"
	if p.Version == V3 {
		name = "MQIsdp"
	}
	n := 2 + len(name) + 4 + propsSize(p.Props, p.Version) + 2 + len(clip(p.ClientID))
	var f byte
	if p.CleanStart {
		f |= 2
	}
	if p.HasWill {
		f |= 4 | p.Will.QoS<<3
		if p.Will.Retain {
			f |= 0x20
		}
		n += propsSize(p.Will.Props, p.Version) + 4 + len(clip(p.Will.Topic)) + len(clip(p.Will.Payload))
	}
	if p.HasPassword {
		f |= 0x40
		n += 2 + len(clip(p.Password))
	}
	if p.HasUser {
		f |= 0x80
		n += 2 + len(clip(p.User))
	}
	dst = appendBinary(appendHead(dst, CONNECT, 0, n), []byte(name))
	dst = append(dst, byte(p.Version), f, byte(p.KeepAlive>>8), byte(p.KeepAlive))
	dst = appendBinary(appendProps(dst, p.Props, p.Version), p.ClientID)
	if p.HasWill {
		dst = appendBinary(appendProps(dst, p.Will.Props, p.Version), p.Will.Topic)
		dst = appendBinary(dst, p.Will.Payload)
	}
	if p.HasUser {
		dst = appendBinary(dst, p.User)
	}
	if p.HasPassword {
		dst = appendBinary(dst, p.Password)
	}
	return dst
}

// Connack is a CONNACK (3.2). Code is a Reason in MQTT 5 and a return code of
// 0 to 5 before (3.1.1: 3.2.2.3).
type Connack struct {
	SessionPresent bool
	Code           byte
	Props          Props
}

var (
	errConnackFlags = malformed("3.2.2-1", "the reserved flags of CONNACK are set")
	errPresent      = protocol("3.2.2-6", "a session is present and the connection refused")
	errReturnCode   = malformed("3.2.2.3", "a return code that MQTT 3.1.1 does not have")
)

// Decode reads a packet that Split returned.
func (p *Connack) Decode(pkt []byte, v Version) *Error {
	r := open(pkt, CONNACK, v)
	flags := r.byte()
	p.SessionPresent, p.Code, p.Props = flags&1 != 0, r.byte(), nil
	switch {
	case r.err != nil:
		return r.err
	case flags > 1:
		return errConnackFlags
	case p.SessionPresent && p.Code != 0:
		return errPresent
	case v != V5 && p.Code > 5:
		return errReturnCode
	case v == V5 && !Reason(p.Code).In(CONNACK):
		return errReason
	}
	if v == V5 {
		p.Props, _ = r.props(CONNACK)
	}
	return r.end()
}

// Append appends the packet.
func (p *Connack) Append(dst []byte, v Version) []byte {
	var f byte
	if p.SessionPresent {
		f = 1
	}
	dst = appendHead(dst, CONNACK, 0, 2+propsSize(p.Props, v))
	return appendProps(append(dst, f, p.Code), p.Props, v)
}
