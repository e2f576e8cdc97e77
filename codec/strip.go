package codec

import "bytes"

// Strip is what a value that comes from outside is without what may stand around
// it: a byte order mark (RFC 8259 section 8.1 lets a reader skip it), white space
// and the ends of lines; in CBOR the tag that says "this is CBOR" (RFC 8949
// section 3.4.6). Every way in passes it, whatever the value is then taken for.
func Strip(enc Encoding, b []byte) []byte {
	if enc == CBOR {
		return b[untag(b, 0):]
	}
	return bytes.Trim(b[bomEnd(b):], " \t\r\n")
}

// bomEnd is the place behind a byte order mark.
func bomEnd(b []byte) int {
	if len(b) >= 3 && string(b[:3]) == "\xef\xbb\xbf" {
		return 3
	}
	return 0
}
