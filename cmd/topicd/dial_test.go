package main

import "testing"

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
