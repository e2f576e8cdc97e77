package mws

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"topicd/codec"
	"topicd/node/dialect/dialecttest"
)

// edsServer is a data store that knows a few tokens.
type edsServer struct {
	*httptest.Server
	asked   atomic.Int64
	atOnce  atomic.Int64
	most    atomic.Int64
	backend atomic.Value
	hold    chan struct{} // not nil: answers wait for it
}

func newEDSServer(t *testing.T) *edsServer {
	e := &edsServer{}
	e.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		e.asked.Add(1)
		n := e.atOnce.Add(1)
		for m := e.most.Load(); n > m && !e.most.CompareAndSwap(m, n); m = e.most.Load() {
		}
		if e.hold != nil {
			<-e.hold
		}
		defer e.atOnce.Add(-1)
		e.backend.Store(r.Header.Get("Enginio-Backend-Id"))
		switch token := strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer "); {
		case strings.HasPrefix(token, "joe"):
			_, _ = fmt.Fprint(w, `{"id":"joe","usergroups":[{"id":"12345","objectType":"usergroups"}]}`)
		case token == "ann":
			_, _ = fmt.Fprint(w, `{"id":"ann","usergroups":null}`)
		case token == "admin-by-name":
			_, _ = fmt.Fprint(w, `{"id":"admin","usergroups":[]}`)
		case token == "redirect":
			http.Redirect(w, r, e.URL+"/elsewhere", http.StatusFound)
		case token == "broken":
			_, _ = fmt.Fprint(w, `<html>`)
		case token == "large":
			_, _ = fmt.Fprintf(w, `{"id":"x","pad":"%s"}`, strings.Repeat("x", edsAnswer))
		case token == "limited":
			http.Error(w, "later", http.StatusTooManyRequests)
		case token == "failing":
			http.Error(w, "no", http.StatusInternalServerError)
		default:
			http.Error(w, "no", http.StatusUnauthorized)
		}
	}))
	t.Cleanup(e.Close)
	return e
}

// Tokens are good when EDS says so, and may what their groups may.
func TestMWSEDS(t *testing.T) {
	e := newEDSServer(t)
	h := serveREST(t, Config{Access: "eds", EDS: EDSConfig{
		URL: e.URL + "/v1/user", Backend: "b1", Read: []string{"*"}, Write: []string{"usergroups.12345"}, timeout: dialecttest.Patience,
	}}, few{"nothing", "nothing"})
	const msg = `{"data":"x","receivers":{"sockets":["*"],"tags":null}}`
	const away = `{"error":"The token could not be checked: EDS does not answer"}`
	as := func(token string) string { return "Authorization: Bearer " + token }
	h.want(401, noHeader, "GET", "/v1/websocket_uri", "")
	h.want(200, "", "GET", "/v1/websocket_uri", "", admin)
	h.want(201, "", "POST", "/v1/messages", msg, admin)
	if e.asked.Load() != 0 {
		t.Error("EDS was asked for the administrator's token")
	}
	h.want(200, "", "GET", "/v1/websocket_uri", "", as("ann"))
	h.want(403, denied, "POST", "/v1/messages", msg, as("ann"))
	h.want(200, "", "GET", "/v1/websocket_uri", "", as("joe"))
	h.want(201, "", "POST", "/v1/messages", msg, as("joe"))
	if n := e.asked.Load(); n != 2 || e.backend.Load() != "b1" {
		t.Errorf("asked %d times with backend %v: good answers are remembered", n, e.backend.Load())
	}
	h.want(403, denied, "POST", "/v1/messages", msg, as("admin-by-name"))
	h.want(401, denied, "GET", "/v1/websocket_uri", "", as("unknown"))
	h.want(401, denied, "GET", "/v1/websocket_uri", "", as("unknown"))
	h.want(503, away, "GET", "/v1/websocket_uri", "", as("redirect"))
	h.want(503, away, "GET", "/v1/websocket_uri", "", as("broken"))
	h.want(503, away, "GET", "/v1/websocket_uri", "", as("limited"))
	h.want(503, away, "GET", "/v1/websocket_uri", "", as("large"))
	h.want(503, away, "GET", "/v1/websocket_uri", "", as("failing"))
	h.want(401, denied, "GET", "/v1/sockets", "", as("joe"))
	h.want(401, denied, "POST", "/v1/webhook_receivers/enginio", msg, as("joe"))
	h.want(200, `{"access":"eds","name":"test","permissions":{"read":["*"],"write":["usergroups.12345"]}}`, "GET", "/v1/configuration", "", admin)
	h.c.Want("x")
	h.c.Want("x")
	e.Close()
	h.want(503, away, "GET", "/v1/websocket_uri", "", as("late"))
	h.want(200, "", "GET", "/v1/websocket_uri", "", as("joe")) // remembered
}

// However many ask, EDS is asked by a few at a time; too many are told so.
func TestMWSEDSBounds(t *testing.T) {
	e := newEDSServer(t)
	e.hold = make(chan struct{})
	eds := newEDS(EDSConfig{URL: e.URL, Read: []string{"*"}, timeout: dialecttest.Patience})
	var wg sync.WaitGroup
	var good, busy atomic.Int64
	for i := range 2 * edsWaiting {
		wg.Go(func() {
			u, err := eds.verify(t.Context(), fmt.Sprint("joe", i))
			switch {
			case err == errEDSBusy && err.Code == codec.CodeGoingAway && err.Retry > 0:
				if busy.Add(1) == edsWaiting {
					close(e.hold)
				}
			case err == nil && eds.allows(u, "read") && !eds.allows(u, "write"):
				good.Add(1)
			}
		})
	}
	wg.Wait()
	if good.Load() != edsWaiting || busy.Load() != edsWaiting || e.most.Load() == 0 || e.most.Load() > edsAtOnce {
		t.Errorf("%d good, %d busy, %d at once", good.Load(), busy.Load(), e.most.Load())
	}
	for i := range 2 * edsKept {
		eds.keep([32]byte{byte(i), byte(i >> 8), 1}, &edsUser{})
	}
	if len(eds.good) > edsKept {
		t.Errorf("%d answers are kept", len(eds.good))
	}
}

// FuzzEDS: an answer is a user or it is not.
func FuzzEDS(f *testing.F) {
	f.Add([]byte(`{"id":"joe","usergroups":[{"id":"12345","objectType":"usergroups"},null]}`))
	f.Add([]byte(`{"id":5}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		if u := parseEDS(b); u != nil && !json.Valid(b) {
			t.Errorf("%q is a user", b)
		}
	})
}
