package main

import (
	"bytes"
	"net"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"
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
	timer := time.AfterFunc(60*time.Second, func() { _ = cmd.Process.Kill() })
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

// Ports of their own: nothing is told by the first frame there, and the hub's
// other clients are on the same topics.
func TestDialectEndpoints(t *testing.T) {
	scd, echo, relay := freePort(t), freePort(t), freePort(t)
	hub := serveInside(t, "--listen", scd+",dialect=scd", "--listen", echo+",dialect=echo", "--listen", relay+",dialect=relay")
	_, room, _ := net.SplitHostPort(relay)
	s, e := rawDial(t, "ws://"+scd+"/any/path"), rawDial(t, "ws://"+echo)
	alice, bob := rawDial(t, "ws://"+relay+"/alice"), rawDial(t, strings.TrimSuffix(hub, "ws")+"relay/"+room+"/bob")
	say := func(ws *websocket.Conn, text string) {
		t.Helper()
		if err := ws.WriteMessage(websocket.TextMessage, []byte(text)); err != nil {
			t.Fatal(err)
		}
	}
	expect := func(ws *websocket.Conn, want string) {
		t.Helper()
		if got := nextText(t, ws); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	say(e, "SCDTMH:1.0\tTRN:x\n")
	expect(e, "SCDTMH:1.0\tTRN:x\n")
	say(s, `{"op":"ping"}`) // malformed here: no answer
	say(s, " SCDTMH:1.0\tTRN:relay/"+room)
	if got := nextText(t, s); !strings.HasPrefix(got, "[server@notify]:TRN|relay/"+room+"|") {
		t.Errorf("got %q", got)
	}
	native := rawDial(t, hub)
	say(native, `{"op":"sub","id":1,"topic":"relay/#","opts":{"last":0}}`)
	nextText(t, native)
	nextText(t, native)
	for seen, try := "", 0; !strings.Contains(seen, "/bob") && try < 5000; try++ { // he is there a little after his handshake
		say(native, `{"op":"get","id":2,"topic":"$sys/relay/`+room+`","opts":{"last":9}}`)
		seen = nextText(t, native)
	}
	say(alice, "here")
	expect(bob, "here")
	if got := nextText(t, native); !strings.Contains(got, `"data":"here"`) {
		t.Errorf("got %q", got)
	}
	if got := nextText(t, s); !strings.HasSuffix(got, "@relay/"+room+"]:here") {
		t.Errorf("got %q", got)
	}
	say(bob, `"quoted"`)
	expect(alice, `"quoted"`)
	say(s, "SCDTMH:1.0\tTSM:relay/"+room+"\n{\"v\":1}")
	expect(alice, `{"v":1}`)
	expect(bob, `{"v":1}`)
}
