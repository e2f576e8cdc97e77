package main

import (
	"context"
	"time"

	"topicd/cmd/internal/command"
	"topicd/cmd/internal/flags"
	"topicd/cmd/internal/reach"
	"topicd/node/client"
	"topicd/node/client/show"
)

func (a *app) get() *command.Command {
	var r reach.Remote
	var s stored
	var raw, asJSON bool
	var step time.Duration
	c := command.New("get", "PATTERN...", "Print stored readings and end")
	c.Long = `Print the newest stored reading of each topic that fits, or those that --last
and --since ask for, oldest first, and end. With --step print what they were in
steps of time instead, as far back as the hub knows (--since, or --last N steps):
[ts, min, mean, max, count], and the name behind it of one number of several.`
	c.Example = "  topicd get gateway/#\n  topicd get greenhouse/1/temp --since 1h --raw\n  topicd get greenhouse/1/temp --step 1m --since 24h"
	c.Min, c.Max = 1, -1
	r.AddFlags(&a.Env, c.Flags)
	s.addFlags(c.Flags)
	c.Flags.BoolVar(&raw, "raw", false, "the data only")
	c.Flags.BoolVar(&asJSON, "json", false, "JSON on a terminal too")
	c.Flags.Var(flags.Span(&step), "step", "print the history in steps of this `TIME`, such as 1m")
	c.Run = func(ctx context.Context, patterns []string) error {
		since, err := s.parse()
		if err != nil {
			return err
		}
		if step%time.Millisecond != 0 || step > 0 && since > 0 {
			return command.Wrong("--step is a time such as 1m, and --since with it one too")
		}
		o := client.GetOptions{Last: s.last, Since: since, Step: step}
		if (since != 0 || step > 0) && !c.Flags.Changed("last") {
			o.Last = 0
		}
		conn, err := r.Dial(ctx)
		if err != nil {
			return err
		}
		defer conn.Close()
		p := show.NewPrinter(a.Out, raw, asJSON, a.Getenv)
		for _, pattern := range patterns {
			err = conn.Get(ctx, pattern, o, func(m client.Message) error { p.Print(m); return nil })
			if err != nil {
				break
			}
		}
		if ferr := p.Close(); err == nil {
			err = ferr
		}
		return err
	}
	return c
}
