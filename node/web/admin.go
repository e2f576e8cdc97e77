package web

import (
	"net/http"
	"strconv"

	"topicd/codec"
	"topicd/node"
	"topicd/node/front"
	"topicd/node/web/answer"
)

// serveClients lists who is connected: GET /api/clients. It shows what the
// hub's own topics $sys/presence/# show, and asks for the same right.
func (s *server) serveClients(w http.ResponseWriter, r *http.Request) {
	s.api(w, r, func(sess *node.Session) *codec.Error {
		if err := sess.MaySubscribe([]byte("$sys/presence/#")); err != nil {
			return err
		}
		l := answer.NewList(w, []byte("{}"), "clients")
		var row []byte
		for _, c := range s.Hub.Clients() {
			if c.ID == sess.ID() {
				continue
			}
			if row = appendClient(row[:0], &c); !l.Row(row, nil, 0) {
				return nil
			}
		}
		l.End()
		return nil
	})
}

// appendClient appends a client as every list shows it, and what only an admin asks for.
func appendClient(b []byte, c *node.ClientInfo) []byte {
	b = c.AppendJSON(b)
	b = strconv.AppendUint(append(b[:len(b)-1], `,"id":`...), uint64(c.ID), 10)
	b = strconv.AppendInt(append(b, `,"ready":`...), int64(c.Ready), 10)
	b = codec.AppendString(append(b, `,"state":`...), codec.JSON, c.State)
	return append(b, '}')
}

// serveCut ends a connection: DELETE /api/clients/<id>.
func (s *server) serveCut(w http.ResponseWriter, r *http.Request) {
	s.api(w, r, func(sess *node.Session) *codec.Error {
		if err := sess.MayAdmin(); err != nil {
			return err
		}
		id, err := strconv.ParseUint(r.PathValue("id"), 10, 32)
		if err != nil {
			return codec.Errorf(codec.CodeMalformed, "a client's id is the number that /api/clients shows")
		}
		if !s.Hub.Cut(uint32(id), errCut) {
			return codec.Errorf(codec.CodeNotFound, "no client %d that could be cut: a request ends by itself, and the hub's own, whose addr is local, stay", id)
		}
		answer.JSON(w, http.StatusOK, map[string]uint64{"id": id})
		return nil
	})
}

var errCut = &codec.Error{Code: codec.CodeForbidden, Msg: "an administrator ended this connection"}

// Listeners opens and closes addresses at run time, as front.Front.
type Listeners interface {
	Listeners() []front.Listener
	Listen(addr, dialect string) (front.Listener, *codec.Error)
	Unlisten(addr string) *codec.Error
}

// administer runs an administrator's request.
func (s *server) administer(w http.ResponseWriter, r *http.Request, do func() *codec.Error) {
	s.api(w, r, func(sess *node.Session) *codec.Error {
		if err := sess.MayAdmin(); err != nil {
			return err
		}
		return do()
	})
}

// serveListeners lists the addresses that the hub serves on, and the dialects that
// one can be given to: GET /api/listeners.
func (s *server) serveListeners(w http.ResponseWriter, r *http.Request) {
	s.administer(w, r, func() *codec.Error {
		ls := []front.Listener{}
		if s.Listeners != nil {
			ls = s.Listeners.Listeners()
		}
		answer.JSON(w, http.StatusOK, map[string]any{"listeners": ls, "dialects": s.dialects()})
		return nil
	})
}

// dialectName is a dialect that a listener can be given to.
type dialectName struct {
	Name  string `json:"name"`
	Title string `json:"title"` // for people
}

func (s *server) dialects() []dialectName {
	names := make([]dialectName, 0, len(s.Dialects))
	for _, p := range s.Dialects {
		names = append(names, dialectName{p.Name, p.Title})
	}
	return names
}

var errFixed = &codec.Error{Code: codec.CodeConflict, Msg: "this hub's addresses cannot be changed while it runs"}

// serveListen serves on one more address: POST /api/listeners {addr,dialect}.
func (s *server) serveListen(w http.ResponseWriter, r *http.Request) {
	s.administer(w, r, func() *codec.Error {
		var ask struct{ Addr, Dialect string }
		if err := answer.Decode(w, r, &ask); err != nil {
			return err
		}
		if s.Listeners == nil {
			return errFixed
		}
		l, err := s.Listeners.Listen(ask.Addr, ask.Dialect)
		if err != nil {
			return err
		}
		answer.JSON(w, http.StatusCreated, l)
		return nil
	})
}

// serveUnlisten stops serving on an address: DELETE /api/listeners?addr=.
func (s *server) serveUnlisten(w http.ResponseWriter, r *http.Request) {
	s.administer(w, r, func() *codec.Error {
		addr := r.URL.Query().Get("addr")
		if s.Listeners == nil {
			return errFixed
		}
		if err := s.Listeners.Unlisten(addr); err != nil {
			return err
		}
		answer.JSON(w, http.StatusOK, map[string]string{"addr": addr})
		return nil
	})
}

// serveStats answers the hub's own figures, as $sys/stats: GET /api/stats.
func (s *server) serveStats(w http.ResponseWriter, r *http.Request) {
	s.api(w, r, func(sess *node.Session) *codec.Error {
		if err := sess.MaySubscribe([]byte("$sys/stats")); err != nil {
			return err
		}
		b := []byte{'{'}
		s.Hub.Figures(func(name string, v int64) {
			if len(b) > 1 {
				b = append(b, ',')
			}
			b = append(codec.AppendString(b, codec.JSON, name), ':')
			b = strconv.AppendInt(b, v, 10)
		})
		answer.Raw(w, http.StatusOK, append(b, '}'))
		return nil
	})
}
