package client

import (
	"cmp"
	"context"
	"slices"
	"time"

	"topicd/codec"
)

// call is a request that waits for its answer.
type call struct {
	// static after construction
	id    uint64
	enc   codec.Encoding
	frame []byte
	again bool        // may be sent again on another connection
	paged bool        // answers come one after another
	ch    chan answer // the one answer; pages are handed over, not stored
	gone  chan struct{}
	sub   *Subscription // a sub's answers go to it

	// owned by the reader
	begun bool // a page has been handed on
}

// answer is what came of a request. data is its own.
type answer struct {
	err  error
	seq  uint64
	ep   uint64
	data []byte
	enc  codec.Encoding
	more bool
}

// fail ends a call from this side.
func (k *call) fail(err error) { k.give(answer{err: err}) }

// give hands an answer to who waits for it, unless nobody does any more.
func (k *call) give(a answer) {
	select {
	case k.ch <- a:
	case <-k.gone:
	}
}

// frame is one frame to be sent.
type frame struct {
	enc   codec.Encoding
	bytes []byte
}

// ask sends a request. m's ID is set. The caller must read k.ch or close k.gone.
func (c *Client) ask(m *codec.Message, again, paged bool) (*call, error) {
	k := &call{enc: c.opt.Encoding, again: again, paged: paged, gone: make(chan struct{}), ch: make(chan answer, 1)}
	if paged {
		k.ch = make(chan answer)
	}
	return k, c.post(k, m)
}

// post numbers m, keeps k until the answer comes, and sends it when there is a
// connection; otherwise the next one begins with it.
func (c *Client) post(k *call, m *codec.Message) error {
	c.mu.Lock()
	if c.closed {
		c.mu.Unlock()
		return ErrClosed
	}
	c.ids++
	k.id = c.ids + helloID
	m.ID = k.id
	m.Has = m.Has.With(codec.KeyID)
	k.frame = codec.Append(nil, k.enc, m)
	c.calls[k.id] = k
	conn := c.conn
	c.mu.Unlock()
	if conn != nil {
		conn.send(k.enc, k.frame) // where that fails the next connection begins with it, or ends it
	}
	return nil
}

// await waits for the answer of a call with one answer.
func (c *Client) await(ctx context.Context, k *call) (answer, error) {
	select {
	case a := <-k.ch:
		return a, a.err
	case <-ctx.Done():
		c.forget(k)
		return answer{}, ctx.Err()
	}
}

// forget gives up waiting for k.
func (c *Client) forget(k *call) {
	c.mu.Lock()
	delete(c.calls, k.id)
	c.mu.Unlock()
	close(k.gone)
}

// request asks and waits.
func (c *Client) request(ctx context.Context, m *codec.Message) (answer, error) {
	k, err := c.ask(m, true, false)
	if err != nil {
		return answer{}, err
	}
	return c.await(ctx, k)
}

// answered hands ok, err and pong to the request with their id.
func (c *Client) answered(m *codec.Message) {
	if !m.Has.Has(codec.KeyID) {
		if m.Op == codec.OpErr {
			e := m.Err
			c.opt.OnError(&e)
		}
		return
	}
	a := answer{seq: m.Seq, ep: m.Ep, enc: m.Enc}
	if m.Op == codec.OpErr {
		e := m.Err
		a.err = &e
	}
	if len(m.Opts) > 0 {
		var o codec.Opts
		a.more = codec.ParseOpts(m.Enc, m.Opts, &o) == nil && o.More
	}
	c.mu.Lock()
	k := c.calls[m.ID]
	if k != nil && !a.more {
		delete(c.calls, m.ID)
	}
	c.mu.Unlock()
	switch {
	case k == nil:
		if a.err != nil {
			c.opt.OnError(a.err) // of a publish that nobody waits for
		}
	case k.sub != nil:
		c.subscribed(k.sub, k.id, m, a.err)
	default:
		a.data = slices.Clone(m.Data)
		k.begun = true
		k.give(a)
	}
}

