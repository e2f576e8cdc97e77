package web

import (
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"reflect"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode/utf8"

	"topicd/codec"
	"topicd/node"
)

// sockets is a socket side that notes what it is told.
type sockets struct {
	mu     sync.Mutex
	n      int
	open   map[string][]string // by id
	sent   []string
	refuse *codec.Error
	rest   *managed // that asks it
}

func (s *sockets) Ticket(tags []string, kept bool, _ node.Rights) (string, int64, *codec.Error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.n++
	return fmt.Sprintf("id%d", s.n), 1795338327_000, s.refuse
}

func (s *sockets) Sockets(yield func(string, int64, []string)) {
	for id, tags := range s.open {
		yield(id, 1795338327_999, tags)
	}
}

func (s *sockets) Socket(id string) (int64, []string, bool) {
	tags, ok := s.open[id]
	return 1795338327_000, tags, ok
}

func (s *sockets) Remove(id string) bool { return s.open[id] != nil }

func (s *sockets) Send(data string, to, tags []string) *codec.Error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.refuse == nil {
		s.sent = append(s.sent, fmt.Sprintf("%q %q %q", data, to, tags))
	}
	return s.refuse
}

// mwsServer is the REST in an access mode; "sec" is the admin's token. rights
// are those that the hub gives each request.
func mwsServer(t testing.TB, cfg ManagedConfig, rights node.Rights) (*hub, *sockets) {
	t.Helper()
	s := &sockets{open: map[string][]string{"one": {"players", "users.admin"}}}
	h := start(t, node.Options{MaxBody: 4096}, Config{Managed: http.HandlerFunc(http.NotFound)})
	cfg.Hub, cfg.Sockets = h.hub, s
	if cfg.Access == "" {
		cfg.Access = "none"
	}
	cfg.Admin = func(token string) bool { return token == "sec" }
	m := NewManaged(cfg)
	s.rest = m.(*managed)
	h.http.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h.web.serve(w, r.WithContext(node.WithRights(r.Context(), rights)), m)
	})
	return h, s
}

const (
	admin    = "Authorization: Bearer sec"
	noHeader = `{"error":"Authorization header is required"}`
	denied   = `{"error":"Access denied"}`
)

