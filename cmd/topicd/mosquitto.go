package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
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
		if err == nil && out != "" {
			err = writeNew(out, fragment(args[0], plan))
		}
		if perr := a.printMosquitto(args[0], plan, made, out == "", asJSON, all); err == nil {
			err = perr
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

// fragment are the settings as lines for topicd.toml.
func fragment(from string, plan *mosquitto.Plan) string {
	var b strings.Builder
	fmt.Fprintf(&b, "# From %s, by topicd import-mosquitto.\n", show.Clean(from))
	table := ""
	for _, s := range plan.Settings {
		if s.Table != table {
			table = s.Table
			fmt.Fprintf(&b, "\n[%s]\n", table)
		}
		fmt.Fprintf(&b, "%s = %s\n", s.Key, s.Value)
	}
	return b.String()
}

// writeNew writes a file that is not there yet.
func writeNew(name, text string) error {
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return err
	}
	_, err = io.WriteString(f, text)
	return errors.Join(err, f.Close())
}

func (a *app) printMosquitto(from string, plan *mosquitto.Plan, users []importedUser, settings, asJSON, all bool) error {
	if asJSON {
		return json.NewEncoder(a.Out).Encode(map[string]any{
			"settings": plan.Settings, "toml": fragment(from, plan), "users": users, "notes": plan.Notes,
		})
	}
	for _, n := range plan.Notes {
		if n.Kind == mosquitto.Left || all {
			a.Note("%s", strings.TrimSuffix(show.Clean(fmt.Sprintf("%s:%d: %s: %s: %s", n.File, n.Line, n.Text, n.Kind, n.Why)), ": "))
		}
	}
	w := bufio.NewWriter(a.Out)
	if settings {
		fmt.Fprint(w, fragment(from, plan))
	}
	if len(users) > 0 {
		if settings {
			fmt.Fprintln(w)
		}
		g := show.Table{}
		g.Row("USER", "TOKEN", "PUBLISH", "SUBSCRIBE")
		for _, u := range users {
			token := u.Token
			switch {
			case u.Why != "":
				token = "none: " + u.Why
			case u.Kept:
				token = "has one"
			case token == "":
				token = "would be made"
			}
			g.Row(show.Clean(u.Name), show.Clean(token), show.Clean(strings.Join(u.Publish, " ")), show.Clean(strings.Join(u.Subscribe, " ")))
		}
		g.Print(w)
	}
	return w.Flush()
}
