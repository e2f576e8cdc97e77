package mws

import (
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"reflect"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"topicd/codec"
	"topicd/node"
	"topicd/node/dialect"
	"topicd/node/dialect/dialecttest"
)

// restHub is the REST on a port of its own, in an access mode; "sec" is the
// admin's token. rights are those that the hub gives each request.
type restHub struct {
	*dialecttest.Hub
	t  *testing.T
	id string // of the socket that is open, with the tags players and users.admin
	c  *dialecttest.Client
}

// restBegin is when all of it happens.
var restBegin = time.Date(2026, 11, 22, 9, 5, 27, 0, time.UTC).UnixMilli()

func serveREST(t *testing.T, cfg Config, rights node.Rights) *restHub {
	t.Helper()
	m := &restHub{t: t}
	if cfg.Access == "" {
		cfg.Access = "none"
	}
	cfg.Admin = func(token string) bool { return token == "sec" }
	var socks *sockets
	m.Hub = dialecttest.Start(t, dialecttest.Options{
		Hub: node.Options{MaxBody: 4096, Name: "test", Clock: func() (wall, mono int64) { return restBegin, 1 }}, Listener: "mws",
		Rights: func(*http.Request) node.Rights { return rights },
		Plugs: func(h *node.Hub) []dialect.Plug {
			cfg.Hub, socks = h, newSockets(h)
			return []dialect.Plug{plug(cfg, socks)}
		},
	})
	id, _, err := socks.ticket([]string{"players", "users.admin"}, true, nil)
	if err != nil {
		t.Fatal(err)
	}
	m.id, m.c = id, m.Dial(t, "/?token="+id, "")
	dialecttest.Await(t, "the socket opens", func() bool { _, _, ok := socks.find(id); return ok })
	return m
}

var anyToken = regexp.MustCompile(`[0-9a-f]{64}`)

// want asks and expects that status and, unless it is "", that body. ONE stands
// for the id of the socket that is open, NEW for that of a new one.
func (m *restHub) want(status int, want, method, path, body string, header ...string) dialecttest.Answer {
	m.t.Helper()
	one := strings.NewReplacer("ONE", m.id).Replace
	a := m.Do(m.t, method, one(path), one(body), header...)
	got := strings.ReplaceAll(strings.TrimSuffix(a.Body, "\n"), m.id, "ONE")
	got = anyToken.ReplaceAllString(got, "NEW")
	if a.Status != status || want != "" && got != want {
		m.t.Errorf("%s %s %.200q\n got %d %s\nwant %d %s", method, path, body, a.Status, got, status, want)
	}
	return a
}

const (
	admin    = "Authorization: Bearer sec"
	noHeader = `{"error":"Authorization header is required"}`
	denied   = `{"error":"Access denied"}`
)

