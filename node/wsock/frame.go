package wsock

import (
	"encoding/binary"
	"unicode/utf8"
)

// Opcodes, RFC 6455 11.8.
const (
	opContinuation = 0
	opText         = 1
	opBinary       = 2
	opClose        = 8
	opPing         = 9
	opPong         = 10
)

// Close codes, RFC 6455 7.4.1.
const (
	closeNormal      = 1000
	closeGoingAway   = 1001
	closeProtocol    = 1002
	closeNoStatus    = 1005
	closeInvalidText = 1007
	closePolicy      = 1008
	closeTooBig      = 1009
	closeTryLater    = 1013
)

const (
	maxControl   = 125 // RFC 6455 5.5
	maxHead      = 14  // a client's frame head with mask
	serverHead   = 4   // what Begin leaves free: enough up to 64 KiB
	serverMaxLen = 1<<16 - 1
)

// framer puts server frames around messages: unmasked, never fragmented.
type framer struct{}

func (framer) Begin(dst []byte) []byte { return append(dst, 0, 0, 0, 0) }

// End writes the head of the frame whose payload begins serverHead behind
// begin. Small payloads move up by two bytes: cheaper than measuring them first.
func (framer) End(dst []byte, begin int, text bool) []byte {
	op := byte(0x80 | opBinary)
	if text {
		op = 0x80 | opText
	}
	n := len(dst) - begin - serverHead
	switch {
	case n < 126:
		copy(dst[begin+2:], dst[begin+serverHead:])
		dst[begin], dst[begin+1] = op, byte(n)
		return dst[:len(dst)-2]
	case n <= serverMaxLen:
		dst[begin], dst[begin+1] = op, 126
		binary.BigEndian.PutUint16(dst[begin+2:], uint16(n))
		return dst
	default:
		dst = append(dst, 0, 0, 0, 0, 0, 0)
		copy(dst[begin+10:], dst[begin+serverHead:begin+serverHead+n])
		dst[begin], dst[begin+1] = op, 127
		binary.BigEndian.PutUint64(dst[begin+2:], uint64(n))
		return dst
	}
}

// appendFrame appends a whole frame.
func appendFrame(dst []byte, text bool, payload []byte) []byte {
	begin := len(dst)
	return framer{}.End(append(framer{}.Begin(dst), payload...), begin, text)
}

// appendControl appends a ping, pong or close frame; the payload is cut to 125.
func appendControl(dst []byte, op byte, payload []byte) []byte {
	payload = payload[:min(len(payload), maxControl)]
	return append(append(dst, 0x80|op, byte(len(payload))), payload...)
}

func appendClose(dst []byte, code int, reason string) []byte {
	if code == closeNoStatus {
		return append(dst, 0x80|opClose, 0)
	}
	for len(reason) > maxControl-2 {
		_, n := utf8.DecodeLastRuneInString(reason)
		reason = reason[:len(reason)-n]
	}
	dst = append(dst, 0x80|opClose, byte(2+len(reason)), byte(code>>8), byte(code))
	return append(dst, reason...)
}

// head is a frame's head as a client sends it.
type head struct {
	fin    bool
	op     byte
	length uint64
	mask   uint32 // little endian
	size   int    // bytes of the head
}

// broken is why a connection must end: a close code and a reason.
type broken struct {
	code   int
	reason string
}

func (b *broken) Error() string { return b.reason }

var (
	errReserved  = &broken{closeProtocol, "reserved bits are set"}
	errOpcode    = &broken{closeProtocol, "unknown opcode"}
	errUnmasked  = &broken{closeProtocol, "client frames must be masked"}
	errControl   = &broken{closeProtocol, "control frames are whole and at most 125 bytes"}
	errSequence  = &broken{closeProtocol, "continuation without a beginning, or a beginning within a message"}
	errTooBig    = &broken{closeTooBig, "message too big"}
	errUTF8      = &broken{closeInvalidText, "text is not UTF-8"}
	errCloseCode = &broken{closeProtocol, "bad close frame"}
	errPings     = &broken{closePolicy, "too many pings"}
	errFlood     = &broken{closePolicy, "too many fragments"}
	errPartials  = &broken{closeTryLater, "the hub is busy with unfinished messages"}
)

// parseHead reads the head of the frame at the start of b. ok is false when b
// does not hold all of it. Everything that can be refused by the head is,
// before a byte of the payload is waited for.
func parseHead(b []byte, fragmented bool, have, limit int) (h head, ok bool, err *broken) {
	if len(b) < 2 {
		return h, false, nil
	}
	h.fin, h.op = b[0]&0x80 != 0, b[0]&0x0f
	h.length = uint64(b[1] & 0x7f)
	control := h.op >= opClose
	switch {
	case b[0]&0x70 != 0:
		return h, false, errReserved
	case h.op > opBinary && !control || h.op > opPong:
		return h, false, errOpcode
	case b[1]&0x80 == 0:
		return h, false, errUnmasked
	case control && (!h.fin || h.length > maxControl):
		return h, false, errControl
	case !control && fragmented != (h.op == opContinuation):
		return h, false, errSequence
	}
	h.size = 6
	switch h.length {
	case 126:
		if len(b) < 4 {
			return h, false, nil
		}
		h.length, h.size = uint64(binary.BigEndian.Uint16(b[2:])), 8
	case 127:
		if len(b) < 10 {
			return h, false, nil
		}
		h.length, h.size = binary.BigEndian.Uint64(b[2:]), 14
	}
	if !control && h.length > uint64(limit-have) {
		return h, false, errTooBig
	}
	if len(b) < h.size {
		return h, false, nil
	}
	h.mask = binary.LittleEndian.Uint32(b[h.size-4:])
	return h, true, nil
}

// unmask undoes the client's mask in place (RFC 6455 5.3), 8 bytes at a time.
func unmask(b []byte, mask uint32) {
	m := uint64(mask) | uint64(mask)<<32
	for len(b) >= 8 {
		binary.LittleEndian.PutUint64(b, binary.LittleEndian.Uint64(b)^m)
		b = b[8:]
	}
	for i := range b {
		b[i] ^= byte(m >> (8 * uint(i)))
	}
}

// checkClose reads a close frame's payload. Without one the code is 1005.
func checkClose(p []byte) (code int, err *broken) {
	if len(p) == 0 {
		return closeNoStatus, nil
	}
	if len(p) == 1 {
		return 0, errCloseCode
	}
	code = int(binary.BigEndian.Uint16(p))
	switch {
	case code >= 3000 && code < 5000:
	case code >= 1000 && code <= 1014 && code != 1004 && code != closeNoStatus && code != 1006:
	default:
		return 0, errCloseCode
	}
	if !utf8.Valid(p[2:]) {
		return 0, errUTF8
	}
	return code, nil
}
