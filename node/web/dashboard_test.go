package web

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"topicd/node"
)

func getPage(t *testing.T, path, host, accept string, more ...string) *httptest.ResponseRecorder {
	t.Helper()
	h := node.New(node.Options{})
	defer h.Close()
	s := New(Config{Version: "test", Hub: h})
	r := httptest.NewRequest(http.MethodGet, path, nil)
	r.Host = host
	r.Header.Set("Accept", accept)
	for i := 0; i+1 < len(more); i += 2 {
		r.Header.Set(more[i], more[i+1])
	}
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r)
	return w
}

func TestPage(t *testing.T) {
	w := getPage(t, "/", "192.0.2.7:22345", "text/html,*/*")
	if w.Code != 200 || !strings.Contains(w.Body.String(), `<script type="module" src="static/app.js">`) {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	for name, want := range map[string]string{
		"Content-Type":           "text/html; charset=utf-8",
		"X-Content-Type-Options": "nosniff",
		"Referrer-Policy":        "no-referrer",
		"Cache-Control":          "no-cache",
		"Content-Security-Policy": "default-src 'self'" + ownStyle(w.Body.String()) + "; connect-src 'self' ws://192.0.2.7:22345 wss://192.0.2.7:22345; " +
			"object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
	} {
		if got := w.Header().Get(name); got != want {
			t.Errorf("%s: %q, not %q", name, got, want)
		}
	}
	tag := w.Header().Get("ETag")
	if again := getPage(t, "/", "h", "text/html", "If-None-Match", tag); again.Code != http.StatusNotModified || again.Body.Len() != 0 {
		t.Errorf("the same page again: %d, %d bytes", again.Code, again.Body.Len())
	}
	if text := getPage(t, "/", "h", "*/*"); !strings.HasPrefix(text.Body.String(), "topicd test\n") || text.Header().Get("Content-Type") != "text/plain; charset=utf-8" {
		t.Errorf("curl gets %s %q", text.Header(), text.Body)
	}
	for _, path := range []string{"/static/", "/static/nothing.js", "/static/.keep", "/static/..%2fdashboard.go"} {
		if w := getPage(t, path, "h", "*/*"); w.Code == 200 {
			t.Errorf("%s: %d", path, w.Code)
		}
	}
}

// A Host header is text from outside: it must not end a directive.
func TestPolicyHost(t *testing.T) {
	for _, host := range []string{"", "a; script-src *", "a b", "a,b", "a'b", "ä", strings.Repeat("a", 300)} {
		if got := policy(host, ""); strings.Contains(got, "ws:") {
			t.Errorf("%q: %s", host, got)
		}
	}
	for _, host := range []string{"gateway.local", "[2001:db8::1]:22345"} {
		if got := policy(host, ""); !strings.Contains(got, "ws://"+host+" ") {
			t.Errorf("%q: %s", host, got)
		}
	}
}

// Every file that the page names is there, and nothing in it comes from
// elsewhere or makes elements of text.
func TestStaticFiles(t *testing.T) {
	names, err := filepath.Glob("static/*")
	if err != nil || len(names) < 20 {
		t.Fatal(names, err)
	}
	markup := regexp.MustCompile(`innerHTML|outerHTML|insertAdjacentHTML|document\.write|createContextualFragment|DOMParser|srcdoc|\beval\(|new Function|set(Timeout|Interval)\(["'` + "`" + `]|javascript:`)
	elsewhere := regexp.MustCompile(`(src|href)="(https?:)?//|url\(["']?https?:|@import|from "https?:`)
	inline := regexp.MustCompile(`<script>|<style\s|\sstyle=|\son[a-z]+="`)
	named := regexp.MustCompile(`"(?:\./|static/)([A-Za-z]+\.(?:js|css|svg))"`)
	for _, name := range names {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		text := string(b)
		if _, ok := read("static/" + filepath.Base(name)); !ok {
			t.Errorf("%s is not served", name)
		}
		if m := markup.FindString(text); m != "" {
			t.Errorf("%s has %s: what comes from a topic becomes a text node", name, m)
		}
		if m := elsewhere.FindString(text); m != "" {
			t.Errorf("%s takes something from elsewhere: %s", name, m)
		}
		if m := inline.FindString(text); m != "" && strings.HasSuffix(name, ".html") {
			t.Errorf("%s has %s, which the policy forbids", name, m)
		}
		if kinds[filepath.Ext(name)] == "" {
			t.Errorf("%s has no type", name)
		}
		if n := strings.Count(text, "<style"); n > 0 && (n > 1 || filepath.Base(name) != "index.html") {
			t.Errorf("%s has a style, which the policy forbids", name)
		}
		if n := strings.Count(text, "\n"); n > 400 {
			t.Errorf("%s has %d lines", name, n)
		}
		for _, m := range named.FindAllStringSubmatch(text, -1) {
			if _, ok := read("static/" + m[1]); !ok {
				t.Errorf("%s names %s, which is not there", name, m[1])
			}
		}
	}
}
