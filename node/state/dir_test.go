package state

import (
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A directory is one hub's: the second is told whose, and gets it when the first
// has gone.
func TestOneHubADirectory(t *testing.T) {
	path := t.TempDir()
	first, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	var taken *Taken
	if _, err := Open(path); !errors.As(err, &taken) || taken.PID != os.Getpid() {
		t.Fatalf("a second one: %v", err)
	}
	first.Close()
	again, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	again.Close()
	none, err := Open(filepath.Join(path, "that", "takes", "no", "files"))
	if err != nil {
		t.Error(err)
	} else {
		none.Close()
	}
}

// What a power cut makes of the admin token is none; what people choose is one.
func TestDamagedAdminToken(t *testing.T) {
	file := filepath.Join(t.TempDir(), AdminFile)
	made := "tpd_" + strings.Repeat("x", 43)
	newToken := func() string { return made }
	for text, want := range map[string]string{
		"": made, "\n": made, strings.Repeat("\x00", 64): made, "tpd_abcdef": made, "t": made, "tpd": made, "tpd_" + strings.Repeat("y", 43) + "\x00": made, "\xff\xfe": made,
		"tpd_" + strings.Repeat("y", 43) + "\n": "tpd_" + strings.Repeat("y", 43), "what somebody chose\r\n": "what somebody chose",
	} {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		var log strings.Builder
		token, fresh, err := AdminToken(file, true, slog.New(slog.NewTextHandler(&log, nil)), newToken)
		if err != nil || token != want || fresh != (want == made) || fresh != strings.Contains(log.String(), "level=ERROR") {
			t.Errorf("%q: %q, made %v, %v, and the log has %q", text, token, fresh, err, log.String())
		}
		if _, _, err := AdminToken(file, false, slog.New(slog.DiscardHandler), newToken); err != nil {
			t.Errorf("%q: %v", text, err)
		}
	}
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, _, err := AdminToken(file, false, slog.New(slog.DiscardHandler), newToken); err == nil || !strings.Contains(err.Error(), "it is empty") {
		t.Errorf("an empty file that somebody named: %v", err)
	}
}
