package main

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/spf13/pflag"

	"topicd/cmd/internal/command"
	"topicd/cmd/internal/flags"
	"topicd/node/dialect/mws"
)

// mwsSettings are those of the Managed WebSocket. Its administrator is the hub's.
type mwsSettings struct {
	access, url string
	eds         mws.EDSConfig
}

// edsFlags are the keys of the file's [eds], without eds- there.
func (m *mwsSettings) edsFlags(fs *pflag.FlagSet) {
	fs.StringVar(&m.eds.URL, "eds-url", "", "`URL` that --mws-access=eds asks with GET and the token (env EDS_URL too)")
	fs.StringVar(&m.eds.Backend, "eds-backend", "", "`ID` sent there as Enginio-Backend-Id (env EDS_BACKEND_ID too)")
	fs.Var(&flags.List{V: &m.eds.Read}, "eds-read", "`GROUP` that may open sockets, repeatable")
	fs.Var(&flags.List{V: &m.eds.Write}, "eds-write", "`GROUP` that may send, repeatable")
}

// env takes what the original's server takes from the environment, where nothing
// else was said.
func (m *mwsSettings) env(fs *pflag.FlagSet, getenv func(string) string) error {
	set := func(flag string, values ...string) (err error) {
		if fs.Changed(flag) {
			return nil
		}
		for _, v := range values {
			if v != "" {
				err = errors.Join(err, fs.Set(flag, v))
			}
		}
		return err
	}
	err := errors.Join(set("mws-access", getenv("ACCESS_CONTROL")), set("eds-url", cmp.Or(getenv("EDS_URL"), getenv("EDS_URI"))), set("eds-backend", getenv("EDS_BACKEND_ID")))
	if err != nil {
		return command.Wrong("ACCESS_CONTROL: %w", err)
	}
	text := getenv("EDS_PERMISSIONS")
	if text == "" {
		return nil
	}
	var p *struct{ Read, Write []string }
	if err := json.Unmarshal([]byte(text), &p); err != nil || p == nil {
		return command.Wrong(`EDS_PERMISSIONS: %q is not such as {"read":["*"],"write":["usergroups.12345"]}`, text)
	}
	for flag, groups := range map[string][]string{"eds-read": p.Read, "eds-write": p.Write} {
		f := fs.Lookup(flag)
		if f.Changed {
			continue
		}
		*f.Value.(*flags.List).V, f.Changed = groups, true
	}
	return nil
}

// check refuses what cannot be meant.
func (m *mwsSettings) check() error {
	if err := checkURL(m.url, "ws", "wss"); err != nil {
		return command.Wrong("mws-url: %w", err)
	}
	if err := checkURL(m.eds.URL, "http", "https"); err != nil {
		return command.Wrong("eds-url: %w", err)
	}
	if m.access == "eds" && m.eds.URL == "" {
		return command.Fail(command.Usage, "set url in [eds] of the configuration, --eds-url, or EDS_URL in the environment", "mws-access: eds needs to know whom to ask")
	}
	return nil
}

func checkURL(text string, schemes ...string) error {
	if text == "" {
		return nil
	}
	u, err := url.Parse(text)
	if err != nil || u.Host == "" || u.Fragment != "" || !slices.Contains(schemes, u.Scheme) {
		return fmt.Errorf("%q is not such as %s://hub.example.org", text, strings.Join(schemes, ":// or "))
	}
	return nil
}
