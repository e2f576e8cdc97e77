package client

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"topicd/codec"
)

// SubOptions say what of the stored readings comes first and how the live ones
// come. The zero value is the newest stored reading of each topic, then all.
type SubOptions struct {
	Last   int64         // stored readings per topic first; 0 = 1, negative = none
	Since  int64         // instead of Last: after this number, or negative: of so many seconds
	Ep     uint64        // the epoch that Since's number belongs to
	Rate   float64       // at most so many per second and topic, the newest wins
	Latest bool          // only ever the newest
	NotOwn bool          // not what this client published
	Pace   time.Duration // between writes while busy; 0 = the hub's, negative = none
	Enc    string        // "json" or "cbor"; "" = the client's encoding

	// Name makes the subscription durable, for a client with Dev or a token: the hub
	// keeps on disk what was acknowledged with Subscription.Ack of topics that are
	// durable, and goes on behind it next time, also in another run of the program.
	// What was not acknowledged comes again. The other options say where it begins
	// the first time.
	Name string
}

func (o SubOptions) wire() codec.Opts {
	w := codec.Opts{Last: max(0, o.Last), Since: o.Since, Ep: o.Ep, Rate: o.Rate, Latest: o.Latest, NotOwn: o.NotOwn, Name: o.Name, Pace: max(0, o.Pace.Milliseconds())}
	if o.Enc == codec.CBOR.String() {
		w.Enc = codec.CBOR
	}
	for bit, on := range map[codec.OptSet]bool{
		codec.OptLast: o.Last != 0, codec.OptSince: o.Since != 0, codec.OptEp: o.Ep != 0, codec.OptRate: o.Rate > 0,
		codec.OptLatest: o.Latest, codec.OptFrom: o.NotOwn, codec.OptPace: o.Pace != 0, codec.OptEnc: o.Enc != "", codec.OptName: o.Name != "",
	} {
		if on {
			w.Has |= bit
		}
	}
	return w
}

// Subscription is one pattern and who hears it.
type Subscription struct {
	// static after construction
	c       *Client
	pattern string
	exact   bool
	opt     SubOptions
	fn      func(Message)
	first   chan struct{} // gets one when the hub has agreed for the first time
	done    chan struct{}

	over sync.Once
	err  error // set before done is closed
	lost atomic.Uint64
	off  atomic.Bool // unsubscribed: nothing more is handed on

	// guarded by the client's mu
	order    uint64 // they are asked for again in the order they were made
	id       uint64 // of the last request
	answered bool   // first has been given
	replay   bool   // its stored readings are on their way
	live     bool   // the stored readings of this connection are through
	begun    bool   // those of some connection have been
	knewAll  bool   // patterns: every topic that there was when it began is in last

	begunConn uint32 // where it began
	begunEp   uint64
	again     time.Time
	after     int64            // patterns: all that came to the hub before this time of its own clock has been delivered
	afterEp   uint64           // the hub's epoch, of after
	start     time.Time        // patterns: when the hub was last heard
	behind    time.Duration    // the same, if the hub has restarted: so long before start
	ep        uint64           // exact names: the epoch of their numbers
	last      map[string]*mark // the newest reading of each topic
	acks      *acks            // of a durable subscription
}

