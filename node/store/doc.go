// Package store keeps readings on disk: one segment log for all durable topics,
// with durable cursors in the same log. It knows codec's errors and nothing of
// the hub.
//
//	Append ──► pending ──swap──► inflight ──► head segment ──fsync──► Synced, Changed
//	(topic's    (bounded,         (writer)    000…2a.seg
//	 lock held)  no I/O)                       ▲ sealed ones: 000…01.seg … 000…29.seg
//	                     Read, ReadLog ────────┘ small reads by footer, no lock held
//
// # A segment
//
// A file of at most 256 KiB (a sixteenth of the bound if that is less):
//
//	┌────────┬────────┬───────┬─────────┬─────────┬─ … ─┬────────┐
//	│ header │ header │ state │ reading │ reading │     │ footer │
//	└────────┴────────┴───────┴─────────┴─────────┴─ … ─┴────────┘
//	 64 bytes, twice: magic, number, salt, CRC            sealed: index by topic
//
//	record   crc u32 │ kind:4 length:18 check:10 │ payload, padded to 4
//	reading  control │ flags │ stream │ [topic ep from dev, bases] │ seq ts place devseq less bases │ body
//
// Fixed numbers are little-endian, the others varints: a store moves between
// machines. The CRC-32C and the ten check bits are seeded with the store's salt,
// the segment's number and the offset: a stale block, a record copied elsewhere
// or one that a client put into a body never passes, and a length is believed
// only where a record is. A segment's number is run << 32 | count and is never
// used twice.
//
// Topic, epoch and publisher are a stream, defined in its first two records and
// once more 8 KiB on; the others name it by a number. So losing any one record
// costs that record only; a record whose definitions are all lost is damage. A
// reading of 100 bytes takes about 125.
//
// The footer (entries sorted by hash, offsets by topic, definitions) is made
// from the records and can be made anew. What lies behind it the file held before. Memory keeps one bit per topic and
// segment; a read finds its segment by binary search over footers.
//
// # What a caller learns of a reading
//
// Append returns a Place. It is Synced (Place ≤ Synced()), Failed (≤ FailedTo())
// or Waiting; Changed is called whenever an answer may have changed. Failed
// means: answer with Err() now. The reading is kept and written when the store
// can write again, and Status then says Synced; so a resend that is recognised
// by its DevSeq is answered by asking Status of the first one's place again.
// A sync that comes because Options.Sync is over writes whole blocks: what lies
// behind the last one goes with the next sync, if it is younger than half of Sync.
// In trouble Append refuses at once (507 full, 503 failing, Retry 5 s). A failed
// fsync is never tried again on the same pages: the segment is given up at what
// was synced, and what waits is written anew to another, whose first record says
// where the failed one ends (its truncation may never reach the device). The
// writer tries every 5 s.
//
// # Numbers
//
// After Close a topic goes on with the next number. After anything else Next is
// Ahead (2^24) above the newest stored one for each unclean end since that was
// written, the hub hands out no number from Limit on, and places jump likewise.
// Epochs of a run are Epoch() and the EpochRoom behind it, above all earlier
// ones whatever the clock says.
//
// # Room
//
// All that lies under the directory, in blocks of 4 KiB, is within Bytes at
// every moment: segments are charged whole when they begin, three more are kept
// free, damaged/ has a sixteenth (at most 1 MiB). The oldest segment goes
// first, and its file is the next segment's (recycle.go). Before it does, what must stay is carried into the head and synced: the
// newest reading of each topic (same number, ts and place), cursors, marks. The
// newest readings of all topics may take half; then new topics get 507.
//
// # Age
//
// Within a run readings age by the monotonic clock alone. Readings of earlier
// runs are older than Age when the wall clock says so and can be believed: it is
// past 2024 and the reading's own ts is. On a board that booted in 1970, or for
// a reading that was written in 1970, nothing expires by wall time; it expires
// Age after this run has begun. Expired readings are not shown, but for the
// topic's newest; their segment goes when all of it has expired.
//
// # Damage
//
// Open reads everything. A torn tail is cut. A record that cannot be read costs
// itself: its bytes go to damaged/, a void takes its place, it is counted and
// logged once. Damage makes an end unclean. What rots while running is skipped.
//
// # Locks
//
// Store.mu is never held over I/O and may be taken with a topic's lock held. The
// writer alone writes; readers open files by name and start over when a segment
// was given up under them.
package store
