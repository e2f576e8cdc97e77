package codec

import (
	"encoding/base64"
	"math"
)

// Record is one resolved SenML record (RFC 8428 section 4.6): base values are
// worked in and its time is absolute.
type Record struct {
	Name        string // base name and name
	Unit        string // its own or the base unit; "" when none was given
	Has         RecordSet
	Value       float64
	StringValue string
	BoolValue   bool
	DataValue   []byte
	Sum         float64
	Time        float64 // seconds since 1970; 0 = none was given
	UpdateTime  float64 // seconds until the next reading is due at the latest; 0 = not said
}

// RecordSet tells which values a Record has.
type RecordSet uint8

// One bit per kind of value: one of the first four, a sum, or both.
const (
	HasValue RecordSet = 1 << iota
	HasString
	HasBool
	HasData
	HasSum
)

// Records understands a body as measurements: a bare number (one Record with
// nothing but a Value), a SenML record or a pack. nowMs, milliseconds since
// 1970, is what relative times (below 2^28 s) count from. A record that only
// sets base values yields none. What is not SenML, or more than MaxRecords of
// it, is an *Error.
func Records(enc Encoding, data []byte, nowMs int64) ([]Record, error) {
	w := getWalker(data)
	defer putWalker(w)
	if e := w.body(enc); e != nil {
		return nil, e
	}
	out, e := w.records(enc, nowMs)
	if e != nil {
		return nil, e
	}
	return out, nil
}

func (w *walker) records(enc Encoding, nowMs int64) ([]Record, *Error) {
	var base rawRecord
	var out []Record
	root := w.scalar(enc, 0)
	switch root.kind {
	case kindNumber:
		return []Record{{Has: HasValue, Value: root.num}}, nil
	case kindMap:
		e := w.resolve(enc, root.at, &base, nowMs, &out)
		return out, e
	case kindArray:
		it := w.items(enc, root.at)
		for n := 1; ; n++ {
			v, ok := it.element()
			if !ok {
				return out, nil
			}
			if v.kind != kindMap {
				return nil, Errorf(CodeMalformed, "record %d of the SenML pack is not a map", n)
			}
			if n > MaxRecords {
				return nil, Errorf(CodeTooLarge, "a SenML pack of more than %d records", MaxRecords)
			}
			if e := w.resolve(enc, v.at, &base, nowMs, &out); e != nil {
				return nil, Errorf(e.Code, "record %d: %s", n, e.Msg)
			}
		}
	}
	return nil, Errorf(CodeMalformed, "data is neither a number nor SenML")
}

// resolve appends the record at i to out, resolved (RFC 8428 section 4.6).
func (w *walker) resolve(enc Encoding, i int, base *rawRecord, nowMs int64, out *[]Record) *Error {
	var r rawRecord
	if e := w.record(enc, i, &r); e != nil {
		return e
	}
	if r.has&fBVer != 0 && (r.bver < 1 || r.bver > senmlVersion) {
		return Errorf(CodeMalformed, "SenML version %v is not known", r.bver)
	}
	base.inherit(&r)
	rec := Record{
		Name: string(base.bn) + string(r.n),
		Unit: unitName(base.bu),
	}
	if r.has&fU != 0 {
		rec.Unit = unitName(r.u)
	}
	if e := rec.values(base, &r); e != nil {
		return e
	}
	if rec.Has == 0 {
		if r.has&^fBase == 0 && r.has != 0 {
			return nil // it only sets base values
		}
		return Errorf(CodeMalformed, "a SenML record without a value")
	}
	if base.has&fBT != 0 || r.has&fT != 0 {
		if rec.Time = base.bt + r.t; rec.Time < relativeTime {
			rec.Time += float64(nowMs) / 1000
		}
	}
	if r.has&fUT != 0 {
		rec.UpdateTime = r.ut
	}
	if !finite(rec.Value) || !finite(rec.Sum) || !finite(rec.Time) {
		return Errorf(CodeMalformed, "a SenML value too large for anybody")
	}
	*out = append(*out, rec)
	return nil
}

func finite(f float64) bool { return !math.IsInf(f, 0) && !math.IsNaN(f) }

