package main

import (
	"bytes"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"topicd/cmd/internal/command"
	"topicd/node/front"
	"topicd/node/state"
)

// A damaged file never keeps a hub from starting, whichever it is and whatever a
// power cut made of it: it is set aside, said once, and nobody gets in by it.
func TestDamagedState(t *testing.T) {
	dir := t.TempDir()
	url, stop := serveUntil(t, "--state", dir, "--tls=auto", "--access=token")
	env := map[string]string{"TOPICD_HUB": url, "TOPICD_STATE": dir}
	code, token, errs := runCommand(t, env, "token", "create", "pump", "--publish", "#", "--manage", "#")
	if code != 0 {
		t.Fatal(errs)
	}
	if code, _, errs := runCommand(t, env, "import", testTopics(t), "--token", strings.TrimSpace(token)); code != 0 {
		t.Fatal(errs)
	}
	stop()
	for _, name := range []string{"tokens.json", "topics.json", state.AdminFile, front.CertFile, front.KeyFile} {
		whole, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		for what, text := range map[string][]byte{"empty": nil, "zeros": make([]byte, 64), "half": whole[:len(whole)/2]} {
			t.Run(name+" "+what, func(t *testing.T) {
				mine := filepath.Join(t.TempDir(), "state")
				if err := os.CopyFS(mine, os.DirFS(dir)); err != nil {
					t.Fatal(err)
				}
				file := filepath.Join(mine, name)
				if err := os.WriteFile(file, text, 0o600); err != nil {
					t.Fatal(err)
				}
				g, log := serveNoted(t, "--state", mine, "--tls=auto", "--access=token", "--admin-token-file", "")
				if b, err := os.ReadFile(file + ".damaged"); err != nil || !bytes.Equal(b, text) {
					t.Errorf("it is set aside as %q, %v", b, err)
				}
				if n := strings.Count(log.String(), "level=ERROR"); n != 1 || !strings.Contains(log.String(), mine) {
					t.Errorf("%d errors in the log: %s", n, log.String())
				}
				env := map[string]string{"TOPICD_HUB": g.ws, "TOPICD_STATE": mine}
				if code, _, errs := runCommand(t, env, "token", "list"); code != 0 {
					t.Errorf("the admin: %s", errs)
				}
				want := command.OK
				if name == "tokens.json" {
					want = command.Forbidden
				}
				if code, _, errs := runCommand(t, env, "pub", "a", "1", "--token", strings.TrimSpace(token)); code != want {
					t.Errorf("who had a token: %d %s", code, errs)
				}
			})
		}
	}
}

func testTopics(t *testing.T) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "topics")
	if err := os.WriteFile(file, []byte("one:static\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// Two hubs do not keep their state in one directory.
func TestSecondHubOfAState(t *testing.T) {
	dir := t.TempDir()
	serveInside(t, "--state", dir)
	code, _, errs := runCommand(t, nil, "serve", "--listen", "127.0.0.1:0", "--mdns=off", "--sense=off", "--state", dir)
	if want := fmt.Sprintf("another topicd (pid %d) keeps its state in %s", os.Getpid(), dir); code != command.Usage || !strings.Contains(errs, want) || !strings.Contains(errs, "--state DIR") {
		t.Errorf("%d %s", code, errs)
	}
}

// A hangup has tokens read again: who is no longer in the file is cut, who is
// stays, and a file that is damaged changes nothing.
func TestHangupReadsTokensAgain(t *testing.T) {
	if os.Getuid() < 0 {
		t.Skip("no signals here")
	}
	ours := make(chan os.Signal, 9)
	signal.Notify(ours, syscall.SIGHUP) // else it would end the tests
	defer signal.Stop(ours)
	dir := t.TempDir()
	g, log := serveNoted(t, "--state", dir, "--access=token")
	gone, token := g.token(`{"name":"gone","subscribe":["#"]}`)
	file := filepath.Join(dir, "tokens.json")
	also, stays := g.token(`{"name":"stays","subscribe":["#"]}`)
	a, _ := g.dial("/ws", bearer+token)
	b, _ := g.dial("/ws", bearer+stays)
	var text []byte // both are written soon, and perhaps once more
	for end := time.Now().Add(30 * time.Second); !bytes.Contains(text, []byte(gone)) || !bytes.Contains(text, []byte(also)); time.Sleep(5 * time.Millisecond) {
		text, _ = os.ReadFile(file)
		if time.Now().After(end) {
			t.Fatalf("the tokens are not kept: %s", text)
		}
	}
	hangup := func(text []byte) {
		t.Helper()
		n := strings.Count(log.String(), `"read again"`) + 1
		if err := os.WriteFile(file, text, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := syscall.Kill(os.Getpid(), syscall.SIGHUP); err != nil {
			t.Fatal(err)
		}
		for end := time.Now().Add(30 * time.Second); strings.Count(log.String(), `"read again"`) < n; time.Sleep(5 * time.Millisecond) {
			if time.Now().After(end) {
				t.Fatal(log.String())
			}
		}
	}
	for range 20 { // the hub's second writing of both may come after ours
		if hangup([]byte("{")); strings.Contains(log.String(), "the tokens are not read again") {
			break
		}
	}
	if !strings.Contains(log.String(), "the tokens are not read again") {
		t.Fatal(log.String())
	}
	if got := say(t, a, `{"op":"ping","id":1}`); !strings.Contains(got, "pong") {
		t.Error(got)
	}
	for range 20 {
		hangup(bytes.ReplaceAll(text, []byte(gone), []byte("ffffffff")))
		if _, list, _ := g.ask("GET", "/api/tokens", "", bearer+testAdmin); !strings.Contains(list, gone) {
			break
		}
	}
	_ = a.SetReadDeadline(time.Now().Add(30 * time.Second))
	_, bye, _ := a.ReadMessage()
	if !strings.Contains(string(bye), `"op":"bye"`) && !strings.Contains(string(bye), "revoked") {
		t.Errorf("who has another token now hears %q", bye)
	}
	if got := say(t, b, `{"op":"ping","id":2}`); !strings.Contains(got, "pong") {
		t.Error(got)
	}
	_ = a.Close()
}

// A disk that takes nothing is told to who makes a topic that is to stay.
func TestStaticTopicThatIsNotKept(t *testing.T) {
	dir := t.TempDir()
	g := serveGuarded(t, "--state", dir)
	if status, body, _ := g.ask("PUT", "/api/topics/a", `{"static":true}`, bearer+testAdmin, "Content-Type: application/json"); status != 201 || strings.Contains(body, "kept") {
		t.Fatal(status, body)
	}
	away := dir + ".away"
	if err := os.Rename(dir, away); err != nil {
		t.Fatal(err)
	}
	defer os.Rename(away, dir)
	for end := time.Now().Add(30 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		status, body, _ := g.ask("PUT", "/api/topics/b"+fmt.Sprint(time.Now().UnixNano()), `{"static":true}`, bearer+testAdmin, "Content-Type: application/json")
		if status == 201 && strings.Contains(body, `"kept":false`) {
			break
		}
		if time.Now().After(end) {
			t.Fatal(status, body)
		}
	}
	if status, body, _ := g.ask("POST", "/api/tokens", `{"name":"x","publish":["#"]}`, bearer+testAdmin, "Content-Type: application/json"); status != 507 || !strings.Contains(body, "disk") {
		t.Error(status, body)
	}
}
