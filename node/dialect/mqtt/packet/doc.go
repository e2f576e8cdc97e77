// Package packet turns the bytes of MQTT 3.1, 3.1.1 and 5 into packets and
// packets into bytes, in both directions. Pure functions: no socket, no clock,
// no state between two packets.
//
//	bytes ── Split ──► one packet, rest        nothing is kept, nothing is allocated
//	packet ── Decode ► Publish, Connect, …     slices of the packet
//	Publish, … ── Append ► bytes
//
// # Rules
//
// A packet is looked at once and completely: reserved bits, lengths that add up
// to the byte, UTF-8 without NUL (1.5.4), properties that belong to the packet
// and stand there once (2.2.2.2), names and filters (4.7), identifiers that are
// not 0 (2.2.1). What comes out needs no further check of form; what a packet
// means for a session (a second CONNECT, an unknown alias) is its reader's.
//
// Properties stay the bytes that they are. Decode walks over them once and
// notes which are there; getters walk again, which costs a few nanoseconds and
// spares every PUBLISH a struct of forty fields. A server hands a message's
// properties on as it got them (3.3.2-17), so the bytes are what it wants.
//
// # Errors
//
// A refusal is an *Error with the MQTT 5 reason code, the clause of MQTT 5 that
// was broken, and a sentence. All are made once: refusing allocates nothing.
//
// # Bounds
//
// Split refuses by the head alone: a packet longer than its maximum is refused
// when its length is known, before anything of it is waited for. Appending
// cuts strings at the 65,535 bytes that their length can say.
package packet
