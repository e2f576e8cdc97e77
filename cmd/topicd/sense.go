package main

import (
	"context"
	"encoding/json"
	"time"

	"topicd/codec"
	"topicd/node/client"
	"topicd/node/client/show"
	"topicd/node/sense"
)

func (a *app) sense() *command {
	var r remote
	var watch, publish, asJSON, raw bool
	every := sense.Every
	c := newCommand("sense", "", "Print this board's own sensors, or publish them to a hub")
	c.long = `Print what this board knows about itself: temperatures, voltages, load, memory,
disks, network. With --publish the readings go to a hub, under gateway/<hostname>/,
as "topicd serve" does for its own board.`
	r.addFlags(c.flags)
	c.flags.BoolVar(&watch, "watch", false, "again and again")
	c.flags.Var(span{&every}, "every", "time between two rounds")
	c.flags.BoolVar(&publish, "publish", false, "to the hub instead of the screen; --watch goes on")
	c.flags.BoolVar(&asJSON, "json", false, "JSON on a terminal too")
	c.flags.BoolVar(&raw, "raw", false, "the data only")
	c.run = func(ctx context.Context, _ []string) error {
		board := sense.New(sense.Options{})
		defer board.Close()
		if publish {
			return a.sensePublish(ctx, &r, board, watch, every)
		}
		p := show.NewPrinter(a.out, raw, asJSON, a.getenv)
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

func (a *app) sensePublish(ctx context.Context, r *remote, board *sense.Board, watch bool, every time.Duration) error {
	r.dev = sense.HostName()
	conn, err := a.dial(ctx, r)
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
