package codec

import (
	"math/bits"
	"strconv"
)

// Append appends m as one frame: its op and the fields in m.Has, no others. JSON
// is written compact with the keys in the protocol's order, CBOR deterministic
// with integer keys ascending (RFC 8949 section 4.2.1). Data and Opts are in
// m.Enc and are transcoded where enc differs; they must have been validated (a
// body that is not valid is written as null).
func Append(dst []byte, enc Encoding, m *Message) []byte {
	if enc == CBOR {
		return appendCBORMessage(dst, m)
	}
	dst = append(dst, `{"op":"`...)
	dst = append(dst, m.Op.String()...)
	dst = append(dst, '"')
	if m.Has.Has(KeyID) {
		dst = appendField(dst, `,"id":`, m.ID)
	}
	if m.Has.Has(KeyTopic) {
		if m.IsAlias {
			dst = appendField(dst, `,"topic":`, m.Alias)
		} else {
			dst = appendJSONString(append(dst, `,"topic":`...), m.Topic)
		}
	}
	if m.Has.Has(KeyData) {
		dst = appendBody(append(dst, `,"data":`...), JSON, m.Enc, m.Data)
	}
	if m.Has.Has(KeyTS) {
		dst = strconv.AppendInt(append(dst, `,"ts":`...), m.TS, 10)
	}
	if m.Has.Has(KeySeq) {
		dst = appendField(dst, `,"seq":`, m.Seq)
	}
	if m.Has.Has(KeyAck) {
		dst = appendField(dst, `,"ack":`, m.Ack)
	}
	if m.Has.Has(KeyErr) {
		dst = appendErrMap(append(dst, `,"err":`...), JSON, &m.Err)
	}
	if m.Has.Has(KeyOpts) {
		dst = appendBody(append(dst, `,"opts":`...), JSON, m.Enc, m.Opts)
	}
	if m.Has.Has(KeyFrom) {
		dst = appendJSONString(append(dst, `,"from":`...), m.From)
	}
	if m.Has.Has(KeyEp) {
		dst = appendField(dst, `,"ep":`, m.Ep)
	}
	if m.Has.Has(KeyDrop) {
		dst = appendField(dst, `,"drop":`, m.Drop)
	}
	return append(dst, '}')
}

func appendField(dst []byte, key string, v uint64) []byte {
	return strconv.AppendUint(append(dst, key...), v, 10)
}

func appendCBORMessage(dst []byte, m *Message) []byte {
	has := m.Has.With(KeyOp)
	dst = append(dst, majMap<<5|byte(bits.OnesCount16(uint16(has))), byte(KeyOp), byte(m.Op))
	for k := KeyID; k <= KeyDrop; k++ {
		if !has.Has(k) {
			continue
		}
		dst = append(dst, byte(k))
		switch k {
		case KeyID:
			dst = appendHead(dst, majUint, m.ID)
		case KeyTopic:
			if m.IsAlias {
				dst = appendHead(dst, majUint, m.Alias)
			} else {
				dst = appendCBORText(dst, m.Topic)
			}
		case KeyData:
			dst = appendBody(dst, CBOR, m.Enc, m.Data)
		case KeyTS:
			dst = appendInt(dst, m.TS)
		case KeySeq:
			dst = appendHead(dst, majUint, m.Seq)
		case KeyAck:
			dst = appendHead(dst, majUint, m.Ack)
		case KeyErr:
			dst = appendErrMap(dst, CBOR, &m.Err)
		case KeyOpts:
			dst = appendBody(dst, CBOR, m.Enc, m.Opts)
		case KeyFrom:
			dst = appendCBORText(dst, m.From)
		case KeyEp:
			dst = appendHead(dst, majUint, m.Ep)
		case KeyDrop:
			dst = appendHead(dst, majUint, m.Drop)
		}
	}
	return dst
}

