package access

import (
	"net/netip"
	"strings"
	"time"

	"topicd/codec"
)

// MaxJoin is the longest join window: one that is left open is no gate.
const MaxJoin = time.Hour

// OpenJoin lets devices without a token join for d from now on.
func (g *Gate) OpenJoin(d time.Duration) *codec.Error {
	switch {
	case g.opt.Mode != Join:
		return codec.Errorf(codec.CodeConflict, "devices join where access is %q; here it is %q: start it with --access=join", Join, g.opt.Mode)
	case d <= 0 || d > MaxJoin:
		return codec.Errorf(codec.CodeMalformed, "a join window is open for at most an hour")
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.until = g.opt.Now().Add(d)
	return nil
}

// CloseJoin closes the window.
func (g *Gate) CloseJoin() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.until = time.Time{}
}

// JoinLeft is how long the window stays open, 0 = closed.
func (g *Gate) JoinLeft() time.Duration {
	g.mu.Lock()
	defer g.mu.Unlock()
	return max(0, g.until.Sub(g.opt.Now()))
}

// hello judges how a peer introduced itself on a connection that has the rights
// now (nil = whatever Judge gives an unknown address): by a token; as the
// device that its token belongs to; or, while the window is open, as a device
// that joins and gets a token of its own, which is returned. The id that the
// peer goes by is returned too.
func (g *Gate) hello(now *Grant, from netip.Addr, dev, name, token string) (grant *Grant, as, given string, err *codec.Error) {
	if now == nil {
		now = g.nobody
	}
	grant = now
	if token != "" {
		if grant, err = g.Judge(Source{Addr: from}, token); err != nil {
			return nil, "", "", err
		}
		if !now.open && grant != now { // what the first let it subscribe to would outlive it
			return nil, "", "", errSecond
		}
	}
	if !grant.open {
		as, err = grant.speaksFor(dev, name)
		return grant, as, "", err
	}
	if g.opt.Mode != Join || dev == "" {
		return grant, dev, "", nil
	}
	if grant == g.away || !g.Local(from) { // by way of a proxy, say; nor may a stranger wait for the window
		g.opt.Refused(codec.CodeUnauthorized)
		return nil, "", "", errNotHere
	}
	grant, given, err = g.join(dev)
	return grant, dev, given, err
}

var errSecond = &codec.Error{Code: codec.CodeForbidden, Msg: "this connection has another token already: use the new one on a new connection"}

// speaksFor is the device that a peer with the grant is.
func (g *Grant) speaksFor(dev, name string) (string, *codec.Error) {
	switch {
	case g.Dev == "" || dev == g.Dev:
		return dev, nil
	case dev != "":
		return "", codec.Errorf(codec.CodeForbidden, "this token is the device %q's, not %q's", g.Dev, dev)
	case name != "" && name != g.Dev:
		return "", codec.Errorf(codec.CodeForbidden, "this token is the device %q's: say hello with its dev", g.Dev)
	}
	return g.Dev, nil
}

// join makes a device's own token. One that comes again has lost its own, which
// ends: it might have been stolen. A token that the owner made for the device is
// the owner's to revoke: anybody can say its dev.
func (g *Gate) join(dev string) (*Grant, string, *codec.Error) {
	if g.JoinLeft() == 0 {
		g.opt.Refused(codec.CodeUnauthorized)
		return nil, "", errNotOpen
	}
	if err := checkDev(dev); err != nil {
		return nil, "", err
	}
	if g.unsaved.Load() { // it would be nobody's after a restart, and the device refused
		g.noteChange() // perhaps the disk takes files again
		return nil, "", errNotKept
	}
	p := g.opt.Joined.clone()
	for _, list := range [][]string{p.Publish, p.Subscribe, p.Manage} {
		for i := range list {
			list[i] = strings.ReplaceAll(list[i], "{dev}", dev)
		}
	}
	name := "joined " + dev
	if err := checkToken(name, p); err != nil { // before the old one ends
		return nil, "", err
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, t := range g.tokens {
		if t.Dev == dev && t.Name == name {
			g.revokeLocked(t)
		}
	}
	g.dropLocked()
	token, grant, err := g.createLocked(name, dev, p, time.Time{})
	return grant, token, err
}

// checkDev refuses what cannot be the id of a device: it stands in patterns.
func checkDev(dev string) *codec.Error {
	if codec.CheckTopic([]byte(dev)) != nil || len(dev) > maxDev || strings.ContainsAny(dev, "/$") {
		return codec.Errorf(codec.CodeMalformed, "dev is 1 to %d bytes without / + # $ or control characters", maxDev)
	}
	return nil
}

var errNotKept = &codec.Error{Code: codec.CodeNoRoom, Retry: 30_000, Msg: "the hub cannot keep a token now: the disk of its state directory takes no files"}

var errNotHere = &codec.Error{Code: codec.CodeUnauthorized, Msg: "a token is needed, and devices get theirs on the hub's own network only"}

var errNotOpen = &codec.Error{Code: codec.CodeUnauthorized, Retry: 30_000,
	Msg: "this device has no token, and nobody lets devices join at the moment: open the window with topicd join --open 5m"}
