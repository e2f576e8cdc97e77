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

// What a power cut left of a file that was being written, 16 MiB of `carried` for one that
// came while the hub ended, goes with the next start; a hub that finds the directory taken
// leaves it alone.
func TestWhatAPowerCutLeavesGoes(t *testing.T) {
	path := t.TempDir()
	left := filepath.Join(path, ".new-12345")
	first, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range []string{left, filepath.Join(path, "topics.json")} {
		if err := os.WriteFile(file, []byte("[]"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := Open(path); err == nil {
		t.Fatal("it is taken twice")
	}
	if _, err := os.Stat(left); err != nil {
		t.Error(err)
	}
	first.Close()
	again, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer again.Close()
	if list, err := os.ReadDir(path); err != nil || len(list) != 2 {
		t.Errorf("it has %v, %v", list, err)
	}
}
