// Package wsock carries sessions over WebSocket (RFC 6455). gorilla does the
// handshake, and reads where the fast path cannot (TLS, other systems).
//
// Reading stands behind one seam with three implementations that pass the same
// tests. All end in conn.message.
//
//	poll     Linux, plain TCP: no goroutine per connection. GOMAXPROCS loops, each
//	         with its own epoll descriptor registered with Go's poller, read,
//	         parse and flush. 0.7–1.1 KB per idle connection.
//	wait     any system, plain TCP: a goroutine per connection that only waits
//	         for readiness on a 2 KB stack; workers read, parse and flush.
//	gorilla  TLS and everything else: gorilla's reader on a goroutine.
//
// Every write of a connection passes conn.flush: readings first, then answers,
// pongs and close frames, in one non-blocking write. Whoever made a session
// ready flushes it: a loop after the batch of events that it has read, a
// flusher for those that other goroutines woke. No goroutine, timer or buffer
// is kept per connection for writing; a socket that is full waits for its
// writability (poll) or gets a goroutine until it drains (wait, gorilla).
//
// A peer that asks for more than it may (Session.Owes) is left unread for 20 to
// 200 ms: refusing each of its requests kept a processor busy, and the heap rose
// from 17 to 37 MiB in the attack suite.
//
// Measured before it was built (facts/io.md): a blocking epoll_wait in a
// goroutine costs 46 % more CPU at 10,000 messages/s than the same descriptor
// under Go's poller; a flusher that does not yield once after it was woken
// costs 76 % more in saturated fan-in.
//
// Measured after: where a round of writes takes longer than the pace, a busy
// session waits for two rounds (flush.go); a loop whose polls find one event each
// lets events gather for 0.1 ms, and yields every 250 µs and not after each poll
// (poll_linux.go). The answer to a handshake goes out last, when the peer is known.
package wsock
