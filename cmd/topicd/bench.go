package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"time"

	"topicd/cmd/internal/command"
	"topicd/cmd/internal/flags"
	"topicd/cmd/internal/reach"
	"topicd/codec"
	"topicd/node/client"
	"topicd/node/client/bench"
	"topicd/node/client/show"
)

func (a *app) bench() *command.Command {
	var r reach.Remote
	var o bench.Options
	var asJSON bool
	encoding, bytes := "json", flags.Size(100)
	o.Publishers, o.Subscribers, o.Duration, o.Warmup = 10, 1, 10*time.Second, time.Second
	c := command.New("bench", "", "Load a hub and measure what it makes of it")
	c.Long = `Load a hub and measure throughput, latency, loss and, where the hub is on this
machine, its CPU and memory. Every subscriber hears every reading. Without --rate
readings are sent as fast as the hub hands them on, which measures throughput;
with it latency means something. Ctrl-C ends early and still reports. Publishers
and subscribers are in this process, so latencies are one clock's, wherever the
hub is. The hub's usual limits hold: start it with --limits=bench to lift them.
The readings go to topics under bench/, which are deleted at the end.

The exit code is 1 when readings were lost and the hub did not say so.`
	c.Example = `  topicd bench
  topicd bench --publishers 200 --rate 2000 --subscribers 20 --encoding cbor
  topicd bench --hub gateway --publishers 1 --subscribers 1000 --json`
	r.Target.AddFlags(&a.Env, c.Flags, "the one to load: ws://gateway:22345/ws, a host, or a name that `topicd discover` shows (env TOPICD_HUB; default this machine's)")
	r.AddToken(c.Flags)
	c.Flags.Var(flags.Count(&o.Publishers, 0), "publishers", "connections that publish")
	c.Flags.Float64Var(&o.Rate, "rate", 0, "readings per second of all publishers together; 0 = as fast as the hub hands them on")
	c.Flags.Var(flags.Count(&o.Subscribers, 0), "subscribers", "connections that hear everything")
	c.Flags.Var(flags.Count(&o.Topics, 0), "topics", "topics; 0 = one per publisher")
	c.Flags.Var(flags.Count(&o.Window, 0), "window", "without --rate: readings on their way at most; 0 = 128 per topic")
	c.Flags.Var(&bytes, "size", "of a reading")
	c.Flags.Var(flags.Choice(&encoding, "json|cbor|mixed"), "encoding", "mixed is CBOR publishers and subscribers of both")
	c.Flags.Var(flags.Span(&o.Duration), "duration", "time measured")
	c.Flags.Var(flags.Span(&o.Warmup), "warmup", "time before that")
	c.Flags.BoolVar(&asJSON, "json", false, "the report as JSON, and no progress")
	c.Flags.IntVar(&o.PID, "pid", 0, "`PID` of the hub, for its CPU and memory; found by itself on this machine (Linux)")
	c.Run = func(ctx context.Context, _ []string) error {
		o.Size = int(bytes)
		for _, n := range []*int{&o.Publishers, &o.Subscribers} { // where the flag's 0 is none
			if *n == 0 {
				*n = -1
			}
		}
		if o.Warmup == 0 {
			o.Warmup = -1
		}
		switch encoding {
		case "cbor":
			o.Encoding = codec.CBOR
		case "mixed":
			o.Encoding, o.Hear = codec.CBOR, []codec.Encoding{codec.JSON, codec.CBOR}
		}
		return a.load(ctx, &r, o, asJSON)
	}
	return c
}

// load runs a bench and prints its report.
func (a *app) load(ctx context.Context, r *reach.Remote, o bench.Options, asJSON bool) error {
	// A hub that was not named is only loaded on this machine.
	r.Hub = cmp.Or(r.Hub, a.Getenv("TOPICD_HUB"), reach.DefaultHub)
	o.Token = r.SetToken()
	at, secure, err := r.At(ctx)
	if err != nil {
		return err
	}
	o.URL, o.TLS = at.String(), secure
	show := bench.Shower{W: a.Err, Terminal: show.IsTerminal(a.Err)}
	if !asJSON {
		o.Progress = show.Show
	}
	rep, err := bench.Run(ctx, o)
	if !asJSON {
		show.Done()
	}
	if err != nil {
		return benchError(o.URL, err)
	}
	if asJSON {
		e := json.NewEncoder(a.Out)
		e.SetIndent("", "  ")
		err = e.Encode(rep)
	} else {
		err = rep.WriteText(a.Out)
	}
	if err == nil && !rep.OK() {
		err = command.Fail(command.Failed, "", "%d deliveries were lost and the hub did not say so", rep.Loss.Unexplained)
	}
	return err
}

// benchError says why nothing was measured.
func benchError(u string, err error) error {
	var refused *codec.Error
	hint := bench.Hint(err)
	switch {
	case client.WantsTLS(err.Error()):
		return reach.DialError(u, err)
	case errors.Is(err, bench.ErrOptions):
		return command.Fail(command.Usage, "", "%w", err)
	case errors.As(err, &refused):
		code, _ := command.Refusal(refused.Code)
		return command.Fail(code, hint, "%w", err)
	case hint != "":
		return command.Fail(command.Failed, hint, "%w", err)
	}
	return reach.DialError(u, err)
}
