package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"topicd/node/nodetest"
)

const (
	qtExamples = "/usr/lib/x86_64-linux-gnu/qt5/examples/webchannel/"
	qtChannel  = qtExamples + "standalone/qwebchannel.js"
	qmlscene   = "/usr/lib/qt5/bin/qmlscene"
	chromium   = "/usr/bin/chromium"
)

func needQt(t *testing.T) {
	need(t, qtChannel, "qtwebchannel5-examples: apt-get install qtwebchannel5-examples")
}

// TestWebChannelClients: pages with somebody else's qwebchannel.js log in,
// chat, use the dialog and the topics.
func TestWebChannelClients(t *testing.T) {
	processes(t)
	needNode(t)
	needQt(t)
	need(t, "testdata/js/node_modules/qwebchannel", "npm's qwebchannel: npm ci in cmd/topicd/testdata/js")
	for name, file := range map[string]string{"npm": "qwebchannel", "Debian": qtChannel} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := serveProcess(t, nil, binary(t, "amd64"), "--sense=off")
			got := tool(t, "", "node", "testdata/js/webchannel.js", "ws://"+h.addr, file)
			if want := []string{"chat", "dialog", "topics"}; !slices.Equal(got, want) {
				t.Errorf("only these came out right: %q", got)
			}
			if code, _ := h.stop(t); code != 0 {
				t.Errorf("the hub ended with %d", code)
			}
		})
	}
}

// TestWebChannelInChromium: our example page and Qt's own, opened from the disk,
// twice each: log in, chat, see who is there and the readings of a sensor.
// Their pictures lie in .build/webchannel.
func TestWebChannelInChromium(t *testing.T) {
	processes(t)
	needNode(t)
	needQt(t)
	need(t, chromium, "chromium: apt-get install chromium")
	need(t, "../../node/web/testdata/browser/node_modules/playwright-core", "npm's playwright-core: npm ci in node/web/testdata/browser")
	pictures, err := filepath.Abs("../../.build/webchannel")
	if err == nil {
		err = os.MkdirAll(pictures, 0o755)
	}
	if err != nil {
		t.Fatal(err)
	}
	ours := copyFiles(t, "../../firmware-notes/browser/webchannel.html", qtChannel)
	for what, c := range map[string]struct {
		page, path string
		want       []string
	}{
		"chat":   {filepath.Join(ours, "webchannel.html"), "/webchannel", []string{"users", "chat", "readings", "gone"}},
		"dialog": {qtExamples + "standalone/index.html", "/", []string{"dialog"}},
	} {
		t.Run(what, func(t *testing.T) {
			h := serveProcess(t, nil, binary(t, "amd64"), "--sense=off", "--origin", "null")
			got := tool(t, "", "node", "testdata/js/browser.js", what, h.url, c.page, "ws://"+h.addr+c.path, filepath.Join(pictures, what+".png"))
			if !slices.Equal(got, c.want) {
				t.Errorf("only these came out right: %q", got)
			}
		})
	}
}

