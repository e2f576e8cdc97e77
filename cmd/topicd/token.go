package main

import (
	"context"
	"fmt"
	"net/url"
	"strings"
	"time"

	"topicd/cmd/internal/command"
	"topicd/cmd/internal/flags"
	"topicd/cmd/internal/reach"
	"topicd/node/access"
	"topicd/node/client/show"
)

func (a *app) token() *command.Command {
	var r reach.Admin
	var t access.Row
	var expires string
	var asJSON bool
	c := command.New("token", "create NAME | list | revoke ID", "Make, list and revoke tokens of a hub")
	c.Long = `Make, list and revoke tokens of a hub. A token is shown once, when it is made;
the hub keeps its hash. What it may do is said by patterns, as in subscriptions:
--publish 'greenhouse/#' --subscribe '#'. Revoking one ends its connections.

It needs the hub's admin token: on the hub's own machine it is found in the
state directory, elsewhere give it with --token or TOPICD_ADMIN_TOKEN.`
	c.Example = `  topicd token create pump-7 --publish 'pump/7/#' --subscribe 'pump/7/set'
  topicd token create guest --subscribe '#' --expires 24h
  topicd token list
  topicd token revoke pump-7`
	c.Min, c.Max, c.Words = 1, 2, []string{"create", "list", "revoke"}
	r.AddFlags(&a.Env, c.Flags)
	c.Flags.Var(&flags.List{V: &t.Publish}, "publish", "`PATTERN` of topics that it may publish to, repeatable")
	c.Flags.Var(&flags.List{V: &t.Subscribe}, "subscribe", "`PATTERN` of topics that it may read, repeatable; $sys/# are the hub's own")
	c.Flags.Var(&flags.List{V: &t.Manage}, "manage", "`PATTERN` of topics that it may make, change and delete, repeatable")
	c.Flags.StringVar(&t.Dev, "dev", "", "only the device with this `ID` may use it")
	c.Flags.StringVar(&expires, "expires", "", "it ends after this `TIME` (24h, 30d) or at a date (2027-01-31)")
	c.Flags.BoolVar(&asJSON, "json", false, "JSON, for scripts")
	c.Run = func(ctx context.Context, args []string) error {
		if (len(args) == 2) != (args[0] != "list") {
			return command.Fail(command.Usage, "usage: topicd token create NAME, topicd token list, topicd token revoke ID", "token %s: a name or id is missing or too much", args[0])
		}
		switch args[0] {
		case "create":
			t.Name = args[1]
			var err error
			if t.Expires, err = access.ParseExpiry(expires, time.Now()); err != nil {
				return command.Wrong("--expires %w", err)
			}
			return a.createToken(ctx, &r, t, asJSON)
		case "revoke":
			var done struct{ Cut int }
			if err := r.Ask(ctx, "DELETE", "/api/tokens/"+url.PathEscape(args[1]), nil, &done); err != nil {
				return err
			}
			return a.Print(asJSON, done, fmt.Sprintf("revoked; %d connections ended", done.Cut))
		}
		return a.listTokens(ctx, &r, asJSON)
	}
	return c
}

func (a *app) createToken(ctx context.Context, r *reach.Admin, t access.Row, asJSON bool) error {
	var made access.Row
	if err := r.Ask(ctx, "POST", "/api/tokens", t, &made); err != nil {
		return err
	}
	if !asJSON {
		a.Note("token %s made; it is shown this once", made.ID)
	}
	return a.Print(asJSON, made, made.Token)
}

func (a *app) listTokens(ctx context.Context, r *reach.Admin, asJSON bool) error {
	var all struct{ Tokens []access.Row }
	if err := r.Ask(ctx, "GET", "/api/tokens", nil, &all); err != nil {
		return err
	}
	l := a.List(asJSON, "ID", "NAME", "DEVICE", "PUBLISH", "SUBSCRIBE", "MANAGE", "EXPIRES", "USED")
	for _, t := range all.Tokens {
		ends := "never"
		if t.Expires > 0 {
			ends = time.UnixMilli(t.Expires).Format("2006-01-02 15:04")
		}
		some := func(s []string) string { return show.Clean(strings.Join(s, " ")) }
		l.Add(t, t.ID, show.Clean(t.Name), show.Clean(t.Dev), some(t.Publish), some(t.Subscribe), some(t.Manage), ends, show.Since(t.Used))
	}
	return l.End()
}

func (a *app) join() *command.Command {
	var r reach.Admin
	var open time.Duration
	var shut, asJSON bool
	c := command.New("join", "", "Let devices join a hub for a while")
	c.Long = `Let devices join a hub for a while, where its access is "join": each that says
hello with its own dev gets a token of its own, which it keeps. Without a flag it
shows whether devices may join now.`
	c.Example = "  topicd join --open 5m\n  topicd join\n  topicd join --close"
	r.AddFlags(&a.Env, c.Flags)
	c.Flags.Var(flags.Span(&open), "open", "for so long, an hour at most")
	c.Flags.BoolVar(&shut, "close", false, "no more")
	c.Flags.BoolVar(&asJSON, "json", false, "JSON, for scripts")
	c.Run = func(ctx context.Context, _ []string) error {
		method, body := "GET", any(nil)
		switch {
		case shut && c.Flags.Changed("open"):
			return command.Wrong("either --open or --close")
		case shut:
			method = "DELETE"
		case c.Flags.Changed("open"):
			method, body = "POST", map[string]float64{"seconds": open.Seconds()}
		}
		var state struct {
			Open    bool `json:"open"`
			Seconds int  `json:"seconds"`
		}
		if err := r.Ask(ctx, method, "/api/join", body, &state); err != nil {
			return err
		}
		text := "closed: no device can join"
		if state.Open {
			text = "open: devices may join for " + short(time.Duration(state.Seconds)*time.Second)
		}
		return a.Print(asJSON, state, text)
	}
	return c
}

// short is a duration as one would say it: 5m, not 5m0s.
func short(d time.Duration) string {
	text := d.String()
	if strings.HasSuffix(text, "m0s") {
		text = text[:len(text)-2]
	}
	if strings.HasSuffix(text, "h0m") {
		text = text[:len(text)-2]
	}
	return text
}
