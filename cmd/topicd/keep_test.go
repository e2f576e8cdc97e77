package main

import (
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"topicd/cmd/internal/command"

	"github.com/gorilla/websocket"
)

// scdAsk sends one SCD request and returns the next frame.
func scdAsk(t *testing.T, ws *websocket.Conn, request string) string {
	t.Helper()
	if err := ws.WriteMessage(websocket.TextMessage, []byte("SCDTMH:1.0\t"+request)); err != nil {
		t.Fatal(err)
	}
	return nextText(t, ws)
}

func nextText(t *testing.T, ws *websocket.Conn) string {
	t.Helper()
	_ = ws.SetReadDeadline(time.Now().Add(20 * time.Second))
	_, b, err := ws.ReadMessage()
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// Static topics outlive a hub that is killed; dynamic ones do not.
func TestStaticTopicsSurviveKill(t *testing.T) {
	processes(t)
	state := t.TempDir()
	h := serveProcess(t, nil, binary(t, "amd64"), "--sense=off", "--state", state)
	ws := rawDial(t, "ws://"+h.addr)
	for _, r := range [][2]string{
		{"TMK:Chat\n", "TMK|Chat|1|no error"}, {"TMK:Küche|\n", "TMK|Küche_|0|"}, {"TMK:Küche\n", "TMK|Küche|1|no error"}, {"TMK:gone\n", "TMK|gone|1|"},
		{"TRN:talk\n", "TRN|talk|3|no error"}, {"TDL:gone\n", "TDL|gone|1|no error"}, {"TSM:Chat\nhello", "TSM|Chat|1|"},
	} {
		if got := scdAsk(t, ws, r[0]); !strings.HasPrefix(got, "[server@notify]:"+r[1]) {
			t.Errorf("%q: got %q", r[0], got)
		}
	}
	native := rawDial(t, h.url)
	if err := native.WriteMessage(websocket.TextMessage, []byte(`{"op":"make","id":1,"topic":"a/b","opts":{"static":true,"cap":9000,"stale":60}}`)); err != nil {
		t.Fatal(err)
	}
	nextText(t, native)
	file := filepath.Join(state, "topics.json")
	const want = "[\n{\"topic\":\"Chat\",\"cap\":2097152},\n{\"topic\":\"Küche\",\"cap\":2097152},\n{\"topic\":\"a/b\",\"cap\":9000,\"stale\":60}\n]\n"
	for end := time.Now().Add(30 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		if b, _ := os.ReadFile(file); string(b) == want {
			break
		} else if time.Now().After(end) {
			t.Fatalf("the file holds %q", b)
		}
	}
	if i, err := os.Stat(file); err != nil || i.Mode().Perm() != 0o600 {
		t.Error(i, err)
	}
	h.kill(t)

	h = serveProcess(t, nil, binary(t, "amd64"), "--sense=off", "--state", state)
	ws = rawDial(t, "ws://"+h.addr)
	for _, r := range [][2]string{
		{"TMK:Chat\n", "TMK|Chat|2|"}, {"TRC:Küche\n", "TRC|Küche|1|"}, {"TRC:talk\n", "TRC|talk|0|"}, {"TRC:gone\n", "TRC|gone|0|"}, {"TMK:last\n", "TMK|last|1|"},
	} {
		if got := scdAsk(t, ws, r[0]); !strings.HasPrefix(got, "[server@notify]:"+r[1]) {
			t.Errorf("after the restart %q: got %q", r[0], got)
		}
	}
	if code, _ := h.stop(t); code != 0 { // one that ends in order keeps what has just been made
		t.Errorf("exit code %d\n%s", code, h.errs.String())
	}
	if b, _ := os.ReadFile(file); !strings.Contains(string(b), `{"topic":"last","cap":2097152}`) || !strings.Contains(string(b), `"cap":9000,"stale":60`) {
		t.Errorf("the file holds %q", b)
	}
}

// An import goes on where the hub refuses a topic, and tells which.
func TestImportRefused(t *testing.T) {
	file := filepath.Join(t.TempDir(), "topics")
	if err := os.WriteFile(file, []byte("one:static\n$own:static\ntwo:static\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	hub := serveInside(t)
	var out, errs strings.Builder
	a := &app{Env: command.Env{In: strings.NewReader(""), Out: &out, Err: &errs, Getenv: func(string) string { return "" }}}
	if code := a.run(t.Context(), []string{"import", file, "--hub", hub}); code != 1 {
		t.Errorf("exit code %d", code)
	}
	if out.String() != "one\ntwo\n" || !strings.Contains(errs.String(), "line 2:") || !strings.Contains(errs.String(), "1 of 3 topics not taken") {
		t.Errorf("it said %q and %q", out.String(), errs.String())
	}
}

// The relay over HTTP: who is there, and the operator's word.
func TestRelayOverHTTP(t *testing.T) {
	token := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(token, []byte("a-token-for-this-test"), 0o600); err != nil {
		t.Fatal(err)
	}
	hub := serveInside(t, "--admin-token-file", token)
	base := strings.TrimSuffix(strings.Replace(hub, "ws://", "http://", 1), "/ws")
	alice := rawDial(t, strings.TrimSuffix(hub, "/ws")+"/relay/kitchen/alice")
	call := func(method, path, body string) string {
		t.Helper()
		r, err := http.NewRequest(method, base+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Authorization", "Bearer a-token-for-this-test")
		r.Header.Set("Content-Type", "application/json")
		res, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		var v any
		if err := json.NewDecoder(res.Body).Decode(&v); err != nil {
			t.Fatal(res.Status, v, err)
		}
		b, _ := json.Marshal(v)
		return string(b)
	}
	if got := call("POST", "/api/broadcast", `{"room":"kitchen"}`); got != `{"error":{"code":400,"msg":"text is missing"}}` {
		t.Errorf("a broadcast of nothing: %s", got)
	}
	rooms := ""
	for end := time.Now().Add(30 * time.Second); time.Now().Before(end) && !strings.Contains(rooms, "join"); time.Sleep(5 * time.Millisecond) {
		rooms = call("GET", "/api/relay", "") // alice is there a little after her handshake
	}
	if got := rooms; !strings.Contains(got, `"room":"kitchen"`) || !strings.Contains(got, `"url":"/relay/kitchen/alice"`) || !strings.Contains(got, `"what":"join"`) {
		t.Errorf("rooms: %s", got)
	}
	if got := call("POST", "/api/broadcast", `{"room":"kitchen","text":"dinner"}`); got != `{"sent":1}` {
		t.Errorf("broadcast: %s", got)
	}
	if got := nextText(t, alice); got != "dinner" {
		t.Errorf("alice heard %q", got)
	}
}
