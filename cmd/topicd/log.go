package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"topicd/cmd/internal/command"
	"topicd/codec"
	"topicd/node/client/show"
	"topicd/node/durable"
	"topicd/node/store"
)

func (a *app) logStore() *command.Command {
	var dir string
	var verify, asJSON bool
	c := command.New("log", "[PATTERN]", "List what is on disk of durable topics, or check it")
	c.Long = `List the durable topics and subscriptions in a state directory, also beside a hub
that runs: every record is read and checked, nothing is changed. The exit code is 1
where something is damaged; --verify says only whether it is. What a start of the
hub has set aside already lies in STATE/store/damaged and counts as mended.`
	c.Example = "  topicd log\n  topicd log --state /var/lib/topicd 'plant/#' --json\n  topicd log --verify"
	c.Max = 1
	c.Flags.StringVar(&dir, "state", "", "state `DIR` of the hub (env TOPICD_STATE)")
	c.Flags.BoolVar(&verify, "verify", false, "only say what is damaged")
	c.Flags.BoolVar(&asJSON, "json", false, "one JSON object a line")
	c.Run = func(_ context.Context, args []string) error {
		pattern := "#"
		if len(args) > 0 {
			pattern = args[0]
			if err := codec.CheckPattern([]byte(pattern)); err != nil {
				return command.Wrong("%s", err.Msg)
			}
		}
		rep, err := readStore(a.StateFile(dir, "store"))
		if err != nil {
			return err
		}
		l := a.List(asJSON)
		if !verify {
			logTopics(l, rep, pattern)
			logCursors(l, rep)
		}
		l.Head()
		for _, d := range rep.Damage {
			l.Add(logRow{Kind: "damage", File: d.File, Offset: d.Off, Bytes: int64(d.Bytes), What: d.What}, "damaged: "+d.String())
		}
		l.Add(logRow{Kind: "store", Segments: rep.Segments, Readings: rep.Readings, Bytes: rep.Bytes, Topics: len(rep.Topics), Aside: rep.Aside, Damaged: len(rep.Damage)},
			fmt.Sprintf("%d topics, %d readings, %s in %d files, %d places damaged, %d set aside before", len(rep.Topics), rep.Readings, show.Bytes(rep.Bytes), rep.Segments, len(rep.Damage), rep.Aside))
		if err = l.End(); err == nil && len(rep.Damage) > 0 {
			err = command.Fail(command.Failed, "the hub's next start sets it aside and goes on with the rest", "%d places cannot be read", len(rep.Damage))
		}
		return err
	}
	return c
}

// readStore reads a store; a running hub may be writing it.
func readStore(dir string) (*store.Report, error) {
	rep, err := store.Verify(dir, nil)
	switch {
	case err == nil:
		return rep, nil
	case errors.Is(err, fs.ErrNotExist):
		return nil, command.Fail(command.Failed, "--state DIR names the hub's state directory", "%s: there are no durable topics", dir)
	case errors.Is(err, fs.ErrPermission):
		return nil, command.Fail(command.Forbidden, "run it as the hub's user", "%w", err)
	}
	return nil, err
}

// logRow is one line of --json; kind says which members it has.
type logRow struct {
	Kind     string `json:"kind"` // topic, subscription, damage, store
	Topic    string `json:"topic,omitempty"`
	Ep       uint64 `json:"ep,omitempty"`
	First    uint64 `json:"first,omitempty"`
	Last     uint64 `json:"last,omitempty"`
	Readings int    `json:"readings,omitempty"`
	Bytes    int64  `json:"bytes,omitempty"`
	Oldest   int64  `json:"oldest,omitempty"`
	Newest   int64  `json:"newest,omitempty"`

	Owner   string `json:"owner,omitempty"`
	Name    string `json:"name,omitempty"`
	Pattern string `json:"pattern,omitempty"`
	Topics  int    `json:"topics,omitempty"` // acknowledged ones
	Used    int64  `json:"used,omitempty"`

	File   string `json:"file,omitempty"`
	Offset int    `json:"offset,omitempty"`
	What   string `json:"what,omitempty"`

	Segments int `json:"segments,omitempty"`
	Aside    int `json:"aside,omitempty"`
	Damaged  int `json:"damaged,omitempty"`
}

func logTopics(l *command.List, rep *store.Report, pattern string) {
	l.Head("TOPIC", ">FIRST", ">LAST", ">READINGS", ">BYTES", ">OLDEST", ">NEWEST")
	for _, t := range rep.Topics {
		if pattern == t.Name || codec.Match(pattern, t.Name) {
			l.Add(logRow{Kind: "topic", Topic: t.Name, Ep: t.Ep, First: t.First, Last: t.Last, Readings: t.Readings, Bytes: t.Bytes, Oldest: t.Oldest, Newest: t.Newest},
				show.Clean(t.Name), t.First, t.Last, t.Readings, t.Bytes, show.Since(t.Oldest), show.Since(t.Newest))
		}
	}
}

func logCursors(l *command.List, rep *store.Report) {
	if len(rep.Cursors) == 0 {
		return
	}
	l.Head("SUBSCRIPTION", "OF", "PATTERN", ">TOPICS", ">USED")
	for _, c := range rep.Cursors {
		owner, name := durable.CursorName(c.Client)
		row := logRow{Kind: "subscription", Owner: owner, Name: name, Pattern: c.Pattern, Topics: c.Topics}
		if !c.Used.IsZero() {
			row.Used = c.Used.UnixMilli()
		}
		if name == "" && !strings.Contains(c.Client, "\x00") { // not a subscriber's
			name, owner = owner, "the hub"
		}
		l.Add(row, show.Clean(name), show.Clean(owner), show.Clean(c.Pattern), c.Topics, show.Since(row.Used))
	}
}
