package codec

import "math"

// nextCBOR reads the next object of a CBOR frame; false: there is none.
func (d *Decoder) nextCBOR(m *Message) bool {
	w := &d.w
	src := w.src
	if d.state == atStart {
		if len(src) > maxInput {
			w.fatal = Errorf(CodeTooLarge, "a frame of %d bytes is too large", len(src))
			return false
		}
		if len(src) == 0 {
			w.fail(0, "an empty frame")
			return false
		}
		if d.i = untag(src, 0); d.i >= len(src) {
			w.cut()
			return false
		}
		if src[d.i]>>5 != majArray {
			if d.cborElement(m) {
				d.cborTail()
				d.state = atEnd
			}
			return true
		}
		ib, n, i := w.head(d.i)
		if i < 0 {
			return false
		}
		d.open = ib&31 == indefinite
		if d.left = n; d.open {
			d.left = math.MaxUint64
		} else if n > uint64(len(src)-i) {
			w.cut()
			return false
		}
		d.i = i
	}
	d.state = atElement
	if d.open && d.i < len(src) && src[d.i] == cborBreak {
		d.i++
		d.left = 0
	}
	if d.left == 0 {
		d.cborTail()
		return false
	}
	d.left--
	d.cborElement(m)
	return true
}

// cborTail checks that nothing stands behind the frame's value.
func (d *Decoder) cborTail() {
	if d.i < len(d.w.src) {
		d.w.fail(d.i, "something stands behind the frame")
	}
}

// cborElement reads one object; false after a broken grammar.
func (d *Decoder) cborElement(m *Message) bool {
	w := &d.w
	d.i = untag(w.src, d.i)
	if d.i < len(w.src) && w.src[d.i]>>5 != majMap {
		d.i = w.cborValue(d.i, 0)
		w.note(CodeMalformed, "a frame is one map, or an array of maps")
		return d.i >= 0
	}
	d.i = d.cborObject(d.i, m)
	return d.i >= 0
}

// cborObject reads the envelope at src[i] and returns its end, or -1.
func (d *Decoder) cborObject(i int, m *Message) int {
	w := &d.w
	w.deepest = 0
	base, textBase := len(w.keys.refs), len(w.keys.text)
	ib, n, i := w.head(i)
	if i < 0 {
		return -1
	}
	open := ib&31 == indefinite
	if open {
		n = math.MaxUint64
	} // a count beyond the frame ends in a cut, by then the id may be found
	for ; n > 0; n-- {
		if open && i < len(w.src) && w.src[i] == cborBreak {
			i++
			break
		}
		var k Key
		if k, i = d.cborEnvelopeKey(i, base); i < 0 {
			return -1
		}
		if i = d.cborField(k, i, m); i < 0 {
			return -1
		}
	}
	w.closeKeys(base, textBase)
	d.finish(m)
	return i
}

// cborEnvelopeKey reads a key: the integer, or the same text as in JSON.
func (d *Decoder) cborEnvelopeKey(i, base int) (Key, int) {
	w := &d.w
	if i < len(w.src) && w.src[i] <= byte(KeyDrop) {
		return Key(w.src[i]), i + 1
	}
	ib, arg, next := w.head(i)
	if next < 0 {
		return keyUnknown, -1
	}
	switch ib >> 5 {
	case majUint:
		if arg <= uint64(KeyDrop) {
			return Key(arg), next
		}
	case majText:
		if ib&31 != indefinite && arg <= uint64(len(w.src)-next) {
			if k := keyByName(w.src[next : next+int(arg)]); k != keyUnknown {
				return k, next + int(arg)
			}
		}
	}
	return keyUnknown, w.cborKey(i, 0, base)
}

// cborField reads the value of k at src[i] and returns its end, or -1.
func (d *Decoder) cborField(k Key, i int, m *Message) int {
	w := &d.w
	if k == keyUnknown || !d.first(k) {
		return w.ignored(CBOR, i)
	}
	if end, yes := d.absent(k, i); yes {
		return end
	}
	if k == KeyOpts || k == KeyErr {
		return d.cborMap(k, i, m)
	}
	end := w.cborValue(i, 0)
	if end < 0 {
		return -1
	}
	i = untag(w.src, i)
	if k == KeyData {
		m.Data = w.src[i:end]
		m.Has = m.Has.With(k)
		return end
	}
	ib, _, from := w.head(i)
	if isText := ib>>5 == majText && ib&31 != indefinite; isText && (k == KeyTopic || k == KeyFrom) {
		d.setText(m, k, w.src[from:end])
		return end
	} else if isText && k == KeyOp {
		d.setOp(m, w.src[from:end:end], 0)
		return end
	}
	n, ok := wholeCBOR(w.src, i)
	switch {
	case k == KeyOp && ok && n >= 0:
		d.setOp(m, nil, n)
	case k == KeyOp:
		w.note(CodeMalformed, "op must be its code or a text")
	case k == KeyTopic:
		d.setAlias(m, n, ok)
	case k == KeyFrom:
		w.note(CodeMalformed, "from must be a text")
	default:
		d.setWhole(m, k, n, ok)
	}
	return end
}

// cborMap reads opts or err. Its members are judged when they are read, and only
// those that are known.
func (d *Decoder) cborMap(k Key, i int, m *Message) int {
	w := &d.w
	end := w.ignored(CBOR, i)
	if end < 0 {
		return -1
	}
	switch i = untag(w.src, i); {
	case k == KeyErr:
		d.setErr(m, w.src[i:end])
	case w.src[i]>>5 != majMap:
		w.note(CodeMalformed, "opts must be a map")
	default:
		m.Opts = w.src[i:end]
		m.Has = m.Has.With(k)
	}
	return end
}
