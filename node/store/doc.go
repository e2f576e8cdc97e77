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
// from the records and can be made anew. Behind it lies what the file held when it
// was another segment. Memory keeps one bit per topic and segment; a read finds its
// segment by binary search over footers.
//
// # What a caller learns of a reading
//
// Append returns a Place. Changed is called whenever the state of one may have changed:
//
//	Synced   Place ≤ Synced()    it is on disk: its publisher may be told so
//	Failed   Place ≤ FailedTo()  it could not be written: answer with Err() now
//	Waiting  else
//
// A reading that failed is kept, and written once the store can write again; Status
// then says Synced. So a device that sends it again, with the same DevSeq, is answered
// by the Status of the first one's place.
//
// A sync that comes because Options.Sync is over writes whole blocks: what lies
// behind the last one goes with the next sync, if it is younger than half of Sync.
//
// While the store is in trouble Append refuses at once: 507 for a full disk, 503 for one
// that fails, Retry 5 s. The writer tries again every 5 s, but never the same pages after
// a failed fsync: the kernel may have dropped them. The segment is given up at what was
// synced, and what waits is written anew to another. The first record of that one says
// where the failed one ends, because its truncation may never reach the device.
//
// # Numbers
//
// No number of a topic is given twice, even where the readings that had it never reached
// the disk. After Close a topic goes on with the next one. After an unclean end Next is
// Ahead (2^24) above the newest stored number, and once more for each other unclean end
// since that was written; that is far enough because a run hands out no number from Limit
// on. Places jump likewise. The epochs of a run are Epoch() and the EpochRoom behind it,
// above all earlier ones whatever the clock says.
//
// # Room
//
// All that lies under the directory, in blocks of 4 KiB, is within Bytes at
// every moment: segments are charged whole when they begin, three more are kept
// free, damaged/ has a sixteenth (at most 1 MiB). The oldest segment goes
// first, and its file is the next segment's (recycle.go). Before it goes, what must
// stay of it is carried into the head and synced: the newest reading of each topic
// (same number, ts and place), cursors, marks. The newest readings of all topics may
// take half of Bytes; then new topics get 507.
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
