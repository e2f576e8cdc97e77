package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/spf13/pflag"

	"topicd/cmd/internal/command"
	"topicd/cmd/internal/flags"
	"topicd/cmd/internal/reach"
	"topicd/codec"
	"topicd/node/client"
	"topicd/node/client/show"
)

// stored are the flags that choose among stored readings.
type stored struct {
	last  int64
	since string
}

func (s *stored) addFlags(fs *pflag.FlagSet) {
	fs.Int64Var(&s.last, "last", 1, "`N` stored readings of each topic first")
	fs.StringVar(&s.since, "since", "", "stored readings since: a `TIME` such as 10m, or after a number (seq)")
}

// parse returns --since in the protocol's form: a seq, or negative seconds.
func (s *stored) parse() (since int64, err error) {
	if s.last < 0 {
		return 0, command.Wrong("--last is a number of readings, 0 or more")
	}
	if s.since == "" {
		return 0, nil
	}
	if n, err := strconv.ParseInt(s.since, 10, 64); err == nil && n >= 0 {
		return n, nil
	}
	d, err := codec.Span(s.since, 0)
	if err != nil || d <= 0 {
		return 0, command.Wrong("--since %q is neither a time such as 10m nor a number", s.since)
	}
	return -int64((d + time.Second - 1) / time.Second), nil
}

func (a *app) sub() *command.Command {
	var r reach.Remote
	var s stored
	var raw, asJSON, latest bool
	var count int
	var rate float64
	var timeout time.Duration
	var name string
	var forget bool
	c := command.New("sub", "PATTERN...", "Print readings as they come")
	c.Long = `Print readings as they come: one JSON object a line, or columns on a terminal.
A + in a pattern is one level of a topic, a # at its end all that follow. After a
lost connection it goes on where it stood; what was lost meanwhile is told on stderr.

With --name it is a durable subscription: the hub keeps on disk which readings of
durable topics were printed, and the next run with that name, --dev (or token) and
pattern goes on behind them, whatever was restarted meanwhile. --forget ends it.`
	c.Example = "  topicd sub '#'\n  topicd sub 'greenhouse/+/temp' --since 10m\n  topicd sub gateway/# --raw --count 1\n  topicd sub 'plant/#' --dev logger --name db1 >> plant.jsonl"
	c.Min, c.Max = 1, -1
	r.AddFlags(&a.Env, c.Flags)
	s.addFlags(c.Flags)
	c.Flags.BoolVar(&raw, "raw", false, "the data only")
	c.Flags.BoolVar(&asJSON, "json", false, "JSON on a terminal too")
	c.Flags.IntVar(&count, "count", 0, "end after `N` readings")
	c.Flags.Var(flags.Span(&timeout), "timeout", "end so long after the hub was reached; with --count not reached the exit code is 5")
	c.Flags.BoolVar(&latest, "latest", false, "only ever the newest reading of a topic")
	c.Flags.Float64Var(&rate, "rate", 0, "at most `N` readings a second of each topic, the newest win")
	c.Flags.StringVar(&r.Dev, "dev", "", "device `ID` that a durable subscription belongs to (default its name, or the token)")
	c.Flags.StringVar(&name, "name", "", "a durable subscription of this `NAME`, with --dev or a token")
	c.Flags.BoolVar(&forget, "forget", false, "end the durable subscription --name and what the hub keeps of it")
	c.Run = func(ctx context.Context, patterns []string) error {
		if forget && name == "" {
			return command.Wrong("--forget needs the --name of a durable subscription")
		}
		if rate < 0 || count < 0 {
			return command.Wrong("--rate and --count are 0 or more")
		}
		o := client.SubOptions{Last: s.last, Rate: rate, Latest: latest, Name: name}
		var err error
		if o.Since, err = s.parse(); err != nil {
			return err
		}
		if s.last == 0 {
			o.Last = -1
		}
		if name != "" && r.Dev == "" && r.Token == "" && a.Getenv("TOPICD_TOKEN") == "" {
			r.Dev = name
		}
		if forget {
			return a.forgetSubs(ctx, &r, patterns, name)
		}
		return a.printReadings(ctx, &r, patterns, o, show.NewPrinter(a.Out, raw, asJSON, a.Getenv), count, timeout)
	}
	return c
}

// printReadings prints count readings, or all until ctx ends or that time is over.
func (a *app) printReadings(ctx context.Context, r *reach.Remote, patterns []string, o client.SubOptions, p *show.Printer, count int, within time.Duration) error {
	defer p.Close()
	_, err := a.subscribe(ctx, r, patterns, o, count, within, func(m client.Message) error {
		if p.Print(m); o.Name != "" && p.Flush() == nil {
			m.Ack()
		}
		return nil
	})
	if count == 0 && isOver(ctx, err) {
		return nil
	}
	return err
}

// errOver ends what was to listen for a time.
var errOver = fmt.Errorf("it listened as long as it was to: %w", context.DeadlineExceeded)

// isOver tells whether err is only that somebody listened as long as was asked for, or
// until ctx ended.
func isOver(ctx context.Context, err error) bool {
	return err != nil && (err == errOver || errors.Is(err, ctx.Err()))
}

// subscribe gives count readings to take, or all until ctx ends, and says how many.
// The time within which they are to come, 0 = any, begins when the hub is reached:
// one that is slow to answer, or none, is not one that has no readings.
func (a *app) subscribe(ctx context.Context, r *reach.Remote, patterns []string, o client.SubOptions, count int, within time.Duration, take func(client.Message) error) (n int, err error) {
	conn, err := r.Dial(ctx)
	if err != nil {
		return 0, err
	}
	defer conn.Close()
	if within > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, within, errOver)
		defer cancel()
	}
	lost := show.Losses{Note: a.Note, Meant: o.Latest || o.Rate > 0}
	defer lost.Close()
	n, err = conn.Take(ctx, patterns, o, count, func(m client.Message) error {
		lost.Add(m, time.Now())
		return take(m)
	})
	if context.Cause(ctx) == errOver && errors.Is(err, context.DeadlineExceeded) {
		err = errOver
	}
	return n, err
}

// forgetSubs ends durable subscriptions of a name.
func (a *app) forgetSubs(ctx context.Context, r *reach.Remote, patterns []string, name string) error {
	conn, err := r.Dial(ctx)
	if err != nil {
		return err
	}
	defer conn.Close()
	for _, pattern := range patterns {
		if err := conn.Forget(ctx, pattern, name); err != nil {
			return fmt.Errorf("%s: %w", pattern, err)
		}
	}
	return nil
}
