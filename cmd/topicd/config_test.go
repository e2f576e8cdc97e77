package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"topicd/cmd/internal/command"
	"topicd/cmd/internal/flags"

	"github.com/spf13/pflag"
)

// A bad configuration names the file, the line and the key, and ends with 2.
func TestBadConfig(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{"memory = \"16MiB\"\ntopic-cap = \"much\"\n", `:2: topic-cap: "much" is not a size`},
		{"\n\nnonsense = 1\n", ":3: nonsense: no such setting"},
		{"memory = [1, 2]", ":1: memory: is one value, not a list"},
		{"pace = \"-2ms\"", `:1: pace: "-2ms" is not a duration`},
		{"mdns = \"perhaps\"", `:1: mdns: "perhaps" is neither on nor off`},
		{"listen = [\":22345\", \"here\"]", `:1: listen: "here" is not an address`},
		{"log-level = \"loud\"", ":1: log-level: \"loud\" is none of debug, info, warn, error"},
		{"[limits]\nsessions = 10\nrate = -5\n", `:3: limits.rate: "-5" is not a number, 0 or more, or -1`},
		{"[limits]\nspeed = 10\n", ":2: limits.speed: no such setting"},
		{"limits = \"bench\"", ":1: limits: must be a table"},
		{"state = \"/tmp\"", ":1: state: belongs on the command line"},
		{"[topic.\"a/b\"]\ncap = \"1KiB\"\n\n[topic.\"c\"]\ncap = true\n", `:5: topic.c.cap: "true" is not a size`},
		{"[topic.\"a/#\"]\ncap = \"1KiB\"\n", ":1: topic.\"a/#\": "},
		{"topic = 5", ":1: topic: must be a table"},
		{"memory = \n", ":1: memory: expected value"},
		{"sense = \"on\"\nsense = \"off\"\n", ":2: sense: "},
		{"memory = \"100KiB\"", "memory: 100KiB is not between 1MiB and "},
		{"max-frame = \"5MiB\"\n", "max-frame: 5MiB is more than a quarter of memory"},
		{"memory = \"1GiB\"\nmax-frame = \"16MiB\"\n", "max-frame: 16MiB is not between 1KiB and "},
		{"topic-cap = \"4GiB\"\n", "topic-cap: 4GiB is not between 1KiB and 1073741823"},
		{"topic-cap = \"1GiB\"\n", "topic-cap: 1GiB is not between 1KiB and 1073741823"},
		{"[topic.a]\ncap = \"4GiB\"\n", "cap is at most 1073741823 bytes"},
		{"[limits]\ntopics = 1048576\n", "topics: 1048576 is more than "},
		{"[limits]\nkeep = \"700000h\"\n", "keep and stale: at most 2147483647 seconds"},
	} {
		file := filepath.Join(t.TempDir(), "my.toml")
		if err := os.WriteFile(file, []byte(c.text), 0o600); err != nil {
			t.Fatal(err)
		}
		var out, errs bytes.Buffer
		a := &app{Env: command.Env{In: strings.NewReader(""), Out: &out, Err: &errs, Getenv: func(string) string { return "" }}}
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		code := a.run(ctx, []string{"serve", "--listen", "127.0.0.1:0", "--mdns=off", "--config", file, "--state", t.TempDir()})
		cancel()
		if code != command.Usage || !strings.Contains(errs.String(), c.want) || strings.HasPrefix(c.want, ":") && !strings.Contains(errs.String(), file+c.want) {
			t.Errorf("%q: exit code %d, %s", c.text, code, errs.String())
		}
	}
}

