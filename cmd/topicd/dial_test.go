package main

import (
	"strings"
	"testing"
)

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
