package codec

// nextJSON reads the next object of a JSON frame; false: there is none.
func (d *Decoder) nextJSON(m *Message) bool {
	w := &d.w
	src := w.src
	switch d.state {
	case atStart:
		if len(src) > maxInput {
			w.fatal = Errorf(CodeTooLarge, "a frame of %d bytes is too large", len(src))
			return false
		}
		d.i = w.space(bomEnd(src))
		if d.i >= len(src) {
			w.fail(d.i, "an empty frame")
			return false
		}
		if src[d.i] != '[' {
			if d.jsonElement(m) {
				d.jsonTail()
				d.state = atEnd
			}
			return true
		}
		d.i++
		d.state = atFirst
		if d.i = w.space(d.i); d.i < len(src) && src[d.i] == ']' {
			d.i++
			d.jsonTail()
			return false
		}
	case atElement:
		d.i = w.space(d.i)
		if d.i >= len(src) {
			w.cut()
			return false
		}
		switch src[d.i] {
		case ']':
			d.i++
			d.jsonTail()
			return false
		case ',':
			d.i = w.space(d.i + 1)
		default:
			w.fail(d.i, "expected , or ] in a batch")
			return false
		}
	}
	d.state = atElement
	d.jsonElement(m)
	return true
}

// jsonTail checks that nothing stands behind the frame's value.
func (d *Decoder) jsonTail() {
	if d.i = d.w.space(d.i); d.i < len(d.w.src) {
		d.w.fail(d.i, "something stands behind the frame")
	}
}

// jsonElement reads one object; false after a broken grammar.
func (d *Decoder) jsonElement(m *Message) bool {
	w := &d.w
	if d.i < len(w.src) && w.src[d.i] != '{' {
		d.i = w.jsonValue(d.i, 0)
		w.note(CodeMalformed, "a frame is one object, or an array of objects")
		return d.i >= 0
	}
	d.i = d.jsonObject(d.i, m)
	return d.i >= 0
}

// jsonObject reads the envelope at src[i] and returns its end, or -1.
func (d *Decoder) jsonObject(i int, m *Message) int {
	w := &d.w
	src := w.src
	w.deepest = 0
	base, textBase := len(w.keys.refs), len(w.keys.text)
	if i >= len(src) {
		return w.cut()
	}
	i = w.space(i + 1)
	if i < len(src) && src[i] == '}' {
		d.finish(m)
		return i + 1
	}
	for {
		var k Key
		if k, i = d.jsonEnvelopeKey(i, base); i < 0 {
			return -1
		}
		if i = d.jsonField(k, i, m); i < 0 {
			return -1
		}
		i = w.space(i)
		if i >= len(src) {
			return w.cut()
		}
		if src[i] != ',' && src[i] != '}' {
			if i = w.junkTo(i, "expected , or } in an object"); i < 0 {
				return -1
			}
		}
		if src[i] == '}' {
			break
		}
		if i = w.space(i + 1); i < len(src) && src[i] == '}' {
			w.bad(i, "expected a key in quotes")
			break
		}
	}
	w.closeKeys(base, textBase)
	d.finish(m)
	return i + 1
}

// jsonEnvelopeKey reads a key and its colon.
func (d *Decoder) jsonEnvelopeKey(i, base int) (Key, int) {
	w := &d.w
	src := w.src
	if i < len(src) && src[i] == '"' {
		if end := plain(src, i+1); end+1 < len(src) && src[end] == '"' && src[end+1] == ':' {
			if k := keyByName(src[i+1 : end]); k != keyUnknown {
				return k, w.space(end + 2)
			}
		}
		end, escaped := w.jsonString(i + 1)
		if end < 0 {
			return keyUnknown, -1
		}
		key := src[i+1 : end]
		if escaped {
			key = d.decoded(key)
		}
		if k := keyByName(key); k != keyUnknown {
			return k, w.jsonColon(end + 1)
		}
	}
	return keyUnknown, w.jsonKey(i, base)
}

// decoded unescapes a string into the walker's scratch.
func (d *Decoder) decoded(raw []byte) []byte {
	w := &d.w
	off := len(w.text)
	w.text = unescape(w.text, raw)
	return w.text[off:len(w.text):len(w.text)]
}

// jsonField reads the value of k at src[i] and returns its end, or -1.
func (d *Decoder) jsonField(k Key, i int, m *Message) int {
	w := &d.w
	if k == keyUnknown || !d.first(k) {
		return w.ignored(JSON, i)
	}
	if end, yes := d.absent(k, i); yes {
		return end
	}
	if k == KeyOp || k == KeyTopic || k == KeyFrom {
		if i < len(w.src) && w.src[i] == '"' {
			end, escaped := w.jsonString(i + 1)
			if end < 0 {
				return -1
			}
			s := w.src[i+1 : end]
			if escaped {
				s = d.decoded(s)
			}
			if k == KeyOp {
				d.setOp(m, s, 0)
			} else {
				d.setText(m, k, s)
			}
			return end + 1
		}
	}
	if k == KeyOpts || k == KeyErr {
		return d.jsonMap(k, i, m)
	}
	end := w.jsonValue(i, 0)
	if end < 0 {
		return -1
	}
	raw := w.src[i:end]
	if k == KeyData {
		m.Data = raw
		m.Has = m.Has.With(k)
		return end
	}
	n, ok := int64(0), false
	if raw[0] == '-' || raw[0]-'0' < 10 {
		n, ok = wholeJSON(raw)
	}
	switch {
	case k == KeyFrom:
		w.note(CodeMalformed, "from must be a string")
	case k == KeyTopic:
		d.setAlias(m, n, ok)
	case k != KeyOp:
		d.setWhole(m, k, n, ok)
	case ok && n >= 0:
		d.setOp(m, nil, n)
	default:
		w.note(CodeMalformed, "op must be a string or its code")
	}
	return end
}

// jsonMap reads opts or err. Its members are judged when they are read, and only
// those that are known.
func (d *Decoder) jsonMap(k Key, i int, m *Message) int {
	w := &d.w
	end := w.ignored(JSON, i)
	switch {
	case end < 0:
	case k == KeyErr:
		d.setErr(m, w.src[i:end])
	case w.src[i] != '{':
		w.note(CodeMalformed, "opts must be an object")
	default:
		m.Opts = w.src[i:end]
		m.Has = m.Has.With(k)
	}
	return end
}
