package access

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"topicd/codec"
	"topicd/node/state"
)

// Prefix begins every token, so that one that leaked can be searched for.
const Prefix = "tpd_"

// NewToken makes one: 256 random bits, printable.
func NewToken() string {
	var b [32]byte
	_, _ = rand.Read(b[:]) // never fails: crypto/rand.Read
	return Prefix + base64.RawURLEncoding.EncodeToString(b[:])
}

// Limits of what is kept.
const (
	maxTokens   = 2048
	maxPatterns = 32 // of a kind
	maxDev      = 64
	maxName     = 80 // one that joined is named by its dev
)

// Create makes a token and returns it; it is not shown again.
func (g *Gate) Create(name, dev string, p Patterns, expires time.Time) (string, *Grant, *codec.Error) {
	if err := checkToken(name, p); err != nil {
		return "", nil, err
	}
	if err := checkDev(dev); dev != "" && err != nil {
		return "", nil, err
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.createLocked(name, dev, p, expires)
}

func (g *Gate) createLocked(name, dev string, p Patterns, expires time.Time) (string, *Grant, *codec.Error) {
	now := g.opt.Now()
	if !expires.IsZero() && (!expires.After(now) || expires.Year() < 2001) { // a month after 1970, say, by a clock that is not set yet
		return "", nil, codec.Errorf(codec.CodeMalformed, "the token would have expired already: in %d", expires.Year())
	}
	if len(g.tokens) >= maxTokens {
		return "", nil, codec.Errorf(codec.CodeNoRoom, "there are %d tokens already: revoke some", maxTokens)
	}
	token := NewToken()
	t := &Grant{Patterns: p.clone(), ID: g.newIDLocked(), Name: name, Dev: dev, Created: now, Expires: expires, hash: sha256.Sum256([]byte(token))}
	g.addLocked(t)
	g.noteChange()
	return token, t, nil
}

func (g *Gate) addLocked(t *Grant) {
	g.tokens = append(g.tokens, t)
	g.by[t.hash] = t
}

func (g *Gate) newIDLocked() string {
	for {
		var b [4]byte
		_, _ = rand.Read(b[:])
		id := hex.EncodeToString(b[:])
		if !slices.ContainsFunc(g.tokens, func(t *Grant) bool { return t.ID == id }) {
			return id
		}
	}
}

func checkToken(name string, p Patterns) *codec.Error {
	if name == "" || len(name) > maxName || !utf8.ValidString(name) || strings.ContainsFunc(name, func(r rune) bool { return r < ' ' || r == 0x7f }) {
		return codec.Errorf(codec.CodeMalformed, "a token's name is 1 to %d bytes without control characters", maxName)
	}
	for _, list := range [][]string{p.Publish, p.Subscribe, p.Manage} {
		if len(list) > maxPatterns {
			return codec.Errorf(codec.CodeMalformed, "%d patterns, at most %d are allowed", len(list), maxPatterns)
		}
		for _, pattern := range list {
			if err := codec.CheckPattern([]byte(pattern)); err != nil {
				return err
			}
		}
	}
	if len(p.Publish)+len(p.Subscribe)+len(p.Manage) == 0 {
		return codec.Errorf(codec.CodeMalformed, "a token that may do nothing: name patterns to publish, subscribe or manage")
	}
	return nil
}

// Tokens are those that have not ended, oldest first.
func (g *Gate) Tokens() []*Grant {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.dropLocked()
	return slices.Clone(g.tokens)
}

// Revoke ends the token with that id or name; false: there is none. The
// sessions that it let in are its caller's to cut.
func (g *Gate) Revoke(id string) *codec.Error {
	g.mu.Lock()
	defer g.mu.Unlock()
	var found []*Grant
	for _, t := range g.tokens {
		if t.ID == id {
			found = []*Grant{t}
			break
		}
		if t.Name == id {
			found = append(found, t)
		}
	}
	switch len(found) {
	case 0:
		return codec.Errorf(codec.CodeNotFound, "no token %q", id)
	case 1:
		g.revokeLocked(found[0])
		g.dropLocked()
		g.noteChange()
		return nil
	}
	return codec.Errorf(codec.CodeConflict, "%d tokens are named %q: revoke by id", len(found), id)
}

func (g *Gate) revokeLocked(t *Grant) {
	t.revoked.Store(true)
	if t.kept.Load() {
		g.gone[t.hash] = true
	}
}

// dropLocked forgets tokens that have ended. One that has expired counts as
// revoked from then on: whoever holds its rights may do nothing more.
func (g *Gate) dropLocked() {
	now := g.opt.Now()
	g.tokens = slices.DeleteFunc(g.tokens, func(t *Grant) bool {
		over := t.over(now)
		if over {
			t.revoked.Store(true)
			if g.by[t.hash] == t {
				delete(g.by, t.hash)
			}
		}
		return over
	})
}

// NextEnd is when the next token expires, zero = never.
func (g *Gate) NextEnd() (next time.Time) {
	for _, t := range g.Tokens() {
		if !t.Expires.IsZero() && (next.IsZero() || t.Expires.Before(next)) {
			next = t.Expires
		}
	}
	return next
}

// kept is the file of tokens.
type kept struct {
	Version int         `json:"version"`
	Tokens  []keptToken `json:"tokens"`
}

type keptToken struct {
	ID   string `json:"id"`
	Name string `json:"name"`
	Hash string `json:"sha256"`
	Dev  string `json:"dev,omitempty"`
	Patterns
	Created time.Time  `json:"created"`
	Expires *time.Time `json:"expires,omitempty"`
}

// load reads the file. Where it is damaged nobody has a token any more: that is
// better than a hub that does not start, and than one that guesses.
func (g *Gate) load() error {
	if g.opt.File == "" {
		return nil
	}
	var tokens []*Grant
	_, err := state.Read(g.opt.File, g.opt.Log, "no token is known any more; mend it, stop the hub and put it back, or make them anew with topicd token create", func(text []byte) (err error) {
		tokens, err = parseTokens(text)
		return err
	})
	if err != nil {
		return fmt.Errorf("the tokens in %s cannot be read: %w", g.opt.File, err)
	}
	for _, t := range tokens {
		g.addLocked(t)
	}
	g.dropLocked()
	return nil
}

// Reload reads the file again: what somebody else wrote there holds, and the
// sessions of tokens that are no longer there end. What was made or revoked here and
// is not in the file yet stays so. It waits for the disk.
func (g *Gate) Reload() error {
	if g.opt.File == "" {
		return nil
	}
	g.saving.Lock() // until it holds: what is written meanwhile is newer
	err := g.reloadSaving()
	g.saving.Unlock()
	g.CutEnded()
	return err
}

func (g *Gate) reloadSaving() error {
	text, err := os.ReadFile(g.opt.File)
	if os.IsNotExist(err) {
		g.mu.Lock()
		none := len(g.tokens) == 0
		g.mu.Unlock()
		if none { // none was ever made
			return nil
		}
	}
	if err != nil {
		return err
	}
	tokens, err := parseTokens(text)
	if err != nil {
		return err
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	tokens = slices.DeleteFunc(tokens, func(t *Grant) bool { return g.gone[t.hash] })
	kept := make(map[[sha256.Size]byte]*Grant, len(tokens))
	for i, t := range tokens {
		if old := g.by[t.hash]; old != nil && old.same(t) {
			tokens[i] = old // and its sessions go on
		}
		kept[t.hash] = tokens[i]
	}
	for _, t := range g.tokens {
		switch {
		case kept[t.hash] == t:
		case t.kept.Load():
			t.revoked.Store(true)
		default: // made a moment ago, and not written yet
			tokens = append(tokens, t)
		}
	}
	g.dropLocked()
	g.tokens = g.tokens[:0:0]
	for _, t := range tokens {
		g.addLocked(t)
	}
	g.dropLocked()
	return nil
}

// same tells whether two grants of one token allow the same.
func (g *Grant) same(o *Grant) bool {
	return g.ID == o.ID && g.Name == o.Name && g.Dev == o.Dev && g.Expires.Equal(o.Expires) && g.Patterns.same(o.Patterns)
}

func (p Patterns) same(o Patterns) bool {
	return slices.Equal(p.Publish, o.Publish) && slices.Equal(p.Subscribe, o.Subscribe) && slices.Equal(p.Manage, o.Manage)
}

func parseTokens(text []byte) (tokens []*Grant, err error) {
	var k kept
	if err := json.Unmarshal(text, &k); err != nil {
		return nil, err
	}
	if k.Version > 1 {
		return nil, &state.Foreign{Why: fmt.Errorf("version %d is of a newer topicd", k.Version)}
	}
	if k.Version != 1 {
		return nil, fmt.Errorf("version %d is none", k.Version)
	}
	for _, t := range k.Tokens {
		n := &Grant{Patterns: t.Patterns, ID: t.ID, Name: t.Name, Dev: t.Dev, Created: t.Created}
		if t.Expires != nil {
			n.Expires = *t.Expires
		}
		sum, err := hex.DecodeString(t.Hash)
		if err != nil || len(sum) != len(n.hash) {
			return nil, fmt.Errorf("the token %s has no SHA-256", t.ID)
		}
		if bad := checkToken(t.Name, t.Patterns); bad != nil {
			return nil, fmt.Errorf("the token %s: %w", t.ID, bad)
		}
		copy(n.hash[:], sum)
		n.kept.Store(true)
		tokens = append(tokens, n)
	}
	return tokens, nil
}

// Save writes the tokens where they outlive a restart. It waits for the disk, and
// says once that it takes nothing, and once that it does again.
func (g *Gate) Save() error {
	if g.opt.File == "" {
		return nil
	}
	g.saving.Lock()
	defer g.saving.Unlock()
	k := kept{Version: 1, Tokens: []keptToken{}}
	all := g.Tokens()
	for _, t := range all {
		n := keptToken{ID: t.ID, Name: t.Name, Hash: hex.EncodeToString(t.hash[:]), Dev: t.Dev, Patterns: t.Patterns, Created: t.Created}
		if !t.Expires.IsZero() {
			n.Expires = &t.Expires
		}
		k.Tokens = append(k.Tokens, n)
	}
	text, err := json.MarshalIndent(k, "", "\t")
	if err != nil {
		return err
	}
	err = state.Write(g.opt.File, append(text, '\n'))
	if err == nil {
		g.noteKept(all)
	}
	if failed := err != nil; failed != g.unsaved.Load() {
		g.unsaved.Store(failed)
		if failed {
			g.opt.Log.Error("tokens cannot be kept: see whether the disk is full (df)", "file", g.opt.File, "err", err)
		} else {
			g.opt.Log.Info("tokens are kept again", "file", g.opt.File)
		}
	}
	return err
}

// noteKept: the file has those tokens, and no others.
func (g *Gate) noteKept(all []*Grant) {
	g.mu.Lock()
	defer g.mu.Unlock()
	clear(g.gone)
	for _, t := range all {
		if t.kept.Store(true); t.revoked.Load() { // while it was written
			g.gone[t.hash] = true
		}
	}
}