// install makes k the client's connection and returns the frames it owes: what
// was subscribed and what was not answered. k's write lock is held.
func (c *Client) install(k *conn) []frame {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.conn = k
	c.replaying = 0
	c.conns++
	var frames []frame
	subs := make([]*Subscription, 0, len(c.subs))
	for _, s := range c.subs {
		subs = append(subs, s)
	}
	slices.SortFunc(subs, func(a, b *Subscription) int { return cmp.Compare(a.order, b.order) })
	for _, s := range subs {
		frames = append(frames, c.subFrameLocked(s))
	}
	var calls []*call
	for _, q := range c.calls {
		if q.sub == nil {
			calls = append(calls, q)
		}
	}
	slices.SortFunc(calls, func(a, b *call) int { return cmp.Compare(a.id, b.id) })
	for _, q := range calls {
		frames = append(frames, frame{q.enc, q.frame})
	}
	return frames
}

// uninstall ends what cannot be asked again on another connection.
func (c *Client) uninstall(k *conn) {
	var lost []*call
	c.mu.Lock()
	c.conn = nil
	c.retries = nil
	for id, q := range c.calls {
		if q.sub != nil { // install asks again for every subscription
			delete(c.calls, id)
		} else if !q.again || q.begun {
			delete(c.calls, id)
			lost = append(lost, q)
		}
	}
	for _, s := range c.subs {
		s.lostLocked(k)
	}
	c.mu.Unlock()
	for _, q := range lost {
		q.fail(ErrUncertain)
	}
}

// Ack says where a reading went.
type Ack struct {
	Seq uint64 // its number in the topic
}

// Publish stores data as a reading of topic and waits until the hub has it; see
// Body for what data may be. While there is no connection it waits for one. An
// error of the hub is a *codec.Error.
func (c *Client) Publish(ctx context.Context, topic string, data any) (Ack, error) {
	p, err := c.Start(ctx, topic, data)
	if err != nil {
		return Ack{}, err
	}
	return p.Wait(ctx)
}

// Publishing is a publish under way.
type Publishing struct {
	c *Client
	k *call
}

// Start is Publish without waiting for the answer, which Wait must be called
// for. With Options.Dev it waits while 16 publishes are under way.
func (c *Client) Start(ctx context.Context, topic string, data any) (*Publishing, error) {
	m, err := c.pub(topic, data)
	if err != nil {
		return nil, err
	}
	dev := c.opt.Dev != ""
	if dev {
		select {
		case c.window <- struct{}{}:
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-c.life.Done():
			return nil, ErrClosed
		}
		c.mu.Lock()
		c.seq++
		m.Seq = c.seq
		c.mu.Unlock()
		m.Has = m.Has.With(codec.KeySeq)
	}
	k, err := c.ask(m, dev, false)
	if err != nil {
		if dev {
			<-c.window
		}
		return nil, err
	}
	return &Publishing{c, k}, nil
}

// Wait waits for the answer. It must be called once.
func (p *Publishing) Wait(ctx context.Context) (Ack, error) {
	a, err := p.c.await(ctx, p.k)
	if p.c.opt.Dev != "" {
		<-p.c.window
	}
	return Ack{Seq: a.seq}, err
}

// Send publishes one body, written in the client's encoding, and wants no
// answer: a refusal goes to Options.OnError. It fails with ErrOffline when there
// is no connection. What it sent just before a connection was lost may be lost.
func (c *Client) Send(topic string, body []byte) error {
	m, err := c.pub(topic, Body{c.opt.Encoding, body})
	if err != nil {
		return err
	}
	c.mu.Lock()
	conn, closed := c.conn, c.closed
	c.mu.Unlock()
	switch {
	case closed:
		return ErrClosed
	case conn == nil:
		return ErrOffline
	}
	return conn.send(c.opt.Encoding, codec.Append(nil, c.opt.Encoding, m))
}

// pub is the message that publishes data.
func (c *Client) pub(topic string, data any) (*codec.Message, error) {
	if err := codec.CheckTopic([]byte(topic)); err != nil {
		return nil, err
	}
	body, err := c.body(data)
	if err != nil {
		return nil, err
	}
	return &codec.Message{
		Op: codec.OpPub, Topic: []byte(topic), Enc: body.Enc, Data: body.Data,
		Has: codec.Fields(0).With(codec.KeyTopic).With(codec.KeyData),
	}, nil
}

// Ping asks the hub for a sign of life, behind everything that was sent before.
func (c *Client) Ping(ctx context.Context) (time.Duration, error) {
	began := time.Now()
	m := &codec.Message{Op: codec.OpPing, Data: []byte("0"), Has: codec.Fields(0).With(codec.KeyData)}
	_, err := c.request(ctx, m)
	return time.Since(began), err
}
