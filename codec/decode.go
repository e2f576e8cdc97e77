package codec

import "io"

// Decoder turns a frame into Messages. Its zero value is ready; one that is
// kept and Reset allocates nothing once it is warm. It is for one goroutine, and
// holds nothing between frames: one a worker does, it need not be one a session.
type Decoder struct {
	w     walker
	enc   Encoding
	state decodeState
	i     int    // next unread byte
	left  uint64 // CBOR: objects left in the batch
	open  bool   // CBOR: the batch ends with a break
	seen  Fields // keys of the object being read, whether they were right or not
	// what an object without an op means; OpHello, the zero value, is not implied
	implied Op
}

type decodeState uint8

const (
	atStart   decodeState = iota // nothing read yet
	atFirst                      // JSON: behind the [ of a batch
	atElement                    // behind an element of a batch
	atEnd
)

// absent reports whether the value at src[i] says that its key was left out:
// null, and undefined in CBOR, which is what serializers write for a member that
// is not set. Only data may be null; undefined it may not.
func (d *Decoder) absent(k Key, i int) (end int, yes bool) {
	src := d.w.src
	switch {
	case i >= len(src):
	case d.enc == JSON && src[i] == 'n' && k != KeyData && len(src)-i >= 4 && string(src[i:i+4]) == "null":
		return i + 4, true
	case d.enc == CBOR && (src[i] == cborUndefined || src[i] == cborNull && k != KeyData):
		return i + 1, true
	}
	return i, false
}

// Reset makes d ready for another frame. Messages of the frame before are void.
func (d *Decoder) Reset(enc Encoding, frame []byte) {
	d.w.reset(frame)
	d.w.limit = pageDepth
	d.enc = enc
	d.state = atStart
	d.i = 0
	d.implied = 0
}

// Imply says what objects of the frame mean that have no op: where only one can
// be meant, as in the body of an HTTP request. Until the next Reset.
func (d *Decoder) Imply(op Op) { d.implied = op }

// Next decodes the next object of the frame: the one object, or one after
// another those of a batch. It returns io.EOF at the end.
//
// Any other error is an *Error (400 or 413). m then holds what was read; Has
// tells whether the ID is among it. Where the frame is well-formed and only
// means something wrong, the ID is always found, and Next goes on with the next
// object of a batch. Where the grammar is broken, the rest cannot be read and
// io.EOF follows; objects before the break have been delivered.
//
// Beside the types of all fields Next checks that an op has the fields without
// which it means nothing (pub: topic and data; sub, unsub, get, make and
// delete: topic). It does not check names and patterns: see CheckTopic.
func (d *Decoder) Next(m *Message) error {
	*m = Message{Enc: d.enc}
	if d.state == atEnd {
		return io.EOF
	}
	d.w.noted = nil
	d.seen = 0
	more := false
	if d.enc == CBOR {
		more = d.nextCBOR(m)
	} else {
		more = d.nextJSON(m)
	}
	if d.w.fatal != nil {
		d.state = atEnd
		d.w.wrongEncoding(d.enc)
		return d.w.fatal
	}
	if !more {
		d.state = atEnd
		return io.EOF
	}
	if d.w.noted != nil {
		return d.w.noted
	}
	return nil
}

// finish checks what can only be checked when the whole object has been read.
func (d *Decoder) finish(m *Message) {
	if d.w.noted != nil {
		return
	}
	if !m.Has.Has(KeyOp) && d.implied != 0 {
		m.Op, m.Has = d.implied, m.Has.With(KeyOp)
	}
	switch {
	case !m.Has.Has(KeyOp):
		d.w.note(CodeMalformed, "op is missing")
	case d.w.deepest > MaxDepth && m.Op != OpOK: // see pageDepth
		d.w.note(CodeMalformed, "nested deeper than %d", MaxDepth)
	}
	switch m.Op {
	case OpPub, OpSub, OpUnsub, OpGet, OpMake, OpDelete:
		if !m.Has.Has(KeyTopic) && !(m.Op == OpUnsub && m.Has.Has(KeyOpts)) { // a durable subscription ends by its name
			d.w.note(CodeMalformed, "%s needs a topic", m.Op)
		}
		if m.Op == OpPub && !m.Has.Has(KeyData) {
			d.w.note(CodeMalformed, "pub needs data")
		}
	}
}

// first reports whether k appears for the first time in this object; a second
// time is noted. In CBOR 2 and "topic" are the same key.
func (d *Decoder) first(k Key) bool {
	if d.seen.Has(k) {
		d.w.note(CodeMalformed, "the key %s stands twice", k)
		return false
	}
	d.seen = d.seen.With(k)
	return true
}

// setOp stores the op named by text, or by code when text is nil.
func (d *Decoder) setOp(m *Message, text []byte, code int64) {
	op, ok := opByCode(uint64(code))
	if text != nil {
		op, ok = opByName(text)
	}
	switch {
	case ok:
		m.Op = op
		m.Has = m.Has.With(KeyOp)
	case text != nil:
		m.UnknownOp = true
		d.w.note(CodeMalformed, "unknown op %s", quote(text))
	default:
		m.UnknownOp = true
		d.w.note(CodeMalformed, "unknown op %d", code)
	}
}

// setWhole stores a number field; ok tells whether it is a whole number.
func (d *Decoder) setWhole(m *Message, k Key, n int64, ok bool) {
	v := uint64(n)
	if !ok || n < 0 {
		d.w.note(CodeMalformed, "%s must be a whole number from 0 to 9007199254740991", k)
		return
	}
	m.Has = m.Has.With(k)
	switch k {
	case KeyID:
		m.ID = v
	case KeyTS:
		m.TS = n
	case KeySeq:
		m.Seq = v
	case KeyAck:
		m.Ack = v
	case KeyEp:
		m.Ep = v
	case KeyDrop:
		m.Drop = v
	}
}

// setText stores a text field.
func (d *Decoder) setText(m *Message, k Key, b []byte) {
	m.Has = m.Has.With(k)
	if k == KeyTopic {
		m.Topic = b
	} else {
		m.From = b
	}
}

// setAlias stores a topic given as a number.
func (d *Decoder) setAlias(m *Message, n int64, ok bool) {
	if !ok || n < 0 {
		d.w.note(CodeMalformed, "topic must be a string, or the number that an ok gave for it")
		return
	}
	m.Has = m.Has.With(KeyTopic)
	m.Alias = uint64(n)
	m.IsAlias = true
}

// setErr reads the map of an err field, which has been walked over.
func (d *Decoder) setErr(m *Message, raw []byte) {
	var e Error
	if bad := parseErr(d.enc, raw, &e); bad != nil {
		d.w.note(bad.Code, "%s", bad.Msg)
		return
	}
	m.Has = m.Has.With(KeyErr)
	m.Err = e
}
