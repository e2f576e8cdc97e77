package main

import (
	"context"
	"time"

	"topicd/node/client"
	"topicd/node/client/show"
)

func (a *app) get() *command {
	var r remote
	var s stored
	var raw, asJSON bool
	var step time.Duration
	c := newCommand("get", "PATTERN...", "Print stored readings and end")
	c.long = `Print the newest stored reading of each topic that fits, or those that --last
and --since ask for, oldest first, and end. With --step print what they were in
steps of time instead, as far back as the hub knows (--since, or --last N steps):
[ts, min, mean, max, count], and the name behind it of one number of several.`
	c.example = "  topicd get gateway/#\n  topicd get greenhouse/1/temp --since 1h --raw\n  topicd get greenhouse/1/temp --step 1m --since 24h"
	c.min, c.max = 1, -1
	r.addFlags(c.flags)
	s.addFlags(c.flags)
	c.flags.BoolVar(&raw, "raw", false, "the data only")
	c.flags.BoolVar(&asJSON, "json", false, "JSON on a terminal too")
	c.flags.DurationVar(&step, "step", 0, "print the history in steps of this `TIME`, such as 1m")
	c.run = func(ctx context.Context, patterns []string) error {
		since, err := s.parse()
		if err != nil {
			return err
		}
		if step < 0 || step%time.Millisecond != 0 || step > 0 && since > 0 {
			return usage("--step is a time such as 1m, and --since with it one too")
		}
		o := client.GetOptions{Last: s.last, Since: since, Step: step}
		if (since != 0 || step > 0) && !c.flags.Changed("last") {
			o.Last = 0
		}
		conn, err := a.dial(ctx, &r)
		if err != nil {
			return err
		}
		defer conn.Close()
		p := show.NewPrinter(a.out, raw, asJSON, a.getenv)
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
