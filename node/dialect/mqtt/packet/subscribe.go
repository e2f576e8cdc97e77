package packet

// Subscribe is a SUBSCRIBE (3.8). Its slices lie in the packet.
type Subscribe struct {
	ID      uint16
	Props   Props
	Filters Filters
}

// Filters are the payload of a SUBSCRIBE, checked but for the grammar of each
// filter, which is answered filter by filter: see CheckFilter.
type Filters []byte

// Filter is one filter and how it is wanted (3.8.3.1).
type Filter struct {
	Filter         []byte
	QoS            byte
	NoLocal        bool
	AsPublished    bool
	RetainHandling byte // 0 = retained at subscribe, 1 = if new, 2 = never
}

var (
	errEmptyList = protocol("3.8.3-2", "no topic filter")
	errSubBits   = malformed("3.8.3-5", "the reserved bits of the subscription options are set")
	errSubQoS    = malformed("3.8.3.1", "a subscription of QoS 3")
	errHandling  = protocol("3.8.3.1", "retain handling 3")
	errNoLocal   = protocol("3.8.3-4", "no local on a shared subscription")
)

// openList reads the id and the properties of a packet that is a list of something;
// what is left to read is the list. empty says that there is none.
func openList(pkt []byte, t Type, v Version, empty *Error) (r reader, id uint16, props Props) {
	r = open(pkt, t, v)
	id = r.id()
	if v == V5 {
		props, _ = r.props(t)
	}
	if r.err == nil && len(r.b) == 0 {
		r.err = empty
	}
	return r, id, props
}

func appendList(dst []byte, t Type, flags byte, id uint16, props Props, list []byte, v Version) []byte {
	dst = appendHead(dst, t, flags, 2+propsSize(props, v)+len(list))
	dst = append(dst, byte(id>>8), byte(id))
	return append(appendProps(dst, props, v), list...)
}

// Decode reads a packet that Split returned.
func (p *Subscribe) Decode(pkt []byte, v Version) *Error {
	r, id, props := openList(pkt, SUBSCRIBE, v, errEmptyList)
	p.ID, p.Props, p.Filters = id, props, r.b
	for len(r.b) > 0 {
		f := r.text()
		o := r.byte()
		if r.err == nil {
			r.err = checkOptions(f, o, v)
		}
		if r.err != nil {
			return r.err
		}
	}
	return r.err
}

func checkOptions(f []byte, o byte, v Version) *Error {
	switch {
	case v != V5 && o&0xfc != 0 || o&0xc0 != 0:
		return errSubBits
	case o&3 == 3:
		return errSubQoS
	case o&0x30 == 0x30:
		return errHandling
	case o&4 != 0 && IsShared(f):
		return errNoLocal
	}
	return nil
}

// All yields every filter.
func (s Filters) All(yield func(Filter) bool) {
	r := reader{b: s}
	for len(r.b) > 0 {
		f := Filter{Filter: r.binary()}
		o := r.byte()
		f.QoS, f.NoLocal, f.AsPublished, f.RetainHandling = o&3, o&4 != 0, o&8 != 0, o>>4&3
		if r.err != nil || !yield(f) {
			return
		}
	}
}

// Append appends a filter to the list.
func (s Filters) Append(f Filter) Filters {
	o := f.QoS | f.RetainHandling<<4
	if f.NoLocal {
		o |= 4
	}
	if f.AsPublished {
		o |= 8
	}
	return append(appendBinary(s, f.Filter), o)
}

// Append appends the packet.
func (p *Subscribe) Append(dst []byte, v Version) []byte {
	return appendList(dst, SUBSCRIBE, 2, p.ID, p.Props, p.Filters, v)
}

// Unsubscribe is an UNSUBSCRIBE (3.10).
type Unsubscribe struct {
	ID      uint16
	Props   Props
	Filters Names
}

// Names are filters one behind the other.
type Names []byte

// Decode reads a packet that Split returned.
func (p *Unsubscribe) Decode(pkt []byte, v Version) *Error {
	r, id, props := openList(pkt, UNSUBSCRIBE, v, errEmptyList)
	p.ID, p.Props, p.Filters = id, props, r.b
	for len(r.b) > 0 {
		r.text()
	}
	return r.err
}

// All yields every filter.
func (s Names) All(yield func([]byte) bool) {
	r := reader{b: s}
	for len(r.b) > 0 {
		if f := r.binary(); r.err != nil || !yield(f) {
			return
		}
	}
}

// Append appends a filter to the list.
func (s Names) Append(f []byte) Names { return appendBinary(s, f) }

// Append appends the packet.
func (p *Unsubscribe) Append(dst []byte, v Version) []byte {
	return appendList(dst, UNSUBSCRIBE, 2, p.ID, p.Props, p.Filters, v)
}

// SubAck is a SUBACK or an UNSUBACK (3.9, 3.11): a code for each filter. An
// UNSUBACK before MQTT 5 has none.
type SubAck struct {
	Type  Type
	ID    uint16
	Props Props
	Codes []byte
}

var errNoCodes = malformed("3.9.3", "no reason code")

// Decode reads a packet that Split returned, of either type.
func (p *SubAck) Decode(pkt []byte, v Version) *Error {
	if p.Type = TypeOf(pkt); p.Type != SUBACK && p.Type != UNSUBACK {
		return errWrongType
	}
	if v != V5 && p.Type == UNSUBACK {
		r := open(pkt, p.Type, v)
		p.ID, p.Props, p.Codes = r.id(), nil, nil
		return r.end()
	}
	r, id, props := openList(pkt, p.Type, v, errNoCodes)
	p.ID, p.Props, p.Codes = id, props, r.b
	for _, c := range p.Codes {
		if v == V5 && !Reason(c).In(p.Type) || v != V5 && c > 2 && c != 0x80 {
			return errReason
		}
	}
	return r.err
}

// Append appends the packet.
func (p *SubAck) Append(dst []byte, v Version) []byte {
	codes := p.Codes
	if v != V5 && p.Type == UNSUBACK {
		codes = nil
	}
	return appendList(dst, p.Type, 0, p.ID, p.Props, codes, v)
}
