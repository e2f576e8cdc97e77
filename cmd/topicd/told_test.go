package main

import (
	"context"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"topicd/cmd/internal/command"
	"topicd/node/nodetest"
)

// serveNoted is serveGuarded with its log.
func serveNoted(t *testing.T, flags ...string) (*guarded, *nodetest.Buffer) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "admin")
	if err := os.WriteFile(file, []byte(testAdmin+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	r, w := io.Pipe()
	ctx, stop := context.WithCancel(context.Background())
	log := &nodetest.Buffer{}
	a := &app{Env: command.Env{In: strings.NewReader(""), Out: w, Err: log, Getenv: func(string) string { return "" }}}
	done := make(chan int, 1)
	args := []string{"serve", "--listen", "127.0.0.1:0", "--mdns=off", "--sense=off", "--state", t.TempDir(), "--admin-token-file", file}
	go func() { done <- a.run(ctx, append(args, flags...)) }()
	t.Cleanup(func() { stop(); <-done })
	url := bannerURL(t, r)
	return &guarded{t, url, "http" + strings.TrimSuffix(strings.TrimPrefix(url, "ws"), "/ws")}, log
}

// What an operator acts on is in the log at its usual level, once: a page that
// is refused comes back every few seconds, and so does a wrong token.
func TestToldOnce(t *testing.T) {
	g, log := serveNoted(t, "--access=join")
	for range 5 {
		g.ask("POST", "/api/pub/a", "1", "Origin: http://elsewhere.example")
		g.ask("GET", "/api/me", "", "Host: evil.example")
		g.ask("GET", "/api/me", "", "Authorization: Bearer wrong")
	}
	admin := "Authorization: Bearer " + testAdmin
	_, made, _ := g.ask("POST", "/api/tokens", `{"name":"pump","subscribe":["#"]}`, admin, "Content-Type: application/json")
	if !strings.Contains(made, "tpd_") {
		t.Fatal(made)
	}
	g.ask("DELETE", "/api/tokens/pump", "", admin)
	g.ask("DELETE", "/api/clients/4000000", "", admin)
	text := log.String()
	for what, want := range map[string]int{
		"--origin\" origin=http://elsewhere.example": 1, "host=evil.example": 1, "msg=refused": 1,
		"token made": 1, "token revoked": 1, `did="DELETE /api/clients/4000000"`: 1, "status=404": 1,
	} {
		if n := strings.Count(text, what); n != want {
			t.Errorf("%q %d times, not %d", what, n, want)
		}
	}
	if strings.Contains(text, "tpd_") || strings.Contains(text, "wrong ") {
		t.Error("a token is in the log")
	}
	if t.Failed() {
		t.Log(text)
	}
}

// A page asks why its socket was refused, for its browser does not tell.
func TestMeTellsOfSockets(t *testing.T) {
	g := serveGuarded(t, "--origin", "https://app.example")
	for origin, ok := range map[string]bool{g.http: true, "https://app.example": true, "http://127.0.0.1:1": false, "null": false} {
		var me struct {
			Socket struct {
				Origin, Why string
				OK          bool
			}
		}
		_, text, _ := g.ask("GET", "/api/me?origin="+origin, "")
		if err := json.Unmarshal([]byte(text), &me); err != nil || me.Socket.OK != ok || me.Socket.Origin != origin || ok != (me.Socket.Why == "") {
			t.Errorf("%s: %v %s", origin, err, text)
		}
	}
}
