package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"unicode/utf8"

	"topicd/codec"
	"topicd/node/client"
)

func (a *app) importTopics() *command {
	var r remote
	var dry bool
	c := newCommand("import", "FILE", "Make the topics of an SCD-TopicServer's file")
	c.long = `Make the static topics of an SCD-TopicServer's file "topics" on a hub, which keeps
them. The file has a line NAME:static or NAME:dynamic for each topic, in Latin-1;
one that is valid UTF-8 is taken as that. Dynamic topics are left out, as the
SCD-TopicServer does when it starts: their subscribers make them anew. Lines that
cannot be taken are told one by one, the others are taken; the exit code is then 1.`
	c.example = "  topicd import /opt/SCD-TopicServer/topics --dry-run\n  topicd import topics --hub gateway.local"
	c.min, c.max = 1, 1
	r.addFlags(c.flags)
	c.flags.BoolVar(&dry, "dry-run", false, "only tell what would be done; no hub is needed")
	c.run = func(ctx context.Context, args []string) error {
		text, err := readTopics(args[0])
		if err != nil {
			return err
		}
		j := &importJob{app: a, seen: map[string]int{}}
		if !dry {
			if j.conn, err = a.dial(ctx, &r); err != nil {
				return err
			}
			defer j.conn.Close()
		}
		for i, line := range strings.Split(text, "\n") {
			if err := j.line(ctx, i+1, line); err != nil {
				return err
			}
		}
		if j.bad > 0 {
			return fail(exitFailed, "", "%d of %d topics not taken", j.bad, j.bad+j.made+j.left)
		}
		return nil
	}
	return c
}

// maxTopicsFile is more than a hub could hold.
const maxTopicsFile = 64 << 20

// importCap is what TMK gives a topic: see dialect's burstCap.
const importCap = 2 << 20

// readTopics reads the file as UTF-8.
func readTopics(name string) (string, error) {
	f, err := os.Open(name)
	if err != nil {
		return "", err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxTopicsFile+1))
	if err == nil && len(b) > maxTopicsFile {
		err = fmt.Errorf("%s is not such a file: it is larger than %d MiB", name, maxTopicsFile>>20)
	}
	b = codec.Strip(codec.JSON, b)
	if err != nil || utf8.Valid(b) {
		return string(b), err
	}
	runes := make([]rune, len(b))
	for i, c := range b {
		runes[i] = rune(c) // Latin-1 is the first 256 of Unicode
	}
	return string(runes), nil
}

// importJob is how far an import is.
type importJob struct {
	app             *app
	conn            *client.Client // nil: nothing is made
	seen            map[string]int // line by topic
	made, left, bad int
}

// line takes one line of the file. An error ends the import.
func (j *importJob) line(ctx context.Context, n int, line string) error {
	if line = strings.TrimSpace(line); line == "" {
		return nil
	}
	i := strings.LastIndexByte(line, ':')
	if i < 0 {
		j.refuse(n, "%.60q is not NAME:static or NAME:dynamic", line)
		return nil
	}
	name, kind := strings.TrimSpace(line[:i]), strings.TrimSpace(line[i+1:])
	first := j.seen[name]
	switch {
	case kind != "static" && kind != "dynamic":
		j.refuse(n, "%.60q is neither static nor dynamic", kind)
		return nil
	case first > 0:
		j.app.note("line %d: %q stands in line %d already", n, name, first)
		return nil
	}
	j.seen[name] = n
	if kind == "dynamic" {
		j.left++
		j.app.note("line %d: %q is dynamic: left out", n, name)
		return nil
	}
	if err := codec.CheckTopic([]byte(name)); err != nil {
		j.refuse(n, "%s", err.Msg)
		return nil
	}
	if j.conn != nil {
		err := j.conn.Make(ctx, name, client.MakeOptions{Static: true, Cap: importCap})
		var e *codec.Error
		if errors.As(err, &e) && e.Code != codec.CodeGoingAway && e.Code != codec.CodeUnauthorized { // those hold for all
			j.refuse(n, "%q: %s", name, e.Msg)
			return nil
		}
		if err != nil {
			return fmt.Errorf("line %d: %q: %w", n, name, err)
		}
	}
	j.made++
	_, err := fmt.Fprintln(j.app.out, name)
	return err
}

func (j *importJob) refuse(n int, format string, args ...any) {
	j.bad++
	j.app.note("line %d: %s", n, fmt.Sprintf(format, args...))
}
