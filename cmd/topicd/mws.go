package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/spf13/pflag"

	"topicd/node/web"
)

// mwsSettings are those of the Managed WebSocket. Its administrator is the hub's.
type mwsSettings struct {
	access, url string
	eds         web.EDSConfig
	edsEnv      func(eds *web.EDSConfig) // what the environment said: it comes before the file
}

// edsFlags are the keys of the file's [eds].
func (m *mwsSettings) edsFlags() *pflag.FlagSet {
	fs := pflag.NewFlagSet("eds", pflag.ContinueOnError)
	fs.StringVar(&m.eds.URL, "url", "", "asked with GET and the token")
	fs.StringVar(&m.eds.Backend, "backend", "", "sent as Enginio-Backend-Id")
	fs.Var(&list{v: &m.eds.Read}, "read", "groups that may open sockets")
	fs.Var(&list{v: &m.eds.Write}, "write", "groups that may send")
	return fs
}

// env takes what the original's server takes from the environment.
func (m *mwsSettings) env(getenv func(string) string) error {
	var p *struct{ Read, Write []string }
	if text := getenv("EDS_PERMISSIONS"); text != "" {
		if err := json.Unmarshal([]byte(text), &p); err != nil || p == nil {
			return usage(`EDS_PERMISSIONS: %q is not such as {"read":["*"],"write":["usergroups.12345"]}`, text)
		}
	}
	m.edsEnv = func(eds *web.EDSConfig) {
		for _, name := range []string{"EDS_URI", "EDS_URL"} {
			if v := getenv(name); v != "" {
				eds.URL = v
			}
		}
		if v := getenv("EDS_BACKEND_ID"); v != "" {
			eds.Backend = v
		}
		if p != nil {
			eds.Read, eds.Write = p.Read, p.Write
		}
	}
	return nil
}

// check completes the settings from the environment and refuses what cannot be meant.
func (m *mwsSettings) check() error {
	if m.edsEnv != nil {
		m.edsEnv(&m.eds)
	}
	if err := checkURL(m.url, "ws", "wss"); err != nil {
		return usage("mws-url: %w", err)
	}
	if err := checkURL(m.eds.URL, "http", "https"); err != nil {
		return usage("eds.url: %w", err)
	}
	if m.access == "eds" && m.eds.URL == "" {
		return fail(exitUsage, "set url in [eds] of the configuration, or EDS_URL in the environment", "mws-access: eds needs to know whom to ask")
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

func (s *server) newManaged() http.Handler {
	m := &s.set.mws
	return web.NewManaged(web.ManagedConfig{
		Hub: s.hub, Sockets: s.dialects.mws, Access: m.access, URL: m.url, EDS: m.eds, Admin: s.gate.IsAdmin,
	})
}
