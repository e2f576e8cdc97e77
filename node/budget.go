package node

import (
	"math"
	"strings"
	"sync"
	"sync/atomic"

	"topicd/codec"
	"topicd/node/bound"
)

// budget bounds what one session may ask per second: requests and bytes. The peer's
// reader writes it, or who does its work while it is held up; it is read meanwhile.
type budget struct {
	frames  atomic.Int32 // left, in thousandths
	work    atomic.Int32 // what of that is owed for work that was asked for, not for asking too often
	bytes   atomic.Int64
	at      atomic.Uint32 // milliseconds of the hub's clock, of which only differences count
	patient atomic.Bool   // the peer waits for as long as it owes
}

// fill: a session may spend a second's worth at once.
func (b *budget) fill(o *Options, now int64) {
	b.frames.Store(fit(int64(o.Rate) * 1000))
	b.bytes.Store(int64(o.ByteRate) * 1000)
	b.work.Store(0)
	b.at.Store(uint32(now))
}

// fit: two million requests is the most that anybody has left, or owes.
func fit(thousandths int64) int32 {
	return int32(min(max(thousandths, math.MinInt32), math.MaxInt32))
}

// pay credits the time that has passed.
func (b *budget) pay(o *Options, now int64) {
	since := uint32(now) - b.at.Load()
	if since == 0 || since > math.MaxUint32-60_000 { // whose clocks are not read at the same time may come too late
		return
	}
	b.at.Store(uint32(now))
	d := int64(min(since, 60_000)) // who owes for more than a second's worth has it paid off
	b.frames.Store(fit(min(int64(b.frames.Load())+d*int64(o.Rate), int64(o.Rate)*1000)))
	b.bytes.Store(min(b.bytes.Load()+d*int64(o.ByteRate), int64(o.ByteRate)*1000))
	if w := b.work.Load(); w > 0 {
		b.work.Store(int32(max(0, int64(w)-d*int64(o.Rate))))
	}
}

// take takes requests and bytes from what is left.
func (b *budget) take(requests, bytes int) {
	b.frames.Store(fit(int64(b.frames.Load()) - int64(requests)*1000))
	b.bytes.Add(-int64(bytes) * 1000)
}

// Spend charges requests and their bytes to the session. Beyond its rate the
// peer is told when to try again. Called by the peer's reader only.
func (s *Session) Spend(requests, bytes int, now int64) *codec.Error {
	o, b := &s.hub.opt, &s.budget
	if o.Rate < 0 {
		return nil
	}
	b.pay(o, now)
	if b.frames.Load() < 0 || b.bytes.Load() < 0 && o.ByteRate > 0 {
		s.hub.Stats.Add(RefusedRate, int64(requests))
		return errRate
	}
	b.take(requests, bytes)
	return nil
}

var errRate = &codec.Error{Code: codec.CodeTooFast, Msg: "too many requests on this connection", Retry: 100}

// Charge is Spend for what has been done already: who did much waits longer.
// Called by the peer's reader only.
func (s *Session) Charge(requests int) {
	if s.hub.opt.Rate >= 0 {
		s.budget.take(requests, 0)
		s.budget.work.Store(fit(int64(s.budget.work.Load()) + int64(requests)*1000))
	}
}

// Overdrawn charges like Spend, for what nobody can answer, and reports whether
// the peer owes more than a second's worth, for its messages alone: it is to be cut.
// Called by the peer's reader only.
func (s *Session) Overdrawn(requests, bytes int, now int64) bool {
	o, b := &s.hub.opt, &s.budget
	if s.Spend(requests, bytes, now) == nil {
		return false
	}
	b.take(requests, bytes)
	return int64(b.frames.Load())+int64(b.work.Load()) < -int64(o.Rate)*1000 || o.ByteRate > 0 && b.bytes.Load() < -int64(o.ByteRate)*1000
}

// Owes is how long, in milliseconds, the transport should leave a peer unread that
// has asked for more than it may: what it sends waits in its socket meanwhile,
// where refusing each request would keep a processor busy. 0 = it owes nothing.
// Called by the peer's transport.
func (s *Session) Owes() int64 {
	o := &s.hub.opt
	frames, bytes := s.budget.frames.Load(), s.budget.bytes.Load()
	if o.Rate <= 0 || frames >= 0 && (bytes >= 0 || o.ByteRate <= 0) {
		return 0
	}
	wait := -int64(frames) / int64(o.Rate)
	if o.ByteRate > 0 {
		wait = max(wait, -bytes/int64(o.ByteRate))
	}
	return min(max(wait, minPause), maxPause)
}

// Patient says that the peer waits as long as it takes for what it has asked for to
// be paid off, because its dialect has no word for "too much". Called by the peer's
// reader only.
func (s *Session) Patient() { s.budget.patient.Store(true) }

// StillOwes is for how many milliseconds more a patient peer is to be left unread,
// when the time that Owes said is over. For who leaves it unread meanwhile.
func (s *Session) StillOwes(now int64) int64 {
	if !s.budget.patient.Load() {
		return 0
	}
	s.budget.pay(&s.hub.opt, now)
	wait := s.Owes()
	if wait > 0 {
		s.Heard(now + wait)
	}
	return wait
}

// Debt is how long, in milliseconds, what the session has asked for beyond its rate
// takes to be paid off.
func (s *Session) Debt() int64 {
	if s.hub.opt.Rate <= 0 {
		return 0
	}
	return max(0, -int64(s.budget.frames.Load())/int64(s.hub.opt.Rate))
}

// Worked is how much of what the session owes is for work that was asked for (Charge),
// in requests. Called by the peer's reader only.
func (s *Session) Worked() int64 { return int64(s.budget.work.Load() / 1000) }

// PieceOfWork is how much of it a peer's reader does in one go, 2 ms: then others have
// their turn. See Peer.Again.
const PieceOfWork = 5000

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
	if !s.made.Take(1, o.Made, span, now) || !s.hub.makers.take(o.Owner(s.addr()), cost, o.Topics*3/4, span, now) {
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
