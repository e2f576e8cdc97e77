package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"topicd/cmd/internal/command"
	"topicd/cmd/internal/reach"
	"topicd/codec"
	"topicd/node/access"
	"topicd/node/client/show"
	"topicd/node/mosquitto"
)

func (a *app) importMosquitto() *command.Command {
	var r reach.Admin
	var dry, asJSON, all bool
	var out string
	c := command.New("import-mosquitto", "FILE", "Take over a Mosquitto's configuration")
	c.Long = `Read a mosquitto.conf with the files that it names, and say what of it topicd can
take over. Its listeners and limits become lines for topicd.toml, which are printed,
or written to a new file with --out. Each user of its password file gets a token on a
hub, with the patterns that the ACL file gives him: passwords are hashes there, so
the token is the new password. A user who has a token of his name keeps it.

Nothing is taken that would let somebody in whom Mosquitto kept out: a user whom a
rule denies something, and a listener that asks for certificates, are left out. Lines
that are left are told one by one, and the exit code is then 1 if users are among
them.`
	c.Example = "  topicd import-mosquitto /etc/mosquitto/mosquitto.conf --dry-run\n  topicd import-mosquitto mosquitto.conf --out from-mosquitto.toml"
	c.Min, c.Max = 1, 1
	r.AddFlags(&a.Env, c.Flags)
	c.Flags.BoolVar(&dry, "dry-run", false, "only tell what would be done; no hub is needed")
	c.Flags.BoolVar(&all, "all", false, "tell of lines that are taken, and of those that say nothing here, too")
	c.Flags.BoolVar(&asJSON, "json", false, "JSON, for scripts")
	c.Flags.StringVar(&out, "out", "", "new `FILE` for the settings, in place of the screen")
	c.Run = func(ctx context.Context, args []string) error {
		plan, err := mosquitto.Read(args[0])
		if err != nil {
			return err
		}
		made, err := a.mosquittoTokens(ctx, &r, plan, dry)
		lines := fmt.Sprintf("# From %s, by topicd import-mosquitto.\n%s", show.Clean(args[0]), plan.TOML())
		if err == nil && out != "" {
			err = command.WriteNew(out, []byte(lines), 0o644)
		}
		if asJSON {
			err = errors.Join(err, a.Print(true, map[string]any{"settings": plan.Settings, "toml": lines, "users": made, "notes": plan.Notes}, ""))
		} else {
			err = errors.Join(err, a.printMosquitto(plan, made, lines, out == "", all))
		}
		left := slices.DeleteFunc(slices.Clone(made), func(m importedUser) bool { return m.Why == "" })
		if err == nil && len(left) > 0 {
			return command.Fail(command.Failed, "", "%d of %d users not taken", len(left), len(made))
		}
		return err
	}
	return c
}

// importedUser is a user and his token, which is shown this once.
type importedUser struct {
	mosquitto.User
	Token string `json:"token,omitempty"`
	Kept  bool   `json:"kept,omitempty"` // he has one already
}

// mosquittoTokens makes the users' tokens. With an error it returns those that were
// made until then: their text is nowhere else.
func (a *app) mosquittoTokens(ctx context.Context, r *reach.Admin, plan *mosquitto.Plan, dry bool) (made []importedUser, err error) {
	known := map[string]bool{}
	if !dry && len(plan.Users) > 0 {
		var all struct{ Tokens []access.Row }
		if err := r.Ask(ctx, "GET", "/api/tokens", nil, &all); err != nil {
			return nil, err
		}
		for _, t := range all.Tokens {
			known[t.Name] = true
		}
	}
	for _, u := range plan.Users {
		m := importedUser{User: u, Kept: known[u.Name]}
		if !dry && u.Why == "" && !m.Kept {
			var row access.Row
			t := access.Row{Name: u.Name, Patterns: access.Patterns{Publish: u.Publish, Subscribe: u.Subscribe}}
			err := r.Ask(ctx, "POST", "/api/tokens", t, &row)
			var refused *codec.Error
			switch {
			case errors.As(err, &refused) && refused.Code == codec.CodeMalformed: // his name or a pattern
				m.Why = refused.Msg
			case err != nil:
				return made, err
			}
			m.Token = row.Token
		}
		made = append(made, m)
	}
	return made, nil
}

func (a *app) printMosquitto(plan *mosquitto.Plan, users []importedUser, lines string, settings, all bool) error {
	for _, n := range plan.Notes {
		if n.Kind == mosquitto.Left || all {
			a.Note("%s", strings.TrimSuffix(show.Clean(fmt.Sprintf("%s:%d: %s: %s: %s", n.File, n.Line, n.Text, n.Kind, n.Why)), ": "))
		}
	}
	l := a.List(false)
	if settings {
		l.Add(nil, strings.TrimSpace(lines))
	}
	if len(users) > 0 {
		if settings {
			l.Add(nil, "")
		}
		l.Head("USER", "TOKEN", "PUBLISH", "SUBSCRIBE")
	}
	for _, u := range users {
		token := cmp.Or(u.Token, "would be made")
		switch {
		case u.Why != "":
			token = "none: " + u.Why
		case u.Kept:
			token = "has one"
		}
		l.Add(nil, show.Clean(u.Name), show.Clean(token), show.Clean(strings.Join(u.Publish, " ")), show.Clean(strings.Join(u.Subscribe, " ")))
	}
	return l.End()
}
