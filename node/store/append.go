package store

import (
	"encoding/binary"
	"time"

	"topicd/codec"
)

// What waits for the writer lies one after the other in a buffer: this head,
// then from, dev and body. A tombstone has the head alone.
const stageHead = 4 + 4 + 8*6 + 2 + 1 + 1 + 4

const stageForget = 1 << 31 // in the topic's number: a tombstone

type staged struct {
	topic     uint32
	forget    bool
	ep        uint64 // of a tombstone, in seq's place
	place     Place
	seq       uint64
	ts        int64
	devSeq    uint64
	at        time.Duration // when it began to wait
	flags     Flags
	from, dev []byte
	data      []byte
	size      int
}

func stage(b []byte, r *Reading, topic uint32, p Place, at time.Duration) []byte {
	n := stageHead + len(r.From) + len(r.Dev) + len(r.Data)
	b = binary.LittleEndian.AppendUint32(b, uint32(n))
	b = binary.LittleEndian.AppendUint32(b, topic)
	b = binary.LittleEndian.AppendUint64(b, uint64(p))
	b = binary.LittleEndian.AppendUint64(b, r.Seq)
	b = binary.LittleEndian.AppendUint64(b, r.Ep)
	b = binary.LittleEndian.AppendUint64(b, uint64(r.TS))
	b = binary.LittleEndian.AppendUint64(b, r.DevSeq)
	b = binary.LittleEndian.AppendUint64(b, uint64(at))
	b = binary.LittleEndian.AppendUint16(b, uint16(r.Flags))
	b = append(b, byte(len(r.From)), byte(len(r.Dev)))
	b = binary.LittleEndian.AppendUint32(b, uint32(len(r.Data)))
	b = append(b, r.From...)
	b = append(b, r.Dev...)
	return append(b, r.Data...)
}

func unstage(b []byte) (s staged) {
	s.size = int(binary.LittleEndian.Uint32(b))
	t := binary.LittleEndian.Uint32(b[4:])
	s.topic, s.forget = t&^stageForget, t&stageForget != 0
	s.place = Place(binary.LittleEndian.Uint64(b[8:]))
	s.seq = binary.LittleEndian.Uint64(b[16:])
	s.ep = binary.LittleEndian.Uint64(b[24:])
	s.ts = int64(binary.LittleEndian.Uint64(b[32:]))
	s.devSeq = binary.LittleEndian.Uint64(b[40:])
	s.at = time.Duration(binary.LittleEndian.Uint64(b[48:]))
	s.flags = Flags(binary.LittleEndian.Uint16(b[56:]))
	from, dev := int(b[58]), int(b[59])
	n := int(binary.LittleEndian.Uint32(b[60:]))
	b = b[stageHead:]
	s.from, b = b[:from:from], b[from:]
	s.dev, b = b[:dev:dev], b[dev:]
	s.data = b[:n:n]
	return s
}

func (s *staged) reading(t *topic) Reading {
	return Reading{Topic: t.name, Ep: s.ep, Seq: s.seq, TS: s.ts, From: s.from, Dev: s.dev, DevSeq: s.devSeq,
		Flags: s.flags, Data: s.data, Place: s.place}
}

func (s *Store) stageForget(t *topic) {
	s.pending = stage(s.pending, &Reading{Ep: t.ep}, t.num|stageForget, 0, s.waitsLocked())
}

// waitsLocked says what time it is, and notes when the first thing began to wait.
func (s *Store) waitsLocked() (now time.Duration) {
	if now = s.opt.Mono(); !s.waits {
		s.waits, s.since = true, now
	}
	return now
}

// Append takes a reading into the log. It does no I/O and allocates nothing for
// a topic that is known: the reading is copied and written by the writer, in
// the order of the calls. Numbers of a topic must rise; another epoch than the
// stored one forgets what is stored. When the reading was refused its number
// counts as handed out all the same.
func (s *Store) Append(r *Reading) (Place, *codec.Error) {
	s.mu.Lock()
	p, wake, err := s.appendLocked(r)
	s.mu.Unlock()
	if wake {
		s.poke()
	}
	return p, err
}

