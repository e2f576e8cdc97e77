package firmware

import (
	"bufio"
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"topicd/node/nodetest/port"
)

func TestPythonVectors(t *testing.T) {
	t.Parallel()
	need(t, "python3")
	if out := run(t, "python3", "micropython/test_topicd.py", "vectors", "vectors"); !strings.HasPrefix(out, "vectors ") {
		t.Error(out)
	}
}

// script reads what a program says, line by line.
type script struct {
	t       *testing.T
	lines   *bufio.Scanner
	kill    func() // ends a program that would run for ever
	killed  bool
	refused bool // its exit code says so
}

func newScript(t *testing.T, name string, args ...string) *script {
	t.Helper()
	return newScriptEnv(t, nil, name, args...)
}

func newScriptEnv(t *testing.T, env []string, name string, args ...string) *script {
	t.Helper()
	need(t, name)
	c := exec.Command(name, args...)
	c.Env = append(append(os.Environ(), "PYTHONUNBUFFERED=1"), env...) // or what it says comes at its end
	c.Stderr = os.Stderr
	out, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	s := &script{t: t, lines: bufio.NewScanner(out)}
	s.kill = func() { s.killed = true; _ = c.Process.Kill() }
	stop := time.AfterFunc(5*time.Minute, func() { _ = c.Process.Kill() })
	t.Cleanup(func() {
		if t.Failed() {
			_ = c.Process.Kill()
		}
		_, _ = io.Copy(io.Discard, out)
		if err := c.Wait(); (err != nil) != s.refused && !t.Failed() && !s.killed {
			t.Error(name, ": ", err)
		}
		stop.Stop()
	})
	return s
}

func (s *script) says(want ...string) {
	s.t.Helper()
	for _, w := range want {
		if !s.lines.Scan() || s.lines.Text() != w {
			s.t.Fatalf("said %q, want %q", s.lines.Text(), w)
		}
	}
}

// TestPythonAgainstTheHub: publishes, is told no, obeys, and survives a hub
// that goes away and comes back.
func TestPythonAgainstTheHub(t *testing.T) {
	t.Parallel()
	for _, enc := range []string{"cbor", "json"} {
		t.Run(enc, func(t *testing.T) {
			h, err := newHub(port.Addr(t), 0)
			if err != nil {
				t.Fatal(err)
			}
			py := newScript(t, "python3", "micropython/test_topicd.py", enc, h.port())
			py.says("seq 1", "alias 2", "seq 2", "error 403", "ready")
			if r := h.stored(t, "py/temp"); len(r) != 3 || r[0]["from"] != "py-"+enc || r[1]["data"] != 21.75 {
				t.Errorf("stored %v", r)
			}
			h.publish(t, "py/command", `{"on":true,"level":0.5}`)
			py.says(`command py/command {"level": 0.5, "on": true}`, "waiting")
			h.stop()
			again, err := newHub(h.addr, 0)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(again.stop)
			deadline := time.Now().Add(2 * time.Minute)
			for subscribers := 0.0; subscribers == 0; time.Sleep(50 * time.Millisecond) {
				if time.Now().After(deadline) {
					t.Fatal("did not come back")
				}
				m, err := again.page(t).ask(`{"op":"list","id":99,"opts":{"what":"topics","match":"py/command"}}`)
				if err != nil {
					t.Fatal(err)
				}
				if list, _ := m["data"].([]any); len(list) == 1 {
					topic, _ := list[0].(map[string]any)
					subscribers, _ = topic["subscribers"].(float64)
				}
			}
			again.publish(t, "py/command", `2`)
			py.says("command py/command 2", "seq 1 links 2", "done")
		})
	}
}

// TestPythonSnippet runs python/sensor.py, which uses websockets and cbor2.
func TestPythonSnippet(t *testing.T) {
	t.Parallel()
	python := "/usr/bin/python3" // Debian's, which has Debian's modules
	need(t, python)
	if err := exec.Command(python, "-c", "import websockets, cbor2").Run(); err != nil {
		missing(t, "python3-websockets and python3-cbor2")
	}
	h := startHub(t, 0)
	py := newScript(t, python, "python/sensor.py", "ws://"+h.addr+"/ws")
	py.says("ack 1")
	h.publish(t, "greenhouse/1/fan", `"on"`)
	py.says("command on")
}

// TestBrowserSnippet runs the page's script in node, which has the browser's
// WebSocket.
func TestBrowserSnippet(t *testing.T) {
	t.Parallel()
	need(t, "node")
	page, err := os.ReadFile("browser/index.html")
	if err != nil {
		t.Fatal(err)
	}
	_, js, ok := strings.Cut(string(page), "<script>")
	js, _, ok2 := strings.Cut(js, "</script>")
	if !ok || !ok2 {
		t.Fatal("no script in the page")
	}
	run(t, "node", "-e", "new Function(process.argv[1])", "--", js) // the syntax
	// Node 22 has it, node 20 when asked, before that Debian's node-ws does.
	flags, has := []string{"--no-warnings"}, `process.exit(globalThis.WebSocket || require('/usr/share/nodejs/ws') ? 0 : 1)`
	if exec.Command("node", "--experimental-websocket", "-e", "").Run() == nil {
		flags = append(flags, "--experimental-websocket")
	}
	if err := exec.Command("node", append(flags, "-e", has)...).Run(); err != nil {
		missing(t, "node 20.10 or Debian's node-ws, for a WebSocket")
	}
	h := startHub(t, 0)
	address := "ws://192.168.1.7:22345/ws" // the line that a person changes
	if strings.Count(js, address) != 1 {
		t.Fatal("the hub's address is not in one line")
	}
	js = strings.Replace(js, address, "ws://"+h.addr+"/ws", 1)
	h.publish(t, "greenhouse/1/temp", `{"v":21.5,"u":"Cel"}`)
	fake := `globalThis.WebSocket ??= require('/usr/share/nodejs/ws');
const said = {};
globalThis.document = {querySelector: (q) => said[q] ??= {set textContent(v) { console.log(q, v); if (q === '#temp') said['#fan'].click() }, addEventListener(e, f) { this.f = f }, click() { this.f() }},
  createElement: () => ({}), };
` + js
	file := temp(t, "page.js")
	if err := os.WriteFile(file, []byte(fake), 0o600); err != nil {
		t.Fatal(err)
	}
	s := newScript(t, "node", append(flags, file)...)
	defer s.kill()
	s.hears("#temp 21.5 Cel")
	if r := h.heard(t, "greenhouse/1/fan"); len(r) != 1 || r[0]["data"] != true {
		t.Errorf("the button published %v", r)
	}
}

// A board's ticks go below zero after 6 days.
func TestPythonTicks(t *testing.T) {
	need(t, "python3")
	if out := run(t, "python3", "testdata/ticks.py"); out != "patient\n" {
		t.Errorf("it waits %s seconds", out)
	}
}
