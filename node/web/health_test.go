package web

import (
	"fmt"
	"strings"
	"testing"

	"topicd/node"
)

// A hub that has run for long has no room, and is ready: old readings make way.
// When only newest readings are left, it is not.
func TestReadyUntilFull(t *testing.T) {
	h := start(t, node.Options{Memory: 1 << 20, TopicCap: 1 << 20, Rate: -1}, Config{})
	data := `"` + strings.Repeat("x", 8<<10) + `"`
	for range 3 {
		h.want(200, "", "POST", "/api/pub/busy", strings.Repeat(data+"\n", 100), ndjson)
	}
	h.want(200, `{"status":"ready"}`, "GET", "/readyz", "")
	status := 200
	for i := 0; status == 200; i++ {
		if status = h.do("POST", fmt.Sprint("/api/pub/t/", i), data, ofJSON).status; i > 200 {
			t.Fatal("it is never full")
		}
	}
	for i := 0; status == 200 || i < 50; i++ { // what is left between the large ones
		status = h.do("POST", fmt.Sprint("/api/pub/s/", i), "1", ofJSON).status
		if i > 5000 {
			t.Fatal("it is never full")
		}
	}
	h.want(507, "", "POST", "/api/pub/last", data, ofJSON)
	h.want(503, "", "GET", "/readyz", "")
	h.want(200, `{"status":"ok"}`, "GET", "/healthz", "")
	h.want(200, "", "DELETE", "/api/topics/busy", "")
	h.want(200, "", "GET", "/readyz", "")
}
