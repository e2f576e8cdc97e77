package codec

// The limits of this package. They bound time and memory whatever a peer
// sends; the frame's own size is bounded by the transport (64 KiB by default).
const (
	// MaxDepth is how deep arrays and maps of a body may be nested. 16 is more
	// than any reading needs and keeps recursion and peers' parsers small.
	MaxDepth = 16
	// MaxPairs is how many members one map may have (413 above). Duplicates
	// among so few can be found with a table of 4 KiB.
	MaxPairs = 1024
	// MaxRecords is how many SenML records one pack may have (413 above): with
	// opts.split each of them becomes a reading.
	MaxRecords = 1024
	// MaxUint is the largest id, seq, ack, ep or drop: 2^53-1, the last integer
	// that a JavaScript client counts with.
	MaxUint = 1<<53 - 1
	// MaxTopic is a topic's length in bytes, MaxLevels the number of its levels.
	MaxTopic  = 1024
	MaxLevels = 64

	// pageDepth is what `data` of an `ok` may have: a page of `get` holds
	// bodies inside an array of maps.
	pageDepth = MaxDepth + 2
	// hardDepth ends the walk. Between the two the walk only notes the fault
	// and goes on, so that an id behind a deep body is still found.
	hardDepth = 64
	// maxInput keeps offsets in 31 bits. Transports allow far less.
	maxInput = 1 << 30
)