func (s *Store) appendLocked(r *Reading) (p Place, wake bool, err *codec.Error) {
	t, first := s.byName[r.Topic], !s.waits
	if t != nil && t.ep != r.Ep { // what this stages is the first to wait, if nothing has
		s.forgetLocked(t)
		s.stageForget(t)
		t = nil
	}
	if t != nil {
		if r.Seq <= t.last {
			s.stats.Refused++
			return 0, false, &codec.Error{Code: codec.CodeConflict, Msg: "store: the topic's numbers must rise"}
		}
		t.top = max(t.top, r.Seq+1)
	}
	size := uint32(recSize(80 + len(r.Topic) + len(r.From) + len(r.Dev) + len(r.Data)))
	if err := s.refuseLocked(r, t, size); err != nil {
		s.stats.Refused++
		return 0, false, err
	}
	if t == nil {
		if t = s.makeTopic(string(append([]byte(nil), r.Topic...)), r.Ep); t == nil {
			s.stats.Refused++
			return 0, false, errTopics
		}
		t.top, t.first, t.limit = r.Seq+1, r.Seq, r.Seq+Ahead
	}
	s.live += int64(size) - int64(t.size)
	t.size, t.last, t.ts = size, r.Seq, r.TS
	s.place++
	before := len(s.pending)
	s.pending = stage(s.pending, r, t.num, s.place, s.waitsLocked())
	wake = first || s.opt.Sync == 0 || before < syncBytes && len(s.pending) >= syncBytes
	return s.place, wake, nil
}

var (
	errTopics = &codec.Error{Code: codec.CodeNoRoom, Msg: "store: too many durable topics"}
	errLive   = &codec.Error{Code: codec.CodeNoRoom, Msg: "store: the newest readings of all topics would fill it"}
	errSlow   = &codec.Error{Code: codec.CodeGoingAway, Msg: "store: the device is slower than the readings", Retry: 1000}
	errClosed = &codec.Error{Code: codec.CodeGoingAway, Msg: "store: closed", Retry: 1000}
)

// refuseLocked says why a reading cannot be taken, nil if it can.
func (s *Store) refuseLocked(r *Reading, t *topic, size uint32) *codec.Error {
	n := len(r.Topic) + len(r.From) + len(r.Dev) + len(r.Data)
	var old uint32
	if t != nil {
		old = t.size
	}
	switch {
	case s.closed:
		return errClosed
	case s.state.Trouble != OK:
		return s.refusal
	case r.Seq == 0 || r.Topic == "" || len(r.Topic) > codec.MaxTopic:
		return codec.Errorf(codec.CodeMalformed, "store: a reading wants a topic and a number")
	case len(r.From) > maxName || len(r.Dev) > maxName:
		return codec.Errorf(codec.CodeTooLarge, "store: a name of more than %d bytes", maxName)
	case n > maxReading(s.opt.segmentSize()):
		return codec.Errorf(codec.CodeTooLarge, "store: a durable reading may have %d bytes", maxReading(s.opt.segmentSize()))
	case size > old && s.live+int64(size-old) > s.opt.liveBytes():
		return errLive
	case len(s.pending)+len(s.inflight)+stageHead+n > s.opt.Pending:
		return errSlow
	}
	return nil
}

// Synced is the place up to which everything is on disk.
func (s *Store) Synced() Place { return Place(s.synced.Load()) }

// FailedTo is the place up to which everything that is not Synced has failed.
func (s *Store) FailedTo() Place { return Place(s.failed.Load()) }

// Status says what became of the reading at p. Ask again after Changed.
func (s *Store) Status(p Place) Status {
	switch {
	case p <= s.Synced():
		return Synced
	case p <= s.FailedTo():
		return Failed
	}
	return Waiting
}

// Err is what a reading whose Status is Failed is answered with; a generic 503
// when the store has recovered meanwhile but the reading is still on its way.
func (s *Store) Err() *codec.Error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.state.Trouble != OK {
		return s.refusal
	}
	return &codec.Error{Code: codec.CodeGoingAway, Msg: "store: not yet written", Retry: int(time.Second / time.Millisecond)}
}

// State is whether the store writes, and why not.
func (s *Store) State() State {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.state
}