// AppendMsg appends one reading as it goes to a subscriber: Append for op msg,
// without a Message. An empty from and drop 0 are left out. data is a validated
// body in dataEnc and is transcoded where enc differs. It allocates nothing
// when dst has room.
func AppendMsg(dst []byte, enc Encoding, topic string, seq uint64, ts int64, from []byte, drop uint64, data []byte, dataEnc Encoding) []byte {
	if enc == CBOR {
		n := byte(5)
		if len(from) > 0 {
			n++
		}
		if drop > 0 {
			n++
		}
		dst = append(dst, majMap<<5|n, byte(KeyOp), byte(OpMsg), byte(KeyTopic))
		dst = append(appendCBORText(dst, topic), byte(KeyData))
		dst = append(appendBody(dst, CBOR, dataEnc, data), byte(KeyTS))
		dst = append(appendInt(dst, ts), byte(KeySeq))
		dst = appendHead(dst, majUint, seq)
		if len(from) > 0 {
			dst = appendCBORText(append(dst, byte(KeyFrom)), from)
		}
		if drop > 0 {
			dst = appendHead(append(dst, byte(KeyDrop)), majUint, drop)
		}
		return dst
	}
	dst = append(dst, `{"op":"msg","topic":`...)
	dst = append(appendJSONString(dst, topic), `,"data":`...)
	dst = append(appendBody(dst, JSON, dataEnc, data), `,"ts":`...)
	dst = append(strconv.AppendInt(dst, ts, 10), `,"seq":`...)
	dst = strconv.AppendUint(dst, seq, 10)
	if len(from) > 0 {
		dst = appendJSONString(append(dst, `,"from":`...), from)
	}
	if drop > 0 {
		dst = appendField(dst, `,"drop":`, drop)
	}
	return append(dst, '}')
}

// AppendErr appends the answer `err` to a request, or to a frame whose id could
// not be found.
func AppendErr(dst []byte, enc Encoding, id uint64, hasID bool, e *Error) []byte {
	m := Message{Op: OpErr, ID: id, Err: *e, Has: Fields(0).With(KeyOp).With(KeyErr)}
	if hasID {
		m.Has = m.Has.With(KeyID)
	}
	return Append(dst, enc, &m)
}

// appendErrMap appends {code, msg, retry}; in CBOR in the order that RFC 8949
// section 4.2.1 wants.
func appendErrMap(dst []byte, enc Encoding, e *Error) []byte {
	code, retry := int64(max(e.Code, 0)), int64(max(e.Retry, 0))
	if enc == CBOR {
		n := byte(2)
		if retry > 0 {
			n++
		}
		dst = append(dst, majMap<<5|n)
		dst = appendCBORText(appendCBORText(dst, "msg"), e.Msg)
		dst = appendInt(appendCBORText(dst, "code"), code)
		if retry > 0 {
			dst = appendInt(appendCBORText(dst, "retry"), retry)
		}
		return dst
	}
	dst = strconv.AppendInt(append(dst, `{"code":`...), code, 10)
	dst = appendJSONString(append(dst, `,"msg":`...), e.Msg)
	if retry > 0 {
		dst = strconv.AppendInt(append(dst, `,"retry":`...), retry, 10)
	}
	return append(dst, '}')
}

// optOrder is the order in which options are written: RFC 8949's for text keys,
// shorter ones first.
var optOrder = [...]OptSet{
	OptEp, OptCap, OptDev, OptEnc, OptMax, OptMin, OptFrom, OptLast, OptMore, OptName, OptPace, OptRate, OptStep, OptWhat,
	OptAfter, OptMatch, OptSince, OptSplit, OptStale, OptToken, OptForget, OptLatest, OptStatic, OptDurable, OptWritable,
}

// AppendOpts appends the options in o.Has as a map, ready to be Message.Opts.
func AppendOpts(dst []byte, enc Encoding, o *Opts) []byte {
	if enc == CBOR {
		dst = appendHead(dst, majMap, uint64(bits.OnesCount32(uint32(o.Has&(1<<len(optNames)-1)))))
	} else {
		dst = append(dst, '{')
	}
	first := true
	for _, opt := range optOrder {
		if o.Has&opt == 0 {
			continue
		}
		name := optNames[bits.TrailingZeros32(uint32(opt))]
		if enc == JSON && !first {
			dst = append(dst, ',')
		}
		first = false
		dst = AppendString(dst, enc, name)
		if enc == JSON {
			dst = append(dst, ':')
		}
		dst = appendOpt(dst, enc, o, opt)
	}
	if enc == JSON {
		dst = append(dst, '}')
	}
	return dst
}

func appendOpt(dst []byte, enc Encoding, o *Opts, opt OptSet) []byte {
	switch opt {
	case OptDev, OptToken, OptName, OptWhat, OptMatch:
		return AppendString(dst, enc, *o.textField(opt))
	case OptLast, OptSince, OptPace, OptCap, OptStale, OptAfter, OptStep:
		n := *o.intField(opt)
		if enc == CBOR {
			return appendInt(dst, n)
		}
		return strconv.AppendInt(dst, n, 10)
	case OptEp:
		if enc == CBOR {
			return appendHead(dst, majUint, o.Ep)
		}
		return strconv.AppendUint(dst, o.Ep, 10)
	case OptRate, OptMin, OptMax:
		return appendFloat(dst, enc, *o.numField(opt))
	case OptEnc:
		return AppendString(dst, enc, o.Enc.String())
	}
	return appendBool(dst, enc, *o.boolField(opt) != (opt == OptFrom))
}
