package node

import (
	"topicd/codec"
	"topicd/node/arena"
)

// Reading is one stored reading as a Format sees it. Its slices are good
// until the Format returns.
type Reading struct {
	Topic  string
	Num    uint32 // the topic's: with Ep it is nobody else's, see Hub.TopicOf
	Seq    uint64
	Ep     uint64 // the topic's epoch
	TS     int64  // hub time of arrival, milliseconds since 1970
	Drop   uint64
	Origin uint32 // session that published it, 0 = the hub
	CBOR   bool   // encoding of Data
	Text   bool   // what Format.Text says; a Format whose messages are not all of one kind sets it
	From   []byte
	Data   []byte

	// What MQTT's subscribers are told. Age is known where there is Ext.
	Passing bool   // it was published without RETAIN
	QoS     uint8  // one more than the QoS it was published with, 0 = not by MQTT
	Ext     []byte // the publisher's dialect's own
	Age     int64  // milliseconds since it arrived
	Stored  bool   // the kept reading that SubOptions.Kept brings
	Durable bool   // its topic is kept on disk
	Past    bool   // it is of an earlier run of the hub

	// Unwanted is set by a Format that has no message of a reading because its peer
	// does not want it: that is no loss to be counted.
	Unwanted bool
}

// set takes over what a record says.
func (r *Reading) set(seq uint64, rec *arena.Record) {
	r.Seq, r.TS, r.Origin, r.CBOR, r.From, r.Data = seq, rec.TS, rec.Origin, rec.Flags&arena.CBOR != 0, rec.Name, rec.Data
	r.Passing, r.QoS, r.Ext = rec.Flags&arena.Passing != 0, rec.Flags&arena.QoS>>arena.QoSBit, rec.Ext
}

// Enc is the encoding of Data.
func (r *Reading) Enc() codec.Encoding {
	if r.CBOR {
		return codec.CBOR
	}
	return codec.JSON
}

// Format is how a dialect writes readings to its peers. A Format is compared
// and must be a pointer or a small value; without state of one peer, unless it is
// Windowed.
type Format interface {
	// Append appends one message. ok is false when this reading has no form in
	// the dialect: nothing is then sent.
	Append(dst []byte, r *Reading) (out []byte, ok bool)
	// Live appends the marker behind the stored readings of a subscription;
	// nothing where the dialect has none.
	Live(dst []byte, pattern string, tag uint64, stored int64) (out []byte, ok bool)
	// Text reports whether the messages are text.
	Text() bool
}

// Binary is for formats of bytes without a mark between stored readings and new ones.
type Binary struct{}

// Live implements Format.
func (Binary) Live(dst []byte, _ string, _ uint64, _ int64) ([]byte, bool) { return dst, false }

// Text implements Format.
func (Binary) Text() bool { return false }

// Windowed is a Format of one peer that takes only so many readings as the peer
// has room for: those that it has not acknowledged yet are counted. When Room is 0
// the session's cursors with windows are held back until Session.Resume.
type Windowed interface {
	Format
	// Room is how many more readings fit. It may grow at any time; Append makes it
	// smaller. It is called with locks held and must not call back into the hub.
	Room() int
}

// Framer puts messages into the transport's frames.
type Framer interface {
	Begin(dst []byte) []byte                     // makes room for a frame's head
	End(dst []byte, begin int, text bool) []byte // completes the frame that Begin started at begin
}

// Unframed is the Framer of messages that are bytes as they are.
type Unframed struct{}

// Begin implements Framer.
func (Unframed) Begin(dst []byte) []byte { return dst }

// End implements Framer.
func (Unframed) End(dst []byte, _ int, _ bool) []byte { return dst }

// Scratch is what one flusher needs. It remembers the frames of the last
// batches: where many readers stand at the same place a batch is encoded, and
// transcoded, once and copied for the rest. Measured (1,000 readers × 64
// readings): 3–5 ns a delivery instead of 27; kept with the flusher and not at
// the topic it has a fixed size and needs no lock. The zero value is ready.
type Scratch struct {
	raw     []byte
	large   [2]batch // the last ones over smallBatch, of two formats: saturated fan-out
	next    int      // the one of them that goes when a third format comes
	small   []batch  // by place and encoding: a gateway's sensors, dashboards that read in turn
	reading Reading
	read    uint64 // readings since the clock was looked at
	since   int64  // when this Fill looked at it first, 0 = not yet
}

// tired tells whether this Fill has taken its time. It looks at the clock once in
// manyReadings, so that what most Fills write costs nothing more.
func (sc *Scratch) tired(h *Hub) bool {
	if sc.read < manyReadings {
		return false
	}
	sc.read = 0
	now := h.Mono()
	if sc.since == 0 {
		sc.since = now
	}
	return now-sc.since > mostFill
}

// Sixty readers with 250 filters of MQTT each, 30 µs a reading, took 15 ms for what fits
// into one write.
const (
	manyReadings = 64
	mostFill     = 2 // milliseconds
)

// batch is the frames of a topic's readings [from, to) in one format.
type batch struct {
	topic    *Topic
	format   Format
	on       Framer // what the frames are made for: one of a WebSocket is none on a bare connection
	from, to uint64
	frames   []byte
}

const (
	smallBatch   = 512 // bytes of frames
	smallBatches = 64  // with smallBatch: at most 32 KiB a flusher
)

// find is where the frames of t from a number on are kept, if they are.
func (sc *Scratch) find(t *Topic, from uint64, f Format, on Framer) *batch {
	for i := range sc.large {
		if b := &sc.large[i]; b.topic == t && b.from == from && b.format == f && b.on == on {
			return b
		}
	}
	if sc.small == nil {
		return nil
	}
	if b := &sc.small[slotOf(t, from, f)]; b.topic == t && b.from == from && b.format == f && b.on == on {
		return b
	}
	return nil
}

// keep remembers the frames of a batch.
func (sc *Scratch) keep(t *Topic, from, to uint64, f Format, on Framer, frames []byte) {
	var b *batch
	switch {
	case len(frames) <= smallBatch:
		if sc.small == nil {
			sc.small = make([]batch, smallBatches)
		}
		b = &sc.small[slotOf(t, from, f)]
	case len(frames) <= 4*batchQuota:
		i := sc.next
		if b := &sc.large[1-i]; b.format == f && b.on == on {
			i = 1 - i
		}
		b, sc.next = &sc.large[i], 1-i
	default:
		return
	}
	b.topic, b.format, b.on, b.from, b.to = t, f, on, from, to
	b.frames = append(b.frames[:0], frames...)
}

func slotOf(t *Topic, from uint64, f Format) int {
	i := int(t.idx)<<1 + int(from)*101
	if f.Text() {
		i++
	}
	return i & (smallBatches - 1)
}

// batchQuota is how many raw bytes one visit to a topic copies at most; with
// it, a session with many ready topics is fair to all of them.
const batchQuota = 16 << 10