// Everything that the original's server answers.
func TestMWSRest(t *testing.T) {
	h := serveREST(t, Config{}, nil)
	host := strings.TrimPrefix(h.URL, "http://")
	socket := `{"id":"ONE","createdAt":"2026-11-22T09:05:27Z","connectedAt":"2026-11-22T09:05:27Z","tags":["players","users.admin"]}`
	for i, c := range []struct {
		status             int
		want               string
		method, path, body string
		header             string
	}{
		{200, `{"name":"MWS"}`, "GET", "/", "", ""},
		{200, `{"name":"MWS"}`, "GET", "/v1", "", ""},
		{200, `{"name":"MWS"}`, "GET", "/v1/gateways/GW1/", "", ""},
		{200, `{}`, "OPTIONS", "/v1/messages", "", ""},
		{200, `{"expiresAt":"2026-11-22T09:10:27Z","uri":"ws://HOST/?token=NEW","tags":[]}`, "GET", "/v1/websocket_uri", "", ""},
		{200, `{"expiresAt":"2026-11-22T09:10:27Z","uri":"ws://HOST/?token=NEW","tags":[]}`, "GET", "/v1/gateways/GW1/websocket_uri", "", admin},

		{201, `{"id":"NEW","tags":["players","users.admin"],"expiresAt":"2026-11-22T09:10:27Z","uri":"ws://HOST/?token=NEW"}`, "POST", "/v1/sockets", `{"tags":["players"]}`, admin},
		{201, `{"id":"NEW","tags":["7","users.admin"],"expiresAt":"2026-11-22T09:10:27Z","uri":"ws://HOST/?token=NEW"}`, "POST", "/v1/gateways/g/sockets", `{"tags":[7]}`, admin},
		{201, ``, "POST", "/v1/sockets", `{"tags":["{\"a\":1}"]}`, admin},
		{201, ``, "POST", "/v1/sockets", `{"tags":null}`, admin},
		{201, ``, "POST", "/v1/sockets", `{}`, admin},
		{201, ``, "POST", "/v1/sockets", "\ufeff{}\r\n", admin},
		{201, ``, "POST", "/v1/sockets", ``, admin},
		{422, `{"tags":"Tags isn't an array"}`, "POST", "/v1/sockets", `{"tags":"one"}`, admin},
		{422, `{"tags":"Tags[1] isn't a string"}`, "POST", "/v1/sockets", `{"tags":["a",{}]}`, admin},
		{422, `{"error":"Invalid json"}`, "POST", "/v1/sockets", `[]`, admin},
		{401, noHeader, "POST", "/v1/sockets", `{"tags":[]}`, ""},
		{401, denied, "POST", "/v1/sockets", `{"tags":[]}`, "Authorization: Bearer wrong"},
		{401, denied, "POST", "/v1/sockets", `{"tags":[]}`, "Authorization: Basic sec"},

		{200, `{"results":[` + socket + `]}`, "GET", "/v1/sockets", "", admin},
		{200, socket, "GET", "/v1/sockets/ONE", "", admin},
		{404, `{}`, "GET", "/v1/sockets/two", "", admin},
		{404, `{}`, "DELETE", "/v1/gateways/GW1/sockets/two", "", admin},
		{401, noHeader, "GET", "/v1/sockets", "", ""},
		{401, noHeader, "GET", "/v1/sockets/ONE", "", ""},
		{401, denied, "DELETE", "/v1/sockets/ONE", "", "Authorization: Bearer "},

		{201, `{"data":"Hello","receivers":{"sockets":["*"],"tags":null}}`, "POST", "/v1/messages", `{"data":"Hello","receivers":{"sockets":["*"],"tags":null},"more":1}`, ""},
		{201, `{"data":"5","receivers":{"sockets":[],"tags":["a","7"]}}`, "POST", "/v1/messages", `{"data":5,"receivers":{"sockets":[],"tags":["a",7]}}`, "Content-Type: application/json"},
		{422, `{"data":"Data can't be blank"}`, "POST", "/v1/messages", `{"data":"","receivers":{"sockets":null,"tags":null}}`, ""},
		{422, `{"data":"Data can't be blank"}`, "POST", "/v1/messages", `{"data":" \n","receivers":{"sockets":null,"tags":null}}`, ""},
		{422, `{"data":"Data isn't a string"}`, "POST", "/v1/messages", `{"data":{"o":1},"receivers":{"sockets":null,"tags":null}}`, ""},
		{422, `{"data":"Data isn't a string"}`, "POST", "/v1/messages", `{"data":null,"receivers":{"sockets":null,"tags":null}}`, ""},
		{422, `{"data":"Data is required"}`, "POST", "/v1/messages", `{"receivers":{"sockets":null,"tags":null}}`, ""},
		{422, `{"receivers":{"tags":"Tags is required"}}`, "POST", "/v1/messages", `{"data":"x","receivers":{"sockets":["*"]}}`, ""},
		{422, `{"receivers":{"sockets":"Sockets is required","tags":"Tags isn't an array"}}`, "POST", "/v1/messages", `{"data":"x","receivers":{"tags":{}}}`, ""},
		{422, `{"receivers":{"sockets":"Sockets[0] isn't a string"}}`, "POST", "/v1/messages", `{"data":"x","receivers":{"tags":[],"sockets":[null]}}`, ""},
		{422, `{"receivers":"Receivers is required"}`, "POST", "/v1/messages", `{"data":"x"}`, ""},
		{422, `{"receivers":"Receivers isn't a hash"}`, "POST", "/v1/messages", `{"data":"x","receivers":null}`, ""},
		{422, `{"data":"Data is required","receivers":"Receivers is required"}`, "POST", "/v1/messages", `{}`, ""},
		{422, `{"error":"Invalid json"}`, "POST", "/v1/messages", ``, ""},
		{422, `{"error":"Invalid json"}`, "POST", "/v1/messages", `null`, ""},
		{422, `{"error":"Invalid json"}`, "POST", "/v1/messages", `[{"data":"x"}]`, ""},
		{422, `{"error":"Invalid json"}`, "POST", "/v1/messages", `{"data":"x"`, ""},
		{413, `{"error":"The body is larger than 69632 bytes"}`, "POST", "/v1/messages", `{"data":"` + strings.Repeat("x", 70_000) + `"}`, ""},

		{201, `{"data":"{\"a\": 1}","receivers":{"sockets":null,"tags":["users.joe","usergroups.5"]}}`, "POST", "/v1/webhook_receivers/enginio", `{"payload":"{\"a\": 1}","receivers":[{"id":"joe","objectType":"users"},{"id":5,"objectType":"usergroups"}]}`, admin},
		{201, `{"data":"{\"object\":{\"id\":\"5\"},\"meta\":{\"eventName\":\"update\"}}","receivers":{"sockets":["*"],"tags":null}}`, "POST", "/v1/webhook_receivers/enginio", `{"payload": {"object": {"id": "5"}, "meta":{"eventName": "update"}}, "receivers":[{"id":"*","objectType":"aclSubject"}]}`, admin},
		{422, `{"payload":"Payload is required","receivers":"Receivers isn't an array"}`, "POST", "/v1/webhook_receivers/enginio", `{"receivers":{}}`, admin},
		{422, `{"payload":"Payload can't be blank","receivers":"Receivers is required"}`, "POST", "/v1/webhook_receivers/enginio", `{"payload":" "}`, admin},
		{422, `{"receivers":"Receivers have an id and an objectType"}`, "POST", "/v1/webhook_receivers/enginio", `{"payload":"x","receivers":[{}]}`, admin},
		{401, noHeader, "POST", "/v1/webhook_receivers/enginio", `{}`, ""},

		{200, `{"access":"none","name":"test","permissions":{"read":["*"],"write":["*"]}}`, "GET", "/v1/configuration", "", admin},
		{405, ``, "PUT", "/v1/gateways/GW1/configuration", `{"name":"n","permissions":{}}`, admin},
		{401, noHeader, "GET", "/v1/configuration", "", ""},

		{404, `{"error":"Not found"}`, "GET", "/v1/nothing", "", ""},
		{404, `{"error":"Not found"}`, "DELETE", "/v1/messages", "", admin},
		{404, `{"error":"Not found"}`, "POST", "/v1/websocket_uri", "", admin},
		{404, `{"error":"Not found"}`, "GET", "/v1/websocket_uri/x", "", ""},
		{404, `{"error":"Not found"}`, "PUT", "/v1/sockets/ONE", "", admin},
		{404, `{"error":"Not found"}`, "GET", "/v1/sockets/ONE/two", "", admin},
		{404, `{"error":"Not found"}`, "POST", "/v1/webhook_receivers/other", "", admin},
		{404, `{"error":"Not found"}`, "GET", "/v12/sockets", "", admin},
		{404, `{"error":"Not found"}`, "GET", "/sockets", "", admin},
	} {
		var header []string
		if c.header != "" {
			header = append(header, c.header)
		}
		a := h.want(c.status, strings.ReplaceAll(c.want, "HOST", host), c.method, c.path, c.body, header...)
		if got := a.Header.Get("Content-Type"); got != "application/json; charset=utf-8" || !json.Valid([]byte(a.Body)) {
			t.Errorf("%d: %s %s answers with %s, %q: qtc would die of that", i, c.method, c.path, got, a.Body)
		}
	}
	for _, text := range []string{"Hello", `{"object":{"id":"5"},"meta":{"eventName":"update"}}`} {
		h.c.Want(text)
	}
	h.want(201, "", "POST", "/v1/messages", `{"data":"by tag","receivers":{"sockets":null,"tags":["players"]}}`)
	h.c.Want("by tag")
	h.want(201, "", "POST", "/v1/messages", `{"data":"by id","receivers":{"sockets":["ONE"],"tags":null}}`)
	h.c.Want("by id")
	h.want(200, `{}`, "DELETE", "/v1/sockets/ONE", "", admin)
	h.c.WantClose(1000)
	h.want(404, `{}`, "GET", "/v1/sockets/ONE", "", admin)
}

