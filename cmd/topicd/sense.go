package main

import (
	"context"
	"encoding/json"
	"time"

	"topicd/cmd/internal/command"
	"topicd/cmd/internal/flags"
	"topicd/cmd/internal/reach"
	"topicd/codec"
	"topicd/node/client"
	"topicd/node/client/show"
	"topicd/node/sense"
)

func (a *app) sense() *command.Command {
	var r reach.Remote
	var watch, publish, asJSON, raw bool
	every := sense.Every
	c := command.New("sense", "", "Print this board's own sensors, or publish them to a hub")
	c.Long = `Print what this board knows about itself: temperatures, voltages, load, memory,
disks, network. With --publish the readings go to a hub, under gateway/<hostname>/,
as "topicd serve" does for its own board.`
	r.AddFlags(&a.Env, c.Flags)
	c.Flags.BoolVar(&watch, "watch", false, "again and again")
	c.Flags.Var(flags.Span(&every), "every", "time between two rounds")
	c.Flags.BoolVar(&publish, "publish", false, "to the hub instead of the screen; --watch goes on")
	c.Flags.BoolVar(&asJSON, "json", false, "JSON on a terminal too")
	c.Flags.BoolVar(&raw, "raw", false, "the data only")
	c.Run = func(ctx context.Context, _ []string) error {
		board := sense.New(sense.Options{})
		defer board.Close()
		if publish {
			return a.sensePublish(ctx, &r, board, watch, every)
		}
		p := show.NewPrinter(a.Out, raw, asJSON, a.Getenv)
		err := board.Rounds(ctx, watch, every, func(s sense.Reading) error {
			p.Print(client.Message{Topic: s.Topic, TS: s.Time.UnixMilli(), Enc: codec.JSON, Data: s.AppendJSON(nil), Live: true})
			return nil
		})
		if ferr := p.Close(); err == nil {
			err = ferr
		}
		return err
	}
	return c
}

func (a *app) sensePublish(ctx context.Context, r *reach.Remote, board *sense.Board, watch bool, every time.Duration) error {
	r.Dev = sense.HostName()
	conn, err := r.Dial(ctx)
	if err != nil {
		return err
	}
	defer conn.Close()
	prefix := sense.Prefix(sense.HostName())
	return board.Rounds(ctx, watch, every, func(s sense.Reading) error {
		_, err := conn.Publish(ctx, prefix+s.Topic, json.RawMessage(s.AppendJSON(nil)))
		if ctx.Err() != nil {
			return nil // Ctrl-C is how --watch ends
		}
		return err
	})
}