// Subscribe has fn called with each reading of the topics that fit the pattern,
// one after another: the stored ones that o asks for, then live ones. It returns
// when the hub has agreed; readings may come before. Where several subscriptions
// of a client fit a topic the hub sends it once, as the most particular one
// wants it, and each of them hears that.
func (c *Client) Subscribe(ctx context.Context, pattern string, o SubOptions, fn func(Message)) (*Subscription, error) {
	if err := codec.CheckPattern([]byte(pattern)); err != nil {
		return nil, err
	}
	s := &Subscription{
		c: c, pattern: pattern, exact: !codec.HasWildcard(pattern), opt: o, fn: fn,
		first: make(chan struct{}, 1), done: make(chan struct{}), last: make(map[string]*mark),
	}
	if o.Name != "" {
		s.acks = &acks{s: s, of: make(map[string]*acked)}
	}
	c.mu.Lock()
	if c.closed {
		c.mu.Unlock()
		return nil, ErrClosed
	}
	if c.subs[pattern] != nil {
		c.mu.Unlock()
		return nil, fmt.Errorf("subscribed to %s already", pattern)
	}
	c.ids++
	s.order = c.ids
	c.subs[pattern] = s
	if !s.exact {
		c.wild = append(c.wild[:len(c.wild):len(c.wild)], s)
	}
	conn := c.conn
	var f frame
	if conn != nil {
		f = c.subFrameLocked(s)
	}
	c.mu.Unlock()
	if conn != nil {
		conn.send(f.enc, f.bytes)
	}
	var err error
	select {
	case <-s.first:
	case <-s.done:
		err = s.err
	case <-ctx.Done():
		err = ctx.Err()
		c.drop(s, err)
		c.sendUnsub(pattern)
	}
	if err != nil {
		return nil, err
	}
	return s, nil
}

// Unsubscribe ends the subscription. At most the callback under way is heard of
// after it returns.
func (s *Subscription) Unsubscribe(ctx context.Context) error {
	s.acks.flush()
	if !s.c.drop(s, ErrClosed) {
		return nil
	}
	m := &codec.Message{Op: codec.OpUnsub, Topic: []byte(s.pattern), Has: codec.Fields(0).With(codec.KeyTopic)}
	k, err := s.c.ask(m, false, false)
	if err == nil {
		_, err = s.c.await(ctx, k)
	}
	if errors.Is(err, ErrUncertain) {
		return nil // another connection begins without it
	}
	return err
}

func (c *Client) sendUnsub(pattern string) {
	m := &codec.Message{Op: codec.OpUnsub, Topic: []byte(pattern), Has: codec.Fields(0).With(codec.KeyTopic)}
	c.mu.Lock()
	conn := c.conn
	c.mu.Unlock()
	if conn != nil {
		conn.send(c.opt.Encoding, codec.Append(nil, c.opt.Encoding, m))
	}
}

// Done is closed when the subscription has ended: by Unsubscribe, with the
// client, or because the hub refused it after a reconnect. Err tells why.
func (s *Subscription) Done() <-chan struct{} { return s.done }

// Err is why the subscription ended, nil while it goes on.
func (s *Subscription) Err() error {
	select {
	case <-s.done:
		return s.err
	default:
		return nil
	}
}

// Lost is how many readings it did not get so far: the sum of Message.Drop.
func (s *Subscription) Lost() uint64 { return s.lost.Load() }

func (s *Subscription) end(err error) {
	s.off.Store(true)
	s.over.Do(func() {
		s.err = err
		close(s.done)
	})
}

// drop takes s out of the client and ends it with err. It reports whether it
// was in it.
func (c *Client) drop(s *Subscription, err error) bool {
	c.mu.Lock()
	here := c.subs[s.pattern] == s
	if here {
		delete(c.subs, s.pattern)
		delete(c.calls, s.id)
		c.replayedLocked(s)
		var wild []*Subscription
		for _, w := range c.wild {
			if w != s {
				wild = append(wild, w)
			}
		}
		c.wild = wild
	}
	c.mu.Unlock()
	s.end(err)
	return here
}

