package main

import (
	"context"
	"fmt"
	"strconv"
	"sync"
	"time"

	"github.com/spf13/pflag"

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
		return 0, usage("--last is a number of readings, 0 or more")
	}
	if s.since == "" {
		return 0, nil
	}
	if n, err := strconv.ParseInt(s.since, 10, 64); err == nil && n >= 0 {
		return n, nil
	}
	d, err := time.ParseDuration(s.since)
	if err != nil || d <= 0 {
		return 0, usage("--since %q is neither a time such as 10m nor a number", s.since)
	}
	return -int64((d + time.Second - 1) / time.Second), nil
}

func (a *app) sub() *command {
	var r remote
	var s stored
	var raw, asJSON, latest bool
	var count int
	var rate float64
	var timeout time.Duration
	var name string
	var forget bool
	c := newCommand("sub", "PATTERN...", "Print readings as they come")
	c.long = `Print readings as they come: one JSON object a line, or columns on a terminal.
A + in a pattern is one level of a topic, a # at its end all that follow. After a
lost connection it goes on where it stood; what was lost meanwhile is told on stderr.

With --name it is a durable subscription: the hub keeps on disk which readings of
durable topics were printed, and the next run with that name, --dev (or token) and
pattern goes on behind them, whatever was restarted meanwhile. --forget ends it.`
	c.example = "  topicd sub '#'\n  topicd sub 'greenhouse/+/temp' --since 10m\n  topicd sub gateway/# --raw --count 1\n  topicd sub 'plant/#' --dev logger --name db1 >> plant.jsonl"
	c.min, c.max = 1, -1
	r.addFlags(c.flags)
	s.addFlags(c.flags)
	c.flags.BoolVar(&raw, "raw", false, "the data only")
	c.flags.BoolVar(&asJSON, "json", false, "JSON on a terminal too")
	c.flags.IntVar(&count, "count", 0, "end after `N` readings")
	c.flags.DurationVar(&timeout, "timeout", 0, "end after so long; with --count not reached the exit code is 5")
	c.flags.BoolVar(&latest, "latest", false, "only ever the newest reading of a topic")
	c.flags.Float64Var(&rate, "rate", 0, "at most `N` readings a second of each topic, the newest win")
	c.flags.StringVar(&r.dev, "dev", "", "device `ID` that a durable subscription belongs to (default its name, or the token)")
	c.flags.StringVar(&name, "name", "", "a durable subscription of this `NAME`, with --dev or a token")
	c.flags.BoolVar(&forget, "forget", false, "end the durable subscription --name and what the hub keeps of it")
	c.run = func(ctx context.Context, patterns []string) error {
		if forget && name == "" {
			return usage("--forget needs the --name of a durable subscription")
		}
		if rate < 0 || count < 0 || timeout < 0 {
			return usage("--rate, --count and --timeout are 0 or more")
		}
		o := client.SubOptions{Last: s.last, Rate: rate, Latest: latest, Name: name}
		var err error
		if o.Since, err = s.parse(); err != nil {
			return err
		}
		if s.last == 0 {
			o.Last = -1
		}
		if name != "" && r.dev == "" && r.token == "" && a.getenv("TOPICD_TOKEN") == "" {
			r.dev = name
		}
		cancel := context.CancelFunc(func() {})
		if timeout > 0 {
			ctx, cancel = context.WithTimeout(ctx, timeout)
		}
		defer cancel()
		if forget {
			return a.forgetSubs(ctx, &r, patterns, name)
		}
		return a.subscribe(ctx, &r, patterns, o, show.NewPrinter(a.out, raw, asJSON, a.getenv), count)
	}
	return c
}

// subscribe prints count readings, or all until ctx ends.
func (a *app) subscribe(ctx context.Context, r *remote, patterns []string, o client.SubOptions, p *show.Printer, count int) error {
	defer p.Close()
	conn, err := a.dial(ctx, r)
	if err != nil {
		return err
	}
	defer conn.Close()
	enough := make(chan struct{})
	stop := sync.OnceFunc(func() { close(enough) })
	n := 0
	lost := show.Losses{Note: a.note, Meant: o.Latest || o.Rate > 0}
	defer lost.Close()
	print := func(m client.Message) { // callbacks come one after another
		if count > 0 && n >= count {
			return
		}
		lost.Add(m, time.Now())
		if p.Print(m); o.Name != "" && p.Flush() == nil {
			m.Ack()
		}
		if n++; n == count {
			stop()
		}
	}
	ended := make(chan error, len(patterns))
	for _, pattern := range patterns {
		s, err := conn.Subscribe(ctx, pattern, o, print)
		if err != nil {
			return err
		}
		go func() {
			<-s.Done()
			ended <- s.Err()
		}()
	}
	select {
	case <-enough:
	case err = <-ended:
	case <-ctx.Done():
		if count > 0 {
			return ctx.Err()
		}
	}
	return err
}

// forgetSubs ends durable subscriptions of a name.
func (a *app) forgetSubs(ctx context.Context, r *remote, patterns []string, name string) error {
	conn, err := a.dial(ctx, r)
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
