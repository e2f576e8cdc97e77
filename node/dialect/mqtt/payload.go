package mqtt

import (
	"bytes"
	"strconv"
	"unicode/utf8"

	"topicd/codec"
	"topicd/node"
)

// A payload that is one JSON value by the codec's rules is stored as it came and
// is that value to everybody. Other UTF-8 is stored as a CBOR text, what is no
// text as a CBOR byte string: both have their bytes in one piece behind a head,
// so that MQTT's readers get them back without decoding.
//
// A JSON string is the one value that two kinds of readers see differently: what
// others publish as "on" MQTT shows as on, what MQTT published as "on" it shows
// with its quotes. Own.raw tells the two apart.

// bodyOf is a payload as a reading's data. It is appended to dst where it does
// not lie in the payload; out is dst then.
func bodyOf(dst, payload []byte) (out []byte, enc codec.Encoding, inPlace bool) {
	if maybeJSON(payload) && codec.Validate(codec.JSON, payload) == nil {
		return dst, codec.JSON, true
	}
	if utf8.Valid(payload) {
		return appendText(dst, payload), codec.CBOR, false
	}
	return codec.AppendByteString(dst, payload), codec.CBOR, false
}

// appendText appends a CBOR text (RFC 8949 3.1, major type 3).
func appendText(dst, text []byte) []byte {
	at := len(dst)
	dst = codec.AppendByteString(dst, text)
	dst[at] |= 1 << 5
	return dst
}

// maybeJSON looks at the first byte that is no space: most payloads that are no
// JSON tell by it.
func maybeJSON(b []byte) bool {
	for _, c := range b {
		switch c {
		case ' ', '\t', '\n', '\r':
			continue
		case '{', '[', '"', '-', 't', 'f', 'n':
			return true
		}
		return c >= '0' && c <= '9'
	}
	return false
}

// isString reports whether a JSON value is a string.
func isString(b []byte) bool {
	for _, c := range b {
		if c > ' ' {
			return c == '"'
		}
	}
	return false
}

// appendPayload appends a reading as MQTT shows it. raw: its JSON is as an MQTT
// client wrote it.
func appendPayload(dst []byte, r *node.Reading, raw bool) ([]byte, bool) {
	if b, ok := payloadIn(r, raw); ok {
		return append(dst, b...), true
	}
	if !r.CBOR {
		return codec.AppendText(dst, codec.JSON, r.Data)
	}
	out, err := codec.Transcode(dst, codec.JSON, codec.CBOR, r.Data)
	return out, err == nil
}

// valueOf appends the number of a reading that is a SenML record with one; false where
// it is none.
func valueOf(dst []byte, r *node.Reading) ([]byte, bool) {
	if r.CBOR {
		if major := r.Data[0] >> 5; major < 5 || major > 6 { // a map, or a tag
			return dst, false
		}
	} else if b := bytes.TrimLeft(r.Data, " \t\r\n"); b[0] != '{' {
		return dst, false
	}
	v, _, ok := codec.Reading(r.Enc(), r.Data)
	if !ok {
		return dst, false
	}
	return strconv.AppendFloat(dst, v, 'g', -1, 64), true
}
