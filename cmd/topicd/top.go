package main

import (
	"context"
	"time"

	"topicd/cmd/internal/command"
	"topicd/cmd/internal/flags"
	"topicd/cmd/internal/reach"
	"topicd/node/client/show"
)

func (a *app) top() *command.Command {
	var r reach.Remote
	w := show.Watch{Every: 2 * time.Second, View: show.Top{Sort: "rate"}}
	var asJSON bool
	c := command.New("top", "", "Watch topics and clients: rates, bytes, losses")
	c.Long = `Watch a hub's topics or clients with their rates, most first. On a terminal s
changes the column that sorts, r its order, / filters, c shows clients instead of
topics, space stops the clock, q ends. Elsewhere, and with --json, it prints one
JSON object a round.`
	c.Example = "  topicd top --match 'greenhouse/#'\n  topicd top --json --count 1 --sort bytes"
	r.AddFlags(&a.Env, c.Flags)
	c.Flags.StringVar(&w.Match, "match", "", "only topics that fit this `PATTERN`; $sys/# are the hub's own")
	c.Flags.Var(flags.Span(&w.Every), "every", "time between two rounds")
	c.Flags.Var(flags.Choice(&w.View.Sort, "rate|name|bytes|readings|subscribers|age"), "sort", "column that sorts")
	c.Flags.StringVar(&w.View.Filter, "filter", "", "only names that contain this `TEXT`")
	c.Flags.BoolVar(&w.View.Clients, "clients", false, "clients in place of topics")
	c.Flags.IntVar(&w.Count, "count", 0, "end after `N` rounds; 0 = never")
	c.Flags.BoolVar(&asJSON, "json", false, "one JSON object a round")
	c.Run = func(ctx context.Context, _ []string) error {
		conn, err := r.Dial(ctx)
		if err != nil {
			return err
		}
		defer conn.Close()
		w.Conn, w.Every = conn, max(w.Every, 100*time.Millisecond)
		if asJSON || !show.IsTerminal(a.Out) {
			return w.JSON(ctx, a.Out)
		}
		return w.Screen(ctx, a.In, a.Out, a.Getenv("NO_COLOR") == "" && a.Getenv("TERM") != "dumb")
	}
	return c
}
