package main

import (
	"slices"
	"testing"
)

const (
	qtExamples = "/usr/lib/x86_64-linux-gnu/qt5/examples/webchannel/"
	qtChannel  = qtExamples + "standalone/qwebchannel.js"
)

// TestWebChannelClients: pages with somebody else's qwebchannel.js log in,
// chat, use the dialog and the topics.
func TestWebChannelClients(t *testing.T) {
	processes(t)
	needNode(t)
	need(t, "testdata/js/node_modules/qwebchannel", "npm's qwebchannel: npm ci in cmd/topicd/testdata/js")
	need(t, qtChannel, "qtwebchannel5-examples: apt-get install qtwebchannel5-examples")
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