// Every line of facts/mws.md that the server answers for.
func TestMWSRest(t *testing.T) {
	h, s := mwsServer(t, ManagedConfig{}, nil)
	host := strings.TrimPrefix(h.url, "http://")
	socket := `{"id":"one","createdAt":"2026-11-22T09:05:27Z","connectedAt":"2026-11-22T09:05:27Z","tags":["players","users.admin"]}`
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
		{200, `{"expiresAt":"2026-11-22T09:05:27Z","uri":"ws://HOST/?token=id1","tags":[]}`, "GET", "/v1/websocket_uri", "", ""},
		{200, `{"expiresAt":"2026-11-22T09:05:27Z","uri":"ws://HOST/?token=id2","tags":[]}`, "GET", "/v1/gateways/GW1/websocket_uri", "", admin},

		{201, `{"id":"id3","tags":["players","users.admin"],"expiresAt":"2026-11-22T09:05:27Z","uri":"ws://HOST/?token=id3"}`, "POST", "/v1/sockets", `{"tags":["players"]}`, admin},
		{201, `{"id":"id4","tags":["7","users.admin"],"expiresAt":"2026-11-22T09:05:27Z","uri":"ws://HOST/?token=id4"}`, "POST", "/v1/gateways/g/sockets", `{"tags":[7]}`, admin},
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
		{200, socket, "GET", "/v1/sockets/one", "", admin},
		{404, `{}`, "GET", "/v1/sockets/two", "", admin},
		{200, `{}`, "DELETE", "/v1/sockets/one", "", admin},
		{404, `{}`, "DELETE", "/v1/gateways/GW1/sockets/two", "", admin},
		{401, noHeader, "GET", "/v1/sockets", "", ""},
		{401, noHeader, "GET", "/v1/sockets/one", "", ""},
		{401, denied, "DELETE", "/v1/sockets/one", "", "Authorization: Bearer "},

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
		{404, `{"error":"Not found"}`, "PUT", "/v1/sockets/one", "", admin},
		{404, `{"error":"Not found"}`, "GET", "/v1/sockets/one/two", "", admin},
		{404, `{"error":"Not found"}`, "POST", "/v1/webhook_receivers/other", "", admin},
		{404, `{"error":"Not found"}`, "GET", "/v12/sockets", "", admin},
		{404, `{"error":"Not found"}`, "GET", "/sockets", "", admin},
	} {
		var header []string
		if c.header != "" {
			header = append(header, c.header)
		}
		a := h.want(c.status, strings.ReplaceAll(c.want, "HOST", host), c.method, c.path, c.body, header...)
		if got := a.header.Get("Content-Type"); got != "application/json; charset=utf-8" || !json.Valid([]byte(a.body)) {
			t.Errorf("%d: %s %s answers with %s, %q: qtc would die of that", i, c.method, c.path, got, a.body)
		}
	}
	want := []string{
		`"Hello" ["*"] []`, `"5" [] ["a" "7"]`, `"{\"a\": 1}" [] ["users.joe" "usergroups.5"]`,
		`"{\"object\":{\"id\":\"5\"},\"meta\":{\"eventName\":\"update\"}}" ["*"] []`,
	}
	if !reflect.DeepEqual(s.sent, want) {
		t.Errorf("sent %q", s.sent)
	}
	s.refuse = &codec.Error{Code: codec.CodeTooFast, Msg: "too many requests", Retry: 1500}
	for _, path := range []string{"POST /v1/messages", "GET /v1/websocket_uri", "POST /v1/sockets"} {
		method, path, _ := strings.Cut(path, " ")
		a := h.want(429, `{"error":"too many requests"}`, method, path, `{"data":"x","receivers":{"sockets":null,"tags":null}}`, admin)
		if a.header.Get("Retry-After") != "2" {
			t.Errorf("%s: Retry-After %q", path, a.header.Get("Retry-After"))
		}
	}
}

// URIs begin with what the operator says.
func TestMWSURL(t *testing.T) {
	h, _ := mwsServer(t, ManagedConfig{URL: "wss://hub.example.org/mws/"}, nil)
	a := h.do("GET", "/v1/websocket_uri", "")
	if !strings.Contains(a.body, `"uri":"wss://hub.example.org/mws/?token=id1"`) {
		t.Error(a.body)
	}
}

// The hub's page is for people; who asks for JSON is a Managed WebSocket's client.
func TestMWSRoot(t *testing.T) {
	h := start(t, node.Options{}, Config{})
	h.web.Managed = NewManaged(ManagedConfig{Hub: h.hub, Access: "none"})
	h.want(200, `{"name":"MWS"}`, "GET", "/", "", "Accept: application/json")
	if a := h.do("GET", "/", "", "Accept: text/html,*/*"); strings.Contains(a.body, "MWS") {
		t.Error(a.body)
	}
}

