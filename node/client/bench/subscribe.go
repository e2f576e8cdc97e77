package bench

import (
	"io"
	"sync"
	"sync/atomic"

	"github.com/HdrHistogram/hdrhistogram-go"

	"topicd/codec"
)

// subscriber hears everything and keeps the books of one connection.
type subscriber struct {
	// static after construction
	run   *run
	c     *conn
	lay   *layout
	times *times

	// written by the reader before each read, read by anybody
	progress atomic.Int64 // received and dropped: what the gate waits for
	received atomic.Int64 // each reading once
	dropped  atomic.Int64 // the hub said that they will not come
	twice    atomic.Int64
	dead     atomic.Bool

	// owned by the reader
	tally tally
	last  []uint32 // newest number of each topic
	took  []int64  // latencies that are not in times yet
	dec   codec.Decoder
}

type tally struct{ received, dropped, twice int64 }

// readLoop runs until the connection ends.
func (s *subscriber) readLoop() {
	s.c.before = s.settle
	for {
		enc, data, err := s.c.next()
		if err != nil {
			s.settle()
			s.dead.Store(true)
			s.run.gate.poke()
			s.run.lost("subscriber", err)
			return
		}
		r, ok := reading{}, false
		if enc == s.lay.enc {
			r, ok = s.lay.scan(data)
		}
		if ok {
			s.take(&r)
		} else {
			s.other(enc, data)
		}
	}
}

// take books one reading.
func (s *subscriber) take(r *reading) {
	if r.topic >= len(s.last) || r.seq == 0 {
		s.run.errors.add(0, "a reading of a topic that is not ours")
		return
	}
	last := &s.last[r.topic]
	gap := int32(uint32(r.seq) - *last - 1) // numbers wrap after 4 billion readings
	if gap < 0 {
		s.tally.twice++
		return
	}
	*last = uint32(r.seq)
	s.tally.received++
	s.tally.dropped += min(int64(r.drop), int64(gap))
	if r.stamp >= s.run.measureFrom.Load() {
		if s.took = append(s.took, s.c.readAt-r.stamp); len(s.took) == cap(s.took) {
			s.times.record(s.took)
			s.took = s.took[:0]
		}
	}
}

// other reads what is not a reading as the hub writes them.
func (s *subscriber) other(enc codec.Encoding, data []byte) {
	var m codec.Message
	s.dec.Reset(enc, data)
	for {
		err := s.dec.Next(&m)
		switch {
		case err == io.EOF:
			return
		case err != nil:
			s.run.errors.add(0, "the hub sent what cannot be read: "+err.Error())
		case m.Op == codec.OpMsg:
			if r, ok := s.lay.understand(&m); ok {
				s.take(&r)
			}
		case m.Op == codec.OpErr || m.Op == codec.OpBye:
			s.run.errors.add(m.Err.Code, m.Err.Msg)
		}
	}
}

// settle makes the books public: called before each read, so that a burst of
// readings costs it once.
func (s *subscriber) settle() {
	if len(s.took) > 0 {
		s.times.record(s.took)
		s.took = s.took[:0]
	}
	progress := s.tally.received + s.tally.dropped
	if s.received.Load() == s.tally.received && s.progress.Load() == progress {
		return
	}
	s.twice.Store(s.tally.twice)
	s.dropped.Store(s.tally.dropped)
	s.received.Store(s.tally.received)
	s.progress.Store(progress)
	s.run.gate.moved(s, progress)
}

// times is a histogram of latencies in microseconds that some subscribers share.
type times struct {
	mu sync.Mutex
	h  *hdrhistogram.Histogram
}

// longest is what a latency is cut to: nobody waits longer.
const longest = 600_000_000

func newTimes() *times { return &times{h: hdrhistogram.New(1, longest, 3)} }

func (t *times) record(ns []int64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, v := range ns {
		_ = t.h.RecordValue(min(max((v+999)/1000, 1), longest)) // within its range
	}
}

// newSubscriber makes the books for a connection.
func newSubscriber(r *run, c *conn, lay *layout, t *times) *subscriber {
	return &subscriber{run: r, c: c, lay: lay, times: t, last: make([]uint32, r.o.Topics), took: make([]int64, 0, 256)}
}
