package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"topicd/cmd/internal/command"
	"topicd/codec"
	"topicd/node/access"
	"topicd/node/state"
)

const testAdmin = "the-admin-token-of-tests"

// guarded is a hub inside this process and its admin token.
type guarded struct {
	t        *testing.T
	ws, http string
}

func serveGuarded(t *testing.T, flags ...string) *guarded {
	t.Helper()
	file := filepath.Join(t.TempDir(), "admin")
	if err := os.WriteFile(file, []byte(testAdmin+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	url := serveInside(t, append([]string{"--admin-token-file", file}, flags...)...)
	return &guarded{t, url, "http" + strings.TrimSuffix(strings.TrimPrefix(url, "ws"), "/ws")}
}

// ask makes a request with headers "Name: value" and returns status and body.
func (g *guarded) ask(method, path, body string, headers ...string) (int, string, http.Header) {
	g.t.Helper()
	req, err := http.NewRequest(method, g.http+path, strings.NewReader(body))
	if err != nil {
		g.t.Fatal(err)
	}
	for _, h := range headers {
		k, v, _ := strings.Cut(h, ": ")
		if k == "Host" {
			req.Host = v
		} else {
			req.Header.Set(k, v)
		}
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		g.t.Fatal(err)
	}
	defer resp.Body.Close()
	text, _ := io.ReadAll(resp.Body)
	return resp.StatusCode, string(text), resp.Header
}

// dial opens a WebSocket; status is what a refusal says.
func (g *guarded) dial(path string, headers ...string) (*websocket.Conn, int) {
	g.t.Helper()
	h := http.Header{}
	for _, l := range headers {
		k, v, _ := strings.Cut(l, ": ")
		h.Set(k, v)
	}
	ws, resp, err := websocket.DefaultDialer.Dial(strings.TrimSuffix(g.ws, "/ws")+path, h)
	if err != nil {
		if resp == nil {
			g.t.Fatal(err)
		}
		return nil, resp.StatusCode
	}
	g.t.Cleanup(func() { ws.Close() })
	return ws, 101
}

// say sends a frame and returns the answer.
func say(t *testing.T, ws *websocket.Conn, frame string) string {
	t.Helper()
	if err := ws.WriteMessage(websocket.TextMessage, []byte(frame)); err != nil {
		t.Fatal(err)
	}
	_ = ws.SetReadDeadline(time.Now().Add(30 * time.Second))
	_, m, err := ws.ReadMessage()
	if err != nil {
		t.Fatal(err)
	}
	return string(m)
}

func wants(t *testing.T, got, want string) {
	t.Helper()
	if !strings.Contains(got, want) {
		t.Errorf("%s\nhas no %s", got, want)
	}
}

const bearer = "Authorization: Bearer "

func (g *guarded) token(body string) (id, token string) {
	g.t.Helper()
	status, text, _ := g.ask("POST", "/api/tokens", body, bearer+testAdmin)
	var made struct{ ID, Token string }
	if err := json.Unmarshal([]byte(text), &made); err != nil || status != 201 || made.Token == "" {
		g.t.Fatal(status, text, err)
	}
	return made.ID, made.Token
}

func TestGuardHostAndOrigin(t *testing.T) {
	g := serveGuarded(t, "--host", "hub.example", "--origin", "https://app.example")
	own := g.http
	name, _ := os.Hostname()
	name, _, _ = strings.Cut(name, ".")
	for _, c := range []struct {
		method, path string
		headers      []string
		want         int
	}{
		{"GET", "/", nil, 200},
		{"GET", "/", []string{"Host: evil.example"}, 421},
		{"GET", "/", []string{"Host: " + name + ":22345"}, 200}, // without a dot: as Pis are called
		{"GET", "/", []string{"Host: " + name + ".evil.example"}, 421},
		{"GET", "/", []string{"Host: hub.example:80"}, 200},
		{"GET", "/", []string{"Host: " + access.OwnNames()[1] + ":22345"}, 200},
		{"GET", "/", []string{"Host: " + access.OwnNames()[2]}, 200},
		{"GET", "/api/me", []string{"Origin: https://evil.example"}, 200}, // no CORS: the page cannot read it
		{"DELETE", "/api/join", []string{bearer + testAdmin}, 200},
		{"DELETE", "/api/join", []string{bearer + testAdmin, "Origin: " + own}, 200},
		{"DELETE", "/api/join", []string{bearer + testAdmin, "Origin: https://evil.example"}, 403},
		{"DELETE", "/api/join", []string{bearer + testAdmin, "Origin: null"}, 403},
		{"DELETE", "/api/join", []string{bearer + testAdmin, "Sec-Fetch-Site: cross-site"}, 403},
		{"DELETE", "/api/join", []string{bearer + testAdmin, "Origin: https://app.example", "Sec-Fetch-Site: cross-site"}, 200},
		{"DELETE", "/api/join", []string{bearer + "wrong"}, 401},
		{"DELETE", "/api/join", nil, 401},
		{"OPTIONS", "/api/join", []string{"Origin: https://evil.example", "Access-Control-Request-Method: DELETE"}, 200},
	} {
		status, body, h := g.ask(c.method, c.path, "", c.headers...)
		if status != c.want {
			t.Errorf("%s %s %q: %d %s", c.method, c.path, c.headers, status, body)
		}
		if allowed := h.Get("Access-Control-Allow-Origin"); (allowed != "") != strings.Contains(strings.Join(c.headers, " "), "app.example") {
			t.Errorf("%s %s %q: allows %q", c.method, c.path, c.headers, allowed)
		}
	}
	for _, c := range []struct {
		headers []string
		want    int
	}{
		{nil, 101}, {[]string{"Origin: file://"}, 101}, {[]string{"Origin: " + own}, 101}, {[]string{"Origin: https://app.example"}, 101},
		{[]string{"Sec-WebSocket-Protocol: topicd.v1.json", "Origin: http://evil.example"}, 403},
		{[]string{"Origin: https://github.com/gilmaimon/TinyWebsockets"}, 101}, {[]string{"Origin: arduino"}, 101}, {[]string{"Origin: ws://evil.example"}, 101},
		{[]string{"Origin: http://localhost"}, 403}, {[]string{"Origin: capacitor://localhost"}, 403},
		{[]string{"Origin: null"}, 403}, {[]string{"Origin: http://evil.example"}, 403}, {[]string{"Origin: " + own + ".evil.example"}, 403},
		{[]string{"Origin: " + strings.Replace(own, "http", "https", 1)}, 403}, {[]string{"Host: evil.example"}, 421}, {[]string{bearer + "wrong"}, 401},
	} {
		for _, path := range []string{"/ws", "/", "/echo", "/scd", "/?token=x"} {
			want := c.want
			if path == "/?token=x" && (want == 403 || want == 401) && !strings.Contains(c.headers[0], "Protocol") {
				want = 101 // Managed WebSocket: the token is the right, and it is none
			}
			if _, status := g.dial(path, c.headers...); status != want {
				t.Errorf("WebSocket %s with %q: %d", path, c.headers, status)
			}
		}
	}
}

// The Upgrade of an HTTP/1.0 request is ignored (RFC 9110 section 7.8).
func TestUpgradeOfHTTP10(t *testing.T) {
	g := serveGuarded(t)
	u, _ := url.Parse(g.ws)
	for version, want := range map[string]string{"1.0": "HTTP/1.0 426", "1.1": "HTTP/1.1 101"} {
		c, err := net.Dial("tcp", u.Host)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		_ = c.SetDeadline(time.Now().Add(30 * time.Second))
		fmt.Fprintf(c, "GET /ws HTTP/%s\r\nHost: %s\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"+
			"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n", version, u.Host)
		status := make([]byte, len(want))
		if _, err := io.ReadFull(c, status); err != nil || string(status) != want {
			t.Errorf("HTTP/%s: %q, %v, want %s", version, status, err, want)
		}
	}
}

func TestGuardTokens(t *testing.T) {
	g := serveGuarded(t, "--access", "token")
	id, token := g.token(`{"name":"pump","publish":["pump/#"],"subscribe":["pump/#"]}`)
	ws, _ := g.dial("/ws")
	wants(t, say(t, ws, `{"op":"pub","id":1,"topic":"pump/1","data":1}`), `"code":401,"msg":"a token is needed"`)
	wants(t, say(t, ws, `{"op":"sub","id":2,"topic":"#"}`), `"code":401`)
	wants(t, say(t, ws, `{"op":"get","id":2,"topic":"#"}`), `"code":401`)
	wants(t, say(t, ws, `{"op":"make","id":2,"topic":"x"}`), `"code":401`)
	wants(t, say(t, ws, `{"op":"list","id":2,"opts":{"what":"clients"}}`), `"code":401`)
	wants(t, say(t, ws, `{"op":"ping","id":3}`), `"pong"`)
	wants(t, say(t, ws, `{"op":"hello","id":4,"opts":{"token":"tpd_wrong"}}`), `"code":401`)
	wants(t, say(t, ws, `{"op":"hello","id":5,"opts":{"token":"`+token+`","dev":"p1"}}`), `"welcome"`)
	wants(t, say(t, ws, `{"op":"pub","id":6,"topic":"pump/1","data":1}`), `"seq":1`)
	wants(t, say(t, ws, `{"op":"pub","id":7,"topic":"other","data":1}`), `"code":403,"msg":"this token may publish to pump/#, not \"other\""`)
	wants(t, say(t, ws, `{"op":"sub","id":8,"topic":"#"}`), `"code":403`)
	wants(t, say(t, ws, `{"op":"make","id":9,"topic":"pump/2"}`), `"code":403`)

	byHeader, _ := g.dial("/ws", bearer+token)
	wants(t, say(t, byHeader, `{"op":"pub","id":6,"topic":"pump/1","data":2}`), `"seq":2`)
	byQuery, _ := g.dial("/ws?access_token=" + token)
	wants(t, say(t, byQuery, `{"op":"pub","id":6,"topic":"pump/1","data":3}`), `"seq":3`)
	_, me, _ := g.ask("GET", "/api/me", "", bearer+token)
	wants(t, me, `"name":"pump","admin":false,"access":"token","publish":["pump/#"],"subscribe":["pump/#"],"manage":[]`)
	// No list shows a token.
	admin, _ := g.dial("/ws", bearer+testAdmin)
	clients := say(t, admin, `{"op":"list","id":1,"opts":{"what":"clients"}}`)
	wants(t, clients, `"url":"/ws?access_token=…"`)
	if strings.Contains(clients, token) {
		t.Error("a list shows a token")
	}
	_, list, _ := g.ask("GET", "/api/tokens", "", bearer+testAdmin)
	wants(t, list, `"id":"`+id+`","name":"pump"`)
	if strings.Contains(list, token) {
		t.Error("a list shows a token")
	}
	if status, body, _ := g.ask("POST", "/api/tokens", `{"name":"x","publish":["#"]}`, bearer+token); status != 403 {
		t.Error(status, body)
	}
	// Revoking cuts those it let in, however they gave it.
	status, body, _ := g.ask("DELETE", "/api/tokens/"+id, "", bearer+testAdmin)
	wants(t, body, `"cut":3`)
	if status != 200 {
		t.Error(status)
	}
	for _, c := range []*websocket.Conn{ws, byHeader, byQuery} {
		_, m, err := c.ReadMessage()
		if wants(t, string(m), `"op":"bye"`); err != nil {
			t.Error(err)
		}
		if _, _, err = c.ReadMessage(); err == nil {
			t.Error("not closed")
		}
	}
	if _, status := g.dial("/ws", bearer+token); status != 401 {
		t.Error("revoked, and let in")
	}
	wants(t, say(t, admin, `{"op":"ping","id":3}`), `"pong"`)
}

// A connection has one token: with a second one, what the first let it subscribe
// to would outlive it.
func TestGuardSecondToken(t *testing.T) {
	g := serveGuarded(t, "--access", "token")
	id, all := g.token(`{"name":"all","subscribe":["#"]}`)
	_, own := g.token(`{"name":"own","publish":["own"],"subscribe":["own"]}`)
	ws, _ := g.dial("/ws")
	wants(t, say(t, ws, `{"op":"hello","id":1,"opts":{"token":"`+all+`"}}`), `"welcome"`)
	wants(t, say(t, ws, `{"op":"sub","id":2,"topic":"#"}`), `"id":2`)
	_, m, _ := ws.ReadMessage() // ok or live, whichever is second
	wants(t, string(m), `"op":"`)
	wants(t, say(t, ws, `{"op":"hello","id":3,"opts":{"token":"`+own+`"}}`), `"code":403`)
	wants(t, say(t, ws, `{"op":"hello","id":4,"opts":{"token":"`+all+`"}}`), `"welcome"`)
	_, body, _ := g.ask("DELETE", "/api/tokens/"+id, "", bearer+testAdmin)
	wants(t, body, `"cut":1`)
}

func TestGuardExpiry(t *testing.T) {
	g := serveGuarded(t)
	var ws *websocket.Conn
	for life := 700 * time.Millisecond; ws == nil && life < time.Minute; life *= 2 { // a busy machine may take longer to come in
		body := fmt.Sprintf(`{"name":"guest %v","subscribe":["#"],"expires":%d}`, life, time.Now().Add(life).UnixMilli())
		status, text, _ := g.ask("POST", "/api/tokens", body, bearer+testAdmin)
		var made struct{ Token string }
		if _ = json.Unmarshal([]byte(text), &made); status != 201 {
			continue
		}
		if ws, _ = g.dial("/ws", bearer+made.Token); ws == nil {
			continue
		}
		_ = ws.WriteMessage(websocket.TextMessage, []byte(`{"op":"sub","id":1,"topic":"#","opts":{"last":0}}`))
	}
	if ws == nil {
		t.Fatal("nobody is let in by a token that expires")
	}
	_ = ws.SetReadDeadline(time.Now().Add(30 * time.Second))
	for {
		_, m, err := ws.ReadMessage()
		if err != nil {
			t.Fatal(err)
		}
		if bytes.Contains(m, []byte(`"bye"`)) {
			wants(t, string(m), "expired")
			break
		}
	}
}

func TestGuardGuesses(t *testing.T) {
	g := serveGuarded(t)
	for range 10 {
		if status, _, _ := g.ask("GET", "/api/me", "", bearer+"tpd_wrong"); status != 401 {
			t.Fatal(status)
		}
		ws, _ := g.dial("/ws")
		wants(t, say(t, ws, `{"op":"hello","id":4,"opts":{"token":"tpd_wrong"}}`), `"code":401`)
		ws.Close()
	}
	status, body, h := g.ask("GET", "/api/me", "", bearer+testAdmin)
	if status != 429 || h.Get("Retry-After") == "" {
		t.Error(status, body, h)
	}
	ws, _ := g.dial("/ws") // without a token nothing has changed
	wants(t, say(t, ws, `{"op":"hello","id":4,"opts":{"token":"`+testAdmin+`"}}`), `"code":429`)
	wants(t, say(t, ws, `{"op":"pub","id":6,"topic":"a","data":1}`), `"seq":1`)
}

func TestGuardJoin(t *testing.T) {
	g := serveGuarded(t, "--access", "join")
	ws, _ := g.dial("/ws")
	wants(t, say(t, ws, `{"op":"hello","id":1,"opts":{"dev":"d1"}}`), `nobody lets devices join at the moment`)
	wants(t, say(t, ws, `{"op":"pub","id":6,"topic":"a","data":1}`), `"code":401`)
	status, body, _ := g.ask("POST", "/api/join", `{"seconds":60}`, bearer+testAdmin)
	if status != 200 || !strings.Contains(body, `"open":true`) {
		t.Fatal(status, body)
	}
	welcome := say(t, ws, `{"op":"hello","id":2,"opts":{"dev":"d1"}}`)
	var w struct{ Data struct{ Token string } }
	if err := json.Unmarshal([]byte(welcome), &w); err != nil || w.Data.Token == "" {
		t.Fatal(welcome, err)
	}
	wants(t, say(t, ws, `{"op":"pub","id":6,"topic":"a","data":1}`), `"seq":1`)
	g.ask("DELETE", "/api/join", "", bearer+testAdmin)
	again, _ := g.dial("/ws")
	wants(t, say(t, again, `{"op":"hello","id":2,"opts":{"dev":"d2","token":"`+w.Data.Token+`"}}`), `"code":403`)
	wants(t, say(t, again, `{"op":"hello","id":2,"opts":{"dev":"d1","token":"`+w.Data.Token+`"}}`), `"welcome"`)
	wants(t, say(t, again, `{"op":"pub","id":6,"topic":"a","data":1}`), `"seq":2`)
	// In a room, too, it is the device that its token is for.
	room, status := g.dial("/relay/r/d2?access_token=" + w.Data.Token)
	if room == nil {
		t.Fatal(status)
	}
	wants(t, say(t, again, `{"op":"sub","id":7,"topic":"relay/r"}`), `"op":"live"`)
	if err := room.WriteMessage(websocket.TextMessage, []byte("I am d2")); err != nil {
		t.Fatal(err)
	}
	hear(t, again, `"from":"d1"`)
}

// A stream that a token opened ends with the token.
func TestGuardStream(t *testing.T) {
	g := serveGuarded(t, "--access", "token")
	id, token := g.token(`{"name":"screen","subscribe":["#"]}`)
	resp, err := http.Get(g.http + "/api/stream?topic=%23&access_token=" + token)
	if err != nil || resp.StatusCode != 200 {
		t.Fatal(resp, err)
	}
	defer resp.Body.Close()
	ended := make(chan string, 1)
	go func() {
		text, _ := io.ReadAll(resp.Body)
		ended <- string(text)
	}()
	if _, body, _ := g.ask("DELETE", "/api/tokens/"+id, "", bearer+testAdmin); !strings.Contains(body, `"cut":1`) {
		t.Error(body)
	}
	select {
	case <-ended:
	case <-time.After(30 * time.Second):
		t.Error("it goes on")
	}
	for path, want := range map[string]int{"/healthz": 200, "/api/topics": 401, "/api/topics/a": 401, "/api/stream?topic=%23": 401, "/api/export?topic=%23": 401, "/api/clients": 401, "/api/stats": 401, "/api/relay": 401} {
		if status, body, _ := g.ask("GET", path, ""); status != want {
			t.Errorf("%s without a token: %d %s", path, status, body)
		}
	}
	if status, body, _ := g.ask("POST", "/api/pub/a", "1", "Content-Type: application/json"); status != 401 {
		t.Error(status, body)
	}
}

// A proxy on this machine does not make its clients the LAN's.
func TestGuardProxy(t *testing.T) {
	g := serveGuarded(t)
	_, me, _ := g.ask("GET", "/api/me", "", "X-Forwarded-For: 8.8.8.8")
	wants(t, me, `"publish":[]`)
	_, me, _ = g.ask("GET", "/api/me", "")
	wants(t, me, `"publish":["#"],"subscribe":["#","$sys/#","$SYS/#"]`)
}

// Who may read nothing is told so by whatever lists or reads, and gets no empty
// list, by which a script would think that nothing is there.
func TestWhoMayReadNothingIsToldSo(t *testing.T) {
	g := serveGuarded(t)
	g.ask("POST", "/api/pub/a", "1")
	_, made, _ := g.ask("POST", "/api/tokens", `{"name":"pump","publish":["p/#"]}`, bearer+testAdmin, "Content-Type: application/json")
	var pump struct{ Token string }
	if err := json.Unmarshal([]byte(made), &pump); err != nil || pump.Token == "" {
		t.Fatal(made)
	}
	for _, who := range []struct {
		header string
		want   int
	}{{"X-Forwarded-For: 8.8.8.8", 401}, {bearer + pump.Token, 403}} {
		for _, path := range []string{
			"/api/topics", "/api/topics?match=a", "/api/topics?match=none/%23&data=1", "/api/topics/a", "/api/topics/none",
			"/api/stream?topic=%23", "/api/export?topic=%23&format=csv", "/api/clients", "/api/stats",
		} {
			if status, text, _ := g.ask("GET", path, "", who.header); status != who.want {
				t.Errorf("%s with %.20s…: %d %s", path, who.header, status, text)
			}
		}
	}
	if status, text, _ := g.ask("GET", "/api/topics?match=none/%23", ""); status != 200 || !strings.Contains(text, `"topics":[]`) {
		t.Error(status, text)
	}
}

// Behind a proxy a token that is none makes nobody the LAN's either, and an
// empty header hides no proxy that adds a second line.
func TestGuardProxyManaged(t *testing.T) {
	g := serveGuarded(t)
	for _, headers := range [][]string{{"X-Forwarded-For: 8.8.8.8"}, {"X-Forwarded-For: 8.8.8.8", bearer + "none"}, {"X-Forwarded-For: "}} {
		if status, text, _ := g.ask("GET", "/v1/websocket_uri", "", headers...); status != 401 {
			t.Error(headers, status, text)
		}
		if status, text, _ := g.ask("POST", "/v1/messages", mwsMessage, headers...); status != 401 {
			t.Error(headers, status, text)
		}
		if _, me, _ := g.ask("GET", "/api/me", "", headers[:1]...); !strings.Contains(me, `"publish":[]`) {
			t.Error(headers, me)
		}
	}
}

// A request that is refused does not hold its connection until its body is there.
func TestGuardSlowBodies(t *testing.T) {
	g := serveGuarded(t, "--config", limitsFile(t, "header = \"300ms\""))
	ask := func(head string) (string, error) {
		c, err := net.Dial("tcp", strings.TrimPrefix(g.http, "http://"))
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		_, _ = io.WriteString(c, head)
		_ = c.SetReadDeadline(time.Now().Add(30 * time.Second))
		text, err := io.ReadAll(c)
		return string(text), err
	}
	for _, head := range []string{
		"POST /api/pub/x HTTP/1.1\r\nHost: evil.example\r\nContent-Length: 1000\r\n\r\n",
		"POST /nothing HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: x\r\nContent-Length: 1000\r\n\r\n",
		"GET /ws HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: x\r\nTransfer-Encoding: chunked\r\n\r\n",
	} {
		text, err := ask(head)
		for end := time.Now().Add(30 * time.Second); text == "" && !isTimeout(err) && time.Now().Before(end); {
			text, err = ask(head) // this machine was busy: the head itself was not read in 300 ms
		}
		if !strings.HasPrefix(text, "HTTP/1.1 4") || err != nil {
			t.Errorf("%q is held: %v %s", head, err, text)
		}
	}
}

// The admin token is made once, for its owner's eyes only.
func TestAdminTokenIsMade(t *testing.T) {
	dir := t.TempDir()
	_, stop := serveUntil(t, "--state", dir)
	file := filepath.Join(dir, state.AdminFile)
	text, err := os.ReadFile(file)
	if err != nil || !strings.HasPrefix(string(text), "tpd_") {
		t.Fatal(string(text), err)
	}
	if i, _ := os.Stat(file); i.Mode().Perm() != 0o600 {
		t.Error(i.Mode())
	}
	stop()
	d, err := state.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	s := &server{set: newSettings(), state: d, log: slog.New(slog.DiscardHandler)}
	if a, err := s.findAdmin(); err != nil || a.made || a.token+"\n" != string(text) {
		t.Error(a, err)
	}
	s.set.AdminToken = "from the environment"
	if a, err := s.findAdmin(); err != nil || a.token != "from the environment" {
		t.Error(a, err)
	}
	s.set.AdminFile = file
	if a, err := s.findAdmin(); err != nil || a.token+"\n" != string(text) {
		t.Error(a, err)
	}
}

// Where nobody sits at a terminal the token does not go where the output does.
func TestAdminTokenIsNotLogged(t *testing.T) {
	dir := t.TempDir()
	r, w := io.Pipe()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	a := &app{Env: command.Env{In: strings.NewReader(""), Out: w, Err: w, Getenv: func(string) string { return "" }}}
	go func() {
		a.run(ctx, []string{"serve", "--listen", "127.0.0.1:0", "--mdns=off", "--sense=off", "--state", dir})
		w.Close()
	}()
	var said strings.Builder
	for s := bufio.NewScanner(r); s.Scan(); fmt.Fprintln(&said, s.Text()) {
		if strings.HasPrefix(s.Text(), "try") {
			cancel()
		}
	}
	if out := said.String(); strings.Contains(out, "tpd_") || !strings.Contains(out, filepath.Join(dir, state.AdminFile)) {
		t.Error(out)
	}
}

// TestHostilePage: a page of another origin, in a real browser, gets nothing
// from a hub that lets the whole LAN in; neither does one whose name is made to
// point at the hub.
func TestHostilePage(t *testing.T) {
	processes(t)
	needNode(t)
	need(t, chromium, "chromium: apt-get install chromium")
	need(t, "../../node/web/testdata/browser/node_modules/playwright-core", "npm's playwright-core: npm ci in node/web/testdata/browser")
	h := serveProcess(t, nil, binary(t, "amd64"), "--sense=off")
	got := tool(t, "", "node", "testdata/js/hostile.js", h.addr)
	if want := []string{"sockets", "publishing", "reading", "guessing", "rebinding", "its own page"}; !slices.Equal(got, want) {
		t.Errorf("only these came out right: %q", got)
	}
}

// A page elsewhere can have a visitor's browser bring wrong tokens. They are
// counted, but not as the visitor's own: who brings a token that no page could
// have sent is listened to.
func TestPagesGuessForThemselves(t *testing.T) {
	for name, junk := range map[string]func(g *guarded) int{
		"img": func(g *guarded) int { // over plain HTTP a browser says nothing more
			status, _, _ := g.ask("GET", "/api/me?access_token=junk", "")
			return status
		},
		"img, with metadata": func(g *guarded) int {
			status, _, _ := g.ask("GET", "/api/me?access_token=junk", "", "Sec-Fetch-Site: cross-site", "Sec-Fetch-Mode: no-cors")
			return status
		},
		"form": func(g *guarded) int {
			status, _, _ := g.ask("POST", "/api/pub/a?access_token=junk", "x=1", "Origin: http://evil.example")
			return status
		},
		"socket": func(g *guarded) int {
			_, status := g.dial("/ws?access_token=junk", "Origin: http://evil.example")
			return status
		},
		"img of Managed WebSocket": func(g *guarded) int {
			status, _, _ := g.ask("GET", "/v1/sockets?access_token=junk", "")
			return status
		},
	} {
		t.Run(name, func(t *testing.T) {
			g := serveGuarded(t, "--access", "token")
			_, good := g.token(`{"name":"x","publish":["#"],"subscribe":["#"]}`)
			codes := map[int]int{}
			for range 40 {
				codes[junk(g)]++
			}
			if codes[401] != 20 || codes[429] != 20 {
				t.Errorf("junk is answered %v", codes)
			}
			if status, body, _ := g.ask("GET", "/api/me", "", bearer+good); status != 200 {
				t.Errorf("the visitor's own request: %d %s", status, body)
			}
			for _, h := range [][]string{nil, {"Origin: " + g.http}, {"Origin: " + g.http, "Sec-Fetch-Site: same-origin"}} {
				if _, status := g.dial("/ws?access_token="+good, h...); status != 101 {
					t.Errorf("the dashboard's socket with %q: %d", h, status)
				}
			}
			if status, _, _ := g.ask("GET", "/?access_token="+good, "", "Sec-Fetch-Site: none", "Sec-Fetch-Mode: navigate"); status != 200 {
				t.Errorf("an address that was typed: %d", status)
			}
		})
	}
	g := serveGuarded(t)
	codes := map[int]int{}
	for range 40 { // no browser: no allowance for pages
		status, _, _ := g.ask("GET", "/api/me", "", bearer+"junk")
		codes[status]++
	}
	if _, status := g.dial("/ws", bearer+testAdmin); codes[401] != 20 || codes[429] != 20 || status != 429 {
		t.Errorf("guesses of a script: %v, then a socket: %d", codes, status)
	}
}

// With an Origin that is refused nobody tries more tokens of Managed WebSocket's
// REST than elsewhere: a good one needs no Origin, so the answers would differ.
func TestGuessesWithOrigin(t *testing.T) {
	g := serveGuarded(t)
	codes := map[int]int{}
	ask := func(token string) int {
		status, _, _ := g.ask("POST", "/v1/messages", mwsMessage, bearer+token, "Origin: http://evil.example")
		return status
	}
	if status := ask(testAdmin); status != 201 {
		t.Error(status)
	}
	for range 40 {
		codes[ask("junk")]++
	}
	if codes[403] != 20 || codes[429] != 20 {
		t.Errorf("junk is answered %v", codes)
	}
	if status := ask(testAdmin); status != 429 {
		t.Errorf("the right one after that: %d", status)
	}
}

// What the guard refuses is told as everything else is: how long to wait, in
// the encoding that was asked for, with the headers that keep browsers safe.
func TestRefusalsAreTold(t *testing.T) {
	g := serveGuarded(t, "--access", "token")
	_, body, h := g.ask("GET", "/api/topics", "", bearer+"wrong", "Accept: application/cbor")
	if text, err := codec.Transcode(nil, codec.JSON, codec.CBOR, []byte(body)); err != nil || !strings.HasPrefix(string(text), `{"error":{"code":401,"msg":"the token is not known`) {
		t.Errorf("%q %s %v", body, text, err)
	}
	if h.Get("Content-Type") != "application/cbor" || h.Get("X-Content-Type-Options") != "nosniff" || h.Get("Www-Authenticate") != "Bearer" {
		t.Error(h)
	}
	if _, _, h = g.ask("GET", "/api/topics/a", ""); h.Get("Www-Authenticate") != "Bearer" { // behind the guard
		t.Error(h)
	}
	for range 20 {
		_, body, h = g.ask("GET", "/api/topics", "", bearer+"wrong")
	}
	wants(t, body, `{"error":{"code":429,"msg":"too many wrong tokens from this address: wait","retry":`)
	if h.Get("Retry-After") == "" {
		t.Error(h)
	}
	_, body, h = g.ask("GET", "/v1/sockets", "", bearer+"wrong") // as Managed WebSocket says it
	wants(t, body, `{"error":"too many wrong tokens from this address: wait"}`)
	if h.Get("Retry-After") == "" {
		t.Error(h)
	}
}

// Nor may they join: a device is on the hub's own network.
func TestGuardProxyJoin(t *testing.T) {
	g := serveGuarded(t, "--access", "join")
	if status, body, _ := g.ask("POST", "/api/join", `{"seconds":60}`, bearer+testAdmin); status != 200 {
		t.Fatal(status, body)
	}
	ws, _ := g.dial("/ws", "X-Forwarded-For: 8.8.8.8")
	wants(t, say(t, ws, `{"op":"hello","id":1,"opts":{"dev":"d1"}}`), `"code":401,"msg":"a token is needed, and devices get theirs on the hub's own network only"`)
	ws, _ = g.dial("/ws")
	wants(t, say(t, ws, `{"op":"hello","id":1,"opts":{"dev":"d1"}}`), `"token":"tpd_`)
}

// Who may do nothing goes by nobody's name: presence would say that the device
// was there, and then that it is gone. Nor is anything sent back to it.
func TestGuardNobody(t *testing.T) {
	g := serveGuarded(t, "--access", "token")
	_, token := g.token(`{"name":"pump","publish":["pump/#"],"subscribe":["#"]}`)
	ws, _ := g.dial("/ws")
	wants(t, say(t, ws, `{"op":"hello","id":1,"opts":{"dev":"pump-7","name":"pump-8"}}`), `"welcome"`)
	_, clients, _ := g.ask("GET", "/api/clients", "", bearer+testAdmin)
	if strings.Contains(clients, "pump-") {
		t.Error(clients)
	}
	for _, topic := range []string{"pump-7", "pump-8"} {
		if status, body, _ := g.ask("GET", "/api/topics/$sys/presence/"+topic, "", bearer+testAdmin); status != 404 {
			t.Error(status, body)
		}
	}
	wants(t, say(t, ws, `{"op":"hello","id":2,"opts":{"dev":"pump-7","token":"`+token+`"}}`), `"welcome"`)
	if status, body, _ := g.ask("GET", "/api/topics/$sys/presence/pump-7", "", bearer+testAdmin); status != 200 || !strings.Contains(body, `"online"`) {
		t.Error(status, body)
	}

	echo, _ := g.dial("/echo")
	_ = echo.WriteMessage(websocket.TextMessage, []byte("x"))
	_ = echo.SetReadDeadline(time.Now().Add(30 * time.Second))
	if _, m, err := echo.ReadMessage(); !websocket.IsCloseError(err, 1008) || !strings.Contains(err.Error(), "a token is needed") {
		t.Errorf("echo without a token: %s %v", m, err)
	}
	echo, _ = g.dial("/echo?access_token=" + token)
	if got := say(t, echo, "x"); got != "x" {
		t.Error(got)
	}
}
