package client

import (
	"time"

	"topicd/codec"
)

// mark is what is known of a topic's newest reading.
type mark struct {
	seq     uint64
	ts      int64  // the latest there was: a hub's clock may be set back
	conn    uint32 // the connection it came by
	restart bool   // the hub has restarted since: its numbers began anew
}

// margin is what is asked for beyond what was missed. It covers the time that a
// reading is on its way; what comes twice is dropped here.
const margin = 5 * time.Second

// lostLocked notes where s stood when connection k was lost.
func (s *Subscription) lostLocked(k *conn) {
	if s.live {
		s.start, s.behind = k.lastRead, k.lag()+margin
		s.after, s.afterEp = 0, k.ep
		if k.mono > 0 {
			s.after = max(1, k.mono+(k.lastRead.Sub(k.monoAt)-s.behind).Milliseconds())
		}
	}
	s.live, s.replay = false, false
}

// restart forgets numbers that mean nothing any more.
func (s *Subscription) restart() {
	if s.opt.Name != "" {
		return // those of durable topics live on
	}
	s.ep = 0
	for _, m := range s.last {
		*m = mark{restart: true, conn: m.conn}
	}
}

// hearing is a reading for one subscription.
type hearing struct {
	s             *Subscription
	drop          uint64
	live, restart bool
}

// deliver hands a reading to the subscriptions that fit.
func (c *Client) deliver(k *conn, m *codec.Message) {
	topic := string(m.Topic)
	live := false
	c.hearers = c.hearers[:0]
	c.mu.Lock()
	if s := c.subs[topic]; s != nil {
		live = s.live
		c.hearLocked(s, m, topic)
	}
	for _, s := range c.wild {
		if codec.Match(s.pattern, topic) {
			live = live || s.live
			c.hearLocked(s, m, topic)
		}
	}
	if live {
		k.noteLag(m.TS)
	}
	c.mu.Unlock()
	if len(c.hearers) == 0 {
		return
	}
	msg := Message{
		Topic: topic, Seq: m.Seq, TS: m.TS, Enc: m.Enc, From: string(m.From),
		Data: append([]byte(nil), m.Data...),
	}
	for _, h := range c.hearers {
		if h.s.off.Load() {
			continue
		}
		msg.Drop, msg.Live, msg.Restart, msg.sub = h.drop, h.live, h.restart, h.s
		h.s.lost.Add(h.drop)
		h.s.fn(msg)
	}
}

// hearLocked puts s among the hearers of m unless it has had it before. That
// can only be while stored readings come: of s itself after an outage, or of
// another subscription to the same topic. A number not above the
// newest and a time not above the latest are then old; a topic that was deleted
// and born again begins with a low number but a later time.
func (c *Client) hearLocked(s *Subscription, m *codec.Message, topic string) {
	h := hearing{s: s, drop: m.Drop, live: s.live}
	latest := m.TS
	old := s.last[topic]
	if old == nil {
		if len(s.last) >= c.opt.Remember {
			s.knewAll = false
			for forgotten := range s.last {
				delete(s.last, forgotten)
				break
			}
		}
		old = &mark{seq: m.Seq, conn: c.conns}
		if s.knewAll && c.conns != s.begunConn && c.welcome.Ep == s.begunEp {
			h.drop = m.Seq - 1 // it was born in an outage
		}
		s.last[topic] = old
	} else {
		if c.replaying > 0 && m.Seq <= old.seq && m.TS <= old.ts {
			return
		}
		h.restart = old.restart
		if m.Seq > old.seq {
			latest = max(latest, old.ts)
		}
		if old.conn != c.conns && !old.restart && !s.opt.NotOwn && s.opt.Name == "" && m.Seq > old.seq {
			// The hub counts per connection; what is missing across two of them
			// shows in the numbers only.
			h.drop = m.Seq - old.seq - 1
		}
	}
	*old = mark{seq: m.Seq, ts: latest, conn: c.conns}
	c.hearers = append(c.hearers, h)
}

// noteLag notes how old a live reading was when it was read. After an outage a
// reader that was behind asks for so much more.
func (k *conn) noteLag(ts int64) {
	lag := k.lastRead.Add(k.clock).Sub(time.UnixMilli(ts))
	if lag < 0 { // the hub's clock was set
		k.clock, lag = k.clock-lag, 0
	}
	if k.lastRead.Sub(k.lagTurn) > 30*time.Second {
		k.lagTurn, k.lagBefore, k.lagNow = k.lastRead, k.lagNow, 0
	}
	k.lagNow = max(k.lagNow, min(lag, time.Hour)) // a hub's clock may be set by hours
}

func (k *conn) lag() time.Duration { return max(k.lagNow, k.lagBefore) }
