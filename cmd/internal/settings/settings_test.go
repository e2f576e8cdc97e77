package settings

import (
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

// program has the dialects that the tests name, and the file that topicd writes.
var program = Program{Dialects: func() []string { return []string{"native", "echo", "mqtt"} }, Text: fileText()}

func fileText() []byte {
	text, err := os.ReadFile("../../topicd/topicd.toml")
	if err != nil {
		panic(err)
	}
	return text
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
	load := func(args ...string) *Settings {
		t.Helper()
		s := New(program)
		c := command.New("serve", "", "")
		s.Flags(c.Flags)
		if err := c.Flags.Parse(append(args, "--state", state)); err != nil {
			t.Fatal(err)
		}
		if err := s.Load(func(k string) string { return env[k] }, false); err != nil {
			t.Fatal(err)
		}
		return s
	}
	s := load("--memory", "32MiB")
	if s.Memory != 32<<20 || s.TopicCap != 8<<10 || s.MaxFrame != 16<<10 || s.Pace != 2*time.Millisecond || bool(s.MDNS) || !bool(s.Sense) {
		t.Errorf("%+v", s)
	}
	if s.Sessions != 7 || s.Keep != time.Hour || s.Subs != 256 || *s.Static["a/b"] != (Topic{Cap: 128 << 10, Stale: 90 * time.Second}) {
		t.Errorf("%+v", s)
	}
	if strings.Join(s.Listen, " ") != "127.0.0.1:1 127.0.0.1:2" {
		t.Errorf("listen %q", s.Listen)
	}
	env["PORT"] = "8080"
	if s := load(); strings.Join(s.Listen, " ") != ":8080" || s.Memory != 24<<20 {
		t.Errorf("with PORT: listen %q, memory %d", s.Listen, s.Memory)
	}
	if s := load("--listen", ":1", "--listen", "127.0.0.1:2", "--limits=bench"); strings.Join(s.Listen, " ") != ":1 127.0.0.1:2" || s.Sessions != 20_000 || s.Rate != -1 {
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
		s := New(program)
		cmd := command.New("serve", "", "")
		s.Flags(cmd.Flags)
		if err := cmd.Flags.Parse(append(c.args, "--limits=bench", "--state", state)); err != nil {
			t.Fatal(err)
		}
		if err := s.Load(func(k string) string { return c.env[k] }, false); err != nil {
			t.Fatal(err)
		}
		if s.Memory != c.memory || s.Sessions != c.sessions {
			t.Errorf("%v %v %q: memory %s, sessions %d", c.args, c.env, c.text, &s.Memory, s.Sessions)
		}
	}
}

// Every key of the file is a flag and a variable of the environment, and what
// looks like one and is none is told with what it may have meant.
func TestEverySettingHasThreeNames(t *testing.T) {
	s := New(program)
	fs := pflag.NewFlagSet("", pflag.ContinueOnError)
	s.Flags(fs)
	section, keys := "", 0
	for _, line := range strings.Split(string(program.Text), "\n") {
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
		if fs.Lookup(name) == nil {
			t.Errorf("[%s] %s is no flag", section, name)
		}
	}
	if keys < 20 {
		t.Error("only", keys)
	}
	names, near := s.Strangers([]string{"TOPICD_SESSION=5", "TOPICD_MEMORY=16MiB", "TOPICD_TOKEN=x", "TOPICD_EDS_URL=x", "PATH=/", "TOPICD_JOIN_PUBLISHER="})
	if fmt.Sprint(names, near) != "[TOPICD_SESSION TOPICD_JOIN_PUBLISHER] [TOPICD_SESSIONS TOPICD_JOIN_PUBLISH]" {
		t.Error(names, near)
	}
	env := map[string]string{"TOPICD_SESSIONS": "7", "TOPICD_JOIN_PUBLISH": "a/# b/#", "TOPICD_LISTEN": ":1 :2,dialect=echo", "TOPICD_EDS_URL": "http://a"}
	if err := s.Set.Env(func(k string) string { return env[k] }); err != nil || s.Sessions != 7 || fmt.Sprint(s.Joined.Publish, s.Listen, s.MWS.EDS.URL) != "[a/# b/#] [:1 :2,dialect=echo]http://a" {
		t.Errorf("%v %+v", err, s)
	}
}

// The first start writes a file that changes nothing.
func TestFirstStart(t *testing.T) {
	state := filepath.Join(t.TempDir(), "new", "state")
	for range 2 {
		s := New(program)
		c := command.New("serve", "", "")
		s.Flags(c.Flags)
		_ = c.Flags.Parse([]string{"--state", state})
		if err := s.Load(func(string) string { return "" }, false); err != nil {
			t.Fatal(err)
		}
		want := New(program)
		want.State, want.Config = s.State, s.Config
		if got, want := s.Hub(""), want.Hub(""); got.Memory != want.Memory || got.Rate != want.Rate || got.Keep != want.Keep {
			t.Errorf("%+v", got)
		}
	}
	// Every setting stands in the file's comments with its default.
	uncommented := strings.NewReplacer("\n#", "\n").Replace(string(program.Text))
	s := New(program)
	c := command.New("serve", "", "")
	s.Flags(c.Flags)
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

// Whoever cannot keep state is told what to do, not only why.
func TestNoState(t *testing.T) {
	taken := t.TempDir()
	if err := os.Mkdir(filepath.Join(taken, "topicd.toml"), 0o700); err != nil {
		t.Fatal(err)
	}
	none := func(string) string { return "" }
	for want, set := range map[string]*Settings{
		"choose another directory with --state DIR":                  {State: taken},
		"name a directory with --state DIR":                          {},
		"without --config it is STATE/topicd.toml, which is written": {State: t.TempDir(), Config: "/nonexistent"},
	} {
		s := New(program)
		s.Flags(pflag.NewFlagSet("serve", pflag.ContinueOnError))
		s.State, s.Config = set.State, set.Config
		err := s.Load(none, false)
		var e *command.Failure
		if !errors.As(err, &e) || !strings.Contains(e.Hint, want) {
			t.Errorf("%v, %+v: not %q", err, e, want)
		}
	}
}

// What a prefix is, and what is none.
func TestHomeAssistantSetting(t *testing.T) {
	for v, ok := range map[string]bool{"auto": true, "on": true, "off": true, "ha/discovery": true, "": false, "$x": false, "a/": false, "a/#": false} {
		if err := checkPrefix(v); (err == nil) != ok {
			t.Errorf("%q: %v", v, err)
		}
	}
}
