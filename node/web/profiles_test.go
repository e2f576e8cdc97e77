//go:build !lean

package web

import (
	"net/http/httptest"
	"strings"
	"testing"

	"topicd/node/access"
)

// Profiles are served to this hub's own names, as everything else is.
func TestProfiles(t *testing.T) {
	names := access.Names{Hosts: []string{"gateway"}}
	h := Profiles(names.Host)
	for host, want := range map[string]int{"127.0.0.1:6060": 200, "[::1]:6060": 200, "localhost": 200, "gateway:6060": 200, "evil.example:6060": 421} {
		r := httptest.NewRequest("GET", profilePath, nil)
		r.Host = host
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if w.Code != want || want == 200 && !strings.Contains(w.Body.String(), "/debug/pprof/heap ") {
			t.Errorf("%s: %d %s", host, w.Code, w.Body)
		}
	}
}
