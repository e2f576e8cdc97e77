package web

import (
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"topicd/codec"
	"topicd/node"
)

// ManagedSockets is the socket side of the Managed WebSocket.
type ManagedSockets interface {
	// Ticket makes what a socket needs to open: its id, which is also its
	// token, good once and until expires (milliseconds since 1970). kept: made
	// by the administrator, never given up for those that anybody can ask for.
	// by are the rights that it was asked for with: the socket ends with them;
	// nil: they cannot end.
	Ticket(tags []string, kept bool, by node.Rights) (id string, expires int64, err *codec.Error)
	// Sockets yields the open sockets, the oldest first; tags are not to be changed.
	Sockets(yield func(id string, since int64, tags []string))
	// Socket is one open socket.
	Socket(id string) (since int64, tags []string, ok bool)
	// Remove closes a socket, or makes its unused URI worthless.
	Remove(id string) bool
	// Send sends once to each open socket that is named, has a tag, or is meant by "*".
	Send(data string, sockets, tags []string) *codec.Error
}

// ManagedConfig is what the REST of the Managed WebSocket needs.
type ManagedConfig struct {
	Hub     *node.Hub
	Sockets ManagedSockets
	// Access: "none" asks the hub's own rights, "custom" the administrator's
	// token, "eds" that or a token that EDS knows.
	Access string
	EDS    EDSConfig
	// URL stands before /?token= in the URIs of sockets; "" = as the request
	// came: ws:// or, over TLS, wss:// and its Host.
	URL string
	// Admin tells whether the token is the administrator's, in a time that says
	// nothing of how much of it was right. nil: nobody is.
	Admin func(token string) bool
}

// managed is Qt Cloud Services' Managed WebSocket over HTTP, as its server and
// its service did it: /v1/… and /v1/gateways/<id>/….
type managed struct {
	ManagedConfig
	eds  *eds         // nil: access is not by EDS
	held atomic.Int64 // bytes of bodies that are being read or sent
}

// NewManaged makes the handler of /v1, which also answers GET / where the
// Managed WebSocket has a port to itself.
func NewManaged(cfg ManagedConfig) http.Handler {
	m := &managed{ManagedConfig: cfg}
	if cfg.Access == "eds" {
		m.eds = newEDS(cfg.EDS)
	}
	return m
}

// mwsCall is one request.
type mwsCall struct {
	*managed
	w     http.ResponseWriter
	r     *http.Request
	admin bool  // it came with the administrator's token
	held  int64 // its share of managed.held
}

// ServeHTTP implements http.Handler.
func (m *managed) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c := &mwsCall{managed: m, w: w, r: r, admin: m.isAdmin(r)}
	defer func() { m.held.Add(-c.held) }()
	if r.Method == http.MethodOptions {
		writeJSON(w, http.StatusOK, struct{}{})
		return
	}
	resource, id, _ := strings.Cut(resourceOf(r.URL.Path), "/")
	switch call := r.Method + " " + resource; {
	case call == "GET " && id == "":
		writeJSON(w, http.StatusOK, map[string]string{"name": "MWS"})
	case resource == "sockets" && id != "" && !strings.Contains(id, "/"):
		c.socket(id)
	case id != "" && call != "POST webhook_receivers":
		c.notFound()
	case call == "GET websocket_uri":
		c.websocketURI()
	case call == "POST messages":
		c.messages()
	case call == "POST sockets":
		c.createSocket()
	case call == "GET sockets":
		c.listSockets()
	case call == "POST webhook_receivers" && id == "enginio":
		c.webhook()
	case call == "GET configuration":
		c.configuration()
	case call == "PUT configuration":
		if c.needAdmin() {
			w.Header().Set("Allow", "GET, OPTIONS")
			c.fail(http.StatusMethodNotAllowed, "The configuration is the hub's: see --mws-access and topicd.toml")
		}
	default:
		c.notFound()
	}
}

// resourceOf is the path behind /v1 or /v1/gateways/<id>; the hub is every
// gateway.
func resourceOf(path string) string {
	path = strings.Trim(path, "/")
	path, ok := strings.CutPrefix(path, "v1")
	if !ok {
		if path == "" {
			return ""
		}
		return "?"
	}
	if path != "" && path[0] != '/' {
		return "?"
	}
	path = strings.TrimPrefix(path, "/")
	if rest, ok := strings.CutPrefix(path, "gateways/"); ok {
		_, path, _ = strings.Cut(rest, "/")
	}
	return path
}

