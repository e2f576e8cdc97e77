package client

import (
	"context"
	"encoding/json"
	"io"
	"time"

	"topicd/codec"
)

// GetOptions say which stored readings Get fetches.
type GetOptions struct {
	Last  int64 // per topic; 0 = all that Since leaves
	Since int64 // after this number, or negative: of so many seconds

	// Step asks for history in steps of time and not for readings: the data of each
	// Message is [ts, min, mean, max, count], and the field's name where it has one.
	Step time.Duration
}

// Get calls fn with stored readings of the topics that fit the pattern, oldest
// first per topic. It returns when all came, or with the first error of fn.
func (c *Client) Get(ctx context.Context, pattern string, o GetOptions, fn func(Message) error) error {
	if err := codec.CheckPattern([]byte(pattern)); err != nil {
		return err
	}
	m := &codec.Message{Op: codec.OpGet, Topic: []byte(pattern), Has: codec.Fields(0).With(codec.KeyTopic)}
	w := codec.Opts{Last: o.Last, Since: o.Since}
	if o.Last > 0 {
		w.Has |= codec.OptLast
	}
	if o.Since != 0 {
		w.Has |= codec.OptSince
	}
	if w.Step = o.Step.Milliseconds(); w.Step > 0 {
		w.Has |= codec.OptStep
	}
	setOpts(m, c.opt.Encoding, &w)
	return c.pages(ctx, m, func(a answer) error {
		var d codec.Decoder
		var r codec.Message
		for d.Reset(a.enc, a.data); ; {
			// The elements have the keys of a msg but no op, which the decoder
			// remarks on after it has read them.
			if err := d.Next(&r); err == io.EOF {
				return nil
			} else if err != nil && !(r.Has.Has(codec.KeyTopic) && r.Has.Has(codec.KeyData)) {
				return err
			}
			if err := fn(Message{
				Topic: string(r.Topic), Seq: r.Seq, TS: r.TS, Enc: r.Enc,
				Data: append([]byte(nil), r.Data...), From: string(r.From), Drop: r.Drop,
			}); err != nil {
				return err
			}
		}
	})
}

// TopicInfo is what the hub tells of a topic.
type TopicInfo struct {
	Topic       string `json:"topic"`
	Static      bool   `json:"static"`
	Seq         uint64 `json:"seq"` // number of the newest reading, 0 = none yet
	TS          int64  `json:"ts"`  // its time, milliseconds since 1970
	Readings    int64  `json:"readings"`
	Bytes       int64  `json:"bytes"` // of the hub's arena
	Cap         int64  `json:"cap"`
	Subscribers int64  `json:"subscribers"`
	Stale       bool   `json:"stale"`

	Durable  bool    `json:"durable"`
	Writable bool    `json:"writable"`      // a set-point, see MakeOptions
	Min      float64 `json:"min,omitempty"` // of it; both 0 = not said
	Max      float64 `json:"max,omitempty"`
}

// ClientInfo is what the hub tells of a connected peer.
type ClientInfo struct {
	Client  string `json:"client"`
	Addr    string `json:"addr"`
	URL     string `json:"url"`
	Dialect string `json:"dialect"`
	Enc     string `json:"enc"`
	Since   int64  `json:"since"` // milliseconds since 1970
	Subs    int64  `json:"subs"`
	In      int64  `json:"in"`
	Out     int64  `json:"out"`
	Drop    int64  `json:"drop"`
}

// Topics calls fn with what the hub tells of each topic that fits match, "" for
// all but its own.
func (c *Client) Topics(ctx context.Context, match string, fn func(TopicInfo) error) error {
	return list(ctx, c, "topics", match, fn)
}

// Clients calls fn with what the hub tells of each connected peer.
func (c *Client) Clients(ctx context.Context, match string, fn func(ClientInfo) error) error {
	return list(ctx, c, "clients", match, fn)
}

// List calls fn with each element of a list as the hub wrote it, as JSON.
func (c *Client) List(ctx context.Context, what, match string, fn func(json.RawMessage) error) error {
	return list(ctx, c, what, match, fn)
}

func list[T any](ctx context.Context, c *Client, what, match string, fn func(T) error) error {
	m := &codec.Message{Op: codec.OpList}
	o := codec.Opts{What: what, Match: match, Has: codec.OptWhat}
	if match != "" {
		o.Has |= codec.OptMatch
	}
	setOpts(m, c.opt.Encoding, &o)
	return c.pages(ctx, m, func(a answer) error {
		var page []T
		if err := a.into(&page); err != nil {
			return err
		}
		for _, e := range page {
			if err := fn(e); err != nil {
				return err
			}
		}
		return nil
	})
}

// pages asks for an answer of many parts and hands on each.
func (c *Client) pages(ctx context.Context, m *codec.Message, page func(answer) error) error {
	k, err := c.ask(m, true, true)
	if err != nil {
		return err
	}
	for {
		select {
		case a := <-k.ch:
			if a.err != nil {
				return a.err
			}
			if err := page(a); err != nil || !a.more {
				c.forget(k)
				return err
			}
		case <-ctx.Done():
			c.forget(k)
			return ctx.Err()
		}
	}
}

// MakeOptions are what can be said of a topic; zero fields change nothing.
type MakeOptions struct {
	Static  bool
	Durable bool
	Cap     int64         // bytes
	Stale   time.Duration // without a reading for so long it is stale

	Writable bool    // a set-point: who shows it may offer to set it, who has the right may as ever
	Min, Max float64 // between which; nothing is said unless Min < Max
}

// Make declares a topic or changes it.
func (c *Client) Make(ctx context.Context, topic string, o MakeOptions) error {
	if err := codec.CheckTopic([]byte(topic)); err != nil {
		return err
	}
	w := codec.Opts{Static: o.Static, Durable: o.Durable, Cap: o.Cap, Stale: int64(o.Stale / time.Second), Writable: o.Writable, Min: o.Min, Max: o.Max}
	for bit, on := range map[codec.OptSet]bool{
		codec.OptStatic: o.Static, codec.OptDurable: o.Durable, codec.OptCap: o.Cap > 0, codec.OptStale: w.Stale > 0,
		codec.OptWritable: o.Writable, codec.OptMin | codec.OptMax: o.Min < o.Max,
	} {
		if on {
			w.Has |= bit
		}
	}
	m := &codec.Message{Op: codec.OpMake, Topic: []byte(topic), Has: codec.Fields(0).With(codec.KeyTopic)}
	setOpts(m, c.opt.Encoding, &w)
	_, err := c.request(ctx, m)
	return err
}

// Delete ends a topic and its readings.
func (c *Client) Delete(ctx context.Context, topic string) error {
	m := &codec.Message{Op: codec.OpDelete, Topic: []byte(topic), Has: codec.Fields(0).With(codec.KeyTopic)}
	_, err := c.request(ctx, m)
	return err
}
