// Package wire speaks NATS' client protocol: as much of it as an uplink needs.
//
// nats.go would add 1.5 MB to the armv6 binary of 10.5: it brings a regular
// expression engine, gob, a second deflate and curves that nothing here uses. What is
// needed of the protocol is a dozen lines of text; TLS, ed25519 and the WebSocket
// handshake are in the program anyway. A Conn does not connect again by itself: who
// has one must ask the stream where it stands before it goes on.
//
//	INFO {…}                       server's greeting, and later news of the cluster
//	CONNECT {…}, PING → PONG       credentials; -ERR says why not
//	HPUB subj reply n m, headers   a message with headers
//	MSG, HMSG                      one that came
package wire
