package main

import (
	"context"
	"fmt"
	"time"

	"topicd/cmd/internal/command"
	"topicd/cmd/internal/flags"
	"topicd/cmd/internal/reach"
	"topicd/codec"
	"topicd/node/client"
	"topicd/node/client/show"
)

func (a *app) pub() *command.Command {
	var r reach.Remote
	var files []string
	var ack, noAck bool
	repeat := 1
	var every time.Duration
	c := command.New("pub", "TOPIC [DATA...]", "Publish readings")
	c.Long = `Publish readings to a topic: each argument, each line of --file, or each line of
standard input when there is neither, or for an argument "-". What is valid JSON
is sent as that value, anything else as a string; an argument that begins as JSON
does and is none is refused. It ends when the hub has all of
them; with --no-ack it does not wait for each answer and may lose some when the
connection goes, and says so.`
	c.Example = "  topicd pub greenhouse/1/temp 21.5\n  topicd pub greenhouse/1/temp '{\"u\":\"Cel\",\"v\":21.5}'\n  sensor | topicd pub greenhouse/1/temp"
	c.Min, c.Max, c.Negative = 1, -1, true
	r.AddFlags(&a.Env, c.Flags)
	c.Flags.StringVar(&r.Dev, "dev", "", "device `ID` that the readings carry; with it they survive a lost connection")
	c.Flags.StringArrayVar(&files, "file", nil, "`FILE` whose lines are readings, repeatable")
	c.Flags.BoolVar(&ack, "ack", true, "wait until the hub has each reading")
	c.Flags.BoolVar(&noAck, "no-ack", false, "do not")
	c.Flags.IntVar(&repeat, "repeat", 1, "publish the arguments `N` times; 0 = until interrupted")
	c.Flags.Var(flags.Span(&every), "every", "time between two readings")
	c.Run = func(ctx context.Context, args []string) error {
		j := &pubJob{app: a, feed: client.Feed{Topic: args[0], Ack: ack && !noAck, Every: every}}
		if len(args) == 1 && len(files) == 0 {
			if show.IsTerminal(a.In) {
				return command.Fail(command.Usage, "topicd pub "+args[0]+" 21.5, or pipe lines into it", "no data to publish")
			}
			args = append(args, "-")
		}
		return a.publish(ctx, &r, j, args[1:], files, repeat)
	}
	return c
}

// pubJob is what pub has to do and how far it is.
type pubJob struct {
	app   *app
	feed  client.Feed
	began time.Time
	told  time.Time
	shown bool
}

func (a *app) publish(ctx context.Context, r *reach.Remote, j *pubJob, args, files []string, repeat int) error {
	conn, err := r.Dial(ctx)
	if err != nil {
		return err
	}
	defer conn.Close()
	j.feed.Conn, j.feed.Progress, j.began = conn, func(int) { j.progress(false) }, time.Now()
	for i := 0; (i < repeat || repeat == 0) && err == nil; i++ {
		for _, arg := range args {
			if arg == "-" {
				err = j.file(ctx, "-")
			} else if err = typed(arg); err == nil {
				err = j.feed.One(ctx, []byte(arg))
			}
			if err != nil {
				break
			}
		}
		for _, name := range files {
			if err == nil {
				err = j.file(ctx, name)
			}
		}
		if len(args) == 0 {
			break // files once
		}
	}
	if err == nil {
		err = j.feed.End(ctx)
	}
	j.progress(true)
	return err
}

// typed refuses what was meant to be JSON, as the hub does over HTTP: {'v':1}, or
// quotes that a word processor has made.
func typed(arg string) error {
	data := codec.Strip(codec.JSON, []byte(arg))
	bad := codec.Validate(codec.JSON, data)
	if bad == nil || !codec.MeantJSON(data) {
		return nil
	}
	return command.Fail(command.Usage, `JSON has double quotes, and a shell wants single ones around it: '{"u":"Cel","v":21.5}'`, "%s is not JSON: %s", arg, codec.AsError(bad).Msg)
}

func (j *pubJob) file(ctx context.Context, name string) error {
	f, err := j.app.Open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	if name == "-" {
		name = "standard input"
	}
	return j.feed.Lines(ctx, name, f)
}

// progress shows people on a terminal how far a long input is.
func (j *pubJob) progress(last bool) {
	now := time.Now()
	if !show.IsTerminal(j.app.Err) || last && !j.shown || !last && (now.Sub(j.began) < time.Second || now.Sub(j.told) < 500*time.Millisecond) {
		return
	}
	j.told, j.shown = now, true
	fmt.Fprintf(j.app.Err, "\r%d readings, %.0f/s ", j.feed.Done(), float64(j.feed.Done())/now.Sub(j.began).Seconds())
	if last {
		fmt.Fprintln(j.app.Err)
	}
}
