package web

import (
	"net/http"

	"topicd/codec"
)

// serveHealth: the process is alive and answers. GET /healthz.
func (s *server) serveHealth(w http.ResponseWriter, _ *http.Request) {
	writeJSON(w, http.StatusOK, map[string]string{"status": "ok"})
}

// serveReady: readings can be published. GET /readyz. A hub that goes away has
// said 503 before this is asked.
func (s *server) serveReady(w http.ResponseWriter, _ *http.Request) {
	c, o := s.Hub.Counts(), s.Hub.Options()
	switch {
	case s.full():
		writeError(w, &codec.Error{Code: codec.CodeGoingAway, Msg: "not ready: the hub's memory is full of topics' newest readings", Retry: 1000})
	case c.Sessions >= o.Sessions:
		writeError(w, &codec.Error{Code: codec.CodeGoingAway, Msg: "not ready: the hub serves as many connections as it may", Retry: 1000})
	default:
		writeJSON(w, http.StatusOK, map[string]string{"status": "ready"})
	}
}

// full: there is no room and none can be made, because each topic is down to
// its newest reading. A hub that has run for a while always has no room; the
// oldest readings then make way.
func (s *server) full() bool {
	m := s.Hub.Memory()
	if m.Budget-m.Readings > int64(s.Hub.Options().MaxBody) {
		return false
	}
	for _, t := range s.Hub.Topics("") {
		if s.Hub.Info(t, 0).Readings > 1 {
			return false
		}
	}
	return true
}
