package packet

// Prop is the identifier of a property (2.2.2.2).
type Prop byte

const (
	PayloadFormat       Prop = 1
	MessageExpiry       Prop = 2
	ContentType         Prop = 3
	ResponseTopic       Prop = 8
	CorrelationData     Prop = 9
	SubscriptionID      Prop = 11
	SessionExpiry       Prop = 17
	AssignedClientID    Prop = 18
	ServerKeepAlive     Prop = 19
	AuthMethod          Prop = 21
	AuthData            Prop = 22
	RequestProblemInfo  Prop = 23
	WillDelay           Prop = 24
	RequestResponseInfo Prop = 25
	ResponseInfo        Prop = 26
	ServerReference     Prop = 28
	ReasonString        Prop = 31
	ReceiveMaximum      Prop = 33
	TopicAliasMaximum   Prop = 34
	TopicAlias          Prop = 35
	MaximumQoS          Prop = 36
	RetainAvailable     Prop = 37
	UserProperty        Prop = 38
	MaximumPacketSize   Prop = 39
	WildcardAvailable   Prop = 40
	SubIDAvailable      Prop = 41
	SharedAvailable     Prop = 42
)

// kind is how a property's value is written.
type kind byte

const (
	kindNone   kind = iota
	kindFlag        // a byte that is 0 or 1
	kindUint16      // two bytes
	kindNot0        // two bytes, not 0
	kindUint32      // four bytes
	kindSize        // four bytes, not 0
	kindVarint      // a variable byte integer, not 0
	kindText
	kindTopic // text that is a topic's name
	kindBinary
	kindPair // two texts
)

// inWill stands for the will's properties, which have no packet of their own.
const inWill Type = 0

type prop struct {
	kind kind
	in   uint16 // a bit per Type
}

const (
	inMessage = 1<<PUBLISH | 1<<inWill
	inConn    = 1<<CONNECT | 1<<CONNACK
)

// props is the table of 2.2.2.2.
var props = [43]prop{
	PayloadFormat:       {kindFlag, inMessage},
	MessageExpiry:       {kindUint32, inMessage},
	ContentType:         {kindText, inMessage},
	ResponseTopic:       {kindTopic, inMessage},
	CorrelationData:     {kindBinary, inMessage},
	SubscriptionID:      {kindVarint, 1<<PUBLISH | 1<<SUBSCRIBE},
	SessionExpiry:       {kindUint32, inConn | 1<<DISCONNECT},
	AssignedClientID:    {kindText, 1 << CONNACK},
	ServerKeepAlive:     {kindUint16, 1 << CONNACK},
	AuthMethod:          {kindText, inConn | 1<<AUTH},
	AuthData:            {kindBinary, inConn | 1<<AUTH},
	RequestProblemInfo:  {kindFlag, 1 << CONNECT},
	WillDelay:           {kindUint32, 1 << inWill},
	RequestResponseInfo: {kindFlag, 1 << CONNECT},
	ResponseInfo:        {kindText, 1 << CONNACK},
	ServerReference:     {kindText, inEnd},
	ReasonString:        {kindText, inEnd | inAcks | inSubs | 1<<PUBREL | 1<<PUBCOMP | 1<<AUTH},
	ReceiveMaximum:      {kindNot0, inConn},
	TopicAliasMaximum:   {kindUint16, inConn},
	TopicAlias:          {kindNot0, 1 << PUBLISH},
	MaximumQoS:          {kindFlag, 1 << CONNACK},
	RetainAvailable:     {kindFlag, 1 << CONNACK},
	UserProperty:        {kindPair, 0xffff &^ (1<<PINGREQ | 1<<PINGRESP)},
	MaximumPacketSize:   {kindSize, inConn},
	WildcardAvailable:   {kindFlag, 1 << CONNACK},
	SubIDAvailable:      {kindFlag, 1 << CONNACK},
	SharedAvailable:     {kindFlag, 1 << CONNACK},
}

var (
	errProp      = malformed("2.2.2.2", "a property that is unknown or not of this packet")
	errTwice     = protocol("2.2.2.2", "a property that stands there twice")
	errFlagValue = protocol("2.2.2.2", "a property with a value other than 0 and 1")
	errZero      = protocol("2.2.2.2", "a property that may not be 0")
	errAlias0    = &Error{BadAlias, "3.3.2-8", "topic alias 0"}
	errResponse  = protocol("3.3.2-14", "a response topic that is no topic name")
	errAuthData  = protocol("3.1.2.11.10", "authentication data without a method")
)

// Props are the properties of a packet, as they lie in it behind their length.
// Those that Decode returned are checked.
type Props []byte

// Has tells which properties are there: a bit per Prop.
type Has uint64

// Has reports whether p is there.
func (h Has) Has(p Prop) bool { return h>>p&1 != 0 }

// Property is one property: Num or Val by its kind, and Key of a user property.
type Property struct {
	ID  Prop
	Num uint32
	Key []byte
	Val []byte
}

