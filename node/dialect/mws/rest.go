package mws

import (
	"net/http"
	"strings"
	"time"

	"topicd/codec"
	"topicd/node"
	"topicd/node/web/answer"
)

// rest is the Managed WebSocket over HTTP, as its server and its service did it:
// /v1/… and /v1/gateways/<id>/….
type rest struct {
	Config
	sockets *sockets
	eds     *eds // nil: access is not by EDS
}

// newREST makes the handler of /v1, which also answers GET / where the Managed
// WebSocket has a port to itself.
func newREST(cfg Config, s *sockets) *rest {
	m := &rest{Config: cfg, sockets: s}
	if cfg.Access == "eds" {
		m.eds = newEDS(cfg.EDS)
	}
	return m
}

// call is one request.
type call struct {
	*rest
	w     http.ResponseWriter
	r     *http.Request
	admin bool // it came with the administrator's token
}

// ServeHTTP implements http.Handler.
func (m *rest) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c := &call{rest: m, w: w, r: r, admin: m.isAdmin(r)}
	if r.Method == http.MethodOptions {
		answer.JSON(w, http.StatusOK, struct{}{})
		return
	}
	resource, id, _ := strings.Cut(resourceOf(r.URL.Path), "/")
	switch ask := r.Method + " " + resource; {
	case ask == "GET " && id == "":
		answer.JSON(w, http.StatusOK, map[string]string{"name": "MWS"})
	case resource == "sockets" && id != "" && !strings.Contains(id, "/"):
		c.socket(id)
	case id != "" && ask != "POST webhook_receivers":
		c.notFound()
	case ask == "GET websocket_uri":
		c.websocketURI()
	case ask == "POST messages":
		c.messages()
	case ask == "POST sockets":
		c.createSocket()
	case ask == "GET sockets":
		c.listSockets()
	case ask == "POST webhook_receivers" && id == "enginio":
		c.webhook()
	case ask == "GET configuration":
		c.configuration()
	case ask == "PUT configuration":
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

func (c *call) websocketURI() {
	if !c.may("read", func(r node.Rights) *codec.Error { return r.MaySubscribe([]byte("mws/#")) }) {
		return
	}
	var by node.Rights
	if c.Access == "none" && !c.admin { // else the hub's rights were not asked
		by = node.RightsOf(c.r.Context())
	}
	id, expires, err := c.sockets.ticket(nil, c.admin, by)
	if err != nil {
		c.refuse(err)
		return
	}
	answer.JSON(c.w, http.StatusOK, struct {
		ExpiresAt string   `json:"expiresAt"`
		URI       string   `json:"uri"`
		Tags      []string `json:"tags"`
	}{iso(expires), c.uri(id), []string{}})
}

// uri is what a socket connects to: clients pass it to their WebSocket as it is.
func (c *call) uri(token string) string {
	base := strings.TrimRight(c.URL, "/")
	if base == "" {
		base = "ws://"
		if c.r.TLS != nil {
			base = "wss://"
		}
		base += c.r.Host
	}
	return base + "/?" + ticketParam + "=" + token
}

// iso writes milliseconds since 1970 as clients know them.
func iso(ms int64) string { return time.UnixMilli(ms).UTC().Format("2006-01-02T15:04:05Z") }

func (c *call) createSocket() {
	var in socketIn
	if !c.needAdmin() || !c.read(&in) {
		return
	}
	tags := append(in.tags, "users.admin")
	id, expires, err := c.sockets.ticket(tags, true, nil)
	if err != nil {
		c.refuse(err)
		return
	}
	answer.JSON(c.w, http.StatusCreated, struct {
		ID        string   `json:"id"`
		Tags      []string `json:"tags"`
		ExpiresAt string   `json:"expiresAt"`
		URI       string   `json:"uri"`
	}{id, tags, iso(expires), c.uri(id)})
}

// socketOut describes an open socket. The original's server says createdAt,
// its documentation connectedAt.
type socketOut struct {
	ID          string   `json:"id"`
	CreatedAt   string   `json:"createdAt"`
	ConnectedAt string   `json:"connectedAt"`
	Tags        []string `json:"tags"`
}

func describeSocket(id string, since int64, tags []string) socketOut {
	if tags == nil {
		tags = []string{}
	}
	return socketOut{id, iso(since), iso(since), tags}
}

func (c *call) listSockets() {
	if !c.needAdmin() {
		return
	}
	list := []socketOut{}
	c.sockets.every(func(id string, since int64, tags []string) {
		list = append(list, describeSocket(id, since, tags))
	})
	answer.JSON(c.w, http.StatusOK, map[string]any{"results": list})
}

func (c *call) socket(id string) {
	switch {
	case c.r.Method != http.MethodGet && c.r.Method != http.MethodDelete:
		c.notFound()
	case !c.needAdmin():
	case c.r.Method == http.MethodDelete:
		status := http.StatusOK
		if !c.sockets.remove(id) {
			status = http.StatusNotFound
		}
		answer.JSON(c.w, status, struct{}{})
	default:
		since, tags, ok := c.sockets.find(id)
		if !ok {
			answer.JSON(c.w, http.StatusNotFound, struct{}{})
			return
		}
		answer.JSON(c.w, http.StatusOK, describeSocket(id, since, tags))
	}
}

// configuration tells what npm's qtc can ask the service for. It is set by the
// operator and not from outside.
func (c *call) configuration() {
	if !c.needAdmin() {
		return
	}
	p := map[string][]string{"read": {"*"}, "write": {"*"}}
	if c.eds != nil {
		p = map[string][]string{"read": c.EDS.Read, "write": c.EDS.Write}
	}
	answer.JSON(c.w, http.StatusOK, map[string]any{"name": c.Hub.Options().Name, "access": c.Access, "permissions": p})
}

func (c *call) notFound() { c.fail(http.StatusNotFound, "Not found") }

// refuse answers with a refusal of the hub.
func (c *call) refuse(e *codec.Error) { refuse(c.w, e) }

func refuse(w http.ResponseWriter, e *codec.Error) {
	if e.Retry > 0 {
		answer.Retry(w, e)
	}
	fail(w, e.Code, e.Msg)
}

// fail answers with the original's form of an error: never an empty body, at
// which npm's qtc dies.
func (c *call) fail(status int, what any) { fail(c.w, status, what) }

func fail(w http.ResponseWriter, status int, what any) {
	answer.JSON(w, status, map[string]any{"error": what})
}
