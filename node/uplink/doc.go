// Package uplink sends the readings of durable topics to a stream of NATS JetStream,
// takes messages for this gateway from there, and on the centre's side publishes what
// all gateways have sent.
//
//	store's log ──ReadLog──► window (≤ 512 KiB) ──async──► stream SITES
//	     ▲                    one reading a topic under way │
//	     └─ place of the oldest that is not acked ◄─── acks ┘
//
// There is no second queue. What is not acked lies in the store, and the window is a
// view of the log that begins at the oldest reading without an ack.
//
// # Exactly once, in order per topic
//
// JetStream forgets the ids it has seen after two minutes, and nothing makes the
// second of two messages under way depend on the first: without more, a reading that
// is lost while its successor arrives (a leader changes, a stream is full for a
// moment) leaves a hole, and one that a server held back for an hour arrives twice.
// So each reading is published under a condition that the stream itself checks: the
// last message of its subject is the one we know (Nats-Expected-Last-Subject-Sequence).
// What that message is we know from its ack, or have asked for. It follows:
//
//   - Of each topic one reading is under way at a time; topics do not wait for each
//     other. What the stream holds of a topic is always a prefix of what it was sent.
//   - A copy that arrives late is refused, however late.
//   - After an ack that did not come, or an outage, the stream is asked for the
//     topic's last message. It names epoch and number, so it is known whether the
//     reading is there.
//
// A topic that has more to send than one reading per round trip waits; the window is
// shared by all topics.
//
// # Where to go on
//
// Topicd-Pos is a reading's place in the log of the store that Topicd-Store names.
// Topicd-Low, where it is less, is the place below which everything had been acked
// when the reading was sent. After each connect the stream is asked for the site's
// last message. If it is of this store's log, everything below its Low stands before
// it in the stream, also in a stream that was restored from an older copy: the uplink
// goes on there. Behind it each topic is asked for once. If the message is of another
// store (this one was wiped) or of a future that this store does not know (it was
// itself restored), the uplink goes on at its own durable cursor.
package uplink
