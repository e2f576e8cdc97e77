package main

import (
	"context"
	"errors"
	"fmt"
	"os"

	"topicd/cmd/internal/command"
	"topicd/cmd/internal/reach"
	"topicd/codec"
	"topicd/node/client"
	"topicd/node/dialect/scd"
)

func (a *app) importTopics() *command.Command {
	var r reach.Remote
	var dry bool
	c := command.New("import", "FILE", "Make the topics of an SCD-TopicServer's file")
	c.Long = `Make the static topics of an SCD-TopicServer's file "topics" on a hub, which keeps
them. The file has a line NAME:static or NAME:dynamic for each topic, in Latin-1;
one that is valid UTF-8 is taken as that. Dynamic topics are left out, as the
SCD-TopicServer does when it starts: their subscribers make them anew. Lines that
cannot be taken are told one by one, the others are taken; the exit code is then 1.`
	c.Example = "  topicd import /opt/SCD-TopicServer/topics --dry-run\n  topicd import topics --hub gateway.local"
	c.Min, c.Max = 1, 1
	r.AddFlags(&a.Env, c.Flags)
	c.Flags.BoolVar(&dry, "dry-run", false, "only tell what would be done; no hub is needed")
	c.Run = func(ctx context.Context, args []string) error {
		topics, err := readTopics(args[0])
		if err != nil {
			return err
		}
		var conn *client.Client // nil: nothing is made
		if !dry {
			if conn, err = r.Dial(ctx); err != nil {
				return err
			}
			defer conn.Close()
		}
		bad, all := 0, 0
		for _, t := range topics {
			if t.Twice > 0 {
				a.Note("line %d: %q stands in line %d already", t.Line, t.Name, t.Twice)
				continue
			}
			all++
			why, err := a.importTopic(ctx, conn, t)
			if err != nil {
				return err
			}
			if why != "" {
				bad++
				a.Note("line %d: %s", t.Line, why)
			}
		}
		if bad > 0 {
			return command.Fail(command.Failed, "", "%d of %d topics not taken", bad, all)
		}
		return nil
	}
	return c
}

func readTopics(name string) ([]scd.FileTopic, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	topics, err := scd.ReadFile(f)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return topics, nil
}

// importTopic takes one line of the file, or says why it cannot. An error ends the import.
func (a *app) importTopic(ctx context.Context, conn *client.Client, t scd.FileTopic) (why string, err error) {
	switch {
	case t.Wrong != "":
		return t.Wrong, nil
	case !t.Static:
		a.Note("line %d: %q is dynamic: left out", t.Line, t.Name)
		return "", nil
	}
	if conn != nil {
		err := conn.Make(ctx, t.Name, client.MakeOptions{Static: true, Cap: scd.FileCap})
		var e *codec.Error
		if errors.As(err, &e) && e.Code != codec.CodeGoingAway && e.Code != codec.CodeUnauthorized { // those hold for all
			return fmt.Sprintf("%q: %s", t.Name, e.Msg), nil
		}
		if err != nil {
			return "", fmt.Errorf("line %d: %q: %w", t.Line, t.Name, err)
		}
	}
	_, err = fmt.Fprintln(a.Out, t.Name)
	return "", err
}
