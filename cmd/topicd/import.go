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
		j := &importJob{app: a}
		if !dry {
			if j.conn, err = r.Dial(ctx); err != nil {
				return err
			}
			defer j.conn.Close()
		}
		for _, t := range topics {
			if err := j.take(ctx, t); err != nil {
				return err
			}
		}
		if j.bad > 0 {
			return command.Fail(command.Failed, "", "%d of %d topics not taken", j.bad, j.bad+j.made+j.left)
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

// importJob is how far an import is.
type importJob struct {
	app             *app
	conn            *client.Client // nil: nothing is made
	made, left, bad int
}

// take takes one line of the file. An error ends the import.
func (j *importJob) take(ctx context.Context, t scd.FileTopic) error {
	switch {
	case t.Twice > 0:
		j.app.Note("line %d: %q stands in line %d already", t.Line, t.Name, t.Twice)
		return nil
	case t.Wrong != "":
		j.refuse(t.Line, t.Wrong)
		return nil
	case !t.Static:
		j.left++
		j.app.Note("line %d: %q is dynamic: left out", t.Line, t.Name)
		return nil
	}
	if j.conn != nil {
		err := j.conn.Make(ctx, t.Name, client.MakeOptions{Static: true, Cap: scd.FileCap})
		var e *codec.Error
		if errors.As(err, &e) && e.Code != codec.CodeGoingAway && e.Code != codec.CodeUnauthorized { // those hold for all
			j.refuse(t.Line, fmt.Sprintf("%q: %s", t.Name, e.Msg))
			return nil
		}
		if err != nil {
			return fmt.Errorf("line %d: %q: %w", t.Line, t.Name, err)
		}
	}
	j.made++
	_, err := fmt.Fprintln(j.app.Out, t.Name)
	return err
}

func (j *importJob) refuse(line int, why string) {
	j.bad++
	j.app.Note("line %d: %s", line, why)
}
