package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"topicd/cmd/internal/command"

	"github.com/gorilla/websocket"
)

// npm's qtc, unmodified, and npm's ws: everything that they can ask for, where
// all may and where only the administrator may.
func TestNodeManagedWebSocket(t *testing.T) {
	processes(t)
	needNode(t)
	need(t, "testdata/js/node_modules/qtc", "npm's qtc: npm ci in cmd/topicd/testdata/js")
	for access, mode := range map[string]string{"none": "open", "custom": "closed"} {
		g := serveGuarded(t, "--mws-access", access)
		if out := tool(t, "", "node", "testdata/js/mws.js", g.http, testAdmin, mode); len(out) != 1 || out[0] != "done" {
			t.Errorf("%s: %s", access, strings.Join(out, "\n"))
		}
	}
}

const mwsMessage = `{"data":"Hello","receivers":{"sockets":["*"],"tags":null}}`

// socketURI asks for a URI and takes it apart.
func (g *guarded) socketURI(headers ...string) (uri, path string) {
	g.t.Helper()
	status, text, _ := g.ask("GET", "/v1/websocket_uri", "", headers...)
	var got struct{ URI string }
	if err := json.Unmarshal([]byte(text), &got); status != 200 || err != nil {
		g.t.Fatal(status, text)
	}
	path, ok := strings.CutPrefix(got.URI, "ws"+strings.TrimPrefix(g.http, "http"))
	if !ok {
		g.t.Fatalf("%s is not on %s", got.URI, g.http)
	}
	return got.URI, path
}

func hears(t *testing.T, ws *websocket.Conn, want string) {
	t.Helper()
	_ = ws.SetReadDeadline(time.Now().Add(30 * time.Second))
	if _, m, err := ws.ReadMessage(); err != nil || string(m) != want {
		t.Fatalf("got %q, %v, want %q", m, err, want)
	}
}

// On a port of its own the Managed WebSocket is on every path, GET / says its
// name, and its URIs lead there.
func TestManagedPort(t *testing.T) {
	shared := serveGuarded(t, "--listen", "127.0.0.1:0,dialect=mws")
	_, text, _ := shared.ask("GET", "/api/listeners", "", bearer+testAdmin)
	var got struct {
		Listeners []struct{ Addr, Dialect string }
	}
	if err := json.Unmarshal([]byte(text), &got); err != nil || len(got.Listeners) != 2 || got.Listeners[1].Dialect != "mws" {
		t.Fatal(text, err)
	}
	own := &guarded{t, "ws://" + got.Listeners[1].Addr + "/ws", "http://" + got.Listeners[1].Addr}
	for path, want := range map[string]string{"/": `{"name":"MWS"}`, "/v1/": `{"name":"MWS"}`, "/other": `{"error":"Not found"}`, "/api/topics": `{"error":"Not found"}`} {
		_, text, h := own.ask("GET", path, "")
		if strings.TrimSpace(text) != want || h.Get("Content-Type") != "application/json; charset=utf-8" {
			t.Errorf("GET %s: %s", path, text)
		}
	}
	if _, text, _ := shared.ask("GET", "/", "", "Accept: application/json"); strings.TrimSpace(text) != `{"name":"MWS"}` {
		t.Errorf("GET / for JSON: %s", text)
	}
	if _, text, _ := shared.ask("GET", "/", "", "Accept: text/html"); strings.Contains(text, "MWS") {
		t.Errorf("GET / for people: %s", text)
	}
	var socks []*websocket.Conn
	for _, where := range []struct {
		g      *guarded
		prefix string
	}{{own, ""}, {own, "/any/path"}, {shared, ""}, {shared, "/mws"}} {
		_, path := where.g.socketURI()
		ws, status := where.g.dial(where.prefix + path)
		if ws == nil {
			t.Fatal(status)
		}
		socks = append(socks, ws)
		if ws, _ := where.g.dial(where.prefix + "/?token=wrong"); ws != nil {
			if _, _, err := ws.ReadMessage(); !websocket.IsCloseError(err, 1000) {
				t.Errorf("a wrong token: %v", err)
			}
		}
	}
	if status, text, _ := own.ask("POST", "/v1/gateways/x/messages", mwsMessage); status != 201 {
		t.Error(status, text)
	}
	for _, ws := range socks {
		hears(t, ws, "Hello")
	}
}

