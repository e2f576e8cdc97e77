package main

import (
	"net/http"
	"strings"
	"sync"
	"time"

	"topicd/codec"
	"topicd/node/access"
)

// told are the refusals that the log has had: a browser comes back every few
// seconds, and whoever guesses tokens comes faster. The zero value is ready.
type told struct {
	mu   sync.Mutex
	last map[string]time.Time // by what was refused to whom
}

const (
	toldAgain = 10 * time.Minute // the same is worth a line again
	toldMost  = 256              // of them at a time; others are counted only
)

// first tells whether a refusal is news.
func (t *told) first(key string, now time.Time) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if last, ok := t.last[key]; ok && now.Sub(last) < toldAgain {
		return false
	}
	if len(t.last) >= toldMost {
		for k, at := range t.last {
			if now.Sub(at) >= toldAgain {
				delete(t.last, k)
			}
		}
		if len(t.last) >= toldMost {
			return false
		}
	}
	if t.last == nil {
		t.last = make(map[string]time.Time)
	}
	t.last[key] = now
	return true
}

// tellRefused logs who was not let in and what the operator can do, once each.
func (s *server) tellRefused(r *http.Request, e *codec.Error) {
	from := parseAddr(r.RemoteAddr).String()
	switch {
	case e == access.ErrOrigin:
		origin := r.Header.Get("Origin")
		if s.told.first("origin "+origin, time.Now()) {
			s.log.Warn("a page of another origin was refused; to let it in start with --origin", "origin", cut(origin), "host", cut(r.Host), "from", from)
		}
	case e.Code == access.CodeMisdirected:
		if s.told.first("host "+r.Host, time.Now()) {
			s.log.Warn("a request for another name was refused; to let it in start with --host", "host", cut(r.Host), "from", from)
		}
	case e.Code == codec.CodeUnauthorized || e.Code == codec.CodeTooFast && tokenOf(r) != "":
		s.tellToken(from, e)
	}
}

// tellToken logs a token that was refused, once for each address.
func (s *server) tellToken(from string, e *codec.Error) {
	if s.told.first("token "+from, time.Now()) {
		s.log.Info("refused", "from", from, "why", e.Msg)
	}
}

// tellDone logs what an admin changed.
func (s *server) tellDone(r *http.Request, g *access.Grant, status int) {
	s.log.Info("admin", "did", r.Method+" "+cut(r.URL.Path), "by", g.Name, "from", parseAddr(r.RemoteAddr).String(), "status", status)
}

// changes tells whether a request is one of an admin that is worth a line.
func changes(r *http.Request, g *access.Grant) bool {
	switch r.Method {
	case http.MethodPost, http.MethodPut, http.MethodDelete:
		return g != nil && g.Admin && strings.HasPrefix(r.URL.Path, "/api/") && !strings.HasPrefix(r.URL.Path, "/api/pub")
	}
	return false
}

// cut is a text from outside as long as a log's line can bear.
func cut(text string) string {
	if len(text) > 200 {
		return text[:200] + "…"
	}
	return text
}