// subFrameLocked is the request for s: its options at first, after an outage
// what makes it go on where it stood.
func (c *Client) subFrameLocked(s *Subscription) frame {
	o := s.opt.wire()
	const from = codec.OptLast | codec.OptSince | codec.OptEp
	if s.opt.Name != "" { // the hub knows where it stood
		s.acks.again()
	} else if m := s.last[s.pattern]; s.exact && m != nil {
		o.Has = o.Has&^from | codec.OptSince
		if o.Since = int64(m.seq); s.ep != 0 {
			o.Ep, o.Has = s.ep, o.Has|codec.OptEp
		}
	} else if !s.exact && s.begun {
		o.Has = o.Has&^from | codec.OptSince
		if s.after > 0 {
			o.After, o.Ep, o.Has = s.after, s.afterEp, o.Has|codec.OptAfter|codec.OptEp
		}
		now := time.Now()
		o.Since = -int64((s.behind + away(now.Sub(s.start), now.Round(0).Sub(s.start.Round(0))) + time.Second - 1) / time.Second)
	}
	if s.live = false; !s.replay {
		s.replay = true
		c.replaying++
	}
	c.ids++
	s.id = c.ids + helloID
	m := codec.Message{
		Op: codec.OpSub, ID: s.id, Topic: []byte(s.pattern),
		Has: codec.Fields(0).With(codec.KeyID).With(codec.KeyTopic),
	}
	setOpts(&m, c.opt.Encoding, &o)
	c.calls[s.id] = &call{id: s.id, sub: s}
	return frame{c.opt.Encoding, codec.Append(nil, c.opt.Encoding, &m)}
}

// away is how long ago a time was by both clocks of this computer. The one that
// only goes forward stands still while it sleeps, the one on the wall may be set:
// the longer counts, for what comes twice is known by its number.
func away(mono, wall time.Duration) time.Duration {
	return max(mono, min(wall, longestAway))
}

const longestAway = 7 * 24 * time.Hour

// replayedLocked notes that s's stored readings are through, or will not come.
func (c *Client) replayedLocked(s *Subscription) {
	if s.replay {
		s.replay = false
		c.replaying--
	}
}

// subscribed takes the hub's answer to request id of s.
func (c *Client) subscribed(s *Subscription, id uint64, m *codec.Message, err error) {
	c.mu.Lock()
	if s.id != id {
		c.mu.Unlock()
		return
	}
	if err == nil {
		c.agreedLocked(s, m)
	} else {
		c.replayedLocked(s)
	}
	first := !s.answered
	s.answered = true
	if wait := retryOf(err); err != nil && !first && wait > 0 {
		s.again = time.Now().Add(wait)
		c.retries = append(c.retries, s)
		c.mu.Unlock()
		return
	}
	c.mu.Unlock()
	if err != nil {
		err = fmt.Errorf("subscribing to %s: %w", s.pattern, err)
		c.drop(s, err)
		if !first {
			c.opt.OnError(err)
		}
	}
	if first && err == nil {
		s.first <- struct{}{}
	}
}

// agreedLocked notes where the readings of s begin.
func (c *Client) agreedLocked(s *Subscription, m *codec.Message) {
	if !s.exact {
		return
	}
	s.ep = m.Ep
	var where struct {
		From uint64 `json:"from"`
	}
	a := answer{enc: m.Enc, data: m.Data}
	if s.last[s.pattern] == nil && a.into(&where) == nil && where.From > 0 {
		s.last[s.pattern] = &mark{seq: where.From - 1, conn: c.conns}
	}
}

// live takes the hub's word that the stored readings of a subscription are
// through.
func (c *Client) live(m *codec.Message) {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := c.subs[string(m.Topic)]
	if s == nil || m.Has.Has(codec.KeyID) && m.ID != s.id {
		return
	}
	if !s.begun { // each topic that had a reading has sent one
		s.knewAll = !s.exact && s.opt.Last >= 0 && s.opt.Since == 0 && !s.opt.NotOwn && s.opt.Name == ""
		s.begunConn, s.begunEp = c.conns, c.welcome.Ep
	}
	s.live, s.begun = true, true
	c.replayedLocked(s)
}

// retrySubs asks again for subscriptions that a hub short of room refused.
func (c *Client) retrySubs(k *conn) {
	var frames []frame
	c.mu.Lock()
	if len(c.retries) > 0 && c.conn == k {
		now := time.Now()
		var later []*Subscription
		for _, s := range c.retries {
			switch {
			case c.subs[s.pattern] != s:
			case now.Before(s.again):
				later = append(later, s)
			default:
				frames = append(frames, c.subFrameLocked(s))
			}
		}
		c.retries = later
	}
	c.mu.Unlock()
	for _, f := range frames {
		k.send(f.enc, f.bytes)
	}
}
