package uplink

import (
	"sync"
	"sync/atomic"
	"time"

	"topicd/node/exposition"
	"topicd/node/store"
)

// State is how the uplink stands to its servers.
type State uint8

const (
	Off State = iota
	Connecting
	Up
	Refused
)

func (s State) String() string { return [...]string{"off", "connecting", "up", "refused"}[s] }

// LostReasons and RefusedReasons are the reasons that counters have.
var (
	LostReasons    = [...]string{"bytes", "age", "damaged"}
	RefusedReasons = [...]string{"topic", "malformed", "large", "rate", "room", "overrun"}
)

// Why a message from the centre is refused.
const (
	refusedTopic     = iota // its subject is no topic, or none of those that the centre may publish to
	refusedMalformed        // its body is neither JSON nor CBOR
	refusedLarge            // its body is larger than the hub takes
	refusedRate             // more than a client may publish
	refusedRoom             // the hub has no room for it
	refusedOverrun          // more came than was taken from the connection
	refusedReasons
)

// counters only grow.
type counters struct {
	sent, acked, resent, duplicates, received, reconnects atomic.Int64
	lost                                                  [len(LostReasons)]atomic.Int64
	refused                                               [refusedReasons]atomic.Int64
}

// Status is the uplink at a moment.
type Status struct {
	State   State
	Words   string        // why it is refused, or what the last attempt failed of
	For     time.Duration // how long it has been in this state
	Down    time.Duration // how long it has not been up, 0 = it is
	Server  string        // that it is connected to
	Stream  string
	Site    string
	Servers string

	PendingReadings uint64
	PendingBytes    int64
	Oldest          time.Duration // age of the oldest reading without an ack

	Sent, Acked, Resent, Duplicates, Received, Reconnects int64
	Lost                                                  [len(LostReasons)]int64
	Refused                                               [len(RefusedReasons)]int64
}

// standing is what Status shows of the loop; guarded by mu.
type standing struct {
	mu      sync.Mutex
	state   State
	words   string
	since   time.Duration
	lastUp  time.Duration
	server  string
	stream  string
	low     store.Place
	oldest  int64         // ts of the oldest reading without an ack, 0 = unknown
	waiting time.Duration // since when it waits here
}

// Status tells how the uplink stands.
func (u *Uplink) Status() Status {
	now := u.mono()
	s := &u.stand
	s.mu.Lock()
	st := Status{State: s.state, Words: s.words, For: now - s.since, Server: s.server, Stream: s.stream, Site: u.opt.Site, Servers: u.opt.hosts()}
	if s.state != Up {
		st.Down = now - s.lastUp
	}
	low, oldest, waiting := s.low, s.oldest, s.waiting
	s.mu.Unlock()
	st.PendingReadings, st.PendingBytes = u.opt.Store.Behind(max(low, 1))
	if low > 0 && st.PendingReadings > 0 {
		st.Oldest = now - waiting
		if age := time.Duration(time.Now().UnixMilli()-oldest) * time.Millisecond; oldest > sane && age > st.Oldest {
			st.Oldest = age
		}
	}
	c := &u.count
	st.Sent, st.Acked, st.Resent, st.Duplicates = c.sent.Load(), c.acked.Load(), c.resent.Load(), c.duplicates.Load()
	st.Received, st.Reconnects = c.received.Load(), c.reconnects.Load()
	for i := range st.Lost {
		st.Lost[i] = c.lost[i].Load()
	}
	for i := range st.Refused {
		st.Refused[i] = c.refused[i].Load()
	}
	return st
}

// sane: a ts before 2024 is of a clock that was not set.
const sane = 1_704_067_200_000

// set moves the state. A change is logged once.
func (u *Uplink) set(state State, words string) {
	now := u.mono()
	s := &u.stand
	s.mu.Lock()
	old, same := s.state, s.state == state && s.words == words
	if s.state == Up || state == Up {
		s.lastUp = now
	}
	if s.state != state {
		s.since = now
	}
	s.state, s.words = state, words
	server, stream := s.server, s.stream
	s.mu.Unlock()
	switch {
	case same:
	case state == Up:
		u.opt.Log.Info("uplink is up", "server", server, "stream", stream, "site", u.opt.Site)
	case state == Refused:
		u.opt.Log.Warn("uplink is refused; nothing is thrown away", "why", words)
	case state == Connecting && old != Connecting:
		u.opt.Log.Warn("uplink is down; readings wait on disk", "why", words)
	}
}

// AppendMetrics appends the uplink's metrics as Prometheus reads them. The zero Status
// is that of a hub without one: it has only a state.
func (st *Status) AppendMetrics(b []byte) []byte {
	e := exposition.Text{B: b, Part: "uplink_"}
	e.Family("state", "gauge", "The state that the uplink is in has 1.")
	for s := Off; s <= Refused; s++ {
		e.Sample("state", "state", s.String(), exposition.Bit(st.State == s))
	}
	if st.Site == "" {
		return e.B
	}
	e.Gauge("up", "1 = connected to a server whose stream takes readings.", exposition.Bit(st.State == Up))
	e.Gauge("pending_readings", "Readings on disk that the stream has not acknowledged.", int64(st.PendingReadings))
	e.Gauge("pending_bytes", "About how much of the store they are.", st.PendingBytes)
	e.Seconds("oldest_seconds", "Age of the oldest of them.", st.Oldest)
	e.Counter("sent_total", "Readings sent, those sent again included.", st.Sent)
	e.Counter("acked_total", "Readings that the stream has acknowledged, or was found to have.", st.Acked)
	e.Counter("resent_total", "Readings sent that may have been sent before.", st.Resent)
	e.Counter("duplicates_total", "Readings that the stream had already.", st.Duplicates)
	e.Family("lost_total", "counter", "Readings that went before the stream had them.")
	for i, r := range LostReasons {
		e.Sample("lost_total", "reason", r, st.Lost[i])
	}
	e.Counter("received_total", "Messages of the centre that were published here.", st.Received)
	e.Family("refused_total", "counter", "Messages of the centre that were not.")
	for i, r := range RefusedReasons {
		e.Sample("refused_total", "reason", r, st.Refused[i])
	}
	e.Counter("reconnects_total", "Connections made after the first.", st.Reconnects)
	return e.B
}