func (c *mwsCall) websocketURI() {
	if !c.may("read", func(r node.Rights) *codec.Error { return r.MaySubscribe([]byte("mws/#")) }) {
		return
	}
	var by node.Rights
	if c.Access == "none" && !c.admin { // else the hub's rights were not asked
		by = node.RightsOf(c.r.Context())
	}
	id, expires, err := c.Sockets.Ticket(nil, c.admin, by)
	if err != nil {
		c.refuse(err)
		return
	}
	writeJSON(c.w, http.StatusOK, struct {
		ExpiresAt string   `json:"expiresAt"`
		URI       string   `json:"uri"`
		Tags      []string `json:"tags"`
	}{mwsTime(expires), c.uri(id), []string{}})
}

// uri can be connected to as it is: clients hand it to their WebSocket unseen.
func (c *mwsCall) uri(token string) string {
	base := strings.TrimRight(c.URL, "/")
	if base == "" {
		base = "ws://"
		if c.r.TLS != nil {
			base = "wss://"
		}
		base += c.r.Host
	}
	return base + "/?token=" + token
}

// mwsTime writes milliseconds since 1970 as clients know them.
func mwsTime(ms int64) string { return time.UnixMilli(ms).UTC().Format("2006-01-02T15:04:05Z") }

func (c *mwsCall) createSocket() {
	var in mwsSocketIn
	if !c.needAdmin() || !c.read(&in) {
		return
	}
	tags := append(in.tags, "users.admin")
	id, expires, err := c.Sockets.Ticket(tags, true, nil)
	if err != nil {
		c.refuse(err)
		return
	}
	writeJSON(c.w, http.StatusCreated, struct {
		ID        string   `json:"id"`
		Tags      []string `json:"tags"`
		ExpiresAt string   `json:"expiresAt"`
		URI       string   `json:"uri"`
	}{id, tags, mwsTime(expires), c.uri(id)})
}

// mwsSocket describes an open socket. The original's server says createdAt,
// its documentation connectedAt.
type mwsSocket struct {
	ID          string   `json:"id"`
	CreatedAt   string   `json:"createdAt"`
	ConnectedAt string   `json:"connectedAt"`
	Tags        []string `json:"tags"`
}

func describeSocket(id string, since int64, tags []string) mwsSocket {
	if tags == nil {
		tags = []string{}
	}
	return mwsSocket{id, mwsTime(since), mwsTime(since), tags}
}

func (c *mwsCall) listSockets() {
	if !c.needAdmin() {
		return
	}
	list := []mwsSocket{}
	c.Sockets.Sockets(func(id string, since int64, tags []string) {
		list = append(list, describeSocket(id, since, tags))
	})
	writeJSON(c.w, http.StatusOK, map[string]any{"results": list})
}

func (c *mwsCall) socket(id string) {
	switch {
	case c.r.Method != http.MethodGet && c.r.Method != http.MethodDelete:
		c.notFound()
	case !c.needAdmin():
	case c.r.Method == http.MethodDelete:
		status := http.StatusOK
		if !c.Sockets.Remove(id) {
			status = http.StatusNotFound
		}
		writeJSON(c.w, status, struct{}{})
	default:
		since, tags, ok := c.Sockets.Socket(id)
		if !ok {
			writeJSON(c.w, http.StatusNotFound, struct{}{})
			return
		}
		writeJSON(c.w, http.StatusOK, describeSocket(id, since, tags))
	}
}

// configuration tells what npm's qtc can ask the service for. It is set by the
// operator and not from outside.
func (c *mwsCall) configuration() {
	if !c.needAdmin() {
		return
	}
	p := map[string][]string{"read": {"*"}, "write": {"*"}}
	if c.eds != nil {
		p = map[string][]string{"read": c.EDS.Read, "write": c.EDS.Write}
	}
	writeJSON(c.w, http.StatusOK, map[string]any{"name": c.Hub.Options().Name, "access": c.Access, "permissions": p})
}

func (c *mwsCall) notFound() { c.fail(http.StatusNotFound, "Not found") }

// fail answers with the original's form of an error: never an empty body, at
// which npm's qtc dies.
func (c *mwsCall) fail(status int, what any) {
	writeJSON(c.w, status, map[string]any{"error": what})
}

// refuse answers with a refusal of the hub.
func (c *mwsCall) refuse(e *codec.Error) {
	if e.Retry > 0 {
		sayRetry(c.w, e)
	}
	c.fail(e.Code, e.Msg)
}
