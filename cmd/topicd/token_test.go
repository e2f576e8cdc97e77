package main

import (
	"bytes"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"topicd/cmd/internal/command"
	"topicd/node/client"
	"topicd/node/client/show"
	"topicd/node/front"
	"topicd/node/state"
)

// command runs topicd in this process.
func runCommand(t *testing.T, env map[string]string, args ...string) (code int, out, errs string) {
	t.Helper()
	var o, e bytes.Buffer
	a := &app{Env: command.Env{In: strings.NewReader(""), Out: &o, Err: &e, Getenv: func(k string) string { return env[k] }}}
	code = a.run(t.Context(), args)
	return code, o.String(), e.String()
}

func TestTokenCommands(t *testing.T) {
	dir := t.TempDir()
	hub := serveInside(t, "--state", dir, "--access", "join")
	env := map[string]string{"TOPICD_HUB": hub, "TOPICD_STATE": dir}
	expect := func(want int, wantOut, wantErr string, args ...string) string {
		t.Helper()
		code, out, errs := runCommand(t, env, args...)
		if code != want || !strings.Contains(out, wantOut) || !strings.Contains(errs, wantErr) {
			t.Errorf("topicd %s: %d\n%s\n%s", strings.Join(args, " "), code, out, errs)
		}
		return strings.TrimSpace(out)
	}
	expect(4, "", "401 a token is needed\nhint: give a token with --token", "pub", "pump/1", "5")
	token := expect(0, "tpd_", "it is shown this once", "token", "create", "pump", "--publish", "pump/#", "--subscribe", "pump/#", "--expires", "30d")
	expect(0, "", "", "pub", "pump/1", "5", "--token", token)
	expect(4, "", "403 this token may publish to pump/#, not \"x\"", "pub", "x", "5", "--token", token)
	expect(4, "", "only the admin token may do that", "token", "list", "--token", token)
	expect(0, "pump/#", "", "token", "list")
	expect(0, `"name":"pump"`, "", "token", "list", "--json")
	expect(0, "revoked; ", "", "token", "revoke", "pump") // the connection of the command before may be ending still
	expect(1, "", "404 no token \"pump\"\nhint: `topicd token list`", "token", "revoke", "pump")
	expect(2, "", "nothing shows that it has the certificate of --pin", "token", "list", "--pin", "00")
	expect(2, "", "nothing shows that it has the certificate of --pin", "pub", "pump/1", "5", "--pin", "00")
	expect(4, "", "the token is not known here: it is wrong, expired or revoked\nhint: `topicd token list`", "pub", "pump/1", "5", "--token", token)
	expect(1, "", "a token that may do nothing", "token", "create", "x")
	expect(2, "", "usage: topicd token create NAME", "token", "create")
	expect(2, "", `"make" is none of create, list, revoke`, "token", "make")
	expect(2, "", `--expires "1970-01-01" is neither`, "token", "create", "x", "--subscribe", "#", "--expires", "1970-01-01")
	expect(0, "closed: no device can join", "", "join")
	expect(0, "open: devices may join for 5m\n", "", "join", "--open", "5m")
	expect(0, `{"open":true,"seconds":`, "", "join", "--json")
	expect(0, "closed", "", "join", "--close")
	expect(1, "", "open for at most an hour", "join", "--open", "2h")
	file := filepath.Join(dir, state.AdminFile)
	env["TOPICD_HUB"] = serveInside(t, "--admin-token-file", file)
	expect(1, "", `here it is "lan": start it with --access=join`, "join", "--open", "5m")
	env["TOPICD_HUB"] = hub
	delete(env, "TOPICD_STATE")
	expect(4, "", "no admin token", "token", "list", "--state", t.TempDir())
	expect(4, "", "the admin token of the hub at 192.0.2.1 is needed", "token", "list", "--hub", "192.0.2.1")
}

