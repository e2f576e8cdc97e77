package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"strconv"
	"strings"
	"time"

	"topicd/codec"
	"topicd/node/client/show"
	"topicd/node/durable"
	"topicd/node/store"
)

func (a *app) logStore() *command {
	var dir string
	var verify, asJSON bool
	c := newCommand("log", "[PATTERN]", "List what is on disk of durable topics, or check it")
	c.long = `List the durable topics and subscriptions in a state directory, also beside a hub
that runs: every record is read and checked, nothing is changed. The exit code is 1
where something is damaged; --verify says only whether it is. What a start of the
hub has set aside already lies in STATE/store/damaged and counts as mended.`
	c.example = "  topicd log\n  topicd log --state /var/lib/topicd 'plant/#' --json\n  topicd log --verify"
	c.max = 1
	c.flags.StringVar(&dir, "state", "", "state `DIR` of the hub (env TOPICD_STATE)")
	c.flags.BoolVar(&verify, "verify", false, "only say what is damaged")
	c.flags.BoolVar(&asJSON, "json", false, "one JSON object a line")
	c.run = func(_ context.Context, args []string) error {
		pattern := "#"
		if len(args) > 0 {
			pattern = args[0]
			if err := codec.CheckPattern([]byte(pattern)); err != nil {
				return usage("%s", err.Msg)
			}
		}
		rep, err := readStore(a.stateFile(dir, "store"))
		if err != nil {
			return err
		}
		w := bufio.NewWriter(a.out)
		if asJSON {
			err = logJSON(w, rep, pattern, verify)
		} else {
			logTable(w, rep, pattern, verify)
		}
		if err = errors.Join(err, w.Flush()); err == nil && len(rep.Damage) > 0 {
			err = fail(exitFailed, "the hub's next start sets it aside and goes on with the rest", "%d places cannot be read", len(rep.Damage))
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
		return nil, fail(exitFailed, "--state DIR names the hub's state directory", "%s: there are no durable topics", dir)
	case errors.Is(err, fs.ErrPermission):
		return nil, fail(exitForbidden, "run it as the hub's user", "%w", err)
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

func logJSON(w *bufio.Writer, rep *store.Report, pattern string, verify bool) error {
	out := json.NewEncoder(w)
	out.SetEscapeHTML(false)
	var err error
	put := func(r logRow) { err = errors.Join(err, out.Encode(r)) }
	if !verify {
		for _, t := range rep.Topics {
			if fitsPattern(pattern, t.Name) {
				put(logRow{Kind: "topic", Topic: t.Name, Ep: t.Ep, First: t.First, Last: t.Last, Readings: t.Readings, Bytes: t.Bytes, Oldest: t.Oldest, Newest: t.Newest})
			}
		}
		for _, c := range rep.Cursors {
			owner, name := durable.CursorName(c.Client)
			r := logRow{Kind: "subscription", Owner: owner, Name: name, Pattern: c.Pattern, Topics: c.Topics}
			if !c.Used.IsZero() {
				r.Used = c.Used.UnixMilli()
			}
			put(r)
		}
	}
	for _, d := range rep.Damage {
		put(logRow{Kind: "damage", File: d.File, Offset: d.Off, Bytes: int64(d.Bytes), What: d.What})
	}
	put(logRow{Kind: "store", Segments: rep.Segments, Readings: rep.Readings, Bytes: rep.Bytes, Topics: len(rep.Topics), Aside: rep.Aside, Damaged: len(rep.Damage)})
	return err
}

func fitsPattern(pattern, topic string) bool { return pattern == topic || codec.Match(pattern, topic) }

func logTable(w *bufio.Writer, rep *store.Report, pattern string, verify bool) {
	if !verify {
		g := show.Table{Right: []bool{false, true, true, true, true, true, true}}
		g.Row("TOPIC", "FIRST", "LAST", "READINGS", "BYTES", "OLDEST", "NEWEST")
		for _, t := range rep.Topics {
			if fitsPattern(pattern, t.Name) {
				g.Row(show.Clean(t.Name), strconv.FormatUint(t.First, 10), strconv.FormatUint(t.Last, 10), strconv.Itoa(t.Readings),
					strconv.FormatInt(t.Bytes, 10), show.Since(t.Oldest), show.Since(t.Newest))
			}
		}
		g.Print(w)
		if len(rep.Cursors) > 0 {
			logCursors(w, rep)
		}
	}
	for _, d := range rep.Damage {
		fmt.Fprintln(w, "damaged:", d)
	}
	fmt.Fprintf(w, "%d topics, %d readings, %s in %d files, %d places damaged, %d set aside before\n", len(rep.Topics), rep.Readings, show.Bytes(rep.Bytes), rep.Segments, len(rep.Damage), rep.Aside)
}

func logCursors(w *bufio.Writer, rep *store.Report) {
	g := show.Table{Right: []bool{false, false, false, true, true}}
	g.Row("SUBSCRIPTION", "OF", "PATTERN", "TOPICS", "USED")
	for _, c := range rep.Cursors {
		owner, name := durable.CursorName(c.Client)
		if name == "" && !strings.Contains(c.Client, "\x00") { // not a subscriber's
			name, owner = owner, "the hub"
		}
		used := "-"
		if !c.Used.IsZero() {
			used = show.Age(time.Since(c.Used))
		}
		g.Row(show.Clean(name), show.Clean(owner), show.Clean(c.Pattern), strconv.Itoa(c.Topics), used)
	}
	w.WriteString("\n")
	g.Print(w)
}