// A refusal of the hub has the original's form, and says when to come again.
func TestMWSRefused(t *testing.T) {
	h := serveREST(t, Config{}, nil)
	for range maxMade {
		h.want(201, "", "POST", "/v1/sockets", "", admin)
	}
	a := h.want(507, `{"error":"too many socket URIs wait to be used"}`, "POST", "/v1/sockets", "", admin)
	if a.Header.Get("Retry-After") != "60" {
		t.Errorf("Retry-After %q", a.Header.Get("Retry-After"))
	}
}

// URIs begin with what the operator says.
func TestMWSURL(t *testing.T) {
	h := serveREST(t, Config{URL: "wss://hub.example.org/mws/"}, nil)
	h.want(200, `{"expiresAt":"2026-11-22T09:10:27Z","uri":"wss://hub.example.org/mws/?token=NEW","tags":[]}`, "GET", "/v1/websocket_uri", "")
}

// The hub's page is for people; who asks for JSON is a Managed WebSocket's client.
func TestMWSRoot(t *testing.T) {
	h := dialecttest.Start(t, dialecttest.Options{Plugs: func(h *node.Hub) []dialect.Plug {
		return []dialect.Plug{Plug(Config{Hub: h, Access: "none"})}
	}})
	if a := h.Do(t, "GET", "/", "", "Accept: application/json"); a.Status != 200 || a.Body != `{"name":"MWS"}`+"\n" {
		t.Error(a.Status, a.Body)
	}
	if a := h.Do(t, "GET", "/", "", "Accept: text/html,*/*"); strings.Contains(a.Body, "MWS") {
		t.Error(a.Body)
	}
}