// Large bodies that do not come whole are bounded together, and hold up nobody
// with a small one.
func TestMWSBodies(t *testing.T) {
	h, s := mwsServer(t, ManagedConfig{}, nil)
	held := func(want int64) {
		t.Helper()
		for end := time.Now().Add(10 * time.Second); s.rest.held.Load() != want; time.Sleep(time.Millisecond) {
			if time.Now().After(end) {
				t.Fatalf("%d bytes are held, want %d", s.rest.held.Load(), want)
			}
		}
	}
	const size, n = 60 << 10, maxHeld / (60 << 10)
	var slow []net.Conn
	for range n {
		c, err := net.Dial("tcp", strings.TrimPrefix(h.url, "http://"))
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		_, _ = fmt.Fprintf(c, "POST /v1/messages HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: %d\r\n\r\n{", size)
		slow = append(slow, c)
	}
	held(n * size)
	const msg = `{"data":"x","receivers":{"sockets":null,"tags":null}}`
	large := msg + strings.Repeat(" ", 50_000)
	h.want(503, "", "POST", "/v1/messages", large)
	h.want(201, "", "POST", "/v1/messages", msg)
	for _, c := range slow {
		c.Close()
	}
	held(0)
	h.want(201, "", "POST", "/v1/messages", large)
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
func (few) MayRead(string) bool           { return true }

// In mode none the hub's own rights hold; the administrator may everything.
func TestMWSHubRights(t *testing.T) {
	h, _ := mwsServer(t, ManagedConfig{}, few{"mws/tag/room/+", "#"})
	send := func(status int, want, sockets, tags string, header ...string) {
		t.Helper()
		h.want(status, want, "POST", "/v1/messages", fmt.Sprintf(`{"data":"x","receivers":{"sockets":%s,"tags":%s}}`, sockets, tags), header...)
	}
	h.want(401, `{"error":"may not read mws/#"}`, "GET", "/v1/websocket_uri", "")
	h.want(200, "", "GET", "/v1/websocket_uri", "", admin)
	send(201, "", "null", `["room/1","room/2"]`)
	send(403, `{"error":"may not publish to mws/tag/hall"}`, "null", `["room/1","hall"]`)
	send(403, `{"error":"may not publish to mws/sockets"}`, "null", `["room/1","not/a/topic/"]`)
	send(403, `{"error":"may not publish to mws/sockets"}`, `["*"]`, "null")
	send(403, `{"error":"may not publish to mws/sockets"}`, `["one"]`, `["room/1"]`)
	send(403, `{"error":"may not publish to mws/sockets"}`, "null", "null")
	send(201, "", `["*"]`, `["hall"]`, admin)
	if n := h.hub.Stats.Get(node.RefusedForbidden); n != 6 {
		t.Errorf("%d refusals counted, want 6", n)
	}
}

// In mode custom nothing goes without the administrator's token.
func TestMWSCustom(t *testing.T) {
	h, s := mwsServer(t, ManagedConfig{Access: "custom"}, few{"#", "mws/#"})
	const msg = `{"data":"x","receivers":{"sockets":["*"],"tags":null}}`
	h.want(401, noHeader, "GET", "/v1/websocket_uri", "")
	h.want(401, denied, "GET", "/v1/websocket_uri", "", "Authorization: Bearer other")
	h.want(401, denied, "GET", "/v1/websocket_uri", "", "Authorization: sec")
	h.want(401, noHeader, "POST", "/v1/messages", msg)
	h.want(401, noHeader, "POST", "/v1/messages", "not even JSON")
	h.want(200, "", "GET", "/v1/websocket_uri", "", admin)
	h.want(201, "", "POST", "/v1/messages", msg, admin)
	h.want(201, "", "POST", "/v1/messages", msg, "authorization: bearer sec")
	if len(s.sent) != 2 {
		t.Errorf("sent %q", s.sent)
	}
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
	check := func(t *testing.T, m *mwsMessage) {
		for _, s := range append(append([]string{m.Data}, m.Receivers.Tags...), m.Receivers.Sockets...) {
			if !utf8.ValidString(s) {
				t.Errorf("%q is no text", s)
			}
		}
		b, err := json.Marshal(m)
		if err != nil {
			t.Fatal(err)
		}
		var again mwsMessage
		if bad := parseMWS(b, &again); bad != nil || !reflect.DeepEqual(&again, m) {
			t.Errorf("%s: %v, %+v, was %+v", b, bad, again, *m)
		}
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		var m mwsMessage
		if bad := parseMWS(b, &m); bad == nil {
			check(t, &m)
		} else if s, err := json.Marshal(bad); err != nil || len(s) < 5 {
			t.Errorf("the answer is %s, %v", s, err)
		}
		var hook mwsHook
		if parseMWS(b, &hook) == nil {
			check(t, &hook.msg)
		}
		var in mwsSocketIn
		if parseMWS(b, &in) == nil && in.tags == nil {
			t.Error("tags are nil")
		}
		_ = strconv.Quote(resourceOf(string(b)))
	})
}
