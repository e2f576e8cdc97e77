package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"topicd/codec"
	"topicd/node"
	"topicd/node/access"
	"topicd/node/web"
)

// adminToken is the admin's token and where it is from.
type adminToken struct {
	token, file string
	made        bool // at this start
}

// findAdmin reads the admin token, or makes it at the first start.
func (s *server) findAdmin() (a adminToken, err error) {
	if s.set.adminFile == "" && s.set.adminToken != "" {
		return adminToken{token: s.set.adminToken}, nil
	}
	a.file = s.set.adminFile
	if a.file == "" {
		a.file = filepath.Join(s.set.state, adminFile)
	}
	text, err := os.ReadFile(a.file)
	if errors.Is(err, fs.ErrNotExist) && s.set.adminFile == "" {
		a.token, a.made = access.NewToken(), true
		return a, access.WriteSecret(a.file, []byte(a.token+"\n"))
	}
	a.token = strings.TrimSpace(string(text))
	if err == nil && a.token == "" {
		err = fmt.Errorf("%s is empty", a.file)
	}
	if i, bad := os.Stat(a.file); bad == nil && i.Mode().Perm()&0o007 != 0 {
		s.log.Warn("others may read the admin token: chmod 600", "file", a.file, "mode", i.Mode().Perm())
	}
	return a, err
}

// adminFile is in the state directory, for this machine's commands.
const adminFile = "admin-token"

// openGate brings up what decides who may do what.
func (s *server) openGate() (err error) {
	if s.admin, err = s.findAdmin(); err != nil {
		return fail(exitFailed, "--admin-token-file names another file, TOPICD_ADMIN_TOKEN is the token itself", "no admin token: %w", err)
	}
	if len(s.admin.token) < 16 {
		s.log.Warn("the admin token can be guessed: make it longer", "bytes", len(s.admin.token))
	}
	o := access.Options{
		Near: s.links.near,
		Mode: s.set.access, Admin: s.admin.token, File: filepath.Join(s.set.state, "tokens.json"), Joined: s.set.joined,
		Refused: func(code int) {
			if code == codec.CodeTooFast {
				s.hub.Stats.Add(node.RefusedGuesses, 1)
			} else {
				s.hub.Stats.Add(node.RefusedNoToken, 1)
			}
		},
	}
	for _, p := range s.set.lan {
		o.LAN = append(o.LAN, netip.MustParsePrefix(p)) // the flag has checked it
	}
	if s.gate, err = access.New(o); err != nil {
		return fail(exitFailed, "mend the file, or remove it: all tokens are to be made anew then", "%w", err)
	}
	return nil
}

// ownNames are this machine's names beside the one in .local: as it calls itself,
// and as a home's router calls it. No page on the web can have one: a name of one
// label cannot be bought, and the domains are kept for local use (RFC 8375, .lan
// by custom).
func ownNames() []string {
	name, err := os.Hostname()
	if err != nil || name == "" {
		return nil
	}
	label, _, _ := strings.Cut(name, ".")
	return []string{name, label, label + ".lan", label + ".home.arpa", label + ".internal"}
}

func (s *server) describeAccess() string {
	switch s.gate.Mode() {
	case access.Token:
		return "token: everybody needs one"
	case access.Join:
		return "join: everybody needs a token; devices get theirs after topicd join --open 5m"
	}
	return "lan: this network's addresses need no token, all others do"
}

// accessLoop keeps tokens, and ends the sessions of those that have ended.
func (s *server) accessLoop(ctx context.Context) {
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		next := time.Hour
		if end := s.gate.NextEnd(); !end.IsZero() {
			next = min(next, max(0, time.Until(end)))
		}
		timer.Reset(next)
		select {
		case <-ctx.Done():
			return
		case <-s.gate.Changed():
			if err := s.gate.Save(); err != nil {
				s.log.Error("tokens cannot be kept", "err", err)
			}
		case <-timer.C:
		}
		s.cutEnded()
	}
}

var errEnded = &codec.Error{Code: codec.CodeUnauthorized, Msg: "the token was revoked or has expired"}

// cutEnded ends the sessions whose token has ended.
func (s *server) cutEnded() int {
	now := time.Now()
	n := s.hub.CutWhere(func(r node.Rights) bool {
		g, ok := r.(*access.Grant)
		return ok && g.Over(now)
	}, errEnded)
	s.hub.Stats.Add(node.CutEnded, int64(n))
	if n > 0 {
		s.log.Info("connections ended with their token", "n", n)
	}
	return n
}

// door lets native peers in by their hello.
type door struct{ s *server }

