package access

import (
	"strings"
	"testing"
	"time"
)

// Whoever invents origins cannot fill the log, nor the memory.
func TestToldIsBounded(t *testing.T) {
	var said Told
	now := time.Now()
	n := 0
	for i := range 10 * toldMost {
		if said.First(strings.Repeat("x", i), now) {
			n++
		}
	}
	if n != toldMost || len(said.last) != toldMost {
		t.Errorf("%d lines, %d kept", n, len(said.last))
	}
	if !said.First("x", now.Add(toldAgain)) || len(said.last) != 1 {
		t.Error("it is not told again after a while")
	}
}
