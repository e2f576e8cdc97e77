package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"topicd/cmd/internal/command"
	"topicd/cmd/internal/flags"
	"topicd/cmd/internal/reach"
	"topicd/node/client/show"
	"topicd/node/web"
)

func (a *app) status() *command.Command {
	var r reach.Admin
	var asJSON bool
	warn := 10 * time.Minute
	c := command.New("status", "", "Tell in ten lines how a hub is")
	c.Long = `Tell in ten lines how a hub is. The exit code is 1 when durable topics cannot be
written, or its uplink has been down for more than --uplink-warn, 3 when there is
no hub: for a timer that sends a mail.`
	c.Example = "  topicd status\n  topicd status --json\n  topicd status --hub gateway --uplink-warn 1h"
	r.AddFlags(&a.Env, c.Flags)
	r.Open = true
	c.Flags.Var(flags.Span(&warn), "uplink-warn", "exit 1 when the uplink has been down for longer")
	c.Flags.BoolVar(&asJSON, "json", false, "JSON, for scripts")
	c.Run = func(ctx context.Context, _ []string) error {
		var s web.Status
		if err := r.Ask(ctx, "GET", "/api/status", nil, &s); err != nil {
			return err
		}
		if err := a.printStatus(&s, asJSON); err != nil {
			return err
		}
		switch {
		case s.Store != nil && s.Store.State != "ok":
			return command.Fail(command.Failed, "`df` of the hub's state directory shows whether its disk is full; its log says more", "durable topics cannot be written: %s", s.Store.Reason)
		case s.Uplink != nil && !s.Uplink.Up && time.Duration(s.Uplink.Down)*time.Second > warn:
			return command.Fail(command.Failed, "", "the uplink is down for %s", seconds(s.Uplink.Down))
		}
		return nil
	}
	return c
}

// seconds is a time for people.
func seconds(n int64) string {
	return strings.TrimSuffix(show.Age(time.Duration(n)*time.Second), " ago")
}

// printStatus prints at most ten lines.
func (a *app) printStatus(s *web.Status, asJSON bool) error {
	if asJSON {
		return a.Print(true, s, "")
	}
	g := a.List(false)
	g.Add(nil, "hub", show.Clean(s.Hub))
	g.Add(nil, "version", show.Clean(s.Version))
	g.Add(nil, "uptime", seconds(s.Uptime))
	g.Add(nil, "topics", fmt.Sprintf("%d, %d readings published", s.Topics, s.Published))
	g.Add(nil, "connections", s.Sessions)
	g.Add(nil, "memory", fmt.Sprintf("%s of %s", show.Bytes(s.Memory), show.Bytes(s.Budget)))
	if t := s.Store; t == nil {
		g.Add(nil, "store", "none: the state directory takes no files")
	} else {
		state := t.State
		if t.Reason != "" {
			state += ": " + show.Clean(t.Reason)
		}
		g.Add(nil, "store", state)
		g.Add(nil, "", fmt.Sprintf("%s of %s, %d durable topics, %d durable subscriptions", show.Bytes(t.Bytes), show.Bytes(t.Budget), t.Topics, t.Subscriptions))
		g.Add(nil, "", fmt.Sprintf("%d readings gone, %d of them damaged; %d delivered but not stored", t.Lost, t.Damaged, t.Refused))
	}
	if u := s.Uplink; u != nil {
		state := "up"
		if !u.Up {
			state = "down for " + seconds(u.Down) + " " + u.Reason
		}
		g.Add(nil, "uplink", show.Clean(fmt.Sprintf("%s: %s, %d readings wait", u.To, state, u.Waiting)))
	}
	return g.End()
}
