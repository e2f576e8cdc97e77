package main

import (
	"net/http"
	"net/netip"
	"strings"
	"time"

	"topicd/codec"
	"topicd/node"
	"topicd/node/access"
	"topicd/node/web"
)

// guard stands before everything that is behind the port: Host, Origin, token,
// and then the request goes on with its rights.
func (s *server) guard(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if s.set.header > 0 && r.Body != http.NoBody {
			// net/http reads the body of a request that is refused, however slowly
			// it comes. Who takes bodies gives them more time.
			_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(s.set.header))
		}
		if !r.ProtoAtLeast(1, 1) {
			r.Header.Del("Upgrade") // RFC 9110 section 7.8: that of HTTP/1.0 is ignored
		}
		if err := s.peers.ask(parseAddr(r.RemoteAddr), weight(r), time.Now()); err != nil {
			refuse(w, r, err)
			return
		}
		if err := s.judgeFields(r); err != nil {
			refuse(w, r, err)
			return
		}
		if err := s.names.Host(r); err != nil {
			s.hub.Stats.Add(node.RefusedHost, 1)
			s.tellRefused(r, err)
			refuse(w, r, err)
			return
		}
		grant, err := s.judge(r)
		if err == nil {
			err = s.judgeOrigin(r, grant)
			if err != nil && judgesItself(r) && tokenOf(r) != "" { // a good token would have passed
				s.gate.Failed(s.source(r))
			}
		}
		if s.names.Foreign(r) || judgesItself(r) && err == nil {
			allowOrigin(w, r)
		}
		if err != nil {
			s.tellRefused(r, err)
			refuse(w, r, err)
			return
		}
		if r.Method == http.MethodOptions && r.Header.Get("Access-Control-Request-Method") != "" {
			w.WriteHeader(http.StatusOK)
			return
		}
		r = r.WithContext(node.WithRights(r.Context(), grant))
		if judgesItself(r) && r.Header.Get("Upgrade") == "" {
			s.watchGuesses(w, r, next)
			return
		}
		if changes(r, grant) {
			watched := &statusWriter{ResponseWriter: w, status: http.StatusOK}
			next.ServeHTTP(watched, r)
			s.tellDone(r, grant, watched.status)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// judge is who asks.
func (s *server) judge(r *http.Request) (*access.Grant, *codec.Error) {
	source, token := s.source(r), tokenOf(r)
	from := source
	if forwarded(r) && (token == "" || judgesItself(r)) {
		from.Addr = netip.Addr{} // a proxy's address is not its client's
	}
	if !judgesItself(r) {
		return s.gate.Judge(from, token)
	}
	if token != "" && r.Header.Get("Upgrade") == "" {
		if err := s.gate.Blocked(source); err != nil {
			return nil, err
		}
	}
	return s.gate.Look(from.Addr, token), nil
}

// source is where a request's token comes from.
func (s *server) source(r *http.Request) access.Source {
	return access.Source{Addr: parseAddr(r.RemoteAddr), Page: s.mayBePages(r)}
}

// mayBePages tells whether a page elsewhere may have had a browser send the
// request: an image whose URL has a token is enough. A browser then says Origin
// or Sec-Fetch-Site; the latter not over plain HTTP (W3C Fetch Metadata 2), where
// such a GET looks like anybody's. But it says Origin with a WebSocket and with
// all that changes something (RFC 6455 4.1, Fetch 3.1), and sets Authorization
// only where CORS allows it.
func (s *server) mayBePages(r *http.Request) bool {
	h := r.Header
	if h.Get("Origin") != "" || h.Get("Sec-Fetch-Site") != "" {
		return s.names.Origin(r) != nil
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
func (s *server) judgeOrigin(r *http.Request, g *access.Grant) *codec.Error {
	upgrade := r.Header.Get("Upgrade") != ""
	switch r.Method {
	case http.MethodGet, http.MethodHead, http.MethodOptions:
		if !upgrade && !judgesItself(r) {
			return nil // without CORS no page elsewhere can read the answer
		}
		if r.Method == http.MethodOptions {
			return nil
		}
	}
	if judgesItself(r) && (upgrade || g.Known() || s.set.mws.access != "none") { // with those nothing goes without a token
		return nil
	}
	err := s.names.Origin(r)
	if err != nil {
		s.hub.Stats.Add(node.RefusedOrigin, 1)
	}
	return err
}

// judgesItself tells whether Managed WebSocket judges the request: its REST by
// tokens that may be others than ours, its sockets by one that works once.
func judgesItself(r *http.Request) bool {
	path := r.URL.Path
	if r.Header.Get("Upgrade") == "" {
		return path == "/v1" || strings.HasPrefix(path, "/v1/")
	}
	if strings.Contains(strings.Join(r.Header.Values("Sec-Websocket-Protocol"), ","), "topicd.") {
		return false // that is native, whatever the URL says
	}
	at := dialectAt(r.Context())
	return r.URL.Query().Has("token") && (at == "mws" || at == "" && (path == "/" || path == "/mws"))
}

// watchGuesses counts tokens that were refused behind it.
func (s *server) watchGuesses(w http.ResponseWriter, r *http.Request, next http.Handler) {
	if tokenOf(r) == "" {
		next.ServeHTTP(w, r)
		return
	}
	watched := &statusWriter{ResponseWriter: w}
	next.ServeHTTP(watched, r)
	if watched.status == http.StatusUnauthorized { // 403 is a good token that may not
		s.gate.Failed(s.source(r))
	}
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

// tokenOf is the request's token. Browsers cannot give a WebSocket or an event
// stream a header.
func tokenOf(r *http.Request) string {
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if strings.EqualFold(scheme, "Bearer") && token != "" {
		return strings.TrimSpace(token)
	}
	if r.URL.RawQuery == "" {
		return ""
	}
	return r.URL.Query().Get("access_token")
}

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
func refuse(w http.ResponseWriter, r *http.Request, e *codec.Error) {
	w.Header().Set("Connection", "close")
	web.Refuse(w, r, e, judgesItself(r))
}
