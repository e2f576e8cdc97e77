// Package ws is WebSocket (RFC 6455) for package link: Wire says how messages lie
// in its bytes, Server upgrades requests of HTTP. gorilla does the handshake and
// nothing else.
//
// gorilla neither checks the UTF-8 of text nor bounds what a compressed message
// becomes, and its PreparedMessage costs 5.8 KB and 9 allocations a message where
// a frame of our own costs 1: so what comes and goes after the handshake is read
// and made here, and compression is not offered.
package ws
