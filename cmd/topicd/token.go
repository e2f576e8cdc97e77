package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
	"time"

	"topicd/node/access"
	"topicd/node/client/show"
)

func (a *app) token() *command {
	var r adminRemote
	var t access.Row
	var expires string
	var asJSON bool
	c := newCommand("token", "create NAME | list | revoke ID", "Make, list and revoke tokens of a hub")
	c.long = `Make, list and revoke tokens of a hub. A token is shown once, when it is made;
the hub keeps its hash. What it may do is said by patterns, as in subscriptions:
--publish 'greenhouse/#' --subscribe '#'. Revoking one ends its connections.

It needs the hub's admin token: on the hub's own machine it is found in the
state directory, elsewhere give it with --token or TOPICD_ADMIN_TOKEN.`
	c.example = `  topicd token create pump-7 --publish 'pump/7/#' --subscribe 'pump/7/set'
  topicd token create guest --subscribe '#' --expires 24h
  topicd token list
  topicd token revoke pump-7`
	c.min, c.max, c.words = 1, 2, []string{"create", "list", "revoke"}
	r.addFlags(c.flags)
	c.flags.Var(&list{v: &t.Publish}, "publish", "`PATTERN` of topics that it may publish to, repeatable")
	c.flags.Var(&list{v: &t.Subscribe}, "subscribe", "`PATTERN` of topics that it may read, repeatable; $sys/# are the hub's own")
	c.flags.Var(&list{v: &t.Manage}, "manage", "`PATTERN` of topics that it may make, change and delete, repeatable")
	c.flags.StringVar(&t.Dev, "dev", "", "only the device with this `ID` may use it")
	c.flags.StringVar(&expires, "expires", "", "it ends after this `TIME` (24h, 30d) or at a date (2027-01-31)")
	c.flags.BoolVar(&asJSON, "json", false, "JSON, for scripts")
	c.run = func(ctx context.Context, args []string) error {
		if (len(args) == 2) != (args[0] != "list") {
			return fail(exitUsage, "usage: topicd token create NAME, topicd token list, topicd token revoke ID", "token %s: a name or id is missing or too much", args[0])
		}
		switch args[0] {
		case "create":
			t.Name = args[1]
			var err error
			if t.Expires, err = access.ParseExpiry(expires, time.Now()); err != nil {
				return usage("--expires %w", err)
			}
			return a.createToken(ctx, &r, t, asJSON)
		case "revoke":
			var done struct{ Cut int }
			if err := a.ask(ctx, &r, "DELETE", "/api/tokens/"+url.PathEscape(args[1]), nil, &done); err != nil {
				return err
			}
			return a.print(asJSON, done, fmt.Sprintf("revoked; %d connections ended", done.Cut))
		}
		return a.listTokens(ctx, &r, asJSON)
	}
	return c
}

func (a *app) createToken(ctx context.Context, r *adminRemote, t access.Row, asJSON bool) error {
	var made access.Row
	if err := a.ask(ctx, r, "POST", "/api/tokens", t, &made); err != nil {
		return err
	}
	if !asJSON {
		a.note("token %s made; it is shown this once", made.ID)
	}
	return a.print(asJSON, made, made.Token)
}

func (a *app) listTokens(ctx context.Context, r *adminRemote, asJSON bool) error {
	var all struct{ Tokens []access.Row }
	if err := a.ask(ctx, r, "GET", "/api/tokens", nil, &all); err != nil {
		return err
	}
	w := bufio.NewWriter(a.out)
	if asJSON {
		for _, t := range all.Tokens {
			if err := json.NewEncoder(w).Encode(t); err != nil {
				return err
			}
		}
		return w.Flush()
	}
	g := show.Table{}
	g.Row("ID", "NAME", "DEVICE", "PUBLISH", "SUBSCRIBE", "MANAGE", "EXPIRES", "USED")
	for _, t := range all.Tokens {
		ends := "never"
		if t.Expires > 0 {
			ends = time.UnixMilli(t.Expires).Format("2006-01-02 15:04")
		}
		some := func(s []string) string { return show.Clean(strings.Join(append(s, ""[:0]), " ")) }
		g.Row(t.ID, show.Clean(t.Name), show.Clean(t.Dev), some(t.Publish), some(t.Subscribe), some(t.Manage), ends, show.Since(t.Used))
	}
	g.Print(w)
	return w.Flush()
}

// print prints v for scripts, text for people.
func (a *app) print(asJSON bool, v any, text string) error {
	if asJSON {
		return json.NewEncoder(a.out).Encode(v)
	}
	_, err := fmt.Fprintln(a.out, text)
	return err
}

func (a *app) join() *command {
	var r adminRemote
	var open time.Duration
	var shut, asJSON bool
	c := newCommand("join", "", "Let devices join a hub for a while")
	c.long = `Let devices join a hub for a while, where its access is "join": each that says
hello with its own dev gets a token of its own, which it keeps. Without a flag it
shows whether devices may join now.`
	c.example = "  topicd join --open 5m\n  topicd join\n  topicd join --close"
	r.addFlags(c.flags)
	c.flags.Var(span{&open}, "open", "for so long, an hour at most")
	c.flags.BoolVar(&shut, "close", false, "no more")
	c.flags.BoolVar(&asJSON, "json", false, "JSON, for scripts")
	c.run = func(ctx context.Context, _ []string) error {
		method, body := "GET", any(nil)
		switch {
		case shut && c.flags.Changed("open"):
			return usage("either --open or --close")
		case shut:
			method = "DELETE"
		case c.flags.Changed("open"):
			method, body = "POST", map[string]float64{"seconds": open.Seconds()}
		}
		var state struct {
			Open    bool `json:"open"`
			Seconds int  `json:"seconds"`
		}
		if err := a.ask(ctx, &r, method, "/api/join", body, &state); err != nil {
			return err
		}
		text := "closed: no device can join"
		if state.Open {
			text = "open: devices may join for " + short(time.Duration(state.Seconds)*time.Second)
		}
		return a.print(asJSON, state, text)
	}
	return c
}
