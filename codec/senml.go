package codec

import (
	"encoding/base64"
)

// senmlNames are the JSON names of SenML's labels -6 to 8 (RFC 8428 section 6).
var senmlNames = [...][]byte{
	[]byte("bs"), []byte("bv"), []byte("bu"), []byte("bt"), []byte("bn"), []byte("bver"),
	[]byte("n"), []byte("u"), []byte("v"), []byte("vs"), []byte("vb"), []byte("s"), []byte("t"), []byte("ut"), []byte("vd"),
}

// fields is a set of SenML fields: bit i is senmlNames[i].
type fields uint16

const (
	fBS fields = 1 << iota
	fBV
	fBU
	fBT
	fBN
	fBVer
	fN
	fU
	fV
	fVS
	fVB
	fS
	fT
	fUT
	fVD

	fBase  = fBS | fBV | fBU | fBT | fBN | fBVer
	fValue = fV | fVS | fVB | fVD
)

// relativeTime is below what a SenML time counts from now, not from 1970
// (RFC 8428 section 4.5.3).
const relativeTime = 1 << 28

// senmlVersion is the highest bver that RFC 8428 (section 4.4) defines.
const senmlVersion = 10

// rawRecord is one record as it stands in the pack.
type rawRecord struct {
	has           fields
	bn, bu, n, u  []byte
	vs, vd        []byte
	bt, bv, bs    float64
	v, s, t, ut   float64
	bver          float64
	vb, vdEncoded bool // vdEncoded: vd is base64url text
}

// record reads the SenML record that stands at i.
func (w *walker) record(enc Encoding, i int, r *rawRecord) *Error {
	*r = rawRecord{}
	it := w.items(enc, i)
	it.senml = true
	for {
		key, v, ok := it.member()
		if !ok {
			return w.fatal
		}
		field := fieldOf(key)
		if field == 0 {
			if n := len(key); n > 0 && key[n-1] == '_' { // section 4.4
				return Errorf(CodeMalformed, "the SenML field %s must be understood and is not", quote(key))
			}
			continue
		}
		if r.has&field != 0 { // as a name and as a label
			return Errorf(CodeMalformed, "the SenML field %s stands twice", key)
		}
		if !r.set(field, v) {
			return Errorf(CodeMalformed, "the SenML field %s has a value of the wrong type", key)
		}
		r.has |= field
	}
}

func fieldOf(key []byte) fields {
	if len(key) <= 4 {
		for i, name := range senmlNames {
			if string(name) == string(key) {
				return 1 << i
			}
		}
	}
	return 0
}

// set stores a field; false: its type is wrong.
func (r *rawRecord) set(field fields, v scalar) bool {
	switch field {
	case fBN:
		r.bn = v.text
	case fBU:
		r.bu = v.text
	case fN:
		r.n = v.text
	case fU:
		r.u = v.text
	case fVS:
		r.vs = v.text
	case fVD:
		r.vd = v.text
		r.vdEncoded = v.kind == kindText
		return v.kind == kindText || v.kind == kindBytes
	case fVB:
		r.vb = v.yes
		return v.kind == kindBool
	default:
		*r.number(field) = v.num
		return v.kind == kindNumber
	}
	return v.kind == kindText
}

func (r *rawRecord) number(field fields) *float64 {
	switch field {
	case fBT:
		return &r.bt
	case fBV:
		return &r.bv
	case fBS:
		return &r.bs
	case fBVer:
		return &r.bver
	case fV:
		return &r.v
	case fS:
		return &r.s
	case fT:
		return &r.t
	}
	return &r.ut
}

// inherit takes over what the record sets for those behind it, and completes the
// record with what earlier ones have set (RFC 8428 section 4.1).
func (base *rawRecord) inherit(r *rawRecord) {
	if r.has&fBN != 0 {
		base.bn = r.bn
	}
	if r.has&fBU != 0 {
		base.bu = r.bu
	}
	if r.has&fBT != 0 {
		base.bt = r.bt
	}
	if r.has&fBV != 0 {
		base.bv = r.bv
	}
	if r.has&fBS != 0 {
		base.bs = r.bs
	}
	base.has |= r.has & fBase
}

