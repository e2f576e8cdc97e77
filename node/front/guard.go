package front

import (
	"net/http"
	"net/netip"
	"time"

	"topicd/codec"
	"topicd/node"
	"topicd/node/access"
)

// guard stands before everything that is behind the port: Host, Origin, token,
// and then the request goes on with its rights.
func (f *Front) guard(w http.ResponseWriter, r *http.Request) {
	if f.opt.Header > 0 && r.Body != http.NoBody {
		// net/http reads the body of a request that is refused, however slowly
		// it comes. Who takes bodies gives them more time.
		_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(f.opt.Header))
	}
	if !r.ProtoAtLeast(1, 1) {
		r.Header.Del("Upgrade") // RFC 9110 section 7.8: that of HTTP/1.0 is ignored
	}
	if err := f.peers.ask(access.Addr(r.RemoteAddr), weight(r)); err != nil {
		f.refuse(w, r, err)
		return
	}
	if err := f.judgeFields(r); err != nil {
		f.refuse(w, r, err)
		return
	}
	if err := f.opt.Names.Host(r); err != nil {
		f.in.Stats.Add(node.RefusedHost, 1)
		f.tellRefused(r, err)
		f.refuse(w, r, err)
		return
	}
	a := f.asked(r)
	grant, err := f.judge(a)
	if err == nil {
		err = f.judgeOrigin(a, grant)
		if err != nil && a.own && a.token != "" { // a good token would have passed
			f.in.Gate.Failed(f.source(r))
		}
	}
	if f.opt.Names.Foreign(r) || a.own && err == nil {
		allowOrigin(w, r)
	}
	if err != nil {
		f.tellRefused(r, err)
		f.refuse(w, r, err)
		return
	}
	if r.Method == http.MethodOptions && r.Header.Get("Access-Control-Request-Method") != "" {
		w.WriteHeader(http.StatusOK)
		return
	}
	f.pass(w, a, grant)
}

// pass hands a request that was let in on to what is inside.
func (f *Front) pass(w http.ResponseWriter, a asked, grant *access.Grant) {
	r := a.WithContext(node.WithRights(a.Context(), grant))
	var watched *statusWriter
	switch {
	case a.upgrade:
		w = handover{w}
	case a.own && a.token != "", changes(r, grant):
		watched = &statusWriter{ResponseWriter: w, status: http.StatusOK}
		w = watched
	}
	f.in.Handler.ServeHTTP(w, r)
	switch {
	case watched == nil:
	case a.own && watched.status == http.StatusUnauthorized: // 403 is a good token that may not
		f.in.Gate.Failed(f.source(r))
	case !a.own:
		f.tellDone(r, grant, watched.status)
	}
}

// asked is a request and what the guard wants to know of it.
type asked struct {
	*http.Request
	token   string
	upgrade bool // to a WebSocket
	own     bool // a dialect judges the token itself
	tokened bool // and lets nobody in without
}

func (f *Front) asked(r *http.Request) asked {
	a := asked{Request: r, token: access.TokenOf(r), upgrade: r.Header.Get("Upgrade") != ""}
	if f.in.Own != nil {
		a.own, a.tokened = f.in.Own(r)
	}
	return a
}

// judge is who asks.
func (f *Front) judge(a asked) (*access.Grant, *codec.Error) {
	source := f.source(a.Request)
	from := source
	if forwarded(a.Request) && (a.token == "" || a.own) {
		from.Addr = netip.Addr{} // a proxy's address is not its client's
	}
	if !a.own {
		return f.in.Gate.Judge(from, a.token)
	}
	if a.token != "" && !a.upgrade {
		if err := f.in.Gate.Blocked(source); err != nil {
			return nil, err
		}
	}
	return f.in.Gate.Look(from.Addr, a.token), nil
}

// source is where a request's token comes from.
func (f *Front) source(r *http.Request) access.Source {
	return access.Source{Addr: access.Addr(r.RemoteAddr), Page: f.mayBePages(r)}
}

// mayBePages tells whether a page elsewhere may have had a browser send the
// request: an image whose URL has a token is enough. A browser then says Origin
// or Sec-Fetch-Site; the latter not over plain HTTP (W3C Fetch Metadata 2), where
// such a GET looks like anybody's. But it says Origin with a WebSocket and with
// all that changes something (RFC 6455 4.1, Fetch 3.1), and sets Authorization
// only where CORS allows it.
func (f *Front) mayBePages(r *http.Request) bool {
	h := r.Header
	if h.Get("Origin") != "" || h.Get("Sec-Fetch-Site") != "" {
		return f.opt.Names.Origin(r) != nil
	}
	return (r.Method == http.MethodGet || r.Method == http.MethodHead) && h.Get("Upgrade") == "" && h.Get("Authorization") == ""
}

// forwarded tells whether a proxy sent the request. The header counts even
// without a value: a client may send an empty one, to which some proxies add a
// second line.
func forwarded(r *http.Request) bool {
	for _, h := range []string{"Forwarded", "X-Forwarded-For", "X-Real-Ip"} {
		if r.Header[h] != nil {
			return true
		}
	}
	return false
}

// judgeOrigin refuses what pages elsewhere may not ask for: sockets, and
// whatever changes something.
func (f *Front) judgeOrigin(a asked, g *access.Grant) *codec.Error {
	switch a.Method {
	case http.MethodGet, http.MethodHead:
		if !a.upgrade && !a.own {
			return nil // without CORS no page elsewhere can read the answer
		}
	case http.MethodOptions:
		return nil
	}
	if a.own && (a.upgrade || g.Known() || a.tokened) { // with those nothing goes without a token
		return nil
	}
	err := f.opt.Names.Origin(a.Request)
	if err != nil {
		f.in.Stats.Add(node.RefusedOrigin, 1)
	}
	return err
}

// statusWriter notes the status.
type statusWriter struct {
	http.ResponseWriter
	status int
}

func (w *statusWriter) WriteHeader(status int) {
	w.status = status
	w.ResponseWriter.WriteHeader(status)
}

// Unwrap is for http.ResponseController.
func (w *statusWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// allowOrigin is CORS (Fetch 3.2): for configured origins, and for clients of
// Managed WebSocket that brought a token.
func allowOrigin(w http.ResponseWriter, r *http.Request) {
	origin := r.Header.Get("Origin")
	if origin == "" {
		return
	}
	h := w.Header()
	h.Set("Access-Control-Allow-Origin", origin)
	h.Add("Vary", "Origin")
	if r.Method == http.MethodOptions {
		h.Set("Access-Control-Allow-Methods", "GET, POST, PUT, DELETE, OPTIONS")
		h.Set("Access-Control-Allow-Headers", "Authorization, Content-Type, Last-Event-ID")
		h.Set("Access-Control-Max-Age", "7200")
	}
}

// refuse answers a request that goes no further.
func (f *Front) refuse(w http.ResponseWriter, r *http.Request, e *codec.Error) {
	w.Header().Set("Connection", "close")
	f.in.Refuse(w, r, e)
}