// values works out the value and the sum.
func (rec *Record) values(base, r *rawRecord) *Error {
	if v := r.has & fValue; v&(v-1) != 0 {
		return Errorf(CodeMalformed, "a SenML record with two values")
	}
	if base.numeric(r) {
		rec.Has |= HasValue
		rec.Value = base.bv + r.v
	}
	if r.has&fVS != 0 {
		rec.Has |= HasString
		rec.StringValue = string(r.vs)
	}
	if r.has&fVB != 0 {
		rec.Has |= HasBool
		rec.BoolValue = r.vb
	}
	if r.has&fVD != 0 {
		b, e := r.decodeData()
		if e != nil {
			return e
		}
		rec.Has |= HasData
		rec.DataValue = b
	}
	if r.has&fS != 0 {
		rec.Has |= HasSum
		rec.Sum = base.bs + r.s
	}
	return nil
}

// Part is one record of a pack as a body of its own.
type Part struct {
	Name string // checked to be usable as the last levels of a topic
	Data []byte // one resolved record, in the pack's encoding
}

// Split takes a SenML record or pack apart for opts.split: one resolved record
// per Part, its time absolute, its fields those that RFC 8428 defines. Each
// record needs a name that can stand in a topic; names may repeat. nowMs is as
// for Records, and so are the errors.
func Split(enc Encoding, data []byte, nowMs int64) ([]Part, error) {
	recs, err := Records(enc, data, nowMs)
	if err != nil {
		return nil, err
	}
	if len(recs) == 0 {
		return nil, Errorf(CodeMalformed, "a SenML pack without records")
	}
	parts := make([]Part, len(recs))
	for i := range recs {
		if recs[i].Name == "" {
			return nil, Errorf(CodeMalformed, "record %d has no name to split by", i+1)
		}
		if e := CheckTopic([]byte(recs[i].Name)); e != nil {
			return nil, Errorf(e.Code, "record %d: its name is no topic: %s", i+1, e.Msg)
		}
		parts[i] = Part{recs[i].Name, AppendRecord(nil, enc, &recs[i])}
	}
	return parts, nil
}

// AppendRecord appends a resolved record, in CBOR with SenML's integer labels.
func AppendRecord(dst []byte, enc Encoding, r *Record) []byte {
	p := recordWriter{dst: dst, enc: enc}
	at := len(dst)
	p.dst = append(p.dst, '{')
	if r.Name != "" {
		p.label(0)
		p.dst = AppendString(p.dst, enc, r.Name)
	}
	if r.Unit != "" {
		p.label(1)
		p.dst = AppendString(p.dst, enc, r.Unit)
	}
	if r.Has&HasValue != 0 {
		p.float(2, r.Value)
	}
	if r.Has&HasString != 0 {
		p.label(3)
		p.dst = AppendString(p.dst, enc, r.StringValue)
	}
	if r.Has&HasBool != 0 {
		p.label(4)
		p.dst = appendBool(p.dst, enc, r.BoolValue)
	}
	if r.Has&HasSum != 0 {
		p.float(5, r.Sum)
	}
	if r.Time != 0 {
		p.float(6, r.Time)
	}
	if r.UpdateTime != 0 {
		p.float(7, r.UpdateTime)
	}
	if r.Has&HasData != 0 {
		p.label(8)
		if enc == CBOR {
			p.dst = append(appendHead(p.dst, majBytes, uint64(len(r.DataValue))), r.DataValue...)
		} else {
			p.dst = append(base64.RawURLEncoding.AppendEncode(append(p.dst, '"'), r.DataValue), '"')
		}
	}
	if enc == CBOR {
		p.dst[at] = majMap<<5 | p.n
		return p.dst
	}
	return append(p.dst, '}')
}

// recordWriter writes the members of one record; n counts them.
type recordWriter struct {
	dst []byte
	enc Encoding
	n   byte
}

func (p *recordWriter) label(l byte) {
	p.n++
	if p.enc == CBOR {
		p.dst = append(p.dst, l)
		return
	}
	if p.n > 1 {
		p.dst = append(p.dst, ',')
	}
	p.dst = append(append(append(p.dst, '"'), senmlNames[l+6]...), '"', ':')
}

func (p *recordWriter) float(l byte, f float64) {
	p.label(l)
	p.dst = appendFloat(p.dst, p.enc, f)
}
