package web

import (
	"strings"
	"testing"

	"topicd/node"
)

func TestQR(t *testing.T) {
	h := start(t, node.Options{}, Config{})
	a := h.want(200, "", "GET", "/api/qr.svg?text=http://192.0.2.7:22345/", "")
	if a.header.Get("Content-Type") != "image/svg+xml" || !strings.HasPrefix(a.body, "<svg ") {
		t.Error(a)
	}
	h.want(400, "", "GET", "/api/qr.svg", "")
	h.want(400, "", "GET", "/api/qr.svg?text="+strings.Repeat("x", 513), "")
	h.want(200, "", "GET", "/api/qr.svg?text="+strings.Repeat("x", 512), "")
}

// Somebody else's reader reads the picture.
func TestQRIsRead(t *testing.T) {
	processes(t)
	needNode(t, "jsqr")
	h := start(t, node.Options{}, Config{})
	for _, text := range []string{"http://192.0.2.7:22345/#fp=00ff", "12345", "Grüße, 世界", strings.Repeat("x", 512)} {
		a := h.want(200, "", "GET", "/api/qr.svg?text="+strings.ReplaceAll(strings.ReplaceAll(text, "#", "%23"), " ", "%20"), "")
		if got := tool(t, a.body, "node", "testdata/js/qr.js"); got != text {
			t.Errorf("%q is read as %q", text, got)
		}
	}
}