// copyFiles copies files into a folder of their own.
func copyFiles(t *testing.T, files ...string) string {
	t.Helper()
	dir := t.TempDir()
	for _, file := range files {
		b, err := os.ReadFile(file)
		if err == nil {
			err = os.WriteFile(filepath.Join(dir, filepath.Base(file)), b, 0o644)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// edit changes a file: pairs of what is there and what comes in its place.
func edit(t *testing.T, file string, pairs ...string) {
	t.Helper()
	b, err := os.ReadFile(file)
	for i := 0; err == nil && i < len(pairs); i += 2 {
		if !bytes.Contains(b, []byte(pairs[i])) {
			t.Fatalf("%s does not say %q", file, pairs[i])
		}
	}
	if err == nil {
		err = os.WriteFile(file, []byte(strings.NewReplacer(pairs...).Replace(string(b))), 0o644)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// typist stands in for the person before Qt's chat client.
const typist = `
    Timer {
        interval: 50; running: true; repeat: true
        property int step: 0
        onTriggered: {
            if (!root.channel) return;
            if (step == 0) { loginUi.userName.text = "qml"; loginUi.loginButton.clicked(); }
            if (!loginWindow.visible && step > 0) {
                if (step < 100) { step = 100; mainUi.message.text = "hello from QML"; mainUi.message.editingFinished(); }
                console.log("shown: " + mainUi.chat.text + "users: " + mainUi.userlist.text + errorDialog.text);
            }
            step++;
        }
    }
}
`

// scene runs a QML program until its output fits. On a busy machine it takes
// seconds until its window stands.
func scene(t *testing.T, file string, fits func(out string) bool) {
	t.Helper()
	cmd := exec.Command(qmlscene, file)
	cmd.Env = append(os.Environ(), "QT_QPA_PLATFORM=offscreen", "QT_QUICK_BACKEND=software", "XDG_RUNTIME_DIR="+t.TempDir(), "QT_LOGGING_TO_CONSOLE=1")
	out := new(nodetest.Buffer)
	cmd.Stdout, cmd.Stderr = out, out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		cmd.Process.Kill()
		cmd.Wait()
	}()
	for end := time.Now().Add(100 * time.Second); !fits(out.String()); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("qmlscene says %s", out)
		}
	}
}

func needQML(t *testing.T) {
	processes(t)
	needQt(t)
	need(t, qmlscene, "qmlscene: apt-get install qmlscene")
	for _, m := range []string{"QtQuick.2", "QtWebSockets", "QtQuick/Controls.2", "QtQuick/Dialogs", "QtQuick/Layouts", "QtQuick/Window.2"} {
		need(t, "/usr/lib/x86_64-linux-gnu/qt5/qml/"+m, "QML modules: see .ci/tools")
	}
}

// TestWebChannelQML: Debian's chat client in QML logs in and chats with a
// native client. Debian has QtWebSockets by its newer name only.
func TestWebChannelQML(t *testing.T) {
	needQML(t)
	h := serveProcess(t, nil, binary(t, "amd64"), "--sense=off")
	from := qtExamples + "chatclient-qml/"
	dir := copyFiles(t, from+"qmlchatclient.qml", from+"LoginForm.ui.qml", from+"MainForm.ui.qml", from+"qwebchannel.js")
	file := filepath.Join(dir, "qmlchatclient.qml")
	edit(t, file, "ws://localhost:12345", "ws://"+h.addr, "Qt.WebSockets", "QtWebSockets", "        onRejected: {\n            Qt.quit();\n        }\n    }\n}\n",
		"    }\n"+typist)
	answered := false
	scene(t, file, func(out string) bool {
		if !answered && strings.Contains(out, "] qml: hello from QML\n") {
			answered = true
			tool(t, "", binary(t, "amd64"), "pub", "chat", `{"user":"gateway","text":"hello QML"}`, "--hub", h.url)
		}
		return strings.Contains(out, "] gateway: hello QML\nusers: qml\n")
	})
}

// TestWebChannelDocs: the QML example of dialects.md shows a sensor's reading.
func TestWebChannelDocs(t *testing.T) {
	needQML(t)
	h := serveProcess(t, nil, binary(t, "amd64"), "--sense=off")
	tool(t, "", binary(t, "amd64"), "pub", "greenhouse/1/temp", `{"u":"Cel","v":21.5}`, "--hub", h.url)
	notes, err := os.ReadFile("../../firmware-notes/dialects.md")
	if err != nil {
		t.Fatal(err)
	}
	_, text, _ := strings.Cut(string(notes), "```qml\n")
	text, _, _ = strings.Cut(text, "```\n")
	dir := copyFiles(t, qtChannel)
	file := filepath.Join(dir, "example.qml")
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	edit(t, file, "ws://gateway:22345", "ws://"+h.addr, "    id: label\n", "    id: label\n    onTextChanged: console.log(text)\n")
	scene(t, file, func(out string) bool { return strings.Contains(out, "greenhouse/1/temp: 21.5 Cel") })
}
