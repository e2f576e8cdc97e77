package store

import (
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"topicd/codec"
)

// Store is an open store.
type Store struct {
	// static after construction
	opt   Options
	salt  uint64
	boot  uint32 // this run's number, the upper half of its segments' numbers
	epoch uint64 // the first epoch of this run
	began Place  // places below are of earlier runs
	lock  io.Closer
	wake  chan struct{} // the writer has something to look at
	done  chan struct{} // closed when the writer has ended

	synced, failed atomic.Uint64

	// guarded by mu, which is never held over I/O
	mu           sync.Mutex
	byName       map[string]*topic
	table        []*topic // by number
	free         []uint32
	buried       []uint32 // numbers of forgotten topics that the head may still name
	live         int64    // bytes of the newest records of all topics
	place        Place    // the newest given
	pending      []byte   // what waits for the writer
	inflight     []byte   // what the writer has taken; it alone swaps the two
	flown        int      // of inflight, what is committed
	held         int      // of inflight behind flown, what the head has and no sync yet
	wanted       Place    // somebody waits in Sync for what is up to here
	waits        bool     // something has waited since then
	since        time.Duration
	segs         []*segment // oldest first; the head is the last. Replaced, never changed
	index        []headRec  // committed readings of the head
	defs         []headDef
	indexOf      *segment // the head that index belongs to
	used         int64    // bytes of the bound that segments take, and the spare one
	spareCharged int64    // of used, the spare file; 0 = there is none
	state        State
	refusal      *codec.Error  // what readings are refused with in trouble
	turned       chan struct{} // closed after the writer's turn
	stats        Stats
	cursors      map[cursorKey]*cursor
	acks         int
	notes        int  // bytes of all cursors' notes
	moved        bool // a cursor has changed
	ending       bool // the end of a cursor was put
	closing      bool
	closed       bool
	jumps        []jump
	lost         []lostRange
	cuts         []cut // replaced, never changed
	devices      map[string]*device
	samples      []sample // when which place was given, for Age
	hint         logHint

	segReaders sync.Pool // *segReader with their buffers

	// owned by the writer
	head      *head
	segments  uint32 // begun by this run
	slow      bool   // the last of them took many syncs to fill
	scratch   []byte
	spare     []byte // for whole segments
	retryAt   time.Duration
	agedAt    time.Duration
	reclaims  bool
	shrink    bool // opened with a smaller bound: it may be passed until there is room
	noDirSync bool
	damaged   atomic.Int64 // bytes under damaged/
	closeErr  error
}

// Place0 is where ReadLog begins to find everything.
const Place0 Place = 0

// poke wakes the writer.
func (s *Store) poke() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// Epoch is the first epoch of this run: it and the EpochRoom behind it have
// never been used before, whatever the clock says.
func (s *Store) Epoch() uint64 { return s.epoch }

// String names the store in messages.
func (s *Store) String() string { return fmt.Sprintf("store %s", s.opt.Dir) }

// Sync waits until what was appended before is on disk or has failed.
func (s *Store) Sync() error {
	s.mu.Lock()
	p := s.place
	s.wanted = p
	if s.waits {
		s.since = s.opt.Mono() - s.opt.Sync
	}
	s.mu.Unlock()
	s.poke()
	for {
		s.mu.Lock()
		ch := s.turned
		s.mu.Unlock()
		switch s.Status(p) {
		case Synced:
			return nil
		case Failed:
			return s.Err() // never nil
		}
		select {
		case <-ch:
		case <-s.done:
			return errClosed
		}
	}
}
