package main

import (
	"context"
	"encoding/json"
	"io"
	"time"

	"topicd/node/client"
	"topicd/node/client/show"
)

func (a *app) top() *command {
	var r remote
	j := topJob{app: a, every: 2 * time.Second, view: show.Top{Sort: "rate"}}
	c := newCommand("top", "", "Watch topics and clients: rates, bytes, losses")
	c.long = `Watch a hub's topics or clients with their rates, most first. On a terminal s
changes the column that sorts, r its order, / filters, c shows clients instead of
topics, space stops the clock, q ends. Elsewhere, and with --json, it prints one
JSON object a round.`
	c.example = "  topicd top --match 'greenhouse/#'\n  topicd top --json --count 1 --sort bytes"
	r.addFlags(c.flags)
	c.flags.StringVar(&j.match, "match", "", "only topics that fit this `PATTERN`; $sys/# are the hub's own")
	c.flags.Var(span{&j.every}, "every", "time between two rounds")
	c.flags.Var(choice{&j.view.Sort, "rate|name|bytes|readings|subscribers|age"}, "sort", "column that sorts")
	c.flags.StringVar(&j.view.Filter, "filter", "", "only names that contain this `TEXT`")
	c.flags.BoolVar(&j.view.Clients, "clients", false, "clients in place of topics")
	c.flags.IntVar(&j.count, "count", 0, "end after `N` rounds; 0 = never")
	c.flags.BoolVar(&j.json, "json", false, "one JSON object a round")
	c.run = func(ctx context.Context, _ []string) error {
		conn, err := a.dial(ctx, &r)
		if err != nil {
			return err
		}
		defer conn.Close()
		j.conn, j.every = conn, max(j.every, 100*time.Millisecond)
		if j.json || !show.IsTerminal(a.out) {
			return j.print(ctx)
		}
		return j.watch(ctx)
	}
	return c
}

// topJob is what top shows, and of whom.
type topJob struct {
	app   *app
	conn  *client.Client
	view  show.Top
	match string
	every time.Duration
	count int
	json  bool

	paused, typing bool // a filter
}

// round asks the hub for everything once.
func (j *topJob) round(ctx context.Context, began time.Time) error {
	var topics []client.TopicInfo
	var clients []client.ClientInfo
	err := j.conn.Topics(ctx, j.match, func(i client.TopicInfo) error { topics = append(topics, i); return nil })
	if err == nil {
		err = j.conn.Clients(ctx, "", func(i client.ClientInfo) error { clients = append(clients, i); return nil })
	}
	if err == nil {
		j.view.Update(topics, clients, time.Since(began).Milliseconds()+1)
	}
	return err
}

// print writes JSON. The first round only says where the others begin.
func (j *topJob) print(ctx context.Context) error {
	began := time.Now()
	for n := -1; j.count == 0 || n < j.count; n++ {
		if err := j.round(ctx, began); err != nil {
			return err
		}
		if n >= 0 {
			if err := json.NewEncoder(j.app.out).Encode(j.view.State(1000)); err != nil {
				return err
			}
		}
		if n+1 == j.count && j.count > 0 {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(j.every):
		}
	}
	return nil
}

// watch shows a screen until q or Ctrl-C.
func (j *topJob) watch(ctx context.Context) error {
	restore, err := keysOf(j.app.in)
	if err != nil {
		return j.print(ctx)
	}
	defer restore()
	io.WriteString(j.app.out, "\x1b[?1049h\x1b[?25l")
	defer io.WriteString(j.app.out, "\x1b[?25h\x1b[?1049l")
	keys := make(chan byte)
	go readKeys(ctx, j.app.in, keys)
	colour := j.app.getenv("NO_COLOR") == "" && j.app.getenv("TERM") != "dumb"
	began, tick := time.Now(), time.NewTicker(j.every)
	defer tick.Stop()
	if err := j.round(ctx, began); err != nil {
		return err
	}
	for n := 0; j.count == 0 || n <= j.count; {
		width, height := sizeOf(j.app.out)
		if _, err := io.WriteString(j.app.out, "\x1b[H"+j.view.Screen(width, height, colour)); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case k, more := <-keys:
			if !more || !j.key(k, height) {
				return nil
			}
		case <-tick.C:
			if !j.paused {
				if err := j.round(ctx, began); err != nil {
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
func (j *topJob) key(k byte, height int) bool {
	v := &j.view
	if j.typing {
		switch {
		case k == '\r' || k == '\n':
			j.typing = false
		case k == 27:
			j.typing, v.Filter = false, ""
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
		j.paused = !j.paused
	case '/':
		j.typing, v.Filter = true, ""
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
