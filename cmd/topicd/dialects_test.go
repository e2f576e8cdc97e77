package main

import (
	"bytes"
	"net"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// echoClient is Debian's build of Qt's example, which only knows ws://localhost:1234.
const echoClient = "/usr/lib/x86_64-linux-gnu/qt5/examples/websockets/echoclient/echoclient"

func TestQtEchoClient(t *testing.T) {
	processes(t)
	need(t, echoClient, "Qt's echoclient: apt-get install qtwebsockets5-examples")
	l, err := net.Listen("tcp", "127.0.0.1:1234")
	if err != nil {
		t.Skip("needs port 1234, which is taken:", err)
	}
	_ = l.Close()
	serveInside(t, "--listen", "127.0.0.1:1234,dialect=echo")
	cmd := exec.Command(echoClient, "-d")
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	cmd.Env = append(os.Environ(), "QT_LOGGING_RULES=default.debug=true", "QT_LOGGING_TO_CONSOLE=1", "QT_QPA_PLATFORM=offscreen")
	timer := time.AfterFunc(20*time.Second, func() { _ = cmd.Process.Kill() })
	defer timer.Stop()
	if err := cmd.Run(); err != nil || !strings.Contains(out.String(), `Message received: "Hello, world!"`) {
		t.Errorf("%v\n%s", err, out.String())
	}
}

// npm's ws: large, empty, binary and fragmented echoes; the relay, with a page
// and an application that meet in a room.
func TestNodeEchoAndRelay(t *testing.T) {
	processes(t)
	needNode(t)
	need(t, "testdata/js/node_modules/qwebchannel", "npm's qwebchannel: npm ci in cmd/topicd/testdata/js")
	hub := strings.TrimSuffix(serveInside(t, "--max-frame", "2MiB"), "/ws")
	for _, tt := range [][]string{
		{"testdata/js/echo.js", hub + "/echo"},
		{"testdata/js/relay.js", hub + "/relay/8000"},
	} {
		if out := tool(t, "", "node", tt...); len(out) != 1 || out[0] != "done" {
			t.Errorf("%v: %s", tt, strings.Join(out, "\n"))
		}
	}
}