// The certificate is made once, pinned by clients, and TLS carries everything.
func TestTLS(t *testing.T) {
	dir, home := t.TempDir(), t.TempDir()
	hub, stop := serveUntil(t, "--state", dir, "--tls=auto")
	if !strings.HasPrefix(hub, "wss://") {
		t.Fatal(hub)
	}
	env := map[string]string{"TOPICD_HUB": hub, "TOPICD_STATE": home}
	run := func(want int, wantErr string, args ...string) string {
		t.Helper()
		code, out, errs := runCommand(t, env, args...)
		if code != want || !strings.Contains(errs, wantErr) {
			t.Errorf("topicd %s: %d\n%s\n%s", strings.Join(args, " "), code, out, errs)
		}
		return out
	}
	short := []string{"bench", "--publishers", "3", "--duration", "100ms", "--warmup", "0", "--rate", "100"}
	run(0, "is a new hub; its certificate has the SHA-256 fingerprint", short...)
	run(0, "", "pub", "a/b", "1")
	if out := run(0, "", "get", "a/b", "--raw"); out != "1\n" {
		t.Error(out)
	}
	text, err := os.ReadFile(filepath.Join(home, "known_hubs"))
	f := strings.Fields(string(text))
	if err != nil || len(f) != 2 {
		t.Fatal(string(text), err)
	}
	fp := f[1]
	run(0, "", "get", "a/b", "--pin", strings.ToUpper(fp[:2]+":"+fp[2:]))
	run(4, "not 00", "get", "a/b", "--pin", "00")
	run(4, "not 00", append(short, "--pin", "00")...)
	admin, err := os.ReadFile(filepath.Join(dir, state.AdminFile))
	if err != nil {
		t.Fatal(err)
	}
	run(0, "", "token", "list", "--token", strings.TrimSpace(string(admin)))
	_ = os.WriteFile(filepath.Join(home, "known_hubs"), []byte(f[0]+" "+strings.Repeat("0", 64)+"\n"), 0o600)
	run(4, "has changed: it was 0000", "get", "a/b")
	run(4, "has changed: it was 0000", short...)
	run(4, "hint: somebody may be listening in", "token", "list", "--token", "x")

	env["TOPICD_HUB"] = strings.Replace(hub, "wss://", "ws://", 1)
	run(3, "serves TLS there\nhint: name it with --hub "+hub, "get", "a/b")
	run(3, "serves TLS there\nhint: name it with --hub "+hub, short...)
	run(3, "serves TLS there\nhint: name it with --hub "+hub, "token", "list", "--token", "x")
	env["TOPICD_HUB"] = strings.Replace(serveInside(t), "ws://", "wss://", 1)
	run(3, "that port is a plain one", "get", "a/b")
	run(3, "that port is a plain one", short...)

	for name, mode := range map[string]os.FileMode{front.KeyFile: 0o600, front.CertFile: 0o600} {
		if i, err := os.Stat(filepath.Join(dir, name)); err != nil || i.Mode().Perm() != mode {
			t.Error(name, i, err)
		}
	}
	stop()
	d, err := state.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	s := &server{set: newSettings(), state: d, log: slog.New(slog.DiscardHandler)}
	s.set.TLS = "auto"
	if c, err := s.openTLS(); err != nil || c.Fingerprint() != fp {
		t.Error("a second start has another certificate:", err)
	}
}

func TestQR(t *testing.T) {
	code := show.QR("https://192.0.2.7:22345/#fp=" + strings.Repeat("0123456789abcdef", 4))
	lines := strings.Split(strings.TrimSuffix(code, "\n"), "\n")
	if len(lines) < 20 || len(lines) > 30 {
		t.Errorf("%d lines\n%s", len(lines), code)
	}
}

// A client of ours joins, keeps its token while it runs, and another run needs it.
func TestClientJoins(t *testing.T) {
	dir := t.TempDir()
	hub := serveInside(t, "--state", dir, "--access", "join")
	env := map[string]string{"TOPICD_HUB": hub, "TOPICD_STATE": dir}
	o := client.Options{URL: hub, Dev: "board1"}
	if _, err := client.Dial(t.Context(), o); err == nil || !strings.Contains(err.Error(), "nobody lets devices join") {
		t.Fatal(err)
	}
	if code, _, errs := runCommand(t, env, "join", "--open", "1m"); code != 0 {
		t.Fatal(errs)
	}
	c, err := client.Dial(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	token := c.Welcome().Token
	if _, err := c.Publish(t.Context(), "a/b", 1); err != nil || token == "" {
		t.Fatal(token, err)
	}
	if code, _, errs := runCommand(t, env, "join", "--close"); code != 0 {
		t.Fatal(errs)
	}
	o.Token = token
	again, err := client.Dial(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	defer again.Close()
	if _, err := again.Publish(t.Context(), "a/b", 2); err != nil || again.Welcome().Token != "" {
		t.Error(err)
	}
	o.Token = "tpd_wrong"
	if _, err := client.Dial(t.Context(), o); err == nil || !strings.Contains(err.Error(), "the token is not known here") {
		t.Error(err)
	}
}
