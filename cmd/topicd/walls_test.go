package main

import (
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
)

// walls says which of our packages each package may import, and which others it
// must never import itself: the first rule of how topicd is built. A package
// that is not here is a mistake too.
var walls = map[string]struct{ may, never string }{
	"codec":                      {"", "net os log log/slog"},
	"firmware-notes":             {"", ""},
	"node":                       {"codec node/arena node/fan node/internal/prefetch", "net net/http log/slog"},
	"node/arena":                 {"", "net os time log/slog"},
	"node/fan":                   {"codec", "net os time log/slog"},
	"node/internal/prefetch":     {"", ""},
	"node/wsock":                 {"codec node node/internal/prefetch", ""},
	"node/dialect":               {"codec node", "github.com/gorilla/websocket net/http"},
	"node/dialect/mqtt/packet":   {"codec", "net net/http time"},
	"node/web":                   {"codec node", "github.com/gorilla/websocket topicd/node/dialect"},
	"node/access":                {"codec", ""},
	"node/store":                 {"codec", ""},
	"node/uplink":                {"codec node node/store", ""},
	"node/sense":                 {"codec", "net net/http"},
	"node/client":                {"codec", ""},
	"firmware-notes/performance": {"", ""},
	"discovery":                  {"discovery/internal/mdns", "net/http"},
	"discovery/internal/mdns":    {"", "net/http"},
}

func TestWalls(t *testing.T) {
	out, err := exec.Command("go", "list", "-f", "{{.ImportPath}}:{{join .Imports \" \"}}", "topicd/...").Output()
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range strings.Fields(strings.ReplaceAll(string(out), " ", ",")) {
		path, imports, _ := strings.Cut(line, ":")
		name := strings.TrimPrefix(path, "topicd/")
		if strings.HasPrefix(name, "cmd/") {
			continue // wires everything
		}
		wall, known := walls[name]
		if !known {
			if parent := filepath.Dir(name); walls[parent].may != "" || walls[parent].never != "" {
				wall, known = walls[parent], true // a small folder of a dialect, say
			}
		}
		if !known {
			t.Errorf("%s is not in the table of walls", name)
			continue
		}
		for _, i := range strings.Split(imports, ",") {
			ours, mine := strings.CutPrefix(i, "topicd/")
			switch {
			case mine && !slices.Contains(strings.Fields(wall.may), ours) && !strings.HasPrefix(name, ours+"/"):
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
