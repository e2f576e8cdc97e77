package uplink

import (
	"bytes"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

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

// States yields all states.
func States(yield func(State) bool) {
	for s := Off; s <= Refused; s++ {
		if !yield(s) {
			return
		}
	}
}

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

// exposition is Prometheus' text format.
type exposition struct {
	b      []byte
	prefix string
}

// one appends a sample, the first of its family with what that is.
func (e *exposition) one(name, kind, help, labels string, v float64) {
	name = e.prefix + name
	if family := "# TYPE " + name + " "; !bytes.Contains(e.b, []byte(family)) {
		e.b = append(e.b, "# HELP "+name+" "+help+"\n"+family+kind+"\n"...)
	}
	e.b = append(e.b, name+labels+" "...)
	e.b = append(strconv.AppendFloat(e.b, v, 'f', -1, 64), '\n')
}

func label(key, v string) string { return "{" + key + `="` + v + `"}` }

func flag(on bool) float64 {
	if on {
		return 1
	}
	return 0
}

// AppendMetrics appends the uplink's metrics as Prometheus reads them. The zero Status
// is that of a hub without one: it has only a state.
func (st *Status) AppendMetrics(b []byte) []byte {
	e := exposition{b, "topicd_uplink_"}
	for s := range States {
		e.one("state", "gauge", "The state that the uplink is in has 1.", label("state", s.String()), flag(st.State == s))
	}
	if st.Site == "" {
		return e.b
	}
	e.one("up", "gauge", "1 = connected to a server whose stream takes readings.", "", flag(st.State == Up))
	e.one("pending_readings", "gauge", "Readings on disk that the stream has not acknowledged.", "", float64(st.PendingReadings))
	e.one("pending_bytes", "gauge", "About how much of the store they are.", "", float64(st.PendingBytes))
	e.one("oldest_seconds", "gauge", "Age of the oldest of them.", "", st.Oldest.Seconds())
	e.one("sent_total", "counter", "Readings sent, those sent again included.", "", float64(st.Sent))
	e.one("acked_total", "counter", "Readings that the stream has acknowledged, or was found to have.", "", float64(st.Acked))
	e.one("resent_total", "counter", "Readings sent that may have been sent before.", "", float64(st.Resent))
	e.one("duplicates_total", "counter", "Readings that the stream had already.", "", float64(st.Duplicates))
	for i, r := range LostReasons {
		e.one("lost_total", "counter", "Readings that went before the stream had them.", label("reason", r), float64(st.Lost[i]))
	}
	e.one("received_total", "counter", "Messages of the centre that were published here.", "", float64(st.Received))
	for i, r := range RefusedReasons {
		e.one("refused_total", "counter", "Messages of the centre that were not.", label("reason", r), float64(st.Refused[i]))
	}
	e.one("reconnects_total", "counter", "Connections made after the first.", "", float64(st.Reconnects))
	return e.b
}
