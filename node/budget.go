package node

import (
	"strings"
	"sync"

	"topicd/codec"
	"topicd/node/bound"
)

// budget bounds what one session may ask per second: requests and bytes.
type budget struct {
	frames, bytes int64 // left, in thousandths
	at            int64
}

// fill: a session may spend a second's worth at once.
func (b *budget) fill(o *Options, now int64) {
	b.frames, b.bytes, b.at = int64(o.Rate)*1000, int64(o.ByteRate)*1000, now
}

// Spend charges requests and their bytes to the session. Beyond its rate the
// peer is told when to try again. Called by the peer's reader only.
func (s *Session) Spend(requests, bytes int, now int64) *codec.Error {
	o, b := &s.hub.opt, &s.budget
	if o.Rate < 0 {
		return nil
	}
	if d := now - b.at; d > 0 {
		b.at = now
		d = min(d, 60_000) // who owes for more than a second's worth has it paid off
		b.frames = min(b.frames+d*int64(o.Rate), int64(o.Rate)*1000)
		b.bytes = min(b.bytes+d*int64(o.ByteRate), int64(o.ByteRate)*1000)
	}
	if b.frames < 0 || b.bytes < 0 && o.ByteRate > 0 {
		s.hub.Stats.Add(RefusedRate, int64(requests))
		return errRate
	}
	b.frames -= int64(requests) * 1000
	b.bytes -= int64(bytes) * 1000
	return nil
}

var errRate = &codec.Error{Code: codec.CodeTooFast, Msg: "too many requests on this connection", Retry: 100}

// Charge is Spend for what has been done already: who did much waits longer.
// Called by the peer's reader only.
func (s *Session) Charge(requests int) {
	if s.hub.opt.Rate >= 0 {
		s.budget.frames -= int64(requests) * 1000
	}
}

// Overdrawn charges like Spend, for what nobody can answer, and reports whether
// the peer owes more than a second's worth: it is to be cut.
// Called by the peer's reader only.
func (s *Session) Overdrawn(requests, bytes int, now int64) bool {
	o, b := &s.hub.opt, &s.budget
	if s.Spend(requests, bytes, now) == nil {
		return false
	}
	s.Charge(requests)
	b.bytes -= int64(bytes) * 1000
	return b.frames < -int64(o.Rate)*1000 || o.ByteRate > 0 && b.bytes < -int64(o.ByteRate)*1000
}

// Owes is how long, in milliseconds, the transport should leave a peer unread that
// has asked for more than it may: what it sends waits in its socket meanwhile,
// where refusing each request would keep a processor busy. 0 = it owes nothing.
// Called by the peer's reader only.
func (s *Session) Owes() int64 {
	o, b := &s.hub.opt, &s.budget
	if o.Rate <= 0 || b.frames >= 0 && (b.bytes >= 0 || o.ByteRate <= 0) {
		return 0
	}
	wait := -b.frames / int64(o.Rate)
	if o.ByteRate > 0 {
		wait = max(wait, -b.bytes/int64(o.ByteRate))
	}
	return min(max(wait, minPause), maxPause)
}

// Debt is how long, in milliseconds, what the session has asked for beyond its rate
// takes to be paid off. Called by the peer's reader only.
func (s *Session) Debt() int64 {
	if s.hub.opt.Rate <= 0 {
		return 0
	}
	return max(0, -s.budget.frames/int64(s.hub.opt.Rate))
}

// A pause is long enough to be worth its timer, and short enough that a peer is
// told 429, and a ping is answered, before anybody worries.
const (
	minPause = 20
	maxPause = 200
)

// makers are what addresses may make: a hub's worth of names must not be one
// peer's, and who comes again on another connection is the same peer. It fills in
// the time that unused topics live.
type makers struct {
	mu     sync.Mutex
	byHost map[string]*bound.Allowance
}

// maxMakers: a LAN has no more addresses; beyond it those whose allowance is
// whole again are forgotten, then any.
const maxMakers = 1024

func (m *makers) take(host string, n, most int, span, now int64) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	a := m.byHost[host]
	if a == nil {
		if len(m.byHost) >= maxMakers {
			m.forgetLocked(most, span, now)
		}
		a = &bound.Allowance{}
		m.byHost[strings.Clone(host)] = a
	}
	return a.Take(n, most, span, now)
}

// forgetLocked drops those whose allowance is whole again, or any if there are none.
func (m *makers) forgetLocked(most int, span, now int64) {
	for host, a := range m.byHost {
		if a.Whole(most, span, now) {
			delete(m.byHost, host)
		}
	}
	for host := range m.byHost {
		if len(m.byHost) < maxMakers {
			break
		}
		delete(m.byHost, host)
	}
}

// mayMake charges a topic that is about to be made, to the session and to its
// address: three quarters of all topics are the most that one address may make.
// cost is what it counts for with the address: 1 or, for the hub's own, ownCost.
func (s *Session) mayMake(cost int, now int64) *codec.Error {
	o := &s.hub.opt
	if o.Made <= 0 || s.ext != nil && s.ext.free {
		return nil
	}
	span := max(1, o.Keep.Milliseconds())
	if !s.made.Take(1, o.Made, span, now) || !s.hub.makers.take(o.Owner(s.addr), cost, o.Topics*3/4, span, now) {
		s.hub.Stats.Add(RefusedTopics, 1)
		return errMade
	}
	return nil
}

// MakesFreely lifts the bound on topics that the session may make, but not that of the
// hub: it brings the topics of many. Called by the peer's reader only.
func (s *Session) MakesFreely() {
	s.mu.Lock()
	s.extraLocked().free = true
	s.mu.Unlock()
}

// ownCost: there are a quarter as many of the hub's own topics. So one address
// gets three quarters of those too, and not the presence of all others.
const ownCost = 4

var errMade = &codec.Error{Code: codec.CodeNoRoom, Msg: "you have made as many topics as one connection or address may: some more in a while", Retry: 10_000}

// topic finds or makes a topic by a checked name.
func (s *Session) topic(name []byte, now int64) (*Topic, *codec.Error) {
	if t := s.hub.Find(name); t != nil {
		return t, nil
	}
	s.hub.mu.Lock()
	defer s.hub.mu.Unlock()
	t, _, err := s.topicLocked(string(name), true, now)
	return t, err
}

// What is made by a request and not only answered costs more, in requests: a
// flood of them leaves garbage faster than a busy board collects it. With 1 the
// heap rose from 5 to 19 MB.
const (
	subCharge    = 3
	renameCharge = 50
)

// PatternCost is how many topics a pattern is compared with, and joined to, for
// the price of one request: 0.2 µs each, a publish takes 1.5.
const PatternCost = 8
