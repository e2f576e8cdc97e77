package access

import (
	"context"
	"time"

	"topicd/codec"
	"topicd/node"
)

// Row is a token as the API shows it and takes it. The text itself is there
// once, when it is made.
type Row struct {
	ID    string `json:"id"`
	Name  string `json:"name"`
	Dev   string `json:"dev,omitempty"` // the one device that may use it
	Token string `json:"token,omitempty"`
	Patterns
	Created int64 `json:"created,omitempty"` // milliseconds since 1970
	Expires int64 `json:"expires,omitempty"`
	Used    int64 `json:"used,omitempty"` // since the hub started
}

// Row is the grant as the API shows it.
func (g *Grant) Row() Row {
	r := Row{ID: g.ID, Name: g.Name, Dev: g.Dev, Patterns: g.Patterns.clone(), Created: g.Created.UnixMilli(), Used: g.used.Load()}
	if !g.Expires.IsZero() {
		r.Expires = g.Expires.UnixMilli()
	}
	return r
}

// Of is the grant that somebody with those rights has; who has no limits has all.
func Of(r node.Rights) *Grant {
	if g, ok := r.(*Grant); ok {
		return g
	}
	return &Grant{Patterns: everything.clone(), Admin: true}
}

// Rows are the tokens that have not ended, oldest first.
func (g *Gate) Rows() []Row {
	rows := []Row{}
	for _, t := range g.Tokens() {
		rows = append(rows, t.Row())
	}
	return rows
}

// Make makes a token and keeps it before anybody has it. It waits for the disk.
func (g *Gate) Make(r Row) (Row, *codec.Error) {
	var expires time.Time
	if r.Expires != 0 {
		expires = time.UnixMilli(r.Expires)
	}
	text, t, err := g.Create(r.Name, r.Dev, r.Patterns, expires)
	if err != nil {
		return Row{}, err
	}
	if g.Save() != nil {
		_ = g.Revoke(t.ID)
		return Row{}, codec.Errorf(codec.CodeNoRoom, "the token cannot be kept: the disk of the hub's state directory takes no files")
	}
	g.opt.Log.Info("token made", "id", t.ID, "name", Short(t.Name))
	made := t.Row()
	made.Token = text
	return made, nil
}

// End revokes a token by id or name, and ends the connections that it let in. It
// waits for the disk.
func (g *Gate) End(id string) (cut int, err *codec.Error) {
	cut, err = g.revokeAndCut(id)
	if err != nil {
		return 0, err
	}
	g.opt.Log.Info("token revoked", "id", Short(id))
	if g.Save() != nil {
		return cut, codec.Errorf(codec.CodeNoRoom, "revoked until the next start only: the disk of the hub's state directory takes no files")
	}
	return cut, nil
}

var errEnded = &codec.Error{Code: codec.CodeUnauthorized, Msg: "the token was revoked or has expired"}

// revokeAndCut revokes a token and ends its connections before Run does so, which is told
// of the change too: whoever revokes wants to know how many there were.
func (g *Gate) revokeAndCut(id string) (cut int, err *codec.Error) {
	g.cutting.Lock()
	defer g.cutting.Unlock()
	if err := g.Revoke(id); err != nil {
		return 0, err
	}
	return g.cutLocked(), nil
}

// CutEnded ends the sessions whose token has ended.
func (g *Gate) CutEnded() int {
	g.cutting.Lock()
	defer g.cutting.Unlock()
	return g.cutLocked()
}

func (g *Gate) cutLocked() int {
	if g.opt.Cut == nil {
		return 0
	}
	now := g.opt.Now()
	n := g.opt.Cut(func(r node.Rights) bool {
		t, ok := r.(*Grant)
		return ok && t.over(now)
	}, errEnded)
	if n > 0 {
		g.opt.Log.Info("connections ended with their token", "n", n)
	}
	return n
}

// Finish writes what Run has not: of who joined while the hub was about to end, say.
func (g *Gate) Finish() {
	select {
	case <-g.changed:
	default:
		if !g.unsaved.Load() {
			return
		}
	}
	_ = g.Save()
}

// Run keeps tokens, and ends the sessions of those that have ended, until ctx
// ends. It looks each minute: dates come by a clock that may be set meanwhile, and a
// disk that was full takes the file again.
func (g *Gate) Run(ctx context.Context) {
	const look = time.Minute
	timer := time.NewTimer(look)
	defer timer.Stop()
	for {
		next := look
		if end := g.NextEnd(); !end.IsZero() {
			next = min(next, max(0, end.Sub(g.opt.Now())))
		}
		timer.Reset(next)
		select {
		case <-ctx.Done():
			return
		case <-g.changed:
			_ = g.Save() // says it itself
		case <-timer.C:
			if g.unsaved.Load() {
				_ = g.Save()
			}
		}
		g.CutEnded()
	}
}
