package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"topicd/codec"
	"topicd/node/client"
)

func (a *app) pub() *command {
	var r remote
	var files []string
	var ack, noAck bool
	repeat := 1
	var every time.Duration
	c := newCommand("pub", "TOPIC [DATA...]", "Publish readings")
	c.long = `Publish readings to a topic: each argument, each line of --file, or each line of
standard input when there is neither, or for an argument "-". What is valid JSON
is sent as that value, anything else as a string. It ends when the hub has all of
them; with --no-ack it does not wait for each answer and may lose some when the
connection goes, and says so.`
	c.example = "  topicd pub greenhouse/1/temp 21.5\n  topicd pub greenhouse/1/temp '{\"u\":\"Cel\",\"v\":21.5}'\n  sensor | topicd pub greenhouse/1/temp"
	c.min, c.max, c.negative = 1, -1, true
	r.addFlags(c.flags)
	c.flags.StringVar(&r.dev, "dev", "", "device `ID` that the readings carry; with it they survive a lost connection")
	c.flags.StringArrayVar(&files, "file", nil, "`FILE` whose lines are readings, repeatable")
	c.flags.BoolVar(&ack, "ack", true, "wait until the hub has each reading")
	c.flags.BoolVar(&noAck, "no-ack", false, "do not")
	c.flags.IntVar(&repeat, "repeat", 1, "publish the arguments `N` times; 0 = until interrupted")
	c.flags.Var(span{&every}, "every", "time between two readings")
	c.run = func(ctx context.Context, args []string) error {
		j := &pubJob{app: a, topic: args[0], ack: ack && !noAck, every: every}
		if len(args) == 1 && len(files) == 0 {
			if isTerminal(a.in) {
				return fail(exitUsage, "topicd pub "+args[0]+" 21.5, or pipe lines into it", "no data to publish")
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
	topic string
	ack   bool
	every time.Duration

	conn  *client.Client
	under []sent // not answered yet, oldest first
	done  int    // readings read
	began time.Time
	told  time.Time
	shown bool
}

// sent is a reading under way.
type sent struct {
	p    *client.Publishing
	body client.Body
	n    int
}

// underWay is how many readings may wait for their answers: as many as a hub
// remembers of a device.
const underWay = 16

func (a *app) publish(ctx context.Context, r *remote, j *pubJob, args, files []string, repeat int) error {
	var err error
	if j.conn, err = a.dial(ctx, r); err != nil {
		return err
	}
	defer j.conn.Close()
	j.began = time.Now()
	for i := 0; (i < repeat || repeat == 0) && err == nil; i++ {
		for _, arg := range args {
			if arg == "-" {
				err = j.lines(ctx, "standard input", a.in)
			} else {
				err = j.one(ctx, []byte(arg))
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
		err = j.settle(ctx, 0)
	}
	if err == nil && !j.ack {
		_, err = j.conn.Ping(ctx) // behind all that was sent
	}
	j.progress(true)
	return err
}

func (j *pubJob) file(ctx context.Context, name string) error {
	f, err := os.Open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	return j.lines(ctx, name, f)
}

// lines publishes each line. A read from a terminal or a pipe cannot be broken
// off, so it has a goroutine, which Ctrl-C leaves behind.
func (j *pubJob) lines(ctx context.Context, name string, r io.Reader) error {
	type line struct {
		text []byte
		err  error
	}
	ch := make(chan line)
	go func() {
		defer close(ch)
		s := bufio.NewScanner(r)
		s.Buffer(make([]byte, 64<<10), 64<<20)
		for s.Scan() {
			select {
			case ch <- line{text: append([]byte(nil), s.Bytes()...)}:
			case <-ctx.Done():
				return
			}
		}
		if err := s.Err(); err != nil {
			ch <- line{err: fmt.Errorf("%s: %w", name, err)}
		}
	}()
	for n := 1; ; n++ {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case l, ok := <-ch:
			if !ok {
				return nil
			}
			if l.err != nil {
				return l.err
			}
			if len(codec.Strip(codec.JSON, l.text)) == 0 {
				continue
			}
			if err := j.one(ctx, l.text); err != nil {
				return fmt.Errorf("%s, line %d: %w", name, n, err)
			}
		}
	}
}

// one publishes one reading.
func (j *pubJob) one(ctx context.Context, text []byte) error {
	if j.every > 0 && j.done > 0 && !pause(ctx, j.every) {
		return ctx.Err()
	}
	j.done++
	j.progress(false)
	text = codec.Strip(codec.JSON, text)
	body := client.Body{Enc: codec.JSON, Data: text}
	if codec.Validate(codec.JSON, text) != nil {
		quoted, err := json.Marshal(string(text))
		if err != nil {
			return err
		}
		body.Data = quoted
	}
	if !j.ack {
		return j.send(ctx, body)
	}
	if err := j.settle(ctx, underWay-1); err != nil {
		return err
	}
	p, err := j.conn.Start(ctx, j.topic, body)
	if err != nil {
		return err
	}
	j.under = append(j.under, sent{p, body, j.done})
	if j.every > 0 {
		return j.settle(ctx, 0) // slow enough to be told at once
	}
	return nil
}

// send publishes without an answer.
func (j *pubJob) send(ctx context.Context, body client.Body) error {
	data, enc := body.Data, j.conn.Encoding()
	if enc != body.Enc {
		var err error
		if data, err = codec.Transcode(nil, enc, body.Enc, data); err != nil {
			return err
		}
	}
	for {
		err := j.conn.Send(j.topic, data)
		if !errors.Is(err, client.ErrOffline) {
			return err
		}
		if !pause(ctx, 100*time.Millisecond) {
			return ctx.Err()
		}
	}
}

// settle waits for answers until at most n readings are under way. One that the
// hub found too fast is sent again when the hub likes.
func (j *pubJob) settle(ctx context.Context, n int) error {
	for len(j.under) > n {
		s := j.under[0]
		j.under = j.under[1:]
		_, err := s.p.Wait(ctx)
		var e *codec.Error
		for errors.As(err, &e) && e.Code == codec.CodeTooFast {
			if !pause(ctx, time.Duration(max(e.Retry, 10))*time.Millisecond) {
				return ctx.Err()
			}
			_, err = j.conn.Publish(ctx, j.topic, s.body)
		}
		if err != nil {
			return fmt.Errorf("reading %d: %w", s.n, err)
		}
	}
	return nil
}

// progress shows people on a terminal how far a long input is.
func (j *pubJob) progress(last bool) {
	now := time.Now()
	if !isTerminal(j.app.err) || last && !j.shown || !last && (now.Sub(j.began) < time.Second || now.Sub(j.told) < 500*time.Millisecond) {
		return
	}
	j.told, j.shown = now, true
	fmt.Fprintf(j.app.err, "\r%d readings, %.0f/s ", j.done, float64(j.done)/now.Sub(j.began).Seconds())
	if last {
		fmt.Fprintln(j.app.err)
	}
}
