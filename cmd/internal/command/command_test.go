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
