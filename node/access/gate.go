// Package access says who may do what: tokens with patterns, the classes of
// addresses, the join window, and which Host and Origin are the hub's own.
//
//	a request ──► Names.Host, Names.Origin ──► Gate.Judge(source, token) ──► Grant, the rights of its session
//	a hello, a CONNECT of MQTT ──► Gate.Admit(rights so far, address, credentials) ──► Grant
//
// A Gate knows people by their token, else by where they come from. Judging never
// waits: tokens are looked up in memory, and Run writes what must outlive a
// restart. Make and End, for administrators, wait for the disk.
package access

import (
	"crypto/sha256"
	"log/slog"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"topicd/codec"
	"topicd/node"
)

// Modes of a Gate.
const (
	LAN   = "lan"   // loopback, private and link-local addresses need no token
	Token = "token" // everybody needs one
	Join  = "join"  // everybody needs one, and devices get it while a window is open
)

// Options configure a Gate.
type Options struct {
	Mode    string                  // default LAN
	Admin   string                  // the admin token; "" = nobody is admin
	File    string                  // where tokens are kept; "" = in memory only
	LAN     []netip.Prefix          // addresses beyond the private ones that count as the LAN's
	Near    func(netip.Prefix) bool // IPv6 networks whose hosts share them; nil = none
	Joined  Patterns                // what a device that joined may do; {dev} stands for its id
	Now     func() time.Time
	Refused func(code int) // counts those not let in, by 401, 403 or 429
	Log     *slog.Logger
	Told    *Told // refusals that the log has had
	// Cut ends the sessions whose rights are over, as node.Hub's CutWhere.
	Cut func(over func(node.Rights) bool, why *codec.Error) int
}

// Patterns are what a grant allows. # and + in the first level do not fit
// names that begin with $, as in subscriptions.
type Patterns struct {
	Publish   []string `json:"publish"`
	Subscribe []string `json:"subscribe"`
	Manage    []string `json:"manage"`
}

func (p Patterns) clone() Patterns {
	c := func(s []string) []string { return append([]string{}, s...) }
	return Patterns{c(p.Publish), c(p.Subscribe), c(p.Manage)}
}

// Everything are the rights of the LAN and of the admin: all topics, and the
// hub's own to be read.
var everything = Patterns{Publish: []string{"#"}, Subscribe: []string{"#", "$sys/#", "$SYS/#"}, Manage: []string{"#"}}

// Gate decides.
type Gate struct {
	// static after construction
	opt     Options
	lan     *Grant
	nobody  *Grant
	away    *Grant // nobody either, and not on the LAN: cannot join
	root    *Grant
	changed chan struct{}

	cutting sync.Mutex // held while connections of tokens that have ended are ended

	saving  sync.Mutex  // held while the file is written
	unsaved atomic.Bool // the last attempt failed; written under saving

	// guarded by mu
	mu     sync.Mutex
	tokens []*Grant                     // oldest first
	by     map[[sha256.Size]byte]*Grant // their hashes', and the admin's
	gone   map[[sha256.Size]byte]bool   // revoked, and in the file still
	until  time.Time                    // the join window is open till then
	failed failures
}

// New makes a Gate with the tokens of its file.
func New(o Options) (*Gate, error) {
	if o.Mode == "" {
		o.Mode = LAN
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Near == nil {
		o.Near = func(netip.Prefix) bool { return false }
	}
	if o.Refused == nil {
		o.Refused = func(int) {}
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Told == nil {
		o.Told = &Told{}
	}
	g := &Gate{
		opt:     o,
		changed: make(chan struct{}, 1),
		lan:     &Grant{Patterns: everything.clone(), open: true},
		nobody:  &Grant{open: true},
		away:    &Grant{open: true},
		root:    &Grant{Patterns: everything.clone(), Admin: true},
		by:      map[[sha256.Size]byte]*Grant{},
		gone:    map[[sha256.Size]byte]bool{},
	}
	if o.Admin != "" {
		g.root.hash = sha256.Sum256([]byte(o.Admin))
		g.by[g.root.hash] = g.root
	}
	g.failed.near = o.Near
	return g, g.load()
}

// Mode is lan, token or join.
func (g *Gate) Mode() string { return g.opt.Mode }

// noteChange has Run write what is there now.
func (g *Gate) noteChange() {
	select {
	case g.changed <- struct{}{}:
	default:
	}
}

// Judge returns the rights of who comes from somewhere with a token, "" for
// without. One that is not known is refused: 401, and 429 after too many.
func (g *Gate) Judge(from Source, token string) (*Grant, *codec.Error) {
	if token == "" {
		switch {
		case !g.Local(from.Addr):
			return g.away, nil
		case g.opt.Mode == LAN:
			return g.lan, nil
		}
		return g.nobody, nil
	}
	now := g.opt.Now()
	g.mu.Lock()
	defer g.mu.Unlock()
	if wait := g.failed.wait(from, now); wait > 0 {
		g.opt.Refused(codec.CodeTooFast)
		return nil, tooMany(wait)
	}
	if t := g.findLocked(token); t != nil && !t.over(now) {
		t.used.Store(now.UnixMilli())
		return t, nil
	}
	g.failed.add(from, now)
	g.opt.Refused(codec.CodeUnauthorized)
	return nil, errUnknown
}

func tooMany(wait time.Duration) *codec.Error {
	return &codec.Error{Code: codec.CodeTooFast, Msg: "too many wrong tokens from this address: wait", Retry: int(wait.Milliseconds()) + 1}
}

var errUnknown = &codec.Error{Code: codec.CodeUnauthorized, Msg: "the token is not known here: it is wrong, expired or revoked"}

// findLocked looks a token up by its SHA-256: what the time of a look tells is
// about hashes, from which nobody finds a token.
func (g *Gate) findLocked(token string) *Grant { return g.by[sha256.Sum256([]byte(token))] }

// Look is Judge for doors that judge tokens of their own: one that is not known
// counts as none.
func (g *Gate) Look(from netip.Addr, token string) *Grant {
	g.mu.Lock()
	t := g.findLocked(token)
	g.mu.Unlock()
	if t == nil || t.over(g.opt.Now()) {
		t, _ = g.Judge(Source{Addr: from}, "")
	}
	return t
}

// IsAdmin tells whether the token is the admin's. Its caller says Failed for
// one that was refused, and asks Blocked before.
func (g *Gate) IsAdmin(token string) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.findLocked(token) == g.root
}

// Blocked refuses sources that gave too many wrong tokens.
func (g *Gate) Blocked(from Source) *codec.Error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if wait := g.failed.wait(from, g.opt.Now()); wait > 0 {
		g.opt.Refused(codec.CodeTooFast)
		return tooMany(wait)
	}
	return nil
}

// Failed counts a wrong token.
func (g *Gate) Failed(from Source) {
	g.mu.Lock()
	g.failed.add(from, g.opt.Now())
	g.mu.Unlock()
	g.opt.Refused(codec.CodeUnauthorized)
}

// Local tells whether an address is loopback, private (RFC 1918, RFC 4193) or
// link-local, or one that the configuration adds. Those of a carrier's NAT
// (RFC 6598) are other people's.
func (g *Gate) Local(a netip.Addr) bool {
	a = a.Unmap().WithZone("")
	if a.IsLoopback() || a.IsPrivate() || a.IsLinkLocalUnicast() {
		return true
	}
	return slices.ContainsFunc(g.opt.LAN, func(p netip.Prefix) bool { return p.Contains(a) })
}
