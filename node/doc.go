// Package node is the core of topicd, one idea carried through:
//
//	A topic is a bounded log. A subscription is a cursor into it.
//	A session is the short list of its cursors that have something to read.
//
//	sensor ──frame──► decode ──► topic  [ … 41 42 43 44 ]◄── the only copy, capped in bytes
//	                                ▲      ▲        ▲
//	                          cursor A   cursor B  cursor C     (a laggard falls off: drop += n, goes on at the oldest)
//	dashboards ◄──frames── flusher copies a batch when the socket takes it: one write for many readings
//
// Publishing appends once and makes cursors ready. It never waits for a reader,
// never copies for a reader, never drops for one reader. Last value, replay,
// latest, rate and the policy for slow readers are where a cursor starts and
// how it jumps. Memory is arena + sessions × fixed + subscriptions × fixed +
// one 8-byte entry per unread topic and session, and each of the four has its
// limit (Options.Worst).
//
// The package is a data structure: no socket, no goroutine, no clock of its
// own. A transport (link) gives it frames through a dialect and is told by
// Sink.Wake, or by the Turn it passed, which sessions have something to read.
//
// # The life of a reading
//
//  1. A frame lies in its reader's buffer, at most maxFrame bytes.
//  2. The dialect decodes it (codec.Decoder); the body still lies in the buffer.
//     A bad frame is answered with a code.
//  3. Session.Publish: name, budget, topic (made within limits), then log.append
//     under the topic's lock: next number, bytes into the arena, the oldest out
//     until the cap holds.
//  4. Cursors of its audience that do not exist yet are made, and their sessions
//     go on the publisher's Turn. A cursor that exists costs one atomic load.
//  5. At the end of its turn the publisher's worker, or a flusher, calls Fill
//     for each session: records are copied out under the topic's lock, encoded
//     without it, and written at once. That is the only hand-off. A laggard is
//     told drop.
//
// # The files that it passes
//
// A CBOR reading on its way from a sensor's socket to a JSON dashboard, in order:
//
//	link/poll_linux.go        the socket has bytes, a worker reads them into its buffer
//	link/input.go             the wire splits them into messages
//	link/ws/frame.go          RFC 6455: a frame is unmasked where it lies
//	dialect/native/native.go  Frame: decode, charge, handle
//	codec/decode.go           the envelope, field by field …
//	codec/decodecbor.go       … as CBOR has it; the body stays where it lies
//	dialect/native/pub.go     pub: publish, answer
//	publish.go                rights, topic, dedupe; stored under the topic's lock
//	arena/log.go              the record goes behind the last one, the oldest make room
//	history.go                … and leave min, mean and max behind (minutes)
//	session.go                who had read all gets a cursor on the list
//	link/flush.go             the worker's turn ends: each session is written, or paced
//	fill.go                   what a cursor may read is copied out, and encoded without a lock
//	dialect/native/format.go  the envelope in the reader's encoding …
//	codec/transcode.go        … and the body in it
//
// # What is decided, and why
//
// A cursor exists only while there is something to read: {topic, subscription,
// position} in 8 bytes on the session's list, and a mark (a bit per topic for
// patterns, a flag for exact names) that keeps it from being made twice. An
// idle subscriber of # costs one subscription; one that is stuck 8 bytes a topic.
//
// Who hears a topic is its audience, shared by topics with the same listeners,
// made when a topic is born or a subscription changes, never at publish.
//
// A rate holds a cursor back with its mark set: a publish meanwhile costs one
// load, and the newest is taken when it is due.
//
// What leaves a log for newer readings and says numbers is counted a minute, in a second
// log of the topic in the same arena (minutes): a quarter of its cap, a day and more of a
// value a second. The publish that needs the room does it, no timer: a reading is looked
// at once, when it leaves, so that readings and minutes never overlap.
//
// When the arena is full, room is taken from topics that hold more than an
// equal share of it, oldest readings first; every topic keeps its newest
// reading. Only when each is down to it is a new topic refused (507).
//
// Encoded batches are kept with the flusher and not at the topic: one buffer a
// worker instead of one a topic, no lock, and the same 3–5 ns a delivery where
// many readers stand at the same place (BenchmarkFill). Large ones are remembered
// in two formats: dashboards of both encodings on one topic shared none with one.
//
// What a delivery touches of a session is six lines of cache, each of which
// leads to the next, cold where a thousand readers take turns. They are fetched
// (node/internal/prefetch) while the readers before are written: the hub's own
// part of a delivery at 20 readings a second went from 14 % to 7 % of its time.
//
// A pattern does not keep a dynamic topic alive, an exact subscription does: a
// dashboard on # is left open for years.
//
// Two clocks: a Turn carries the wall's time, for the ts of what is stored and
// nothing else, and the hub's own, which only goes forward, for everything that is
// waited for, aged, limited or positioned. A record keeps its ts and the number of
// the wall's era (16 bits), so that its age is known whatever the wall did since.
//
// A topic that ends stays readable for whom its dialect tells of the end, and its
// number stays taken until reap has gone through the lists that may name it, 64
// topics at a time, without the hub's lock: with 30 readers of everything that are
// stuck on 10,000 topics the end of one took 2.6 ms of it, and takes 2 µs. Who
// leaves with patterns gives the lock back every 1,024 topics.
//
// What has to wait waits without holding anybody up. An answer that needs the disk
// (Session.Later) stands in its session's line of answers until its commit has
// passed. A cursor is held back with its mark set, so that a publish meanwhile
// costs one load: by a rate, by a window that is full (Windowed, Session.Resume), or
// because what it reads has left the arena and lies on a Disk, from which a page of
// 16 KiB is fetched outside all locks; the live marker waits for it. What a window has no
// room for of a page stays with its session: a shared subscription of MQTT takes a message
// at a time, and each took the page anew, 70 µs of CPU (BenchmarkBacklog: 2).
//
// # Locks
//
// The order is reaping, window.mu, listing.mu → hub.mu → Topic.mu → Session.mu →
// arena.mu, never reversed.
// Nothing is held over I/O, over the encoding of a body, or over a call out of
// the package, but for Sink.Cut, which only leaves a note. A function that
// wants its caller's lock says Locked.
package node
