package firmware

import (
	"strings"
	"testing"
	"time"
)

// TestArduinoSketch compiles the sketch against stand-ins for the Arduino core,
// as for both chips, and runs it against the hub. What a core would say to it is
// not known here.
func TestArduinoSketch(t *testing.T) {
	t.Parallel()
	for _, chip := range []string{"ESP32", "ESP8266"} {
		t.Run(chip, func(t *testing.T) {
			bin, h := sketch(t, chip, "TopicdSensor/TopicdSensor.ino"), startHub(t, time.Second)
			s := newScriptEnv(t, []string{"HUB_PORT=" + h.port()}, bin)
			s.says("saved")
			readings(t, h, "greenhouse/1/temp", "greenhouse-1")
			for _, c := range []struct{ data, pin string }{
				{`true`, "pin 2 1"}, {`{"on":false}`, "pin 2 0"}, {`0.7`, "pin 2 1"}, {`{"on":1}`, "pin 2 1"}, {`0`, "pin 2 0"},
			} {
				h.publish(t, "greenhouse/1/fan", c.data)
				s.says(c.pin, "command")
			}
			time.Sleep(1500 * time.Millisecond) // pinged
			h.publish(t, "greenhouse/1/fan", `1`)
			s.says("pin 2 1", "command")
			s.kill()
		})
	}
}

// sketch is an Arduino sketch, with the library, as a program of this machine.
func sketch(t *testing.T, chip, file string) string {
	t.Helper()
	need(t, "g++", "gcc")
	flags := []string{"-g", "-fsanitize=address,undefined", "-fno-sanitize-recover=all"}
	a, b, bin := temp(t, "a.o"), temp(t, "b.o"), temp(t, "sketch")
	run(t, "gcc", append(flags, "-c", "-o", a, "c/topicd.c")...)
	run(t, "gcc", append(flags, "-c", "-o", b, "c/topicd_dnssd.c")...)
	run(t, "g++", append(flags, "-std=c++17", "-Wall", "-Wextra", "-Werror", "-D"+chip, "-DSKETCH=\"arduino/"+file+"\"",
		"-I.", "-Itestdata/arduino", "-Ic", "-Iarduino/src", "-o", bin, "testdata/arduino/main.cpp", "arduino/src/TopicdSession.cpp", a, b)...)
	return bin
}

// readings waits for the first reading of a device.
func readings(t *testing.T, h *hub, topic, dev string) {
	t.Helper()
	r := h.heard(t, topic)
	m, _ := r[0]["data"].(map[string]any)
	if v, ok := m["v"].(float64); !ok || v < 20 || v > 27 || m["u"] != "Cel" || r[0]["from"] != dev {
		t.Errorf("reading %v", r[0])
	}
}

// TestESPIDFExample does the same for the ESP-IDF example.
func TestESPIDFExample(t *testing.T) {
	t.Parallel()
	bin, h := idf(t), startHub(t, time.Second)
	s := newScriptEnv(t, []string{"HUB_PORT=" + h.port()}, bin)
	s.says("ps 1", "ps 0", "saved")
	readings(t, h, "greenhouse/2/temp", "greenhouse-2")
	h.publish(t, "greenhouse/2/fan", `0.5`)
	s.says("I topicd command 1")
	time.Sleep(1500 * time.Millisecond)
	h.publish(t, "greenhouse/2/fan", `false`)
	s.says("I topicd command 0")
	s.kill()
}

// idf is the ESP-IDF example as a program of this machine.
func idf(t *testing.T) string {
	t.Helper()
	need(t, "gcc")
	bin := temp(t, "idf")
	run(t, "gcc", "-std=gnu17", "-Wall", "-Wextra", "-Werror", "-g", "-fsanitize=address,undefined", "-fno-sanitize-recover=all",
		"-Itestdata/esp-idf", "-Ic", "-Iesp-idf/main", "-o", bin, "testdata/esp-idf/host.c", "c/topicd.c")
	return bin
}

// The pages' claims are kept by tests: this one, that no example names a file
// that is not there.
func TestExamplesSayWhatWasNotCompiled(t *testing.T) {
	for file, word := range map[string]string{
		"arduino/TopicdSensor/TopicdSensor.ino": "Not compiled here: there is no Arduino core in Debian.",
		"esp-idf/main/main.c":                   "Not compiled here: there is no ESP-IDF in Debian.",
	} {
		if !strings.Contains(read(t, file), word) {
			t.Errorf("%s must say: %s", file, word)
		}
	}
}
