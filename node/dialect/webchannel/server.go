package webchannel

import (
	"context"
	"slices"
	"sync"
	"time"

	"topicd/codec"
	"topicd/node"
	"topicd/node/dialect"
)

// server is what all WebChannel connections of a hub share: who is logged in, and
// which properties the pages have yet to be told. run does what is due.
type server struct {
	// static after construction
	hub   *node.Hub
	zone  *time.Location
	now   func() int64 // milliseconds; never runs backwards
	wake  chan struct{}
	heard [allBits + 1]*heard // the formats, by what they write

	mu    sync.Mutex
	pages map[*page]struct{} // that have asked for init
	chat  chat
	list  topicNames

	// When the next work is due, in milliseconds of now; 0 = there is none. Guarded by mu.
	flushAt int64 // tell the pages of changed properties
	aliveAt int64 // ask who is still there
	checkAt int64 // and drop who has not said so
	listAt  int64 // look whether topics came or went
}

const (
	flushAfter = 50     // property changes are gathered so long, as Qt does
	aliveEvery = 10_000 // as Qt's chat server
	checkAfter = 2_000  // as Qt's chat server
	lateCheck  = 500    // a check that comes so late judges nobody yet
	listEvery  = 2_000  // a property with every topic's name is not told more often
)

// newServer makes the state of a hub's WebChannel connections.
func newServer(h *node.Hub) *server {
	start := time.Now()
	s := &server{
		hub:   h,
		zone:  time.Local,
		now:   func() int64 { return int64(time.Since(start)/time.Millisecond) + 1 },
		wake:  make(chan struct{}, 1),
		pages: make(map[*page]struct{}),
		chat:  chat{users: make(map[string]*user), json: nobody},
		list:  topicNames{json: nobody},
	}
	for bits := range s.heard {
		s.heard[bits] = &heard{srv: s, bits: uint8(bits)}
	}
	return s
}

// Plug is the dialect for the hub's endpoints.
func Plug(h *node.Hub) dialect.Plug { return newServer(h).plug() }

func (s *server) plug() dialect.Plug {
	return dialect.Plug{
		Name: "webchannel", Title: "QWebChannel", Paths: []string{"/webchannel"}, Sniff: sniff,
		Open: func(node.Arrival) node.Dialect { return &page{srv: s} },
		Run:  s.run,
	}
}

// run does what is due until ctx ends. It sleeps while there is nothing to come.
func (s *server) run(ctx context.Context) {
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		turn := s.hub.Turn()
		next := s.tick(turn)
		turn.Wake()
		var due <-chan time.Time
		if next > 0 {
			timer.Reset(time.Duration(max(1, next-s.now())) * time.Millisecond)
			due = timer.C
		}
		select {
		case <-ctx.Done():
			return
		case <-due:
		case <-s.wake:
		}
	}
}

// atLocked sets a time, unless it is set already.
func (s *server) atLocked(when *int64, after int64) {
	if *when != 0 {
		return
	}
	*when = s.now() + after
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// tick does what is due and returns when the next thing is, 0 = nothing.
func (s *server) tick(turn *node.Turn) (next int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.now()
	due := func(when *int64) bool {
		if *when == 0 || now < *when {
			return false
		}
		*when = 0
		return true
	}
	if due(&s.listAt) {
		s.lookLocked()
	}
	if at := s.checkAt; due(&s.checkAt) {
		if now > at+lateCheck { // what kept the hub from running kept it from hearing them
			s.atLocked(&s.checkAt, checkAfter)
		} else {
			s.dropSilentLocked()
		}
	}
	if due(&s.aliveAt) {
		s.askLocked(turn)
	}
	if due(&s.flushAt) {
		s.flushLocked(turn)
	}
	for _, when := range []int64{s.flushAt, s.aliveAt, s.checkAt, s.listAt} {
		if when != 0 && (next == 0 || when < next) {
			next = when
		}
	}
	return next
}

// Properties that pages are told of.
const (
	propUsers = 1 << iota
	propTopics
)

// changedLocked notes that a property has another value: pages are told once
// the changes of the next 50 ms are in.
func (s *server) changedLocked(prop uint8) {
	for p := range s.pages {
		if prop == propTopics && !p.caresLocked() {
			continue
		}
		p.dirty |= prop
	}
	s.atLocked(&s.flushAt, flushAfter)
}

// flushLocked tells pages of changed properties, so many bytes at a time: a
// thousand pages and a long list of users must not fill the memory for answers.
func (s *server) flushLocked(turn *node.Turn) {
	sent := 0
	for p := range s.pages {
		if sent > flushBytes {
			s.atLocked(&s.flushAt, flushAfter)
			return
		}
		sent += p.updateLocked(turn)
	}
}

const flushBytes = 256 << 10 // in 50 ms: at most 5 MiB/s of it

// emitLocked sends a signal without arguments to the pages connected to it.
func (s *server) emitLocked(bit uint8, object string, signal int, turn *node.Turn) {
	frame := plainSignal(object, signal)
	for p := range s.pages {
		if p.signals&bit != 0 {
			p.peer.Send(true, frame, turn)
		}
	}
}

// topicNames is the property topicList: the names of topics, the first of them
// where there are many.
type topicNames struct {
	at    uint64   // Hub.TopicsVersion when they were read
	when  int64    // they were read, milliseconds of now
	names []string // all of them; nil while no page is there
	json  []byte   // for those who may read everything
}

const (
	maxListed   = 500      // names in topicList; the method list tells of all
	listedBytes = 16 << 10 // and their bytes
	relistAfter = 100      // milliseconds: to list a full hub takes 5, pages that ask for init meanwhile get the same list
)

// lookLocked reads the hub's topics when they have changed.
func (s *server) lookLocked() {
	if len(s.pages) == 0 {
		return
	}
	now := s.now()
	at := s.hub.TopicsVersion()
	if l := &s.list; l.names == nil || at != l.at && now-l.when >= relistAfter {
		ts := s.hub.Topics("")
		names := make([]string, 0, len(ts))
		for _, t := range ts {
			names = append(names, t.Name())
		}
		json := appendNames(nil, names, nil)
		same := slices.Equal(json, l.json)
		l.at, l.when, l.names, l.json = at, now, names, json
		if !same {
			s.changedLocked(propTopics)
		}
	}
	for p := range s.pages {
		if p.caresLocked() {
			s.atLocked(&s.listAt, listEvery)
			return
		}
	}
}

// appendNames is the value of topicList for somebody with rights r.
func appendNames(b []byte, names []string, r node.Rights) []byte {
	b = append(b, '[')
	n, from := 0, len(b)
	for _, name := range names {
		if r != nil && !r.MayRead(name) {
			continue
		}
		if n == maxListed || len(b)-from > listedBytes {
			break
		}
		if n++; n > 1 {
			b = append(b, ',')
		}
		b = codec.AppendString(b, codec.JSON, name)
	}
	return append(b, ']')
}