// Flag, environment, file, default: the first that says something counts.
func TestPrecedence(t *testing.T) {
	state := t.TempDir()
	text := "memory = \"20MiB\"\ntopic-cap = \"32KiB\"\nmax-frame = \"16KiB\"\nlisten = [\"127.0.0.1:1\", \"127.0.0.1:2\"]\n" +
		"[limits]\nsessions = 7\nkeep = \"1h\"\n[topic.\"a/b\"]\ncap = \"128KiB\"\nstale = 90\n"
	if err := os.WriteFile(filepath.Join(state, "topicd.toml"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	env := map[string]string{"TOPICD_TOPIC_CAP": "8KiB", "TOPICD_MEMORY": "24MiB", "TOPICD_MDNS": "off"}
	load := func(args ...string) *settings {
		t.Helper()
		s := newSettings()
		c := command.New("serve", "", "")
		s.flags(c.Flags)
		if err := c.Flags.Parse(append(args, "--state", state)); err != nil {
			t.Fatal(err)
		}
		if err := s.load(func(k string) string { return env[k] }, false); err != nil {
			t.Fatal(err)
		}
		return s
	}
	s := load("--memory", "32MiB")
	if s.memory != 32<<20 || s.topicCap != 8<<10 || s.maxFrame != 16<<10 || s.pace != 2*time.Millisecond || bool(s.mdns) || !bool(s.sense) {
		t.Errorf("%+v", s)
	}
	if s.sessions != 7 || s.keep != time.Hour || s.subs != 256 || *s.static["a/b"] != (topicSetting{cap: 128 << 10, stale: 90 * time.Second}) {
		t.Errorf("%+v", s)
	}
	if strings.Join(s.listen, " ") != "127.0.0.1:1 127.0.0.1:2" {
		t.Errorf("listen %q", s.listen)
	}
	env["PORT"] = "8080"
	if s := load(); strings.Join(s.listen, " ") != ":8080" || s.memory != 24<<20 {
		t.Errorf("with PORT: listen %q, memory %d", s.listen, s.memory)
	}
	if s := load("--listen", ":1", "--listen", "127.0.0.1:2", "--limits=bench"); strings.Join(s.listen, " ") != ":1 127.0.0.1:2" || s.sessions != 20_000 || s.rate != -1 {
		t.Errorf("%+v", s)
	}
}

// What was said wins over --limits=bench, even where it is the default.
func TestBenchLeavesWhatWasSaid(t *testing.T) {
	for _, c := range []struct {
		args     []string
		env      map[string]string
		text     string
		memory   flags.Size
		sessions int
	}{
		{nil, nil, "", 64 << 20, 20_000},
		{[]string{"--memory", "16MiB", "--sessions", "1024"}, nil, "", 16 << 20, 1024},
		{nil, map[string]string{"TOPICD_MEMORY": "16MiB", "TOPICD_SESSIONS": "1024"}, "", 16 << 20, 1024},
		{nil, nil, "memory = \"16MiB\"\n[limits]\nsessions = 7\n", 16 << 20, 20_000},
	} {
		state := t.TempDir()
		if err := os.WriteFile(filepath.Join(state, "topicd.toml"), []byte(c.text), 0o600); err != nil {
			t.Fatal(err)
		}
		s := newSettings()
		cmd := command.New("serve", "", "")
		s.flags(cmd.Flags)
		if err := cmd.Flags.Parse(append(c.args, "--limits=bench", "--state", state)); err != nil {
			t.Fatal(err)
		}
		if err := s.load(func(k string) string { return c.env[k] }, false); err != nil {
			t.Fatal(err)
		}
		if s.memory != c.memory || s.sessions != c.sessions {
			t.Errorf("%v %v %q: memory %s, sessions %d", c.args, c.env, c.text, &s.memory, s.sessions)
		}
	}
}

// Every key of the file is a flag and a variable of the environment, and what
// looks like one and is none is told with what it may have meant.
func TestEverySettingHasThreeNames(t *testing.T) {
	var out strings.Builder
	a := &app{Env: command.Env{In: strings.NewReader(""), Out: &out, Err: &out, Getenv: func(string) string { return "" }}}
	if code := a.run(t.Context(), []string{"help", "serve"}); code != 0 {
		t.Fatal(code)
	}
	s := newSettings()
	fs := pflag.NewFlagSet("", pflag.ContinueOnError)
	s.flags(fs)
	section, keys := "", 0
	for _, line := range strings.Split(string(configText), "\n") {
		line = strings.TrimPrefix(line, "#")
		if strings.HasPrefix(line, "[") {
			section = strings.Trim(line, "[]")
			continue
		}
		name, _, ok := strings.Cut(line, " = ")
		if !ok || strings.Contains(name, " ") || section == "listen" && name != "listen" || strings.HasPrefix(section, "topic.") {
			continue
		}
		if section == "join" || section == "eds" || section == "store" || section == "mqtt" {
			name = section + "-" + name
		}
		if prefix := map[string]string{"uplink": "uplink", "center": "from-nats"}[section]; prefix != "" {
			name = strings.TrimSuffix(prefix+"-"+name, "-url")
		}
		keys++
		if fs.Lookup(name) == nil || !strings.Contains(out.String(), "--"+name+" ") {
			t.Errorf("[%s] %s is no flag", section, name)
		}
	}
	if keys < 20 {
		t.Error("only", keys)
	}
	names, near := s.strangers([]string{"TOPICD_SESSION=5", "TOPICD_MEMORY=16MiB", "TOPICD_TOKEN=x", "TOPICD_EDS_URL=x", "PATH=/", "TOPICD_JOIN_PUBLISHER="})
	if fmt.Sprint(names, near) != "[TOPICD_SESSION TOPICD_JOIN_PUBLISHER] [TOPICD_SESSIONS TOPICD_JOIN_PUBLISH]" {
		t.Error(names, near)
	}
	env := map[string]string{"TOPICD_SESSIONS": "7", "TOPICD_JOIN_PUBLISH": "a/# b/#", "TOPICD_LISTEN": ":1 :2,dialect=echo", "TOPICD_EDS_URL": "http://a"}
	if err := s.set.Env(func(k string) string { return env[k] }); err != nil || s.sessions != 7 || fmt.Sprint(s.joined.Publish, s.listen, s.mws.EDS.URL) != "[a/# b/#] [:1 :2,dialect=echo]http://a" {
		t.Errorf("%v %+v", err, s)
	}
}

// The first start writes a file that changes nothing.
func TestFirstStart(t *testing.T) {
	state := filepath.Join(t.TempDir(), "new", "state")
	for range 2 {
		s := newSettings()
		c := command.New("serve", "", "")
		s.flags(c.Flags)
		_ = c.Flags.Parse([]string{"--state", state})
		if err := s.load(func(string) string { return "" }, false); err != nil {
			t.Fatal(err)
		}
		want := newSettings()
		want.state, want.config = s.state, s.config
		if got, want := s.hub(""), want.hub(""); got.Memory != want.Memory || got.Rate != want.Rate || got.Keep != want.Keep {
			t.Errorf("%+v", got)
		}
	}
	// Every setting stands in the file's comments with its default.
	uncommented := strings.NewReplacer("\n#", "\n").Replace(string(configText))
	s := newSettings()
	c := command.New("serve", "", "")
	s.flags(c.Flags)
	for _, f := range []string{"sessions", "topics", "subscriptions", "rate", "byte-rate", "per-address", "requests", "loopback", "pings", "session-topics", "header", "idle", "keep", "stale"} {
		if !strings.Contains(uncommented, "\n"+f+" = ") {
			t.Errorf("%s is not in the file", f)
		}
	}
	for _, f := range []string{"listen", "sense", "mdns", "iface", "memory", "topic-cap", "max-frame", "pace", "log-format", "log-level", "access", "lan", "host", "origin", "admin-token-file", "tls", "tls-listen"} {
		if !strings.Contains(uncommented, "\n"+f+" = ") {
			t.Errorf("%s is not in the file", f)
		}
		if c.Flags.Lookup(f) == nil {
			t.Errorf("--%s is no flag", f)
		}
	}
	if _, err := os.Stat(filepath.Join(state, "topicd.toml")); err != nil {
		t.Error(err)
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
		if got := command.StateDir(func(k string) string { return c.env[k] }, c.root); got != c.want {
			t.Errorf("%v: %s", c, got)
		}
	}
}

// Whoever cannot keep state is told what to do, not only why.
func TestNoState(t *testing.T) {
	taken := t.TempDir()
	if err := os.Mkdir(filepath.Join(taken, "topicd.toml"), 0o700); err != nil {
		t.Fatal(err)
	}
	none := func(string) string { return "" }
	for want, set := range map[string]*settings{
		"choose another directory with --state DIR":                  {state: taken},
		"name a directory with --state DIR":                          {},
		"without --config it is STATE/topicd.toml, which is written": {state: t.TempDir(), config: "/nonexistent"},
	} {
		s := newSettings()
		s.flags(pflag.NewFlagSet("serve", pflag.ContinueOnError))
		s.state, s.config = set.state, set.config
		err := s.load(none, false)
		var e *command.Failure
		if !errors.As(err, &e) || !strings.Contains(e.Hint, want) {
			t.Errorf("%v, %+v: not %q", err, e, want)
		}
	}
}