// Hello implements dialect.Door.
func (d *door) Hello(now node.Rights, addr string, o *codec.Opts) (node.Rights, string, *codec.Error) {
	was, _ := now.(*access.Grant)
	g, dev, token, err := d.s.gate.Hello(was, parseAddr(addr), o.Dev, o.Name, o.Token)
	if err != nil {
		if err.Code == codec.CodeUnauthorized {
			d.s.tellToken(parseAddr(addr).String(), err)
		}
		return nil, "", err
	}
	if token != "" {
		d.s.log.Info("joined", "dev", cut(dev), "from", parseAddr(addr).String())
	}
	o.Dev = dev
	if g.Nobody() { // presence would say that the device of that name is here, and then that it is gone
		o.Dev, o.Name = "", ""
	}
	return g, token, nil
}

// parseAddr is the address of "host:port"; what is none counts as a stranger's.
func parseAddr(addr string) netip.Addr {
	a, _ := netip.ParseAddrPort(addr)
	return a.Addr()
}

func checkPrefix(text string) error {
	if _, err := netip.ParsePrefix(text); err != nil {
		return fmt.Errorf("%q is not a prefix of addresses such as 2001:db8:7::/48", text)
	}
	return nil
}

func checkOrigin(text string) error {
	if text == "null" { // pages that a browser opens from its disk, as Qt's examples are: who allows them knows that frames can say it too
		return nil
	}
	u, err := url.Parse(text)
	if err != nil || u.Scheme == "" || u.Host == "" || u.Path != "" || u.RawQuery != "" || u.Fragment != "" {
		return fmt.Errorf("%q is not an origin such as https://app.example: scheme, host and port, without a path", text)
	}
	return nil
}

// webAccess implements web.Access.
type webAccess struct{ s *server }

func (w *webAccess) Mode() string { return w.s.gate.Mode() }

func (w *webAccess) Me(r node.Rights) web.Me {
	g, ok := r.(*access.Grant)
	if !ok {
		return web.Me{Admin: true, Patterns: web.Patterns{Publish: []string{"#"}, Subscribe: []string{"#", "$sys/#"}, Manage: []string{"#"}}}
	}
	me := web.Me{Name: g.Name, Dev: g.Dev, Admin: g.Admin, Patterns: patterns(g)}
	if g.Admin || len(g.Subscribe) > 0 {
		me.Page = networkPage(w.s.urls())
	}
	return me
}

func patterns(g *access.Grant) web.Patterns {
	list := func(s []string) []string { return append([]string{}, s...) } // never null
	return web.Patterns{Publish: list(g.Publish), Subscribe: list(g.Subscribe), Manage: list(g.Manage)}
}

func token(g *access.Grant) web.Token {
	t := web.Token{ID: g.ID, Name: g.Name, Dev: g.Dev, Patterns: patterns(g), Created: g.Created.UnixMilli()}
	if !g.Expires.IsZero() {
		t.Expires = g.Expires.UnixMilli()
	}
	if used := g.Used(); !used.IsZero() {
		t.Used = used.UnixMilli()
	}
	return t
}

func (w *webAccess) Tokens() []web.Token {
	list := []web.Token{}
	for _, g := range w.s.gate.Tokens() {
		list = append(list, token(g))
	}
	return list
}

func (w *webAccess) Create(t web.Token) (web.Token, *codec.Error) {
	var expires time.Time
	if t.Expires != 0 {
		expires = time.UnixMilli(t.Expires)
	}
	text, g, err := w.s.gate.Create(t.Name, t.Dev, access.Patterns(t.Patterns), expires)
	if err != nil {
		return web.Token{}, err
	}
	if err := w.s.gate.Save(); err != nil {
		w.s.log.Error("tokens cannot be kept", "err", err)
		_ = w.s.gate.Revoke(g.ID)
		return web.Token{}, codec.Errorf(codec.CodeNoRoom, "the token cannot be kept: the state directory takes no files")
	}
	w.s.log.Info("token made", "id", g.ID, "name", cut(g.Name))
	made := token(g)
	made.Token = text
	return made, nil
}

func (w *webAccess) Revoke(id string) (int, *codec.Error) {
	if err := w.s.gate.Revoke(id); err != nil {
		return 0, err
	}
	w.s.log.Info("token revoked", "id", cut(id))
	n := w.s.cutEnded()
	if err := w.s.gate.Save(); err != nil {
		w.s.log.Error("tokens cannot be kept", "err", err)
		return n, codec.Errorf(codec.CodeNoRoom, "revoked until the next start only: the state directory takes no files")
	}
	return n, nil
}

// Socket implements web.Access: what the guard would say to a WebSocket that a
// page of that origin opens here.
func (w *webAccess) Socket(r *http.Request, origin string) *codec.Error {
	asked := r.Clone(r.Context())
	asked.Header.Set("Origin", origin)
	return w.s.names.Origin(asked)
}

func (w *webAccess) JoinLeft() time.Duration { return w.s.gate.JoinLeft() }

func (w *webAccess) OpenJoin(d time.Duration) *codec.Error {
	err := w.s.gate.OpenJoin(d)
	if err == nil {
		w.s.log.Info("devices may join", "for", d)
	}
	return err
}

func (w *webAccess) CloseJoin() { w.s.gate.CloseJoin() }
