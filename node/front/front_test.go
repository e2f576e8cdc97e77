package front

import (
	"bytes"
	"log"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// A panic of a handler is in the log as it comes, what peers do wrong is not.
func TestPanicsAreLogged(t *testing.T) {
	var out bytes.Buffer
	l := log.New(httpLog{slog.New(slog.NewTextHandler(&out, nil))}, "", 0)
	l.Print("http: TLS handshake error from 192.0.2.1: EOF")
	srv := httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic("our mistake") }))
	srv.Config.ErrorLog = l
	srv.Start()
	if _, err := http.Get(srv.URL); err == nil {
		t.Error("answered")
	}
	srv.Close()
	if text := out.String(); strings.Count(text, "level=") != 1 || !strings.Contains(text, "level=ERROR") || !strings.Contains(text, "our mistake") {
		t.Error(text)
	}
}
