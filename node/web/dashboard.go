package web

import (
	"compress/gzip"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"io"
	"net/http"
	"path"
	"strings"
	"sync"
	"time"

	"topicd/node/web/answer"
)

// The dashboard: a page of ours, embedded.

// assets are the files of the dashboard, by path below /static/.
type assets struct {
	tags sync.Map // ETags of those that were asked for: the same bytes are not sent twice
	once sync.Once
	own  string // the page's own style, as the policy names it
}

func (a *assets) tag(name string, f file) string {
	if tag, ok := a.tags.Load(name); ok {
		return tag.(string)
	}
	sum := sha256.Sum256([]byte(f.text))
	tag := hex.EncodeToString(sum[:12])
	a.tags.Store(name, tag)
	return tag
}

// file is one of the files in the program: as it is, or gzipped where the build
// packed it (RFC 1952).
type file struct {
	text   string
	packed bool
}

// plain is the file's text. What is packed is unpacked each time: only who does not
// take gzip asks for it.
func (f file) plain() string {
	if !f.packed {
		return f.text
	}
	r, err := gzip.NewReader(strings.NewReader(f.text))
	if err != nil {
		return "" // it is ours
	}
	b, _ := io.ReadAll(r)
	return string(b)
}

// kinds, and nothing else, are served: what the system's table of types says
// would differ from machine to machine.
var kinds = map[string]string{
	".html":        "text/html; charset=utf-8",
	".css":         "text/css; charset=utf-8",
	".js":          "text/javascript; charset=utf-8",
	".svg":         "image/svg+xml",
	".png":         "image/png",
	".webmanifest": "application/manifest+json",
}

// dashboard registers the page at / and what it needs below /static/.
func (s *server) dashboard() {
	page := &assets{}
	s.mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, r *http.Request) {
		switch accept := r.Header.Get("Accept"); {
		case strings.Contains(accept, "text/html"):
			page.serve(w, r, "index.html")
		case s.root != nil && strings.HasPrefix(accept, "application/json"):
			s.root.ServeHTTP(w, r) // as the Managed WebSocket's clients ask
		default:
			s.serveText(w, r)
		}
	})
	s.mux.HandleFunc("GET /static/{file...}", func(w http.ResponseWriter, r *http.Request) {
		page.serve(w, r, r.PathValue("file"))
	})
	s.mux.HandleFunc("GET /favicon.ico", func(w http.ResponseWriter, r *http.Request) {
		page.serve(w, r, "icon.svg")
	})
}

// serveText is for who is no browser: curl http://hub/.
func (s *server) serveText(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	at := "ws" + address(r) + "/ws"
	if h := r.Header; h["X-Forwarded-For"] != nil && h["X-Forwarded-Prefix"] == nil { // a proxy may have it under any path
		at = "ws below it"
	}
	_, _ = w.Write([]byte("topicd " + s.Version + "\nA hub for sensor readings. Open this address in a browser for the dashboard,\nor connect with a WebSocket to " + at + "\n"))
}

func (a *assets) serve(w http.ResponseWriter, r *http.Request, name string) {
	f, ok := read("static/" + name)
	if !ok {
		http.NotFound(w, r)
		return
	}
	h := w.Header()
	h.Set("Content-Type", kinds[path.Ext(name)])
	text, tag := f.text, a.tag(name, f)
	if f.packed {
		h.Set("Vary", "Accept-Encoding")
		if answer.TakesGzip(r) {
			h.Set("Content-Encoding", "gzip")
			tag += "-gz"
		} else {
			text = f.plain()
		}
	}
	h.Set("ETag", `"`+tag+`"`)
	h.Set("Cache-Control", "no-cache") // asked each time, answered 304: a new hub has a new page
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	own := ""
	if name == "index.html" {
		a.once.Do(func() { a.own = ownStyle(f.plain()) })
		own = a.own
	}
	h.Set("Content-Security-Policy", policy(r.Host, own))
	http.ServeContent(w, r, "", time.Time{}, strings.NewReader(text))
}

// ownStyle is the hash of the style that stands in a page: with it the page is painted
// before anything else has come, and no other style in it counts.
func ownStyle(page string) string {
	_, style, _ := strings.Cut(page, "<style>")
	style, _, _ = strings.Cut(style, "</style>")
	sum := sha256.Sum256([]byte(style))
	return "; style-src 'self' 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
}

// policy lets the page take everything from this hub and nothing from anywhere
// else, and nobody put it in a frame. Older Safari does not count the hub's
// WebSocket to 'self', so that is named where the Host header is one.
func policy(host, style string) string {
	connect := "'self'"
	if isHost(host) {
		connect += " ws://" + host + " wss://" + host
	}
	return "default-src 'self'" + style + "; connect-src " + connect +
		"; object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
}

// isHost: could that be a host and port, and nothing else?
func isHost(s string) bool {
	for _, c := range []byte(s) {
		switch {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9':
		case c == '.' || c == '-' || c == ':' || c == '[' || c == ']':
		default:
			return false
		}
	}
	return s != "" && len(s) < 256
}
