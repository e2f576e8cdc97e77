package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"topicd/cmd/internal/command"
	"topicd/cmd/internal/reach"
	"topicd/node/client"
	"topicd/node/client/show"
)

func (a *app) list() *command.Command {
	var r reach.Remote
	var match string
	var asJSON bool
	c := command.New("list", "topics|clients", "Show the hub's topics with their memory, or who is connected")
	c.Example = "  topicd list topics\n  topicd list topics --match 'greenhouse/#' --json\n  topicd list clients"
	c.Min, c.Max, c.Words = 1, 1, []string{"topics", "clients"}
	r.AddFlags(&a.Env, c.Flags)
	c.Flags.StringVar(&match, "match", "", "only topics that fit this `PATTERN`; $sys/# are the hub's own")
	c.Flags.BoolVar(&asJSON, "json", false, "one JSON object a line")
	c.Run = func(ctx context.Context, args []string) error {
		conn, err := r.Dial(ctx)
		if err != nil {
			return err
		}
		defer conn.Close()
		w := bufio.NewWriter(a.Out)
		switch {
		case asJSON:
			err = everything(args[0] == "topics", match, func(match string) error {
				return conn.List(ctx, args[0], match, func(row json.RawMessage) error {
					_, err := w.Write(append(row, '\n'))
					return err
				})
			})
		case args[0] == "topics":
			err = listTopics(ctx, conn, match, w)
		default:
			err = listClients(ctx, conn, match, w)
		}
		if err != nil {
			return err
		}
		return w.Flush()
	}
	return c
}

// everything asks for the topics that fit match; without one for all, the hub's
// own behind the others, so that their bytes add up to what the arena holds.
func everything(topics bool, match string, ask func(string) error) error {
	err := ask(match)
	if err == nil && topics && match == "" {
		err = ask("$sys/#")
	}
	return err
}

func listTopics(ctx context.Context, conn *client.Client, match string, w *bufio.Writer) error {
	var t show.Table
	t.Head("TOPIC", ">SEQ", ">READINGS", ">BYTES", ">SUBSCRIBERS", ">AGE", "")
	var topics, readings, bytes int64
	row := func(i client.TopicInfo) error {
		topics, readings, bytes = topics+1, readings+i.Readings, bytes+i.Bytes
		var odd []string
		if i.Static {
			odd = append(odd, "static")
		}
		if i.Stale {
			odd = append(odd, "stale")
		}
		t.Row(show.Clean(i.Topic), i.Seq, i.Readings, i.Bytes, i.Subscribers, show.Since(i.TS), strings.Join(odd, " "))
		return nil
	}
	err := everything(true, match, func(match string) error { return conn.Topics(ctx, match, row) })
	if err != nil {
		return err
	}
	t.Row(fmt.Sprintf("%d topics", topics), "", readings, bytes, "", "", show.Bytes(bytes))
	t.Print(w)
	return nil
}

func listClients(ctx context.Context, conn *client.Client, match string, w *bufio.Writer) error {
	var t show.Table
	t.Head("CLIENT", "ADDRESS", "DIALECT", "ENC", ">SUBS", ">IN", ">OUT", ">DROP", ">SINCE")
	n := 0
	err := conn.Clients(ctx, match, func(i client.ClientInfo) error {
		n++
		t.Row(show.Clean(i.Client), show.Clean(i.Addr), i.Dialect, i.Enc, i.Subs, i.In, i.Out, i.Drop, show.Since(i.Since))
		return nil
	})
	if err != nil {
		return err
	}
	t.Row(fmt.Sprintf("%d clients", n))
	t.Print(w)
	return nil
}
