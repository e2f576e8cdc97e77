package web

import (
	"math"
	"net/http"
	"time"

	"topicd/codec"
	"topicd/node"
	"topicd/node/access"
	"topicd/node/web/answer"
)

// Access keeps the tokens and the join window, as access.Gate. Make and End wait
// for the disk.
type Access interface {
	Mode() string // lan, token or join
	Rows() []access.Row
	Make(access.Row) (access.Row, *codec.Error)
	End(id string) (cut int, err *codec.Error)
	JoinLeft() time.Duration // 0 = closed
	OpenJoin(time.Duration) *codec.Error
	CloseJoin()
}

// Me is what the hub knows of whoever asks.
type Me struct {
	Hub     string  `json:"hub"`
	Version string  `json:"version"`
	Name    string  `json:"name"` // of the token
	Dev     string  `json:"dev,omitempty"`
	Admin   bool    `json:"admin"`
	Access  string  `json:"access"`
	Page    string  `json:"page,omitempty"` // the dashboard, as other machines reach it
	Socket  *Socket `json:"socket,omitempty"`
	access.Patterns
}

// Socket is what becomes of a WebSocket that a page opens. A browser does not
// tell the page why one was refused, so the page asks here.
type Socket struct {
	Origin string `json:"origin"` // the page's, as it says
	Host   string `json:"host"`   // that the request came for
	OK     bool   `json:"ok"`
	Why    string `json:"why,omitempty"`
}

// serveMe says who asks, and what that may do: GET /api/me. With ?origin= it says
// too whether a page of that origin gets a WebSocket.
func (s *server) serveMe(w http.ResponseWriter, r *http.Request) {
	g := access.Of(node.RightsOf(r.Context()))
	me := Me{Name: g.Name, Dev: g.Dev, Admin: g.Admin, Patterns: g.Row().Patterns}
	if s.Config.Dashboard != nil && (g.Admin || len(g.Subscribe) > 0) {
		me.Page = s.Config.Dashboard()
	}
	if origin := r.URL.Query().Get("origin"); origin != "" && s.Origin != nil {
		err := s.Origin(r, origin)
		if me.Socket = &(Socket{Origin: origin, Host: r.Host, OK: err == nil}); err != nil {
			me.Socket.Why = err.Msg
		}
	}
	me.Hub, me.Version, me.Access = s.Hub.Options().Name, s.Version, s.Access.Mode()
	answer.JSON(w, http.StatusOK, me)
}

// serveTokens lists tokens: GET /api/tokens.
func (s *server) serveTokens(w http.ResponseWriter, r *http.Request) {
	s.administer(w, r, func() *codec.Error {
		answer.JSON(w, http.StatusOK, map[string]any{"tokens": s.Access.Rows()})
		return nil
	})
}

// serveCreate makes a token: POST /api/tokens {name,publish,subscribe,manage,expires,dev}.
func (s *server) serveCreate(w http.ResponseWriter, r *http.Request) {
	s.administer(w, r, func() *codec.Error {
		var t access.Row
		if err := answer.Decode(w, r, &t); err != nil {
			return err
		}
		made, err := s.Access.Make(t)
		if err == nil {
			answer.JSON(w, http.StatusCreated, made)
		}
		return err
	})
}

// serveRevoke ends a token and the sessions that it let in: DELETE /api/tokens/<id or name>.
func (s *server) serveRevoke(w http.ResponseWriter, r *http.Request) {
	s.administer(w, r, func() *codec.Error {
		cut, err := s.Access.End(r.PathValue("id"))
		if err == nil {
			answer.JSON(w, http.StatusOK, map[string]int{"cut": cut})
		}
		return err
	})
}

// serveJoin shows, opens and closes the join window: GET, POST {seconds} and
// DELETE /api/join.
func (s *server) serveJoin(w http.ResponseWriter, r *http.Request) {
	s.administer(w, r, func() *codec.Error {
		switch r.Method {
		case http.MethodPost:
			var q struct{ Seconds float64 }
			if err := answer.Decode(w, r, &q); err != nil {
				return err
			}
			if err := s.Access.OpenJoin(time.Duration(min(max(q.Seconds, 0), 1e6) * float64(time.Second))); err != nil {
				return err
			}
		case http.MethodDelete:
			s.Access.CloseJoin()
		}
		left := s.Access.JoinLeft()
		answer.JSON(w, http.StatusOK, map[string]any{"open": left > 0, "seconds": int(math.Ceil(left.Seconds()))})
		return nil
	})
}