// props reads the length of the properties and the properties.
func (r *reader) props(t Type) (Props, Has) {
	n := int(r.varint(V5))
	if r.err == nil && n > len(r.b) {
		r.fail(errCut)
	}
	if r.err != nil || n == 0 {
		return nil, 0
	}
	p := r.b[:n:n]
	r.b = r.b[n:]
	has, err := checkProps(p, t)
	if err != nil {
		r.fail(err)
		return nil, 0
	}
	return p, has
}

// checkProps walks over all properties of a packet of type t.
func checkProps(p []byte, t Type) (has Has, err *Error) {
	r := reader{b: p}
	for len(r.b) > 0 {
		id := r.b[0] // a variable byte integer, of which none has more than one byte yet
		r.b = r.b[1:]
		if int(id) >= len(props) || props[id].in&(1<<t) == 0 {
			return 0, errProp
		}
		if has>>id&1 != 0 && id != byte(UserProperty) && !(id == byte(SubscriptionID) && t == PUBLISH) {
			return 0, errTwice
		}
		has |= 1 << id
		if r.check(props[id].kind); r.err != nil {
			if id == byte(TopicAlias) && r.err == errZero {
				return 0, errAlias0
			}
			return 0, r.err
		}
	}
	return has, nil
}

// check reads a value and checks it.
func (r *reader) check(k kind) {
	switch k {
	case kindFlag:
		if r.byte() > 1 {
			r.fail(errFlagValue)
		}
	case kindUint16:
		r.uint16()
	case kindNot0:
		if r.uint16() == 0 {
			r.fail(errZero)
		}
	case kindUint32:
		r.uint32()
	case kindSize:
		if r.uint32() == 0 {
			r.fail(errZero)
		}
	case kindVarint:
		if r.varint(V5) == 0 {
			r.fail(errZero)
		}
	case kindText:
		r.text()
	case kindTopic:
		if s := r.binary(); r.err == nil && CheckName(s) != nil {
			r.fail(errResponse)
		}
	case kindBinary:
		r.binary()
	case kindPair:
		r.text()
		r.text()
	}
}

// next is the first property and what is behind it.
func (p Props) next() (Property, Props) {
	r := reader{b: p[1:]}
	v := Property{ID: Prop(p[0])}
	if int(v.ID) >= len(props) {
		return v, nil
	}
	switch props[v.ID].kind {
	case kindFlag:
		v.Num = uint32(r.byte())
	case kindUint16, kindNot0:
		v.Num = uint32(r.uint16())
	case kindUint32, kindSize:
		v.Num = r.uint32()
	case kindVarint:
		v.Num = r.varint(V5)
	case kindPair:
		v.Key = r.binary()
		v.Val = r.binary()
	default:
		v.Val = r.binary()
	}
	return v, r.b
}

// All yields every property in its order.
func (p Props) All(yield func(Property) bool) {
	for len(p) > 0 {
		var v Property
		if v, p = p.next(); !yield(v) {
			return
		}
	}
}

// Num is the value of a property that is a number, def when it is not there.
func (p Props) Num(id Prop, def uint32) uint32 {
	for len(p) > 0 {
		var v Property
		if v, p = p.next(); v.ID == id {
			return v.Num
		}
	}
	return def
}

// Val is the value of a property that is text or bytes, nil when it is not there.
func (p Props) Val(id Prop) []byte {
	for len(p) > 0 {
		var v Property
		if v, p = p.next(); v.ID == id {
			return v.Val
		}
	}
	return nil
}

// AppendNum appends a property that is a number.
func (p Props) AppendNum(id Prop, n uint32) Props {
	p = append(p, byte(id))
	switch props[id].kind {
	case kindFlag:
		return append(p, byte(n))
	case kindUint16, kindNot0:
		return append(p, byte(n>>8), byte(n))
	case kindVarint:
		return appendVarint(p, min(n, MaxRemaining))
	}
	return append(p, byte(n>>24), byte(n>>16), byte(n>>8), byte(n))
}

// AppendVal appends a property that is text or bytes.
func (p Props) AppendVal(id Prop, b []byte) Props {
	return appendBinary(append(p, byte(id)), b)
}

// AppendUser appends a user property.
func (p Props) AppendUser(key, val string) Props {
	return appendBinary(appendBinary(append(p, byte(UserProperty)), []byte(key)), []byte(val))
}

// AppendOnly appends those of from for which keep has a bit: what a server hands
// on of a message.
func (p Props) AppendOnly(from Props, keep Has) Props {
	for len(from) > 0 {
		v, rest := from.next()
		if keep.Has(v.ID) {
			p = append(p, from[:len(from)-len(rest)]...)
		}
		from = rest
	}
	return p
}

// propsSize is what properties take with their length; nothing before MQTT 5.
func propsSize(p Props, v Version) int {
	if v != V5 {
		return 0
	}
	return varintSize(len(p)) + len(p)
}

func appendProps(dst []byte, p Props, v Version) []byte {
	if v != V5 {
		return dst
	}
	return append(appendVarint(dst, uint32(len(p))), p...)
}
