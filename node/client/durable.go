package client

import (
	"context"
	"sync"
	"time"

	"topicd/codec"
)

// acks are what a durable subscription has acknowledged. They are sent a moment
// later, only the newest of each topic; after an outage once more, because the hub
// may not have had them.
type acks struct {
	s *Subscription

	mu    sync.Mutex // after the client's
	of    map[string]*acked
	timer *time.Timer // runs while some wait
}

type acked struct {
	seq  uint64
	sent bool
}

// ackEvery is how long an acknowledgement waits for others.
const ackEvery = 50 * time.Millisecond

// Ack tells the hub that the topic's readings up to seq are done with: a durable
// subscription goes on behind them next time. It may be called from anywhere, does
// not wait, and does nothing where the subscription has no name. The hub has it soon
// after, and at once with Unsubscribe or Close.
func (s *Subscription) Ack(topic string, seq uint64) {
	a := s.acks
	if a == nil {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	k := a.of[topic]
	if k == nil {
		if len(a.of) >= s.c.opt.Remember {
			a.forgetLocked()
		}
		k = new(acked)
		a.of[topic] = k
	}
	if seq > k.seq {
		k.seq, k.sent = seq, false
		a.soonLocked()
	}
}

func (a *acks) forgetLocked() {
	for topic, k := range a.of {
		if k.sent {
			delete(a.of, topic)
			return
		}
	}
}

func (a *acks) soonLocked() {
	if a.timer == nil {
		a.timer = time.AfterFunc(ackEvery, a.flush)
	}
}

// again has all of them sent once more.
func (a *acks) again() {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, k := range a.of {
		k.sent = false
	}
	if len(a.of) > 0 {
		a.soonLocked()
	}
}

// flush sends what waits; without a connection it waits for the next one.
func (a *acks) flush() {
	if a == nil {
		return
	}
	c := a.s.c
	a.mu.Lock()
	a.timer = nil // first: a connection that comes now sets it anew
	a.mu.Unlock()
	c.mu.Lock()
	conn, ready := c.conn, a.s.answered
	c.mu.Unlock()
	if conn == nil {
		return
	}
	for _, f := range a.frames(ready) {
		if conn.send(c.opt.Encoding, f) != nil {
			a.again() // the next connection may have begun before they were taken for sent
			return
		}
	}
}

// frames are the acknowledgements that wait, ready or not to be sent.
func (a *acks) frames(ready bool) (list [][]byte) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if !ready {
		a.soonLocked()
		return nil
	}
	for topic, k := range a.of {
		if !k.sent {
			m := codec.Message{Op: codec.OpSub, Topic: []byte(topic), Ack: k.seq, Has: codec.Fields(0).With(codec.KeyTopic).With(codec.KeyAck)}
			list = append(list, codec.Append(nil, a.s.c.opt.Encoding, &m))
			k.sent = true
		}
	}
	return list
}

// Forget ends the subscription and what the hub keeps of it.
func (s *Subscription) Forget(ctx context.Context) error {
	if !s.c.drop(s, ErrClosed) {
		return ErrClosed
	}
	return s.c.Forget(ctx, s.pattern, s.opt.Name)
}

// Forget ends a durable subscription that was made with this name and pattern, now
// or by an earlier client.
func (c *Client) Forget(ctx context.Context, pattern, name string) error {
	m := &codec.Message{Op: codec.OpUnsub, Topic: []byte(pattern), Has: codec.Fields(0).With(codec.KeyTopic)}
	setOpts(m, c.opt.Encoding, &codec.Opts{Name: name, Forget: true, Has: codec.OptName | codec.OptForget})
	_, err := c.request(ctx, m)
	return err
}
