package main

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"topicd/cmd/internal/command"
	"topicd/node/doctor"
)

// examine runs doctor and returns what it found, by thing.
func examine(t *testing.T, vars map[string]string, args ...string) map[string]doctor.Finding {
	t.Helper()
	var out, errs bytes.Buffer
	vars["TOPICD_MDNS"] = "off"
	a := &app{Env: command.Env{In: strings.NewReader(""), Out: &out, Err: &errs, Getenv: func(k string) string { return vars[k] }}}
	a.run(t.Context(), append([]string{"doctor", "--json"}, args...))
	var list []doctor.Finding
	if err := json.Unmarshal(out.Bytes(), &list); err != nil {
		t.Fatalf("%v: %s%s", err, out.String(), errs.String())
	}
	found := map[string]doctor.Finding{}
	for _, f := range list {
		if !f.OK && f.Do == "" {
			t.Errorf("nothing says what to do: %+v", f)
		}
		found[f.What] = f
	}
	return found
}

// A good hub is good, by all ways.
func TestDoctorOfAGoodHub(t *testing.T) {
	found := examine(t, map[string]string{"TOPICD_HUB": serveInside(t)})
	if f := found["hub"]; !f.OK || !strings.Contains(f.Text, "is ready") {
		t.Errorf("%+v", f)
	}
	if _, ok := found["port"]; ok {
		t.Error("a hub elsewhere has no ports here")
	}
}

// What stands between and lets no WebSocket through is named.
func TestDoctorNamesTheProxy(t *testing.T) {
	hub, _ := url.Parse(strings.Replace(serveInside(t), "ws://", "http://", 1))
	proxy := httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "http", Host: hub.Host})
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.Header.Del("Upgrade")
		r.Host = hub.Host
		proxy.ServeHTTP(w, r)
	}))
	defer s.Close()
	found := examine(t, map[string]string{"TOPICD_HUB": s.URL})
	if f := found["proxy"]; f.OK || !strings.Contains(f.Do, "proxy_http_version 1.1") {
		t.Errorf("%+v", found)
	}
}

// A port that another program has, a disk and a memory that are too small are told.
func TestDoctorOfAFullMachine(t *testing.T) {
	l, err := (&net.ListenConfig{}).Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() { // it is no hub
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			io.WriteString(c, "220 mail\r\n")
			c.Close()
		}
	}()
	file := filepath.Join(t.TempDir(), "topicd.toml")
	text := "listen = [\"" + l.Addr().String() + "\"]\nmemory = \"1GiB\"\ndurable = [\"#\"]\n[store]\nbytes = \"1000GiB\"\n[limits]\nsessions = 2000000\n"
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	found := examine(t, map[string]string{"TOPICD_STATE": filepath.Dir(file)}, "--config", file)
	for what, want := range map[string]string{"port": "taken by another program", "disk": "the settings may want 1000", "memory": "the settings may take", "files": "may be open"} {
		if f := found[what]; f.OK || !strings.Contains(f.Text, want) {
			t.Errorf("%s: %+v", what, f)
		}
	}
}
