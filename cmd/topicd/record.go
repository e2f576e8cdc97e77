package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"topicd/cmd/internal/command"
	"topicd/cmd/internal/flags"
	"topicd/cmd/internal/reach"
	"topicd/node/client"
	"topicd/node/client/replay"
	"topicd/node/client/show"
)

func (a *app) record() *command.Command {
	var r reach.Remote
	var s stored
	var out, format string
	var count int
	var length time.Duration
	c := command.New("record", "PATTERN...", "Write readings to a file as they come, for replay and for spreadsheets")
	c.Long = `Write readings to a file as they come: NDJSON, or CSV as the hub's own export has
it where the file is called .csv. It ends after --for or --count, or with Ctrl-C;
what is written then is complete. topicd replay publishes it again.`
	c.Example = "  topicd record 'greenhouse/#' --out day.csv --for 24h\n  topicd record '#' --since 1h --count 1000 > readings.ndjson"
	c.Min, c.Max = 1, -1
	r.AddFlags(&a.Env, c.Flags)
	s.addFlags(c.Flags)
	c.Flags.StringVar(&out, "out", "-", "`FILE` to write, - is standard output; one that is there is not written over")
	c.Flags.Var(flags.Choice(&format, "|ndjson|csv"), "format", "ndjson or csv (default what the file's name says)")
	c.Flags.IntVar(&count, "count", 0, "end after `N` readings")
	c.Flags.Var(flags.Span(&length), "for", "end so long after the hub was reached")
	c.Run = func(ctx context.Context, patterns []string) error {
		o := client.SubOptions{Last: s.last}
		var err error
		if o.Since, err = s.parse(); err != nil {
			return err
		}
		if s.last == 0 || !c.Flags.Changed("last") && s.since == "" {
			o.Last = -1 // what comes, unless stored readings are asked for
		}
		w := a.Out
		if out != "-" {
			f, err := os.OpenFile(out, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
			if err != nil {
				return err
			}
			defer f.Close()
			w = f
		}
		write, flush := a.recorder(w, format == "csv" || format == "" && strings.EqualFold(filepath.Ext(out), ".csv"))
		n, err := a.subscribe(ctx, &r, patterns, o, count, length, write)
		ended := ctx.Err()
		if isOver(ctx, err) {
			err = nil
		}
		if err = errors.Join(err, flush()); err != nil {
			return err
		}
		a.Note("%d readings", n)
		if length > 0 || n == count && count > 0 {
			return nil
		}
		return ended
	}
	return c
}

// recorder writes readings as CSV, or as NDJSON.
func (a *app) recorder(w io.Writer, csv bool) (write func(client.Message) error, flush func() error) {
	if csv {
		s := replay.NewSheet(w)
		return s.Write, s.Flush
	}
	p := show.NewPrinter(w, false, true, a.Getenv)
	return func(m client.Message) error { p.Print(m); return nil }, p.Close
}

func (a *app) replay() *command.Command {
	var r reach.Remote
	var m replay.Mapping
	speed := "1"
	loop := 1
	c := command.New("replay", "FILE...", "Publish the readings of a file again, or a table's")
	c.Long = `Publish the readings of a file in the order and with the gaps in which they came:
what topicd record and topicd sub wrote, or the dashboard exported. Of any other
CSV or JSON table each column of numbers is a topic; --map names columns and topics
instead, in which {COLUMN} is what the row has there. - is standard input.

--speed 60 makes a second of a minute; --speed max waits for nothing. The hub gives
each reading the time at which it comes.`
	c.Example = "  topicd replay day.csv --speed 60\n  topicd replay seattle-weather.csv --prefix seattle/ --speed 86400\n  topicd replay stocks.csv --map 'price=stock/{symbol}' --speed max"
	c.Min, c.Max = 1, -1
	r.AddFlags(&a.Env, c.Flags)
	c.Flags.StringVar(&r.Dev, "dev", "", "device `ID` that the readings carry; with it they survive a lost connection")
	c.Flags.StringVar(&speed, "speed", speed, "how many times as fast as they came, or max")
	c.Flags.StringArrayVar(&m.Topics, "map", nil, "`COLUMN=TOPIC`, repeatable")
	c.Flags.StringVar(&m.Prefix, "prefix", "", "before the names of columns that become topics: weather/")
	c.Flags.StringVar(&m.Time, "time", "", "`COLUMN` of times (default one called time, ts, date, …)")
	c.Flags.IntVar(&loop, "loop", loop, "publish all of it `N` times; 0 = until interrupted")
	c.Run = func(ctx context.Context, files []string) error {
		factor, err := strconv.ParseFloat(speed, 64)
		switch {
		case speed == "max":
			factor = 0
		case err != nil || factor <= 0:
			return command.Wrong("--speed %q is neither a number above 0 nor max", speed)
		}
		var rows []replay.Row
		for _, name := range files {
			more, err := a.rowsOf(name, m)
			if err != nil {
				return command.Fail(command.Failed, "topicd help replay has examples", "%s: %w", name, err)
			}
			rows = append(rows, more...)
		}
		if len(files) > 1 {
			replay.InOrder(rows)
		}
		conn, err := r.Dial(ctx)
		if err != nil {
			return err
		}
		defer conn.Close()
		p := replay.Player{Rows: rows, Speed: factor, Feed: client.Feed{Conn: conn, Ack: true, Progress: func(int) {}}}
		return a.play(ctx, &p, loop)
	}
	return c
}

// play publishes all rows so many times, 0 = until ctx ends.
func (a *app) play(ctx context.Context, p *replay.Player, loop int) (err error) {
	p.Progress = func(n int, at time.Time) { a.replayed(n, len(p.Rows), at) }
	for i := 0; (i < loop || loop == 0) && err == nil; i++ {
		began := time.Now()
		err = p.Once(ctx)
		if show.IsTerminal(a.Err) {
			fmt.Fprintln(a.Err)
		} else if err == nil {
			a.Note("%d readings in %s", len(p.Rows), time.Since(began).Round(time.Millisecond))
		}
	}
	return err
}

func (a *app) rowsOf(name string, m replay.Mapping) ([]replay.Row, error) {
	f, err := a.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return replay.Read(f, m)
}

// replayed draws a bar for people.
func (a *app) replayed(n, of int, at time.Time) {
	if !show.IsTerminal(a.Err) {
		return
	}
	const width = 30
	full := n * width / of
	when := ""
	if !at.IsZero() {
		when = at.Format("2006-01-02 15:04")
	}
	io.WriteString(a.Err, fmt.Sprintf("\r%s%s %3d %%  %d of %d  %s", strings.Repeat("█", full), strings.Repeat("░", width-full), n*100/of, n, of, when))
}
