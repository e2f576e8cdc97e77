package codec

import "strconv"

// AppendRow appends one reading as it stands in the list that a get answers:
// {topic, seq, ts, data, from}, in CBOR with text keys, because a row is data
// and not an envelope. An empty from is left out; data is a validated body in
// dataEnc and is transcoded where enc differs.
func AppendRow(dst []byte, enc Encoding, topic string, seq uint64, ts int64, from, data []byte, dataEnc Encoding) []byte {
	if enc == CBOR {
		n := byte(4)
		if len(from) > 0 {
			n++
		}
		dst = appendCBORText(append(dst, majMap<<5|n), "topic")
		dst = appendCBORText(appendCBORText(dst, topic), "seq")
		dst = appendCBORText(appendHead(dst, majUint, seq), "ts")
		dst = appendCBORText(appendInt(dst, ts), "data")
		dst = appendBody(dst, CBOR, dataEnc, data)
		if len(from) > 0 {
			dst = appendCBORText(appendCBORText(dst, "from"), from)
		}
		return dst
	}
	dst = append(appendJSONString(append(dst, `{"topic":`...), topic), `,"seq":`...)
	dst = append(strconv.AppendUint(dst, seq, 10), `,"ts":`...)
	dst = append(strconv.AppendInt(dst, ts, 10), `,"data":`...)
	dst = AppendLine(dst, dataEnc, data)
	if len(from) > 0 {
		dst = appendJSONString(append(dst, `,"from":`...), from)
	}
	return append(dst, '}')
}

// AppendList appends the list of n items that stand one behind the other in
// items, each followed by a comma in JSON.
func AppendList(dst []byte, enc Encoding, n int, items []byte) []byte {
	if enc == CBOR {
		return append(appendHead(dst, majArray, uint64(n)), items...)
	}
	if n > 0 {
		items = items[:len(items)-1]
	}
	return append(append(append(dst, '['), items...), ']')
}

// AppendLine appends a validated body as one line of JSON, for formats of lines:
// every reading that goes into one passes here. Line breaks can stand between
// tokens only, as a pretty printer leaves them; strings have them escaped.
func AppendLine(dst []byte, enc Encoding, data []byte) []byte {
	at := len(dst)
	dst = appendBody(dst, JSON, enc, data)
	line := dst[at:]
	for len(line) > 0 && line[len(line)-1] <= ' ' {
		line = line[:len(line)-1]
	}
	dst = dst[:at+len(line)]
	from := 0
	for from < len(line) && line[from] <= ' ' {
		from++
	}
	if from > 0 {
		dst = append(dst[:at], line[from:]...)
	}
	for i, c := range dst[at:] {
		if c < ' ' { // \n, \r or \t
			dst[at+i] = ' '
		}
	}
	return dst
}