// Large bodies that do not come whole are bounded together, and hold up nobody
// with a small one.
func TestMWSBodies(t *testing.T) {
	h := serveREST(t, Config{}, nil)
	var slow []net.Conn
	begin := func() {
		c, err := net.Dial("tcp", strings.TrimPrefix(h.URL, "http://"))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = c.Close() })
		_, _ = fmt.Fprintf(c, "POST /v1/messages HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: %d\r\n\r\n{", 60<<10)
		slow = append(slow, c)
	}
	for range 4<<20/(60<<10) + 1 {
		begin()
	}
	const msg = `{"data":"x","receivers":{"sockets":null,"tags":null}}`
	large := msg + strings.Repeat(" ", 50_000)
	post := func(body string) int { return h.Do(t, "POST", "/v1/messages", body).Status }
	// A try that is taken may have had the room of one of the slow ones, which is
	// then refused for good: another one begins in its place.
	dialecttest.Await(t, "a large body is refused", func() bool {
		if post(large) == 503 {
			return true
		}
		begin()
		return false
	})
	h.want(201, "", "POST", "/v1/messages", msg)
	for _, c := range slow {
		_ = c.Close()
	}
	dialecttest.Await(t, "a large body is taken again", func() bool { return post(large) == 201 })
}

// few are rights to some topics only.
type few struct{ publish, subscribe string }

func (f few) MayPublish(t []byte) *codec.Error {
	if !codec.Match(f.publish, string(t)) {
		return codec.Errorf(codec.CodeForbidden, "may not publish to %s", t)
	}
	return nil
}

func (f few) MaySubscribe(p []byte) *codec.Error {
	if f.subscribe != string(p) {
		return codec.Errorf(codec.CodeUnauthorized, "may not read %s", p)
	}
	return nil
}
func (few) MayManage([]byte) *codec.Error { return nil }
func (few) MayAdmin() *codec.Error        { return nil }
func (few) MayList() *codec.Error         { return nil }
func (few) MayRead(string) bool           { return true }

