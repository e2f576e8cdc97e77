package main

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
)

// walls says which of our packages each package may import, and which others it
// must never import itself: the first rule of how topicd is built. Every package
// stands here by its own name: one that does not is a mistake.
var walls = map[string]struct{ may, never string }{
	"codec":                      {"", "net os log log/slog"},
	"node":                       {"codec node/arena node/bound node/fan node/fields node/internal/keyed node/internal/prefetch node/minutes", "net net/http log/slog"},
	"node/arena":                 {"", "net os time log/slog"},
	"node/minutes":               {"codec node/arena node/fields", "net os time log/slog"},
	"node/fan":                   {"codec", "net os time log/slog"},
	"node/internal/keyed":        {"", ""},
	"node/internal/prefetch":     {"", ""},
	"node/bound":                 {"", "net os time log/slog"},
	"node/exposition":            {"", "net os log/slog"},
	"node/fields":                {"", "net os time log/slog"},
	"node/link":                  {"codec node node/bound node/internal/prefetch", "net/http github.com/gorilla/websocket"},
	"node/link/ws":               {"node node/link", "log/slog"},
	"node/state":                 {"codec node", "net net/http"},
	"node/supervisor":            {"codec node", "net/http"},
	"node/access":                {"codec node node/state", "net/http/httputil"},
	"node/front":                 {"codec node node/access node/bound node/link node/state node/pause", "github.com/gorilla/websocket"},
	"node/dialect":               {"codec node", "github.com/gorilla/websocket"},
	"node/dialect/native":        {"codec node node/dialect", "github.com/gorilla/websocket net/http"},
	"node/dialect/scd":           {"codec node node/dialect", "github.com/gorilla/websocket net/http"},
	"node/dialect/webchannel":    {"codec node node/dialect", "github.com/gorilla/websocket net/http"},
	"node/dialect/mqtt":          {"codec node node/bound node/dialect node/dialect/mqtt/packet node/fields node/internal/keyed", "net net/http log/slog"},
	"node/dialect/echo":          {"codec node node/dialect", "github.com/gorilla/websocket net/http"},
	"node/dialect/relay":         {"codec node node/dialect node/web/answer", "github.com/gorilla/websocket"},
	"node/dialect/mws":           {"codec node node/access node/dialect node/once node/web/answer", "github.com/gorilla/websocket"},
	"node/dialect/dialecttest":   {"codec node node/dialect node/link node/link/ws node/web", ""}, // of tests only
	"node/nodetest":              {"codec node node/dialect/native node/link node/link/ws", ""},   // of tests only
	"node/nodetest/race":         {"", ""},
	"node/nodetest/port":         {"", ""},
	"node/dialect/mqtt/packet":   {"codec", "net net/http time"},
	"node/store":                 {"codec node/fields node/ustar", "net net/http"},
	"node/ustar":                 {"", "net os"},
	"node/durable":               {"codec node node/arena node/store", "net net/http os log/slog"},
	"node/uplink":                {"codec node node/exposition node/store node/uplink/wire", "net/http"},
	"node/uplink/wire":           {"", "net/http log/slog"},
	"node/homeassistant":         {"codec node node/exposition", "net net/http os"},
	"node/mosquitto":             {"codec", "net/http time log/slog"},
	"node/uplink/natstest":       {"node/nodetest/port", ""}, // of tests only
	"node/web":                   {"codec node node/access node/dialect node/exposition node/front node/store node/web/answer", "github.com/gorilla/websocket"},
	"node/web/answer":            {"codec node node/bound", "github.com/gorilla/websocket"},
	"node/sense":                 {"codec node node/pause", "net net/http"},
	"node/client":                {"codec node/once node/pause", ""},
	"node/pause":                 {"", "net os"},
	"node/once":                  {"", ""},
	"node/doctor":                {"discovery node/client node/client/show", "net/http log/slog"},
	"node/client/show":           {"codec node/client node/pause", "net net/http"},
	"node/client/replay":         {"codec node/client node/pause", "net net/http os"},
	"node/client/bench":          {"codec node/client", ""},
	"discovery":                  {"discovery/internal/mdns", "net/http"},
	"discovery/internal/mdns":    {"", "net/http"},
	"firmware-notes":             {"", ""},
	"firmware-notes/performance": {"", ""},
	"cmd/internal/flags":         {"codec", "net os log/slog"},
	"cmd/internal/command":       {"cmd/internal/flags codec node/client/show", "net log/slog"},
	"cmd/internal/reach":         {"cmd/internal/command codec discovery node/client node/state", "log/slog"},
	"cmd/internal/settings":      {"cmd/internal/command cmd/internal/flags codec node node/access node/client node/dialect/mqtt node/dialect/mws node/front node/homeassistant node/link node/store node/uplink", "net log/slog"},
	"cmd/topicd":                 {"*", ""}, // wires everything
}

func TestWalls(t *testing.T) {
	out, err := exec.Command("go", "list", "-f", "{{.ImportPath}}:{{join .Imports \" \"}}", "topicd/...").Output()
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range strings.Fields(strings.ReplaceAll(string(out), " ", ",")) {
		path, imports, _ := strings.Cut(line, ":")
		name := strings.TrimPrefix(path, "topicd/")
		wall, known := walls[name]
		if !known {
			t.Errorf("%s is not in the table of walls: say what it may import", name)
			continue
		}
		if wall.may == "*" {
			continue
		}
		for _, i := range strings.Split(imports, ",") {
			ours, mine := strings.CutPrefix(i, "topicd/")
			switch {
			case mine && !slices.Contains(strings.Fields(wall.may), ours):
				t.Errorf("%s imports %s", name, ours)
			case slices.Contains(strings.Fields(wall.never), i):
				t.Errorf("%s imports %s", name, i)
			}
		}
	}
}

// What must not be in the binary: too large for a gateway, and a template's use
// of reflection keeps the linker from leaving out unused methods.
func TestLinkedPackages(t *testing.T) {
	out, err := exec.Command("go", "list", "-deps", "-tags", "nethttpomithttp2", "topicd/cmd/topicd").Output()
	if err != nil {
		t.Fatal(err)
	}
	deps := strings.Fields(string(out))
	for _, never := range []string{
		"text/template", "html/template", "expvar", "net/http/pprof", "testing", "github.com/spf13/cobra",
		"github.com/prometheus/client_golang/prometheus", "github.com/nats-io/nats-server/v2/server",
		"github.com/mochi-mqtt/server/v2/packets",
	} {
		if slices.Contains(deps, never) {
			t.Errorf("%s is linked", never)
		}
	}
	if runtime.GOOS == "linux" && !slices.Contains(deps, "topicd/node") {
		t.Error("that was not our program")
	}
}

// What is longer than that is split by noun, or says too much: no file of the
// program over 400 lines, no function over 60.
func TestLengths(t *testing.T) {
	const file, function = 400, 60
	err := filepath.WalkDir("../..", func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && path != "../.." && (strings.HasPrefix(d.Name(), ".") || d.Name() == "testdata" || d.Name() == "node_modules"):
			return fs.SkipDir
		case d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go"):
			return nil
		}
		set := token.NewFileSet()
		f, err := parser.ParseFile(set, path, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		if n := set.File(f.Pos()).LineCount() - 1; n > file {
			t.Errorf("%s has %d lines", path, n)
		}
		for _, d := range f.Decls {
			if fn, ok := d.(*ast.FuncDecl); ok {
				if n := set.Position(fn.End()).Line - set.Position(fn.Pos()).Line + 1; n > function {
					t.Errorf("%s: %s has %d lines", path, fn.Name.Name, n)
				}
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
