package web

import (
	"encoding/json"
	"net/http"

	"topicd/codec"
	"topicd/node"
	"topicd/node/store"
	"topicd/node/web/answer"
)

// Status is how the hub is, in a few words: GET /api/status.
type Status struct {
	Hub       string       `json:"hub"`
	Version   string       `json:"version"`
	Uptime    int64        `json:"uptime"` // seconds
	Now       int64        `json:"now"`    // milliseconds since 1970
	Topics    int          `json:"topics"`
	Sessions  int          `json:"sessions"`
	Published int64        `json:"published"`
	Memory    int64        `json:"memory"` // bytes of stored readings
	Budget    int64        `json:"budget"`
	Store     *StoreStatus `json:"store,omitempty"`
	Uplink    *Uplink      `json:"uplink,omitempty"`
}

// StoreStatus is how the store of durable topics is.
type StoreStatus struct {
	State         string `json:"state"` // ok, full, failing
	Reason        string `json:"reason,omitempty"`
	Bytes         int64  `json:"bytes"`
	Budget        int64  `json:"budget"`
	Topics        int    `json:"topics"`
	Pending       int    `json:"pending"` // bytes that wait to be written
	Subscriptions int    `json:"subscriptions"`
	Refused       uint64 `json:"refused"` // readings that were delivered and are not on disk
	Lost          uint64 `json:"lost"`    // readings that were stored and are gone
	Damaged       uint64 `json:"damaged"` // of those: by damage
}

// Uplink is how the connection to another hub or broker is.
type Uplink struct {
	To      string `json:"to"`
	State   string `json:"state"` // off, connecting, up, refused
	Up      bool   `json:"up"`
	Down    int64  `json:"down"`    // seconds since it is down
	Waiting int64  `json:"waiting"` // readings that wait for it
	Reason  string `json:"reason,omitempty"`
}

// serveStatus answers how the hub is to who may read $sys/stats.
func (s *server) serveStatus(w http.ResponseWriter, r *http.Request) {
	s.api(w, r, func(sess *node.Session) *codec.Error {
		if err := sess.MaySubscribe([]byte("$sys/stats")); err != nil {
			return err
		}
		b, err := json.Marshal(s.status())
		if err != nil {
			return codec.AsError(err)
		}
		answer.Raw(w, http.StatusOK, b)
		return nil
	})
}

func (s *server) status() *Status {
	m, c := s.Hub.Memory(), s.Hub.Counts()
	st := &Status{
		Hub: s.Hub.Options().Name, Version: s.Version, Now: s.Hub.Wall(), Topics: c.Topics, Sessions: c.Sessions,
		Memory: m.Readings, Budget: m.Budget, Store: storeStatus(s.Store),
	}
	s.Hub.Figures(func(name string, v int64) {
		switch name {
		case "uptime":
			st.Uptime = v
		case "published":
			st.Published = v
		}
	})
	if s.Config.Uplink != nil {
		st.Uplink = s.Config.Uplink()
	}
	return st
}

func storeStatus(s *store.Store) *StoreStatus {
	if s == nil {
		return nil
	}
	st, state := s.Stats(), s.State()
	return &StoreStatus{
		State: state.Trouble.String(), Reason: state.Reason, Bytes: st.Bytes, Budget: st.Budget, Topics: st.Topics, Pending: st.Pending,
		Subscriptions: st.Cursors, Refused: st.Refused, Lost: st.LostBytes + st.LostAge + st.LostDamaged, Damaged: st.LostDamaged,
	}
}

// serveBackup sends the store of durable topics as a tar file, to who administers
// the hub: GET /api/backup. It holds up nobody who publishes.
func (s *server) serveBackup(w http.ResponseWriter, r *http.Request) {
	s.api(w, r, func(sess *node.Session) *codec.Error {
		if err := sess.MayAdmin(); err != nil {
			return err
		}
		if s.Store == nil {
			return codec.Errorf(codec.CodeNotFound, "this hub keeps nothing on disk")
		}
		w.Header().Set("Content-Type", "application/x-tar")
		w.Header().Set("Content-Disposition", `attachment; filename="topicd-store.tar"`)
		if r.Method == http.MethodHead {
			return nil
		}
		p := &pieces{w: w}
		switch err := s.Store.Backup(p); {
		case err == nil:
		case p.begun:
			panic(http.ErrAbortHandler) // half a file must not look like one
		default:
			return &codec.Error{Code: codec.CodeGoingAway, Msg: "no backup: " + err.Error(), Retry: 5000}
		}
		return nil
	})
}

// pieces is an answer that is written piece by piece, each in time.
type pieces struct {
	w     http.ResponseWriter
	begun bool
}

func (p *pieces) Write(b []byte) (int, error) {
	p.begun = true
	if _, err := answer.Send(p.w, b); err != nil {
		return 0, err
	}
	return len(b), nil
}
