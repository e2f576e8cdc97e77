package command

import (
	"testing"

	"topicd/codec"
)

// The exit code and the hint for each code a hub may answer with.
func TestCodes(t *testing.T) {
	for _, code := range codec.Codes {
		if exit, hint := Refusal(code); exit == OK || hint == "" && code != codec.CodeMalformed && code != codec.CodeConflict {
			t.Errorf("%d: exit code %d, hint %q", code, exit, hint)
		}
	}
}

func TestStateDir(t *testing.T) {
	for _, c := range []struct {
		env  map[string]string
		root bool
		want string
	}{
		{map[string]string{"XDG_STATE_HOME": "/x", "HOME": "/home/a"}, true, "/x/topicd"},
		{map[string]string{"HOME": "/home/a"}, false, "/home/a/.local/state/topicd"},
		{map[string]string{"HOME": "/root"}, true, "/var/lib/topicd"},
		{nil, false, ""}, // not below /tmp, where anybody may have made it before us
	} {
		if got := StateDir(func(k string) string { return c.env[k] }, c.root); got != c.want {
			t.Errorf("%v: %s", c, got)
		}
	}
}
