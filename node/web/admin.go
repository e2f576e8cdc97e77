package web

import (
	"bytes"
	"cmp"
	"encoding/json"
	"net/http"
	"strconv"
	"strings"

	"topicd/codec"
	"topicd/node"
	"topicd/node/front"
)

// serveClients lists who is connected: GET /api/clients. It shows what the
// hub's own topics $sys/presence/# show, and asks for the same right.
func (s *server) serveClients(w http.ResponseWriter, r *http.Request) {
	s.api(w, r, func(sess *node.Session) *codec.Error {
		if err := sess.MaySubscribe([]byte("$sys/presence/#")); err != nil {
			return err
		}
		l := newList(w, []byte("{}"), "clients")
		var row []byte
		for _, c := range s.Hub.Clients() {
			if c.ID == sess.ID() {
				continue
			}
			if row = appendClient(row[:0], &c); !l.row(row, nil, 0) {
				return nil
			}
		}
		l.end()
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
			return codec.Errorf(codec.CodeNotFound, "no client %d that could be cut: the hub's own, whose addr is local, stay", id)
		}
		writeJSON(w, http.StatusOK, map[string]uint64{"id": id})
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

// serveListeners lists the addresses that the hub serves on: GET /api/listeners.
func (s *server) serveListeners(w http.ResponseWriter, r *http.Request) {
	s.administer(w, r, func() *codec.Error {
		ls := []front.Listener{}
		if s.Listeners != nil {
			ls = s.Listeners.Listeners()
		}
		writeJSON(w, http.StatusOK, map[string]any{"listeners": ls})
		return nil
	})
}

var errFixed = &codec.Error{Code: codec.CodeConflict, Msg: "this hub's addresses cannot be changed while it runs"}

// serveListen serves on one more address: POST /api/listeners {addr,dialect}.
func (s *server) serveListen(w http.ResponseWriter, r *http.Request) {
	s.administer(w, r, func() *codec.Error {
		var ask struct{ Addr, Dialect string }
		if err := s.request(w, r, &ask); err != nil {
			return err
		}
		if s.Listeners == nil {
			return errFixed
		}
		l, err := s.Listeners.Listen(ask.Addr, ask.Dialect)
		if err != nil {
			return err
		}
		writeJSON(w, http.StatusCreated, l)
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
		writeJSON(w, http.StatusOK, map[string]string{"addr": addr})
		return nil
	})
}

// request reads a small object that a request's body is, JSON or CBOR.
func (s *server) request(w http.ResponseWriter, r *http.Request, v any) *codec.Error {
	k, bad := kindOf(w, r)
	if bad != nil {
		return bad
	}
	if k != guess && k != asJSON && k != asCBOR {
		return codec.Errorf(http.StatusUnsupportedMediaType, "send application/json or application/cbor")
	}
	data, bad := s.body(w, r, k)
	if bad != nil {
		return bad
	}
	data, err := codec.Transcode(nil, codec.JSON, k.enc(), data) // checks it too
	if err != nil {
		s.Hub.Stats.Add(node.RefusedMalformed, 1)
		return codec.AsError(err)
	}
	if err := strictly(data, v); err != nil {
		s.Hub.Stats.Add(node.RefusedMalformed, 1)
		return err
	}
	return nil
}

// strictly decodes JSON that has the fields of v and no others: who misspells
// expires must not get a token for ever.
func strictly(data []byte, v any) *codec.Error {
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	err := d.Decode(v)
	if wrong, ok := err.(*json.UnmarshalTypeError); ok {
		return codec.Errorf(codec.CodeMalformed, "%s cannot hold a value of type %s", cmp.Or(strings.ToLower(wrong.Field), "the body"), wrong.Value)
	}
	if err != nil {
		return codec.Errorf(codec.CodeMalformed, "%s", strings.TrimPrefix(err.Error(), "json: "))
	}
	return nil
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
		writeBody(w, http.StatusOK, append(b, '}'))
		return nil
	})
}
