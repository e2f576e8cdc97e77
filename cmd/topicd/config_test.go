package main

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"topicd/cmd/internal/command"
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
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
		code := a.run(ctx, []string{"serve", "--listen", "127.0.0.1:0", "--mdns=off", "--config", file, "--state", t.TempDir()})
		cancel()
		if code != command.Usage || !strings.Contains(errs.String(), c.want) || strings.HasPrefix(c.want, ":") && !strings.Contains(errs.String(), file+c.want) {
			t.Errorf("%q: exit code %d, %s", c.text, code, errs.String())
		}
	}
}
