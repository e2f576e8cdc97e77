package firmware

import (
	"bufio"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// gate is topicd itself, where everybody needs a token and devices can join.
type gate struct{ bin, state, port, admin string }

func startGate(t *testing.T, bin string) *gate {
	t.Helper()
	g := &gate{bin: bin, state: t.TempDir()}
	c := exec.Command(g.bin, "serve", "--access=join", "--listen=127.0.0.1:0", "--mdns=off", "--sense=off", "--state", g.state)
	c.Env = append(os.Environ(), "PORT=")
	out, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = c.Process.Signal(os.Interrupt)
		_, _ = io.Copy(io.Discard, out)
		_ = c.Wait()
	})
	for lines := bufio.NewScanner(out); lines.Scan(); {
		if _, rest, ok := strings.Cut(lines.Text(), "ws://127.0.0.1:"); ok {
			g.port, _, _ = strings.Cut(rest, "/")
			g.admin = strings.TrimSpace(read(t, filepath.Join(g.state, "admin-token")))
			return g
		}
	}
	t.Fatal("the hub does not serve")
	return nil
}

// tell runs a command of topicd.
func (g *gate) tell(t *testing.T, args ...string) {
	t.Helper()
	run(t, g.bin, append(args, "--hub", "127.0.0.1:"+g.port, "--state", g.state)...)
}

// api asks the hub as its owner.
func (g *gate) api(t *testing.T, method, path, body string) (status int, text []byte) {
	t.Helper()
	r, err := http.NewRequest(method, "http://127.0.0.1:"+g.port+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+g.admin)
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	text, err = io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, text
}

// heard waits for n readings of a device in a topic.
func (g *gate) heard(t *testing.T, topic, dev string, n int) {
	t.Helper()
	var answer struct{ Readings []struct{ From string } }
	for deadline := time.Now().Add(2 * time.Minute); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		if status, text := g.api(t, "GET", "/api/topics/"+topic+"?last=10", ""); status == 200 {
			if err := json.Unmarshal(text, &answer); err != nil {
				t.Fatal(err)
			}
			if r := answer.Readings; len(r) >= n && r[n-1].From == dev {
				return
			}
		}
	}
	t.Fatalf("%d readings of %s, not %d", len(answer.Readings), dev, n)
}

// hears reads what a program says until a line has the words.
func (s *script) hears(words string) {
	s.t.Helper()
	for s.lines.Scan() {
		if strings.Contains(s.lines.Text(), words) {
			return
		}
	}
	s.t.Fatalf("it never said %q", words)
}

const closed = "401 this device has no token, and nobody lets devices join at the moment: open the window with topicd join --open 5m"

const unknown = "401 the token is not known here: it is wrong, expired or revoked"

// TestDevicesJoin: who has no token is told why it may do nothing; while the
// owner lets it, it joins and keeps its token, with which it comes back after a
// reboot.
func TestDevicesJoin(t *testing.T) {
	onlyOnce(t)
	t.Parallel()
	hub := temp(t, "topicd")
	run(t, "go", "build", "-o", hub, "../cmd/topicd")
	for _, c := range []struct {
		name, topic, dev string
		build            func(t *testing.T) string
	}{
		{"ESP32", "greenhouse/1/temp", "greenhouse-1", func(t *testing.T) string { return sketch(t, "ESP32", "TopicdSensor/TopicdSensor.ino") }},
		{"ESP8266", "greenhouse/1/temp", "greenhouse-1", func(t *testing.T) string { return sketch(t, "ESP8266", "TopicdSensor/TopicdSensor.ino") }},
		{"class Topicd", "greenhouse/1/temp", "greenhouse-1", func(t *testing.T) string { return sketch(t, "ESP32", "examples/Command/Command.ino") }},
		{"ESP-IDF", "greenhouse/2/temp", "greenhouse-2", idf},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			boardJoins(t, startGate(t, hub), c.topic, c.dev, c.build(t))
		})
	}
	t.Run("C", func(t *testing.T) {
		t.Parallel()
		programJoins(t, startGate(t, hub), cc(t, "example_linux.c", "gcc", sanitized...))
	})
	for _, enc := range []string{"cbor", "json"} {
		t.Run("Python "+enc, func(t *testing.T) {
			t.Parallel()
			moduleJoins(t, startGate(t, hub), enc)
		})
	}
}

// boardJoins: a board asks until it may join, keeps its token in flash, and
// joins anew when its token was revoked.
func boardJoins(t *testing.T, g *gate, topic, dev, bin string) {
	env := []string{"HUB_PORT=" + g.port, "FLASH=" + temp(t, "flash")}
	s := newScriptEnv(t, env, bin)
	s.hears(closed)
	g.tell(t, "join", "--open", "30m")
	s.hears("saved")
	g.heard(t, topic, dev, 1)
	g.tell(t, "join", "--close")
	s.kill()

	s = newScriptEnv(t, env, bin) // after a reboot
	g.heard(t, topic, dev, 2)
	g.tell(t, "token", "revoke", "joined "+dev)
	s.hears(unknown)
	s.hears(closed)
	g.tell(t, "join", "--open", "30m")
	s.hears("saved")
	g.heard(t, topic, dev, 3)
	s.kill()
}

// programJoins: the C client on Linux keeps its token in a file.
func programJoins(t *testing.T, g *gate, bin string) {
	file := temp(t, "token")
	device := func(file string, said ...string) {
		t.Helper()
		s := newScript(t, bin, "--token", file, "127.0.0.1", g.port, "/ws", "dev-1")
		s.refused = strings.HasPrefix(said[len(said)-1], "err ")
		s.says(append([]string{"hub 127.0.0.1:" + g.port + "/ws id="}, said...)...)
		if !s.refused {
			s.hears("subscribed")
			g.api(t, "POST", "/api/pub/example/command", "true")
			s.hears("done big=0")
		}
	}
	device(file, "err "+closed)
	g.tell(t, "join", "--open", "30m")
	device(file, "token kept", "welcome ping=45000", "ack seq=1 alias=1")
	if i, err := os.Stat(file); err != nil || i.Mode().Perm() != 0o600 || i.Size() != 47 {
		t.Error(i, err)
	}
	g.tell(t, "join", "--close")
	device(file, "welcome ping=45000", "ack seq=3 alias=1")
	device(temp(t, "other"), "err "+closed)
	g.tell(t, "token", "revoke", "joined dev-1")
	device(file, "err "+unknown)
}

// moduleJoins: so does the program that uses the MicroPython module.
func moduleJoins(t *testing.T, g *gate, enc string) {
	file := temp(t, "token")
	device := func(file string, said ...string) {
		t.Helper()
		newScript(t, "python3", "micropython/test_topicd.py", "join", g.port, enc, file).says(said...)
	}
	device(file, "refused "+closed+" retry 30000", "done")
	g.tell(t, "join", "--open", "30m")
	device(file, "kept", "seq 1", "done")
	g.tell(t, "join", "--close")
	device(file, "seq 2", "done")
	device(temp(t, "other"), "refused "+closed+" retry 30000", "done")
	g.tell(t, "token", "revoke", "joined py-"+enc)
	device(file, "refused "+unknown+" retry 0", "done")
}
