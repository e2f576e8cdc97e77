package codec

// AppendText appends the text of a body that is a string, decoded: what dialects
// without values show of it. ok is false, and dst unchanged, where the body is
// something else. The body must have been validated.
func AppendText(dst []byte, enc Encoding, data []byte) (out []byte, ok bool) {
	if enc == CBOR {
		if len(data) == 0 || data[0]>>5 != majText {
			return dst, false
		}
		_, n, at := readHead(data, 0)
		return append(dst, data[at:at+int(n)]...), true
	}
	i := 0
	for i < len(data) && data[i] <= ' ' {
		i++
	}
	if i == len(data) || data[i] != '"' {
		return dst, false
	}
	end := len(data) - 1
	for data[end] != '"' {
		end--
	}
	return unescape(dst, data[i+1:end]), true
}

// ByteString is the content of a CBOR body that is a byte string.
func ByteString(data []byte) (b []byte, ok bool) {
	if len(data) == 0 || data[0]>>5 != majBytes {
		return nil, false
	}
	_, n, at := readHead(data, 0)
	return data[at : at+int(n)], true
}

// AppendByteString appends b as a CBOR body.
func AppendByteString(dst, b []byte) []byte {
	return append(appendHead(dst, majBytes, uint64(len(b))), b...)
}

// TextString is the content of a CBOR body that is a text.
func TextString(data []byte) (b []byte, ok bool) {
	if len(data) == 0 || data[0]>>5 != majText {
		return nil, false
	}
	_, n, at := readHead(data, 0)
	return data[at : at+int(n)], true
}