// Where the hub wants tokens the REST does too; the URI then is the socket's.
// Pages elsewhere need a token in any case.
func TestManagedRights(t *testing.T) {
	g := serveGuarded(t, "--access", "token")
	_, reader := g.token(`{"name":"reads","subscribe":["mws/#"]}`)
	_, writer := g.token(`{"name":"writes","publish":["mws/tag/red"]}`)
	refused := func(want int, method, path, body string, headers ...string) {
		t.Helper()
		status, text, _ := g.ask(method, path, body, headers...)
		if status != want || !strings.HasPrefix(text, `{"error":"`) {
			t.Errorf("%s %s: %d %s, want %d", method, path, status, text, want)
		}
	}
	red := `{"data":"Hello","receivers":{"sockets":null,"tags":["red"]}}`
	refused(401, "GET", "/v1/websocket_uri", "")
	refused(403, "GET", "/v1/websocket_uri", "", bearer+writer)
	refused(403, "POST", "/v1/messages", red, bearer+reader)
	refused(403, "POST", "/v1/messages", mwsMessage, bearer+writer)
	refused(401, "POST", "/v1/sockets", `{"tags":["red"]}`, bearer+writer)
	refused(403, "POST", "/v1/messages", red, "Origin: http://elsewhere.example")
	_, path := g.socketURI(bearer + reader)
	ws, status := g.dial(path, "Origin: http://elsewhere.example")
	if ws == nil {
		t.Fatal(status)
	}
	status, text, _ := g.ask("POST", "/v1/sockets", `{"tags":["red"]}`, bearer+testAdmin)
	var made struct{ URI string }
	if err := json.Unmarshal([]byte(text), &made); status != 201 || err != nil {
		t.Fatal(status, text)
	}
	tagged, status := g.dial(made.URI[strings.Index(made.URI, "/?"):])
	if tagged == nil {
		t.Fatal(status)
	}
	for range 2 {
		if status, text, h := g.ask("POST", "/v1/messages", red, bearer+writer, "Origin: http://elsewhere.example"); status != 201 || h.Get("Access-Control-Allow-Origin") == "" {
			t.Fatal(status, text, h)
		}
	}
	hears(t, tagged, "Hello")
	if status, text, _ := g.ask("POST", "/v1/messages", mwsMessage, bearer+testAdmin); status != 201 {
		t.Error(status, text)
	}
	hears(t, ws, "Hello") // the first that is for all

	lan := serveGuarded(t)
	if status, text, _ := lan.ask("POST", "/v1/messages", mwsMessage, "Origin: http://elsewhere.example"); status != 403 {
		t.Errorf("a page elsewhere, without a token: %d %s", status, text)
	}
}

// Mode eds, set by the file and by the environment.
func TestManagedEDS(t *testing.T) {
	eds := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer joes" || r.Header.Get("Enginio-Backend-Id") != "b1" {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		_, _ = fmt.Fprint(w, `{"id":"joe","usergroups":[{"id":"5","objectType":"usergroups"}]}`)
	}))
	defer eds.Close()
	file := filepath.Join(t.TempDir(), "topicd.toml")
	text := fmt.Sprintf("mws-access = \"eds\"\n[eds]\nurl = %q\nbackend = \"b1\"\nwrite = [\"usergroups.7\"]\n", eds.URL)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	g := serveGuarded(t, "--config", file)
	_, path := g.socketURI(bearer + "joes")
	if ws, status := g.dial(path); ws == nil {
		t.Error(status)
	}
	for _, c := range []struct {
		want    int
		headers []string
	}{{403, []string{bearer + "joes"}}, {401, []string{bearer + "anns"}}, {401, nil}, {201, []string{bearer + testAdmin, "Origin: http://elsewhere.example"}}} {
		if status, text, _ := g.ask("POST", "/v1/messages", mwsMessage, c.headers...); status != c.want {
			t.Errorf("%v: %d %s, want %d", c.headers, status, text, c.want)
		}
	}

	s := newSettings()
	env := map[string]string{
		"ACCESS_CONTROL": "eds", "EDS_URI": "http://old.example", "EDS_URL": "http://new.example", "EDS_PERMISSIONS": `{"read":["a"],"write":[]}`,
	}
	s.Flags(command.New("serve", "", "").Flags)
	s.Config, s.State = file, t.TempDir()
	if err := s.Load(func(name string) string { return env[name] }, false); err != nil {
		t.Fatal(err)
	}
	if e := s.MWS.EDS; s.MWS.Access != "eds" || e.URL != "http://new.example" || e.Backend != "b1" || fmt.Sprint(e.Read, e.Write) != "[a] []" {
		t.Errorf("%+v", s.MWS)
	}
}

