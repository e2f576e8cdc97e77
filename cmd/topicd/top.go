package main

import (
	"context"
	"time"

	"topicd/node/client/show"
)

func (a *app) top() *command {
	var r remote
	w := show.Watch{Every: 2 * time.Second, View: show.Top{Sort: "rate"}}
	var asJSON bool
	c := newCommand("top", "", "Watch topics and clients: rates, bytes, losses")
	c.long = `Watch a hub's topics or clients with their rates, most first. On a terminal s
changes the column that sorts, r its order, / filters, c shows clients instead of
topics, space stops the clock, q ends. Elsewhere, and with --json, it prints one
JSON object a round.`
	c.example = "  topicd top --match 'greenhouse/#'\n  topicd top --json --count 1 --sort bytes"
	r.addFlags(c.flags)
	c.flags.StringVar(&w.Match, "match", "", "only topics that fit this `PATTERN`; $sys/# are the hub's own")
	c.flags.Var(span{&w.Every}, "every", "time between two rounds")
	c.flags.Var(choice{&w.View.Sort, "rate|name|bytes|readings|subscribers|age"}, "sort", "column that sorts")
	c.flags.StringVar(&w.View.Filter, "filter", "", "only names that contain this `TEXT`")
	c.flags.BoolVar(&w.View.Clients, "clients", false, "clients in place of topics")
	c.flags.IntVar(&w.Count, "count", 0, "end after `N` rounds; 0 = never")
	c.flags.BoolVar(&asJSON, "json", false, "one JSON object a round")
	c.run = func(ctx context.Context, _ []string) error {
		conn, err := a.dial(ctx, &r)
		if err != nil {
			return err
		}
		defer conn.Close()
		w.Conn, w.Every = conn, max(w.Every, 100*time.Millisecond)
		if asJSON || !show.IsTerminal(a.out) {
			return w.JSON(ctx, a.out)
		}
		return w.Screen(ctx, a.in, a.out, a.getenv("NO_COLOR") == "" && a.getenv("TERM") != "dumb")
	}
	return c
}
