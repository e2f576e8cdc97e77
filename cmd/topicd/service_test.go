package main

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"topicd/cmd/internal/command"
	"topicd/cmd/internal/flags"
)

// What service managers are told has this board's names in it, and nothing is left
// to fill in; a shell can read it.
func TestServiceFiles(t *testing.T) {
	for manager, want := range map[string]string{
		"systemd": "ExecStart=/opt/topicd serve --config /etc/t.toml", "openrc": `command="/opt/topicd"`, "procd": "/opt/topicd serve --config /etc/t.toml",
	} {
		root := t.TempDir()
		if err := os.MkdirAll(filepath.Join(root, "etc"), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(root, "etc/t.toml"), []byte("memory = \"64MiB\"\n"), 0o644); err != nil {
			t.Fatal(err)
		}
		var out, errs bytes.Buffer
		a := &app{Env: command.Env{Out: &out, Err: &errs, Getenv: func(string) string { return "" }}}
		if code := a.run(t.Context(), []string{"service", "install", "--manager", manager, "--root", root, "--binary", "/opt/topicd", "--config", "/etc/t.toml"}); code != 0 {
			t.Fatal(errs.String())
		}
		for _, line := range strings.Split(strings.TrimSpace(out.String()), "\n") {
			name := filepath.Join(root, strings.TrimPrefix(line, "wrote "))
			text, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			if strings.Contains(string(text), "@BIN@") || strings.Contains(string(text), "@CONFIG@") || strings.Contains(string(text), "@MEMORY@") {
				t.Errorf("%s is not filled in:\n%s", name, text)
			}
			if !strings.HasSuffix(name, ".socket") && !strings.HasSuffix(name, ".conf") && !strings.Contains(name, "keep.d") && !strings.Contains(string(text), want) {
				t.Errorf("%s says nothing of %s", name, want)
			}
			if !strings.Contains(name, "init.d/") {
				continue
			}
			if info, _ := os.Stat(name); info.Mode().Perm() != 0o755 {
				t.Errorf("%s has mode %v", name, info.Mode())
			}
			if sc, err := exec.LookPath("shellcheck"); err == nil {
				if text, err := exec.Command(sc, name).CombinedOutput(); err != nil {
					t.Errorf("%s", text)
				}
			}
		}
	}
}

// The unit that the package brings is as closed as it can be.
func TestUnitIsHardened(t *testing.T) {
	analyze, err := exec.LookPath("systemd-analyze")
	if err != nil {
		t.Skip("needs systemd-analyze")
	}
	unit := filepath.Join(t.TempDir(), "topicd.service")
	text := strings.NewReplacer("@BIN@", "/bin/true", "@CONFIG@", "", "@MEMORY@", "100").Replace(systemdUnit)
	if err := os.WriteFile(unit, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command(analyze, "security", "--offline=true", "--threshold=20", "--no-pager", unit).CombinedOutput(); err != nil {
		t.Errorf("its exposure is more than 2.0: %v\n%s", err, out[max(0, len(out)-400):])
	}
}

// Without a word about the file it is the package's that is checked, as its service
// reads it, unless the environment names another hub's state.
func TestConfigIsThePackages(t *testing.T) {
	etc := filepath.Join(t.TempDir(), "topicd.toml")
	if err := os.WriteFile(etc, []byte("memory = \"32MiB\"\n[limits]\nsession = 5\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	check := func(env map[string]string) (string, int) {
		var out, errs bytes.Buffer
		a := &app{Env: command.Env{Out: &out, Err: &errs, Getenv: func(k string) string { return env[k] }}, etc: etc}
		code := a.run(t.Context(), []string{"config", "check"})
		return out.String() + errs.String(), code
	}
	if text, code := check(nil); code != command.Usage || !strings.Contains(text, etc+":3: limits.session: no such setting") {
		t.Error(code, text)
	}
	state := t.TempDir()
	if text, code := check(map[string]string{"TOPICD_STATE": state}); code != 0 || !strings.Contains(text, state) {
		t.Error(code, text)
	}
}

// Each setting tells who said it: the environment comes before the file.
func TestConfigTellsWhoSaidIt(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "topicd.toml"), []byte("memory = \"32MiB\"\n[limits]\nstale = 5\ntopics = 7\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	var out, errs bytes.Buffer
	vars := map[string]string{"TOPICD_STATE": dir, "TOPICD_MEMORY": "8MiB"}
	a := &app{Env: command.Env{Out: &out, Err: &errs, Getenv: func(k string) string { return vars[k] }, Environ: []string{"TOPICD_MEMROY=8"}}}
	if code := a.run(t.Context(), []string{"config", "show", "--json"}); code != 0 {
		t.Fatal(errs.String())
	}
	var got struct{ Settings []flags.Setting }
	if err := json.Unmarshal(out.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	from := map[string]string{}
	for _, s := range got.Settings {
		from[s.Name] = s.Value + " " + s.From
	}
	for name, want := range map[string]string{"memory": "8MiB env", "stale": "5s file", "topics": "7 file", "keep": ""} {
		if from[name] != want {
			t.Errorf("%s: %q, not %q", name, from[name], want)
		}
	}
	if !strings.Contains(errs.String(), "TOPICD_MEMROY is no setting; the nearest is TOPICD_MEMORY") {
		t.Error(errs.String())
	}
	if files, _ := os.ReadDir(dir); len(files) != 1 {
		t.Error("looking writes something", files)
	}
}
