package firmware

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"topicd/node/nodetest/port"
)

// TestTenLines: the sketch of a beginner has ten lines, and what it publishes is
// at the hub, under a name made of the chip's number.
func TestTenLines(t *testing.T) {
	onlyOnce(t)
	t.Parallel()
	const file = "examples/TenLines/TenLines.ino"
	if n := strings.Count(read(t, "arduino/"+file), "\n"); n > 10 {
		t.Errorf("%s has %d lines", file, n)
	}
	for chip, dev := range map[string]string{"ESP32": "esp32-c0ffee01", "ESP8266": "esp8266-c0ffee"} {
		t.Run(chip, func(t *testing.T) {
			bin, h := sketch(t, chip, file), startHub(t, time.Second)
			s := newScriptEnv(t, []string{"HUB_PORT=" + h.port()}, bin)
			defer s.kill()
			if r := h.heard(t, "greenhouse/temp"); r[0]["data"] != 21.5 || r[0]["from"] != dev {
				t.Errorf("stored %v", r[0])
			}
		})
	}
}

// TestClassConnectsAgain: a hub that goes away and comes back has its device
// again, with its subscription.
func TestClassConnectsAgain(t *testing.T) {
	onlyOnce(t)
	t.Parallel()
	for _, chip := range []string{"ESP32", "ESP8266"} {
		t.Run(chip, func(t *testing.T) {
			h, err := newHub(port.Addr(t), time.Second)
			if err != nil {
				t.Fatal(err)
			}
			s := newScriptEnv(t, []string{"HUB_PORT=" + h.port()}, sketch(t, chip, "examples/Command/Command.ino"))
			defer s.kill()
			s.hears("online")
			h.publish(t, "greenhouse/1/fan", `{"on":true}`)
			s.says("greenhouse/1/fan", "pin 2 1")
			addr := h.addr
			h.stop()
			if h, err = newHub(addr, time.Second); err != nil {
				t.Fatal(err)
			}
			t.Cleanup(h.stop)
			s.hears("online")
			for i, v := range []string{`0`, `{"vb":true}`, `{"v":0}`, `2.5`} {
				h.publish(t, "greenhouse/1/fan", v)
				s.says("greenhouse/1/fan", []string{"pin 2 0", "pin 2 1"}[i%2])
			}
		})
	}
}

// TestArduinoLibrary makes the library as make arduino does, and looks at it as the
// Arduino IDE and PlatformIO would: everything is there that anything names.
func TestArduinoLibrary(t *testing.T) {
	onlyOnce(t)
	t.Parallel()
	need(t, "gcc", "g++")
	dir := t.TempDir()
	run(t, "bash", "assemble.sh", dir)
	lib := filepath.Join(dir, "arduino", "topicd")
	props := map[string]string{}
	for line := range strings.Lines(read(t, filepath.Join(lib, "library.properties"))) {
		k, v, _ := strings.Cut(strings.TrimSpace(line), "=")
		props[k] = v
	}
	for _, k := range []string{"name", "version", "author", "maintainer", "sentence", "paragraph", "category", "url", "architectures"} {
		if props[k] == "" {
			t.Errorf("library.properties has no %s", k)
		}
	}
	if !regexp.MustCompile(`^\d+\.\d+\.\d+$`).MatchString(props["version"]) {
		t.Errorf("version %s", props["version"])
	}
	var pio struct {
		Name, Version, Headers string
		Platforms, Frameworks  []string
	}
	if err := json.Unmarshal([]byte(read(t, filepath.Join(lib, "library.json"))), &pio); err != nil {
		t.Fatal(err)
	}
	if pio.Name != props["name"] || pio.Version != props["version"] || pio.Headers != props["includes"] {
		t.Errorf("library.json says %+v, library.properties %v", pio, props)
	}
	header := read(t, filepath.Join(lib, "src", props["includes"])) + read(t, filepath.Join(lib, "src/TopicdSession.h"))
	for line := range strings.Lines(read(t, filepath.Join(lib, "keywords.txt"))) {
		word, _, tab := strings.Cut(strings.TrimSpace(line), "\t")
		if !strings.HasPrefix(line, "#") && (!tab || !regexp.MustCompile(`\b`+word+`\b`).MatchString(header)) {
			t.Errorf("keywords.txt: %q", line)
		}
	}
	sketches, _ := filepath.Glob(filepath.Join(lib, "examples/*/*.ino"))
	if len(sketches) < 3 {
		t.Errorf("examples: %v", sketches)
	}
	for _, s := range sketches { // each compiles with nothing but the library's own folder
		run(t, "g++", "-std=c++17", "-Wall", "-Wextra", "-Werror", "-fsyntax-only", "-DESP32", `-DSKETCH="`+s+`"`, "-I"+filepath.Join(lib, "src"),
			"-Itestdata/arduino", "testdata/arduino/main.cpp")
	}
	run(t, "gcc", "-std=c99", "-fsyntax-only", filepath.Join(lib, "src/topicd.c"), filepath.Join(lib, "src/topicd_dnssd.c"))
	run(t, "g++", "-std=c++11", "-fsyntax-only", filepath.Join(lib, "src/TopicdSession.cpp"))
	if out, err := exec.Command("unzip", "-tq", filepath.Join(dir, "topicd-arduino.zip")).CombinedOutput(); err != nil {
		if _, missing := exec.LookPath("unzip"); missing == nil {
			t.Errorf("%v: %s", err, out)
		}
	}
	if _, err := os.Stat(filepath.Join(dir, "topicd-arduino.zip")); err != nil {
		t.Error(err)
	}
}