// decodeData decodes vd.
func (r *rawRecord) decodeData() ([]byte, *Error) {
	if !r.vdEncoded {
		return append([]byte{}, r.vd...), nil
	}
	b := r.vd
	for len(b) > 0 && b[len(b)-1] == '=' { // some encoders pad
		b = b[:len(b)-1]
	}
	out, err := base64.RawURLEncoding.AppendDecode([]byte{}, b)
	if err != nil {
		return nil, Errorf(CodeMalformed, "the SenML field vd is not base64url")
	}
	return out, nil
}

// Reading understands a body as a measurement: a number, a SenML record with a
// numeric value, or the first numeric value of a pack, with base value and base
// unit. ok is false for anything else. It allocates nothing, except for a unit
// that no registry knows.
func Reading(enc Encoding, data []byte) (value float64, unit string, ok bool) {
	w := getWalker(data)
	defer putWalker(w)
	i := w.untagged(enc)
	var base, r rawRecord
	switch shape(enc, data, i) {
	case kindNumber:
		s := w.scalar(enc, i)
		return s.num, "", s.kind == kindNumber && w.err() == nil
	case kindMap:
		return w.reading(enc, i, &base, &r)
	case kindArray:
		it := w.items(enc, i)
		for it.more() {
			at := it.i
			if enc == CBOR {
				at = untag(data, at)
			}
			if shape(enc, data, at) != kindMap {
				break
			}
			if value, unit, ok = w.reading(enc, at, &base, &r); ok {
				return value, unit, true
			}
			if it.i = w.value(enc, at, 0); it.i < 0 {
				break
			}
		}
	}
	return 0, "", false
}

// reading is Reading for the record at i.
func (w *walker) reading(enc Encoding, i int, base, r *rawRecord) (float64, string, bool) {
	if w.record(enc, i, r) != nil || w.noted != nil {
		return 0, "", false
	}
	base.inherit(r)
	if !base.numeric(r) {
		return 0, "", false
	}
	u := base.bu
	if r.has&fU != 0 {
		u = r.u
	}
	v := base.bv + r.v
	return v, unitName(u), finite(v)
}

// numeric reports whether the record has a numeric value: its own, or the base
// value where it has no other (RFC 8428 section 4.1: a missing one is zero) but
// is more than a place for base values.
func (base *rawRecord) numeric(r *rawRecord) bool {
	return r.has&fV != 0 || base.has&fBV != 0 && r.has&(fValue|fS) == 0 && r.has&^fBase != 0
}

// shape looks at a value's first byte.
func shape(enc Encoding, data []byte, i int) kind {
	if i >= len(data) {
		return kindOther
	}
	c := data[i]
	if enc == CBOR {
		switch c >> 5 {
		case majUint, majNeg, majSimple, majTag:
			return kindNumber // or not: the scalar tells
		case majArray:
			return kindArray
		case majMap:
			return kindMap
		}
		return kindOther
	}
	switch {
	case c == '{':
		return kindMap
	case c == '[':
		return kindArray
	case c == '-' || c-'0' < 10:
		return kindNumber
	}
	return kindOther
}

// unitName makes a string of a unit, without allocating for the usual ones
// (RFC 8428 section 12.1 and RFC 8798).
func unitName(u []byte) string {
	for _, known := range units {
		if known == string(u) {
			return known
		}
	}
	return string(u)
}

var units = [...]string{
	"", "Cel", "%RH", "K", "Pa", "hPa", "V", "mV", "A", "mA", "W", "kW", "Wh", "kWh", "lx", "ppm", "ppb", "%", "/",
	"%EL", "EL", "count", "m", "mm", "cm", "km", "kg", "g", "mg", "s", "ms", "min", "h", "Hz", "MHz", "rad", "deg",
	"lat", "lon", "m/s", "km/h", "m/s2", "m2", "m3", "l", "m3/s", "l/s", "mm/h", "W/m2", "pH", "dB", "dBm", "dBW", "Bspl",
	"J", "N", "C", "F", "Ohm", "S", "T", "H", "Wb", "lm", "cd", "mol", "Bq", "Gy", "Sv", "kat", "sr", "cd/m2", "bit",
	"bit/s", "1/s", "1/min", "beat/min", "beats", "S/m", "B", "VA", "VAs", "kVA", "var", "vars", "kvar", "Ah", "As",
	"J/m", "kg/m3", "mg/l", "ug/m3", "min", "kbit/s", "Mbit/s", "NTU", "m3/h",
}
