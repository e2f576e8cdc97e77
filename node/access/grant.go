package access

import (
	"crypto/sha256"
	"strings"
	"sync/atomic"
	"time"

	"topicd/codec"
)

// Grant is what somebody may do. Its methods are what node.Rights wants. It is
// not changed after it was made; revoking it ends it.
type Grant struct {
	Patterns
	ID      string // of the token, "" without
	Name    string
	Dev     string // the one device that may use it, "" = any
	Admin   bool
	Created time.Time
	Expires time.Time // zero = never

	open bool // without a token: one would help
	hash [sha256.Size]byte

	revoked atomic.Bool
	kept    atomic.Bool  // it stands in the file
	used    atomic.Int64 // when last, milliseconds since 1970; forgotten with a restart
}

// MayPublish tells whether the topic may be published to.
func (g *Grant) MayPublish(topic []byte) *codec.Error {
	return g.may("publish to", g.Publish, topic)
}

// MaySubscribe tells whether all that fits the pattern may be read.
func (g *Grant) MaySubscribe(pattern []byte) *codec.Error {
	return g.may("subscribe to", g.Subscribe, pattern)
}

// MayManage tells whether the topic may be made, changed and deleted.
func (g *Grant) MayManage(topic []byte) *codec.Error {
	return g.may("manage", g.Manage, topic)
}

// MayAdmin tells whether what concerns everybody may be done.
func (g *Grant) MayAdmin() *codec.Error {
	switch {
	case g.Admin:
		return nil
	case g.open:
		return errAdminToken
	}
	return errNotAdmin
}

// MayList tells whether anything at all may be read.
func (g *Grant) MayList() *codec.Error {
	if len(g.Subscribe) > 0 && !g.revoked.Load() {
		return nil
	}
	return g.may("read", nil, nil)
}

// MayRead tells whether the topic is shown in lists.
func (g *Grant) MayRead(topic string) bool {
	for _, p := range g.Subscribe {
		if codec.Match(p, topic) && !g.revoked.Load() {
			return true
		}
	}
	return false
}

var (
	errNeedToken  = &codec.Error{Code: codec.CodeUnauthorized, Msg: "a token is needed"}
	errAdminToken = &codec.Error{Code: codec.CodeUnauthorized, Msg: "the admin token is needed"}
	errNotAdmin   = &codec.Error{Code: codec.CodeForbidden, Msg: "only the admin token may do that"}
)

// may is asked for each reading and allocates nothing where the answer is yes.
func (g *Grant) may(what string, granted []string, asked []byte) *codec.Error {
	if g.revoked.Load() { // and its session is not cut yet
		return errUnknown
	}
	for _, p := range granted {
		if codec.Covers(p, asked) {
			return nil
		}
	}
	switch {
	case g.open && len(granted) == 0:
		return errNeedToken
	case g.open:
		return codec.Errorf(codec.CodeUnauthorized, "a token is needed to %s %q", what, asked)
	case len(granted) == 0:
		return codec.Errorf(codec.CodeForbidden, "this token may not %s anything", what)
	}
	return codec.Errorf(codec.CodeForbidden, "this token may %s %s, not %q", what, strings.Join(granted, ", "), asked)
}

// Nobody tells whether it is of those who may do nothing.
func (g *Grant) Nobody() bool { return g.open && len(g.Publish)+len(g.Subscribe)+len(g.Manage) == 0 }

// Device is the device whose token it is, "" if it is nobody's own.
func (g *Grant) Device() string { return g.Dev }

// Token is the id of the token, "" without one.
func (g *Grant) Token() string { return g.ID }

// Known tells whether it is a token's.
func (g *Grant) Known() bool { return !g.open }

func (g *Grant) over(now time.Time) bool {
	return g.revoked.Load() || !g.Expires.IsZero() && !now.Before(g.Expires)
}

// Over tells whether the grant has ended: its token was revoked or expired.
func (g *Grant) Over(now time.Time) bool { return g.over(now) }

// Used is when the token was used last, zero = not since the hub started.
func (g *Grant) Used() time.Time {
	if ms := g.used.Load(); ms > 0 {
		return time.UnixMilli(ms)
	}
	return time.Time{}
}
