package store

import (
	"log/slog"
	"os"
	"time"

	"topicd/codec"
)

// The sizes of the store that are not options, and why.
const (
	// DefaultBytes bounds all that lies under the directory.
	DefaultBytes = 64 << 20
	// DefaultSync is the longest wait for an fsync: at one a second ext4 writes
	// about 8 KB more than the readings, which a card bears for years.
	DefaultSync = time.Second
	// DefaultForget is how long a durable cursor lives without use.
	DefaultForget = 30 * 24 * time.Hour
	// Ahead is how far above the newest stored number of a topic the hub may
	// hand out numbers (see Limit). After an unclean end Next jumps this far.
	Ahead = 1 << 24
	// EpochRoom is how many epochs from Epoch on belong to this run alone.
	EpochRoom = 1 << 30
	// PerDevice is how many of a device's last numbers are found again.
	PerDevice = 16

	maxSegment = 256 << 10 // the largest segment; a 4-byte unit in it fits 16 bits
	minSegment = 16 << 10
	syncBytes  = 64 << 10 // this much waiting is written at once
	block      = 4 << 10  // files are charged in blocks, as file systems do
	placeJump  = 1 << 24  // places skipped after an unclean end: more than a segment and the pending buffer hold
	retryEvery = 5 * time.Second
	maxName    = 255 // bytes of From and of Dev
)

// Options say how a store is kept. The zero value of a field means its default,
// but for Sync.
type Options struct {
	Dir     string        // the store's own directory; made when it is missing
	Bytes   int64         // bound on all that lies under Dir (DefaultBytes, at least MinBytes)
	Age     time.Duration // readings older than this go too; 0 = never
	Sync    time.Duration // a reading waits at most this long for its fsync; 0 = at once
	Forget  time.Duration // a cursor without use for this long ends (DefaultForget)
	Pending int           // bytes that may wait for the writer (768 KiB)
	Topics  int           // topics at most (65,536); one more is refused with 507
	Devices int           // devices whose last numbers Devices finds again (4,096)
	Acks    int           // acked numbers of all cursors together (16,384)

	FS   FS                   // the file system (the real one)
	Mono func() time.Duration // monotonic time (since Open); what is aged or waited for goes by it
	Wall func() int64         // wall time in ms, compared with care (see Age in the package's doc)
	Log  *slog.Logger         // nil = silent
	// Changed is called without locks whenever Synced, Failed or State moved.
	// It must not block; it may call the store.
	Changed func()
}

// MinBytes is the least that Options.Bytes can be.
const MinBytes = 12 * minSegment

func (o Options) withDefaults() Options {
	def := func(v *int, d int) {
		if *v <= 0 {
			*v = d
		}
	}
	if o.Bytes <= 0 {
		o.Bytes = DefaultBytes
	}
	o.Bytes = max(o.Bytes, MinBytes)
	if o.Forget <= 0 {
		o.Forget = DefaultForget
	}
	def(&o.Pending, 768<<10)
	o.Pending = max(o.Pending, 2*syncBytes)
	def(&o.Topics, 1<<16)
	def(&o.Devices, 1<<12)
	def(&o.Acks, 1<<14)
	if o.FS == nil {
		o.FS = osFS{}
	}
	if o.Mono == nil {
		start := time.Now()
		o.Mono = func() time.Duration { return time.Since(start) }
	}
	if o.Wall == nil {
		o.Wall = func() int64 { return time.Now().UnixMilli() }
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Changed == nil {
		o.Changed = func() {}
	}
	return o
}

// segmentSize is the size of a segment for this bound: a sixteenth of it, so
// that the room kept free for the next ones stays small.
func (o *Options) segmentSize() int {
	n := int(min(o.Bytes/16, maxSegment))
	return max(n&^(block-1), minSegment)
}

// damagedBytes is what is kept under damaged/.
func (o *Options) damagedBytes() int64 { return min(o.Bytes/16, 1<<20) }

// segmentBytes is what all segments together may take: the bound without
// damaged/ and four blocks for two directories, the lock and what is in hand.
func (o *Options) segmentBytes() int64 {
	files := o.Bytes / int64(o.segmentSize()) // an entry of a directory is about 40 bytes
	return o.Bytes - o.damagedBytes() - 4*block - files*40
}

// liveBytes is what the newest readings of all topics may take together: room
// must remain for what is not the newest.
func (o *Options) liveBytes() int64 { return o.segmentBytes() / 2 }

// A Place is a reading's place in the order of the log: it grows by at least
// one per reading and is never given twice, not even after a crash.
type Place uint64

// Flags of a reading. Bits that are not named here are kept as they are given.
type Flags uint16

// CBOR: the body is CBOR, not JSON. Retained: MQTT's retain bit.
const (
	CBOR Flags = 1 << iota
	Retained
)

// A Reading is one entry of the log. Append copies what it needs; the slices of
// a reading that was read lie in the Page.
type Reading struct {
	Topic  string
	Ep     uint64
	Seq    uint64
	TS     int64 // ms, the wall time that readers are told
	From   []byte
	Dev    []byte // the device's own name, nil if unknown
	DevSeq uint64 // the device's own number, 0 = none
	Flags  Flags
	Data   []byte
	Place  Place // set by reads
}

// Status says what became of a place.
type Status uint8

const (
	Waiting Status = iota // not yet on disk: Changed will be called
	Synced                // on disk
	Failed                // could not be written for now; a later write may still store it (Status is then Synced)
)

// Trouble is why the store does not write.
type Trouble uint8

const (
	OK      Trouble = iota
	Full            // no room on the device: 507
	Failing         // I/O error: 503
)

func (t Trouble) String() string { return [...]string{"ok", "full", "failing"}[t] }

// State is the store's state and, in trouble, the reason as a sentence.
type State struct {
	Trouble Trouble
	Reason  string
}

// err is what a reading is refused with meanwhile.
func (s State) err() *codec.Error {
	code := codec.CodeGoingAway
	if s.Trouble == Full {
		code = codec.CodeNoRoom
	}
	return &codec.Error{Code: code, Msg: "store " + s.Trouble.String() + ": " + s.Reason, Retry: int(retryEvery.Milliseconds())}
}

// Stats are the store's counters and sizes.
type Stats struct {
	Bytes, Budget      int64 // under the directory, charged in blocks; and the bound
	Segments, Topics   int
	Cursors            int
	Readings           uint64 // ever stored (synced) by this run
	Written            uint64 // bytes written to files by this run
	Syncs              uint64 // fsyncs of files
	ErrFull, ErrIO     uint64
	Refused            uint64 // readings that Append refused
	LostBytes, LostAge uint64 // readings that were stored and are gone, ever
	LostDamaged        uint64
	Torn               uint64 // tails cut, ever
	Pending            int    // bytes that wait for the writer
}

const fileMode os.FileMode = 0o600
