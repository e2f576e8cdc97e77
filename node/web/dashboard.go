package web

import (
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"io"
	"io/fs"
	"net/http"
	"path"
	"strings"
	"sync"
	"time"
)

// The dashboard: a page of ours, embedded. uPlot draws its plots; make brings
// it with npm into plot/dist, and without it the page says so.

//go:embed static
var static embed.FS

//go:embed all:plot/dist
var plots embed.FS

// assets are the files of the dashboard by path below /static/.
type assets map[string]asset

type asset struct {
	open func() io.ReadSeeker // in the program itself, not copied
	kind string               // Content-Type
	tag  func() string        // ETag: the same bytes are not sent twice
}

// kinds, and nothing else, are served: what the system's table of types says
// would differ from machine to machine.
var kinds = map[string]string{
	".html": "text/html; charset=utf-8",
	".css":  "text/css; charset=utf-8",
	".js":   "text/javascript; charset=utf-8",
	".svg":  "image/svg+xml",
	"":      "text/plain; charset=utf-8", // LICENSE
}

func newAssets() assets {
	a := assets{}
	a.add(static, "static", "")
	a.add(plots, "plot/dist", "plot/")
	return a
}

func (a assets) add(files embed.FS, dir, prefix string) {
	list, _ := fs.ReadDir(files, dir) // embedded: it cannot fail
	for _, e := range list {
		kind := kinds[path.Ext(e.Name())]
		if kind == "" {
			continue // the placeholder of a folder that make fills
		}
		name := dir + "/" + e.Name()
		open := func() io.ReadSeeker {
			f, _ := files.Open(name)
			return f.(io.ReadSeeker) // package embed promises it
		}
		tag := sync.OnceValue(func() string {
			sum := sha256.New()
			_, _ = io.Copy(sum, open())
			return `"` + hex.EncodeToString(sum.Sum(nil)[:12]) + `"`
		})
		a[prefix+e.Name()] = asset{open, kind, tag}
	}
}

// dashboard registers the page at / and what it needs below /static/.
func (s *server) dashboard() {
	files := newAssets()
	s.mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, r *http.Request) {
		switch accept := r.Header.Get("Accept"); {
		case strings.Contains(accept, "text/html"):
			files.serve(w, r, "index.html")
		case s.root != nil && strings.HasPrefix(accept, "application/json"):
			s.root.ServeHTTP(w, r) // as the Managed WebSocket's clients ask
		default:
			s.serveText(w, r)
		}
	})
	s.mux.HandleFunc("GET /static/{file...}", func(w http.ResponseWriter, r *http.Request) {
		files.serve(w, r, r.PathValue("file"))
	})
	s.mux.HandleFunc("GET /favicon.ico", func(w http.ResponseWriter, r *http.Request) {
		files.serve(w, r, "icon.svg")
	})
}

// serveText is for who is no browser: curl http://hub/.
func (s *server) serveText(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	_, _ = w.Write([]byte("topicd " + s.Version + "\nA hub for sensor readings. Open this address in a browser for the dashboard,\nor connect with a WebSocket to ws://" + r.Host + "/ws\n"))
}

func (a assets) serve(w http.ResponseWriter, r *http.Request, name string) {
	f, ok := a[name]
	if !ok {
		http.NotFound(w, r)
		return
	}
	h := w.Header()
	h.Set("Content-Type", f.kind)
	h.Set("ETag", f.tag())
	h.Set("Cache-Control", "no-cache") // asked each time, answered 304: a new hub has a new page
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Content-Security-Policy", policy(r.Host))
	http.ServeContent(w, r, "", time.Time{}, f.open())
}

// policy lets the page take everything from this hub and nothing from anywhere
// else, and nobody put it in a frame. Older Safari does not count the hub's
// WebSocket to 'self', so that is named where the Host header is one.
func policy(host string) string {
	connect := "'self'"
	if isHost(host) {
		connect += " ws://" + host + " wss://" + host
	}
	return "default-src 'self'; connect-src " + connect +
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
