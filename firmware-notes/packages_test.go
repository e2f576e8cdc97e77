package firmware

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestMip: the manifest of MicroPython's mip names what is beside it, by relative
// addresses, so that it can be taken from wherever the folder lies.
func TestMip(t *testing.T) {
	var m struct {
		Version string
		URLs    [][2]string
		Deps    [][2]string
	}
	if err := json.Unmarshal([]byte(read(t, "micropython/package.json")), &m); err != nil {
		t.Fatal(err)
	}
	if m.Version == "" || len(m.URLs) == 0 || len(m.Deps) > 0 {
		t.Errorf("%+v", m)
	}
	for _, u := range m.URLs {
		if _, err := os.Stat(filepath.Join("micropython", u[1])); err != nil || strings.Contains(u[1], ":") {
			t.Errorf("%v: %v", u, err)
		}
	}
}

// TestESPHome: with a checkout of ESPHome in $ESPHOME its own validation takes the
// component's configuration and refuses wrong ones, and the program that it
// generates for its host platform, compiled, publishes to the hub. No registry has
// ESPHome: without it only the component's folder is looked at.
func TestESPHome(t *testing.T) {
	onlyOnce(t)
	t.Parallel()
	need(t, "gcc", "g++", "python3")
	dir := t.TempDir()
	run(t, "bash", "assemble.sh", dir)
	run(t, "cp", "esphome/example.yaml", filepath.Join(dir, "esphome"))
	component := filepath.Join(dir, "esphome/components/topicd")
	run(t, "python3", "-c", "import ast, sys; ast.parse(open(sys.argv[1]).read())", filepath.Join(component, "__init__.py"))
	run(t, "g++", "-std=gnu++17", "-Wall", "-Wextra", "-Werror", "-fsyntax-only", filepath.Join(component, "TopicdSession.cpp"))
	checkout := os.Getenv("ESPHOME")
	if checkout == "" {
		t.Skip("needs a checkout of ESPHome in $ESPHOME")
	}
	esphome := func(args ...string) (string, error) {
		c := exec.Command("/usr/bin/python3", append([]string{"-c", "import sys; from esphome.__main__ import main; sys.exit(main())"}, args...)...)
		c.Dir, c.Env = filepath.Join(dir, "esphome"), append(os.Environ(), "PYTHONPATH="+checkout)
		out, err := c.CombinedOutput()
		return string(out), err
	}
	if out, err := esphome("config", "example.yaml"); err != nil {
		t.Errorf("example.yaml: %v\n%s", err, out)
	}
	h := startHub(t, time.Second)
	file := filepath.Join(dir, "esphome/attic.yaml")
	node := func(lines string) {
		t.Helper()
		if err := os.WriteFile(file, []byte(esphomeNode+lines), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, wrong := range []string{"prefix: a//b", "prefix: 'a/#'", "host: nobody", "port: 99999", "hub_id: ''", "nonsense: 1"} {
		node("topicd:\n  " + wrong + "\n")
		if out, err := esphome("config", "attic.yaml"); err == nil || !strings.Contains(out, "Failed config") {
			t.Errorf("%s is taken: %s", wrong, out)
		}
	}
	node("topicd:\n  host: 127.0.0.1\n  port: " + h.port() + "\n")
	if out, err := esphome("compile", "--only-generate", "attic.yaml"); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	s := newScriptEnv(t, []string{"HOME=" + dir}, esphomeHost(t, filepath.Join(dir, "esphome/.esphome/build/attic/src")))
	defer s.kill()
	s.hears("online")
	for topic, want := range map[string]string{"attic/room_temperature": `{"u":"Cel","v":21.5}`, "attic/door": "true", "attic/mode": `"eco"`} {
		r := h.heard(t, topic)
		if got, _ := json.Marshal(r[0]["data"]); string(got) != want || r[0]["from"] != "attic" {
			t.Errorf("%s: %v", topic, r[0])
		}
	}
}

const esphomeNode = `esphome:
  name: attic
host:
logger:
external_components:
  - source: {type: local, path: components}
sensor:
  - platform: template
    name: Room Temperature
    unit_of_measurement: "°C"
    lambda: "return 21.5;"
    update_interval: 1s
binary_sensor:
  - platform: template
    name: Door
    lambda: "return true;"
text_sensor:
  - platform: template
    name: Mode
    lambda: 'return {"eco"};'
    update_interval: 1s
`

// esphomeHost compiles what ESPHome has generated, as PlatformIO would for its host.
func esphomeHost(t *testing.T, src string) string {
	t.Helper()
	out := temp(t, "attic")
	script := `cd "$1" && for f in $(find . -name '*.c'); do gcc -Os -c -o "$f.o" "$f" || exit 1; done
	g++ -w -std=gnu++17 -O0 -fno-exceptions -DUSE_HOST -DESPHOME_LOG_LEVEL=ESPHOME_LOG_LEVEL_DEBUG -I. -Iesphome/components/topicd -o "$2" $(find . -name '*.cpp' -o -name '*.o') -lpthread`
	run(t, "bash", "-c", script, "sh", src, out)
	return out
}
