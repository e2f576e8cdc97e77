package main

import (
	"strings"
	"testing"

	"topicd/codec"
)

// A token goes to the hub that was named, or to this machine's.
func TestTokenStaysHome(t *testing.T) {
	for _, c := range []struct {
		hub, host, token string
		sent             bool
	}{
		{"", "127.0.0.1", "tpd_x", true},
		{"", "::1", "tpd_x", true},
		{"", "192.0.2.7", "tpd_x", false},
		{"", "gateway.local", "tpd_x", false},
		{"gateway", "192.0.2.7", "tpd_x", true},
		{"", "192.0.2.7", "", true},
	} {
		if err := notOnlyFound(c.hub, c.host, c.token); (err == nil) != c.sent {
			t.Errorf("--hub %q, found %s, token %q: %v", c.hub, c.host, c.token, err)
		}
	}
}

// What went wrong is said without the token that a URL may have.
func TestErrorsShowNoToken(t *testing.T) {
	hub := serveInside(t)
	for at, want := range map[string]string{
		hub + "?access_token=tpd_secret":                                    "/ws refused the WebSocket: 401 the token is not known here: it is wrong, expired or revoked",
		strings.Replace(hub, "ws:", "wss:", 1) + "?access_token=tpd_secret": "that port is a plain one",
		"ws://127.0.0.1:1/ws?access_token=tpd_secret":                       "cannot reach the hub at ws://127.0.0.1:1/ws: ",
	} {
		for _, args := range [][]string{{"pub", "a", "1"}, {"bench", "--duration", "1s"}} {
			code, out, errs := runCommand(t, nil, append(args, "--hub", at)...)
			if code == 0 || strings.Contains(out+errs, "tpd_") || !strings.Contains(errs, want) {
				t.Errorf("%s: %d\n%s\n%s", args[0], code, out, errs)
			}
		}
	}
}

// The exit code and the hint for each code a hub may answer with.
func TestCodes(t *testing.T) {
	for _, code := range codec.Codes {
		if exit, hint := codeExit(code); exit == exitOK || hint == "" && code != codec.CodeMalformed && code != codec.CodeConflict {
			t.Errorf("%d: exit code %d, hint %q", code, exit, hint)
		}
	}
}
