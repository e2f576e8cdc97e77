package front

import (
	"cmp"
	"net/http"
	"strings"
	"time"

	"topicd/codec"
	"topicd/node/access"
)

// tellRefused logs who was not let in and what the operator can do, once each.
func (f *Front) tellRefused(r *http.Request, e *codec.Error) {
	from, log, told := access.Addr(r.RemoteAddr).String(), f.opt.Log, f.opt.Told
	switch {
	case e == access.ErrOrigin:
		origin := r.Header.Get("Origin")
		if told.First("origin "+origin, time.Now()) {
			log.Warn("a page of another origin was refused; to let it in start with --origin", "origin", access.Short(origin), "host", access.Short(r.Host), "from", from)
		}
	case e.Code == access.CodeMisdirected:
		if told.First("host "+r.Host, time.Now()) {
			log.Warn("a request for another name was refused; to let it in start with --host", "host", access.Short(r.Host), "from", from)
		}
	case e.Code == codec.CodeUnauthorized || e.Code == codec.CodeTooFast && access.TokenOf(r) != "":
		told.Token(log, from, e)
	}
}

// tellDone logs what an admin changed.
func (f *Front) tellDone(r *http.Request, g *access.Grant, status int) {
	f.opt.Log.Info("admin", "did", r.Method+" "+access.Short(r.URL.Path), "by", cmp.Or(g.Name, "the admin token"), "from", access.Addr(r.RemoteAddr).String(), "status", status)
}

// changes tells whether a request is one of an admin that is worth a line.
func changes(r *http.Request, g *access.Grant) bool {
	switch r.Method {
	case http.MethodPost, http.MethodPut, http.MethodDelete:
		return g != nil && g.Admin && strings.HasPrefix(r.URL.Path, "/api/") && !strings.HasPrefix(r.URL.Path, "/api/pub")
	}
	return false
}

// Host refuses requests for a name that is not the hub's.
func (f *Front) Host(r *http.Request) *codec.Error { return f.opt.Names.Host(r) }

// Origin is what the guard would say to a WebSocket that a page of that origin
// opens where the request went.
func (f *Front) Origin(r *http.Request, origin string) *codec.Error {
	asked := r.Clone(r.Context())
	asked.Header.Set("Origin", origin)
	return f.opt.Names.Origin(asked)
}