// In mode none the hub's own rights hold; the administrator may everything.
func TestMWSHubRights(t *testing.T) {
	h := serveREST(t, Config{}, few{"mws/tag/room/+", "#"})
	send := func(status int, want, sockets, tags string, header ...string) {
		t.Helper()
		h.want(status, want, "POST", "/v1/messages", fmt.Sprintf(`{"data":"x","receivers":{"sockets":%s,"tags":%s}}`, sockets, tags), header...)
	}
	h.want(401, `{"error":"may not read mws/#"}`, "GET", "/v1/websocket_uri", "")
	h.want(200, "", "GET", "/v1/websocket_uri", "", admin)
	send(201, "", "null", `["room/1","room/2"]`)
	send(403, `{"error":"may not publish to mws/tag/hall"}`, "null", `["room/1","hall"]`)
	send(403, `{"error":"may not publish to mws/sockets"}`, "null", `["room/1","not/a/topic+"]`)
	send(403, `{"error":"may not publish to mws/sockets"}`, `["*"]`, "null")
	send(403, `{"error":"may not publish to mws/sockets"}`, `["ONE"]`, `["room/1"]`)
	send(403, `{"error":"may not publish to mws/sockets"}`, "null", "null")
	send(201, "", `["*"]`, `["hall"]`, admin)
	if n := h.Stats.Get(node.RefusedForbidden); n != 6 {
		t.Errorf("%d refusals counted, want 6", n)
	}
}

// In mode custom nothing goes without the administrator's token.
func TestMWSCustom(t *testing.T) {
	h := serveREST(t, Config{Access: "custom"}, few{"#", "mws/#"})
	const msg = `{"data":"x","receivers":{"sockets":["*"],"tags":null}}`
	h.want(401, noHeader, "GET", "/v1/websocket_uri", "")
	h.want(401, denied, "GET", "/v1/websocket_uri", "", "Authorization: Bearer other")
	h.want(401, denied, "GET", "/v1/websocket_uri", "", "Authorization: sec")
	h.want(401, noHeader, "POST", "/v1/messages", msg)
	h.want(401, noHeader, "POST", "/v1/messages", "not even JSON")
	h.want(200, "", "GET", "/v1/websocket_uri", "", admin)
	h.want(201, "", "POST", "/v1/messages", msg, admin)
	h.want(201, "", "POST", "/v1/messages", msg, "authorization: bearer sec")
	h.c.Want("x")
	h.c.Want("x")
}

// FuzzMWSMessage: what the REST accepts is text that a WebSocket can carry, and
// its answer says the same when it is sent again.
func FuzzMWSMessage(f *testing.F) {
	for _, s := range []string{
		`{"data":"Hello","receivers":{"sockets":["*"],"tags":null}}`, `{"data":5e3,"receivers":{"sockets":[7],"tags":[true,"\ud800"]}}`,
		`{"payload":{"a":[1]},"receivers":[{"id":"*","objectType":"aclSubject"},{"id":5,"objectType":"users"}]}`,
		`{"tags":["a","\u0000"]}`, `{"tags":null}`, `[]`, `null`, ``, `{"data":{},"receivers":[]}`, "{\"data\":\"\xff\",\"receivers\":{\"sockets\":null,\"tags\":[]}}",
	} {
		f.Add([]byte(s))
	}
	check := func(t *testing.T, m *message) {
		for _, s := range append(append([]string{m.Data}, m.Receivers.Tags...), m.Receivers.Sockets...) {
			if !utf8.ValidString(s) {
				t.Errorf("%q is no text", s)
			}
		}
		b, err := json.Marshal(m)
		if err != nil {
			t.Fatal(err)
		}
		var again message
		if bad := parseBody(b, &again); bad != nil || !reflect.DeepEqual(&again, m) {
			t.Errorf("%s: %v, %+v, was %+v", b, bad, again, *m)
		}
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		var m message
		if bad := parseBody(b, &m); bad == nil {
			check(t, &m)
		} else if s, err := json.Marshal(bad); err != nil || len(s) < 5 {
			t.Errorf("the answer is %s, %v", s, err)
		}
		var event hook
		if parseBody(b, &event) == nil {
			check(t, &event.msg)
		}
		var in socketIn
		if parseBody(b, &in) == nil && in.tags == nil {
			t.Error("tags are nil")
		}
		_ = strconv.Quote(resourceOf(string(b)))
	})
}
