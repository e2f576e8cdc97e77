// Package web is the hub over plain HTTP: ingest, query, event stream, the
// Managed-WebSocket REST, administration, metrics, documents and the dashboard.
//
// A request comes with the rights of whoever made it (node.RightsOf), put there
// by what stands before this handler, which has also checked Host and Origin.
// A request that publishes or streams is a node.Session for as long as it lasts,
// as any other peer.
package web

import (
	"encoding/json"
	"net/http"
	"strconv"

	"topicd/codec"
	"topicd/node"
)

// Config is what the handlers share.
type Config struct {
	Hub       *node.Hub
	Version   string
	Listeners Listeners // nil: they cannot be changed at run time
}

// Listener is an address that the hub serves on.
type Listener struct {
	Addr    string `json:"addr"`    // as bound: 192.0.2.7:22345
	Dialect string `json:"dialect"` // "" = all, told apart by path and first frame
	Since   int64  `json:"since"`   // milliseconds since 1970
	Fixed   bool   `json:"fixed"`   // of the configuration: it comes back with a restart
}

// Listeners opens and closes addresses at run time.
type Listeners interface {
	List() []Listener
	Open(addr, dialect string) (Listener, *codec.Error)
	Close(addr string) *codec.Error
}

// server holds the handlers.
type server struct{ Config }

// New makes the handler of everything that is not a WebSocket.
func New(cfg Config) http.Handler {
	s := &server{cfg}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", s.serveRoot)
	return mux
}

func (s *server) serveRoot(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	_, _ = w.Write([]byte("topicd " + s.Version + "\nA hub for sensor readings. Connect with a WebSocket to ws://" + r.Host + "/ws\n"))
}

// writeJSON answers with v. A body is never empty: some clients parse it
// whatever the status (facts/mws.md).
func writeJSON(w http.ResponseWriter, status int, v any) {
	b, err := json.Marshal(v)
	if err != nil {
		status, b = http.StatusInternalServerError, []byte(`{"error":{"code":500,"msg":"the answer could not be written"}}`)
	}
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write(append(b, '\n'))
}

// writeError answers with a refusal: its code is the HTTP status.
func writeError(w http.ResponseWriter, e *codec.Error) {
	if e.Retry > 0 {
		w.Header().Set("Retry-After", strconv.Itoa((e.Retry+999)/1000))
	}
	body := map[string]any{"code": e.Code, "msg": e.Msg}
	if e.Retry > 0 {
		body["retry"] = e.Retry
	}
	writeJSON(w, e.Code, map[string]any{"error": body})
}
