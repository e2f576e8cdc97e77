package show

import (
	"context"
	"encoding/json"
	"io"
	"time"

	"topicd/node/client"
	"topicd/node/pause"
)

// Watch asks a hub for its topics and clients, round by round, and shows them.
type Watch struct {
	Conn  *client.Client
	View  Top
	Match string        // only topics that fit this pattern, "" = all but the hub's own
	Every time.Duration // time between two rounds
	Count int           // rounds, 0 = until ctx ends

	paused, typing bool // a filter
}

// round asks the hub for everything once.
func (w *Watch) round(ctx context.Context, began time.Time) error {
	var topics []client.TopicInfo
	var clients []client.ClientInfo
	err := w.Conn.Topics(ctx, w.Match, func(i client.TopicInfo) error { topics = append(topics, i); return nil })
	if err == nil {
		err = w.Conn.Clients(ctx, "", func(i client.ClientInfo) error { clients = append(clients, i); return nil })
	}
	if err == nil {
		w.View.Update(topics, clients, time.Since(began).Milliseconds()+1)
	}
	return err
}

// JSON writes an object a round. The first round only says where the others begin.
func (w *Watch) JSON(ctx context.Context, out io.Writer) error {
	began := time.Now()
	for n := -1; w.Count == 0 || n < w.Count; n++ {
		if err := w.round(ctx, began); err != nil {
			return err
		}
		if n >= 0 {
			if err := json.NewEncoder(out).Encode(w.View.State(1000)); err != nil {
				return err
			}
		}
		if n+1 == w.Count && w.Count > 0 {
			return nil
		}
		if !pause.For(ctx, w.Every) {
			return ctx.Err()
		}
	}
	return nil
}

// Screen shows a screen until q or Ctrl-C, and JSON where in gives no keys.
func (w *Watch) Screen(ctx context.Context, in io.Reader, out io.Writer, colour bool) error {
	restore, err := keysOf(in)
	if err != nil {
		return w.JSON(ctx, out)
	}
	defer restore()
	io.WriteString(out, "\x1b[?1049h\x1b[?25l")
	defer io.WriteString(out, "\x1b[?25h\x1b[?1049l")
	keys := make(chan byte)
	go readKeys(ctx, in, keys)
	began, tick := time.Now(), time.NewTicker(w.Every)
	defer tick.Stop()
	if err := w.round(ctx, began); err != nil {
		return err
	}
	for n := 0; w.Count == 0 || n <= w.Count; {
		width, height := sizeOf(out)
		if _, err := io.WriteString(out, "\x1b[H"+w.View.Screen(width, height, colour)); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case k, more := <-keys:
			if !more || !w.key(k, height) {
				return nil
			}
		case <-tick.C:
			if !w.paused {
				if err := w.round(ctx, began); err != nil {
					return err
				}
				n++
			}
		}
	}
	return nil
}

func readKeys(ctx context.Context, in io.Reader, keys chan<- byte) {
	defer close(keys)
	b := make([]byte, 1)
	for {
		if _, err := in.Read(b); err != nil {
			return
		}
		select {
		case keys <- b[0]:
		case <-ctx.Done():
			return
		}
	}
}

// key does what a key asks for; false ends.
func (w *Watch) key(k byte, height int) bool {
	v := &w.View
	if w.typing {
		switch {
		case k == '\r' || k == '\n':
			w.typing = false
		case k == 27:
			w.typing, v.Filter = false, ""
		case k == 127 || k == 8:
			v.Filter = v.Filter[:max(0, len(v.Filter)-1)]
		case k >= ' ':
			v.Filter += string(rune(k))
		}
		return true
	}
	switch k {
	case 'q', 3:
		return false
	case 's':
		v.NextSort()
	case 'r':
		v.Reverse = !v.Reverse
	case 'c':
		v.Clients, v.Scroll = !v.Clients, 0
	case ' ':
		w.paused = !w.paused
	case '/':
		w.typing, v.Filter = true, ""
	case 'A': // the last byte of an arrow up
		v.Scroll--
	case 'B':
		v.Scroll++
	case '5': // page up
		v.Scroll -= height - 5
	case '6':
		v.Scroll += height - 5
	}
	return true
}
