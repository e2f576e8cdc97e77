package web

import (
	"net/http"

	"topicd/codec"
	"topicd/node/web/answer"
)

// serveHealth: the process is alive and answers. GET /healthz.
func (s *server) serveHealth(w http.ResponseWriter, _ *http.Request) {
	answer.JSON(w, http.StatusOK, map[string]string{"status": "ok"})
}

// serveReady: readings can be published. GET /readyz. A hub that goes away has
// said 503 before this is asked.
func (s *server) serveReady(w http.ResponseWriter, _ *http.Request) {
	c, o := s.Hub.Counts(), s.Hub.Options()
	switch {
	case s.Hub.Full():
		answer.Error(w, &codec.Error{Code: codec.CodeGoingAway, Msg: "not ready: the hub's memory is full of topics' newest readings", Retry: 1000})
	case c.Sessions >= o.Sessions:
		answer.Error(w, &codec.Error{Code: codec.CodeGoingAway, Msg: "not ready: the hub serves as many connections as it may", Retry: 1000})
	case s.storeTrouble() != "":
		answer.Error(w, &codec.Error{Code: codec.CodeGoingAway, Msg: "not ready: durable topics: " + s.storeTrouble(), Retry: 5000})
	default:
		answer.JSON(w, http.StatusOK, map[string]string{"status": "ready"})
	}
}