func TestManagedSettings(t *testing.T) {
	for _, c := range []struct{ want, name, value string }{
		{`none, custom, eds`, "--mws-access", "some"},
		{"set url in [eds]", "--mws-access", "eds"},
		{`"hub.example.org" is not such as ws:// or wss://hub.example.org`, "--mws-url", "hub.example.org"},
		{`"ftp://x" is not such as http:// or https://`, "EDS_URL", "ftp://x"},
		{`EDS_PERMISSIONS: "all" is not such as`, "EDS_PERMISSIONS", "all"},
	} {
		args := []string{"serve", "--listen", "127.0.0.1:0", "--mdns=off", "--state", t.TempDir()}
		env := map[string]string{}
		if strings.HasPrefix(c.name, "--") {
			args = append(args, c.name, c.value)
		} else {
			env[c.name] = c.value
		}
		var errs bytes.Buffer
		a := &app{Env: command.Env{In: strings.NewReader(""), Out: &bytes.Buffer{}, Err: &errs, Getenv: func(name string) string { return env[name] }}}
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
		code := a.run(ctx, args)
		cancel()
		if code != command.Usage || !strings.Contains(errs.String(), c.want) {
			t.Errorf("%s %s: exit code %d, %s", c.name, c.value, code, errs.String())
		}
	}
}

// Over TLS the URI is wss://, behind a proxy what --mws-url says.
func TestManagedURI(t *testing.T) {
	insecure := &tls.Config{InsecureSkipVerify: true}
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: insecure, DisableKeepAlives: true}}
	uri := func(url string) string {
		t.Helper()
		resp, err := client.Get("http" + strings.TrimSuffix(strings.TrimPrefix(url, "ws"), "/ws") + "/v1/websocket_uri")
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		var got struct{ URI string }
		if err := json.NewDecoder(resp.Body).Decode(&got); err != nil {
			t.Fatal(err)
		}
		return got.URI
	}
	hub := serveInside(t, "--tls", "auto")
	ws, _, err := (&websocket.Dialer{TLSClientConfig: insecure}).Dial(uri(hub), nil)
	if err != nil || !strings.HasPrefix(hub, "wss://") {
		t.Fatal(hub, err)
	}
	ws.Close()
	if u := uri(serveInside(t, "--mws-url", "wss://hub.example.org/mws")); !strings.HasPrefix(u, "wss://hub.example.org/mws/?token=") {
		t.Error(u)
	}
}

// A socket ends with the token that its URI was asked for with, used or not yet.
func TestManagedRevoked(t *testing.T) {
	g := serveGuarded(t, "--access", "token")
	id, token := g.token(`{"name":"pump","publish":["#"],"subscribe":["#"]}`)
	_, used := g.socketURI(bearer + token)
	_, unused := g.socketURI(bearer + token)
	ws, _ := g.dial(used)
	for text := ""; !strings.Contains(text, "createdAt"); {
		_, text, _ = g.ask("GET", "/v1/sockets", "", bearer+testAdmin)
	}
	_, text, _ := g.ask("DELETE", "/api/tokens/"+id, "", bearer+testAdmin)
	wants(t, text, `"cut":1`)
	late, _ := g.dial(unused)
	g.ask("POST", "/v1/messages", mwsMessage, bearer+testAdmin)
	for _, ws := range []*websocket.Conn{ws, late} {
		_ = ws.SetReadDeadline(time.Now().Add(30 * time.Second))
		if _, m, err := ws.ReadMessage(); !websocket.IsCloseError(err, 1000, 1008) {
			t.Errorf("got %q, %v", m, err)
		}
	}
}
