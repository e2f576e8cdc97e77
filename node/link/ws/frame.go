package ws

import (
	"encoding/binary"
	"unicode/utf8"

	"topicd/node/link"
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

const (
	maxControl   = 125 // RFC 6455 5.5
	serverHead   = 4   // what Begin leaves free: enough up to 64 KiB
	serverMaxLen = 1<<16 - 1
)

// Wire is RFC 6455 as a server speaks it: what comes is masked and may be in
// pieces, what goes is neither.
type Wire struct{}

var _ link.Wire = Wire{}

// Begin implements node.Framer.
func (Wire) Begin(dst []byte) []byte { return append(dst, 0, 0, 0, 0) }

// End implements node.Framer: it writes the head of the frame whose payload
// begins serverHead behind begin. Small payloads move up by two bytes: cheaper
// than measuring them first.
func (Wire) End(dst []byte, begin int, text bool) []byte {
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

// Split implements link.Wire.
func (Wire) Split(in []byte, open link.Open, most int) (m link.Message, rest []byte, err *link.Broken) {
	h, ok, err := parseHead(in, open.Pieces, int(open.Bytes), most)
	if !ok || err != nil || uint64(len(in)-h.size) < h.length {
		return m, in, err
	}
	end := h.size + int(h.length)
	m.Payload, rest = in[h.size:end:end], in[end:]
	unmask(m.Payload, h.mask)
	m.Kind, m.Text, m.Last = link.Whole, h.op == opText, h.fin
	switch {
	case h.op == opPing:
		m.Kind = link.Ping
	case h.op == opPong:
		m.Kind = link.Pong
	case h.op == opClose:
		m.Kind = link.Bye
		m.Code, err = checkClose(m.Payload)
	case !h.fin || open.Pieces:
		m.Kind = link.Piece
	}
	return m, rest, err
}

// Ping implements link.Wire.
func (Wire) Ping(dst []byte) []byte { return appendControl(dst, opPing, nil) }

// Pong implements link.Wire.
func (Wire) Pong(dst, payload []byte) []byte { return appendControl(dst, opPong, payload) }

// appendControl appends a ping, pong or close frame; the payload is cut to 125.
func appendControl(dst []byte, op byte, payload []byte) []byte {
	payload = payload[:min(len(payload), maxControl)]
	return append(append(dst, 0x80|op, byte(len(payload))), payload...)
}

// Bye implements link.Wire.
func (Wire) Bye(dst []byte, code int, reason string) []byte {
	if code == link.CloseNoStatus {
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

var (
	errReserved  = &link.Broken{Code: link.CloseProtocol, Reason: "reserved bits are set"}
	errOpcode    = &link.Broken{Code: link.CloseProtocol, Reason: "unknown opcode"}
	errUnmasked  = &link.Broken{Code: link.CloseProtocol, Reason: "client frames must be masked"}
	errControl   = &link.Broken{Code: link.CloseProtocol, Reason: "control frames are whole and at most 125 bytes"}
	errSequence  = &link.Broken{Code: link.CloseProtocol, Reason: "continuation without a beginning, or a beginning within a message"}
	errTooBig    = &link.Broken{Code: link.CloseTooBig, Reason: "message too big"}
	errUTF8      = &link.Broken{Code: link.CloseInvalidText, Reason: "the reason is not UTF-8"}
	errCloseCode = &link.Broken{Code: link.CloseProtocol, Reason: "bad close frame"}
)

// parseHead reads the head of the frame at the start of b. ok is false when b
// does not hold all of it. Everything that can be refused by the head is,
// before a byte of the payload is waited for.
func parseHead(b []byte, fragmented bool, have, limit int) (h head, ok bool, err *link.Broken) {
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
func checkClose(p []byte) (code int, err *link.Broken) {
	if len(p) == 0 {
		return link.CloseNoStatus, nil
	}
	if len(p) == 1 {
		return 0, errCloseCode
	}
	code = int(binary.BigEndian.Uint16(p))
	switch {
	case code >= 3000 && code < 5000:
	case code >= 1000 && code <= 1014 && code != 1004 && code != link.CloseNoStatus && code != 1006:
	default:
		return 0, errCloseCode
	}
	if !utf8.Valid(p[2:]) {
		return 0, errUTF8
	}
	return code, nil
}
