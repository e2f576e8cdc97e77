// Package link carries connections, whatever they speak: it reads, flushes, paces,
// sweeps and bounds. It knows sessions and bytes. How messages lie in the bytes is
// a Wire's (package ws is RFC 6455, plain is none), what they mean is a dialect's.
//
//	HTTP upgrade ─► ws.Server ─┐                    ┌─ poll: loops over all, Linux
//	                           ├─► Server.Accept ─► │                              ─► conn.feed ─► Wire.Split ─► Dialect.Frame
//	bare listener ─► front ────┘    (TLS: Below)    └─ goroutine: one waits for each
//
//	hub ─► Turn or Sink.Wake ─► worker.flush ─► Session.Fill ─► (TLS seals) ─► one write that does not block
//
// # Reading
//
// There are two ways, which pass the same tests, plain and over TLS, and end in
// conn.feed: there is one reader of each wire.
//
//	poll       Linux: no goroutine per connection. The connections are in
//	           GOMAXPROCS sets, each with an epoll descriptor of its own. One loop
//	           reads, takes apart and flushes those of all sets; more loops get up
//	           while there is more to do. While readings come close together a loop
//	           does not park but naps, until the next busy session is due.
//	goroutine  any system: a goroutine per connection waits for readiness, and
//	           borrows one of a few readers, with buffers and all, while there is
//	           something. One whose peer is quiet makes room for another, whose
//	           stack is the smallest: 4.7 KB per idle connection instead of 6.9.
//
// A dialect that frames itself (node.Splitter, MQTT say) is handed packets, on a
// bare connection and over WebSocket, whatever pieces they come in.
//
// A peer that asks for more than it may (Session.Owes) is left unread for 20 to
// 200 ms: refusing each of its requests kept a processor busy, and the heap rose
// from 17 to 37 MiB in the attack suite. A packet that is much work (node.Peer.Again) is
// handled in pieces, 20 ms apart, and so are packets that came in one read: thirty shares of
// MQTT for each of eight clients in a hub of 12,000 topics kept others waiting for 0.9 s,
// and do for 0.1.
//
// # Writing
//
// Every write of a connection passes conn.flush: readings first, then answers,
// pongs and the goodbye, in one non-blocking write. Whoever made a session ready
// flushes it: a loop after the batch of events that it has read, a flusher for
// those that other goroutines woke, loop or pacer when a busy one's time has come.
// No goroutine, timer or buffer is kept per connection for writing; a socket that is
// full waits for its writability (poll) or gets a goroutine until it drains.
//
// TLS is one more step of the same write: it seals into the worker's buffer
// (tls.go). So it shares loops, workers and the frames made for the last reader.
//
// # What a connection can be
//
//	life     it is because                       still said        still read         how it goes on
//	alive    –                                   everything        everything         –
//	ending   a goodbye is queued (End)           what was queued   only for the       peer's goodbye: done; 2 s without: lost
//	         (draining: and readings before it)                    peer's goodbye
//	done     both goodbyes are said, or it       what was queued   nothing            all written: the socket is shut for writing
//	         broke the protocol
//	replaced another connection has what was     what was queued   nothing            all written: the socket is shut
//	         this one's (codec.CodeConflict)
//	lost     a write failed, or it does not      nothing           nothing            a flusher or its reader shuts the socket
//	         read what is said to it
//	closed   its reader has seen the end         nothing           –                  who writes last frees the socket
//
//	writer   who may write                                       what comes up meanwhile
//	resting  whoever makes it busy                               –
//	busy     one goroutine: it fills and writes until nothing    a note (again): it looks once more
//	         is left, the socket is full or the pace says wait
//	blocked  nobody: pending waits for the socket                a note; a cut shuts the socket
//
// # Measured
//
// Before it was built: a blocking epoll_wait in a goroutine costs 46 % more CPU at
// 10,000 messages/s than the same descriptor under Go's poller; a flusher that does
// not yield once after it was woken costs 76 % more in saturated fan-in.
//
// After: where writing to all busy sessions takes longer than the pace, each waits for
// twice as long, and is then given one write's worth (flush.go): W2 saturated in CBOR
// 0.056 µs a delivery, then 0.046; with two processors in JSON 0.127, then 0.095. A
// thousand dashboards that eight readings of 4 KiB were on the way to lost 5,000 of a
// million while the ones that had more to read than one write takes were a list of
// their own, which the others went before; since then 0, and 18 in one of six runs, at
// a cold start. A loop that naps instead of
// parking, and writes what is due before it naps again, takes 7.8 µs of CPU a message
// of W1 at 10,000/s (23 when each event woke it) and 2.0 a delivery of W3 (2.5), with
// the same latencies; it has TCP acknowledge later where events come faster still, and
// yields every 250 µs and not after each poll (poll_linux.go). With two loops that
// napped, one for each processor, W3 took what it had before. The answer to a
// handshake goes out last, when the peer is known.
package link
