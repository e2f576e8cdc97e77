package reach

import (
	"testing"

	"topicd/cmd/internal/command"
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

// An admin token goes where somebody said, and to this machine: whoever tells the
// network that there is a hub does not get it.
func TestAdminTokenIsNotGivenAway(t *testing.T) {
	env := map[string]string{"TOPICD_ADMIN_TOKEN": "secret"}
	e := &command.Env{Getenv: func(k string) string { return env[k] }}
	for _, c := range []struct {
		named, host string
		given       bool
	}{{"", "192.0.2.1", false}, {"", "fe80::1%eth0", false}, {"", "gateway.local", false}, {"", "127.0.0.1", true}, {"192.0.2.1", "192.0.2.1", true}} {
		r := Admin{Target: Target{Hub: c.named, env: e}}
		if token, err := r.tokenFor(c.host); (token != "") != c.given || (err == nil) != c.given {
			t.Errorf("%+v: %q, %v", c, token, err)
		}
	}
}
