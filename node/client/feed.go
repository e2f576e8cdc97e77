package client

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"topicd/codec"
	"topicd/node/pause"
)

// Feed publishes many readings in order, each to what Topic is then. It is used from
// one goroutine.
type Feed struct {
	Conn     *Client
	Topic    string
	Ack      bool          // wait until the hub has each; else some may be lost with the connection
	Every    time.Duration // time between two
	Progress func(done int)

	under []sent // not answered yet, oldest first
	done  int
}

// sent is a reading under way.
type sent struct {
	p     *Publishing
	topic string
	body  Body
	n     int
}

// underWay is how many readings may wait for their answers: as many as a hub
// remembers of a device.
const underWay = 16

// Done is how many readings were taken so far.
func (f *Feed) Done() int { return f.done }

// Lines publishes each line. A read from a terminal or a pipe cannot be broken
// off, so it has a goroutine, which is left behind when ctx ends.
func (f *Feed) Lines(ctx context.Context, name string, r io.Reader) error {
	type line struct {
		text []byte
		err  error
	}
	ch := make(chan line)
	go func() {
		defer close(ch)
		s := bufio.NewScanner(r)
		s.Buffer(make([]byte, 64<<10), 64<<20)
		for s.Scan() {
			select {
			case ch <- line{text: append([]byte(nil), s.Bytes()...)}:
			case <-ctx.Done():
				return
			}
		}
		if err := s.Err(); err != nil {
			select {
			case ch <- line{err: fmt.Errorf("%s: %w", name, err)}:
			case <-ctx.Done():
			}
		}
	}()
	for n := 1; ; n++ {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case l, ok := <-ch:
			if !ok {
				return nil
			}
			if l.err != nil {
				return l.err
			}
			if len(codec.Strip(codec.JSON, l.text)) == 0 {
				continue
			}
			if err := f.One(ctx, l.text); err != nil {
				return fmt.Errorf("%s, line %d: %w", name, n, err)
			}
		}
	}
}

// One publishes one reading: what is JSON as that, anything else as a string.
func (f *Feed) One(ctx context.Context, text []byte) error {
	if f.Every > 0 && f.done > 0 && !pause.For(ctx, f.Every) {
		return ctx.Err()
	}
	f.done++
	f.Progress(f.done)
	text = codec.Strip(codec.JSON, text)
	body := Body{Enc: codec.JSON, Data: text}
	if codec.Validate(codec.JSON, text) != nil {
		quoted, err := json.Marshal(string(text))
		if err != nil {
			return err
		}
		body.Data = quoted
	}
	if !f.Ack {
		return f.send(ctx, body)
	}
	if err := f.settle(ctx, underWay-1); err != nil {
		return err
	}
	p, err := f.Conn.Start(ctx, f.Topic, body)
	if err != nil {
		return err
	}
	f.under = append(f.under, sent{p, f.Topic, body, f.done})
	if f.Every > 0 {
		return f.settle(ctx, 0) // slow enough to be told at once
	}
	return nil
}

// send publishes without an answer.
func (f *Feed) send(ctx context.Context, body Body) error {
	data, enc := body.Data, f.Conn.Encoding()
	if enc != body.Enc {
		var err error
		if data, err = codec.Transcode(nil, enc, body.Enc, data); err != nil {
			return err
		}
	}
	for {
		err := f.Conn.Send(f.Topic, data)
		if !errors.Is(err, ErrOffline) {
			return err
		}
		if !pause.For(ctx, 100*time.Millisecond) {
			return ctx.Err()
		}
	}
}

// End returns when the hub has all of them, or had them on its way where nothing
// waits for an answer.
func (f *Feed) End(ctx context.Context) error {
	if err := f.settle(ctx, 0); err != nil || f.Ack {
		return err
	}
	_, err := f.Conn.Ping(ctx) // behind all that was sent
	return err
}

// settle waits for answers until at most n readings are under way. One that the
// hub found too fast is sent again when the hub likes.
func (f *Feed) settle(ctx context.Context, n int) error {
	for len(f.under) > n {
		s := f.under[0]
		f.under = f.under[1:]
		_, err := s.p.Wait(ctx)
		var e *codec.Error
		for errors.As(err, &e) && e.Code == codec.CodeTooFast {
			if !pause.For(ctx, time.Duration(max(e.Retry, 10))*time.Millisecond) {
				return ctx.Err()
			}
			_, err = f.Conn.Publish(ctx, s.topic, s.body)
		}
		if err != nil {
			return fmt.Errorf("reading %d: %w", s.n, err)
		}
	}
	return nil
}
