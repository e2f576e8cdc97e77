package web

import (
	"io"
	"net"
	"net/http"
	"strings"

	"topicd/codec"
	"topicd/node/web/answer"
)

// The documents are files so that other people's tools can read them where they
// stand; tests hold them to what the hub does.

// document serves a file that is the same for everybody.
func document(kind, name string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		f, _ := read("specs/" + name)
		w.Header().Set("Content-Type", kind)
		w.Header().Set("Cache-Control", "no-cache")
		text := f.text
		if f.packed {
			w.Header().Set("Vary", "Accept-Encoding")
			if answer.TakesGzip(r) {
				w.Header().Set("Content-Encoding", "gzip")
			} else {
				text = f.plain()
			}
		}
		_, _ = io.WriteString(w, text)
	}
}

// serveThing is the hub as a thing of the Web of Things (W3C Thing Description
// 1.1), with the address that the client used: it knows no other that works.
func (s *server) serveThing(w http.ResponseWriter, r *http.Request) {
	fill := strings.NewReplacer("{{base}}", inJSON("http"+address(r)), "{{hub}}", inJSON(s.Hub.Options().Name), "{{version}}", inJSON(s.Version))
	w.Header().Set("Content-Type", "application/td+json")
	f, _ := read("specs/wot.json")
	_, _ = w.Write([]byte(fill.Replace(f.plain())))
}

// address is where the client reaches the hub, without the beginning of the scheme:
// "s://gateway/hub" follows http or ws. A proxy tells its own scheme and path in
// X-Forwarded-Proto and X-Forwarded-Prefix; whoever lies there leads himself astray.
func address(r *http.Request) string {
	scheme, host := "://", r.Host
	if r.TLS != nil || r.Header.Get("X-Forwarded-Proto") == "https" {
		scheme = "s://"
	}
	if host == "" { // HTTP/1.0
		if a, ok := r.Context().Value(http.LocalAddrContextKey).(net.Addr); ok {
			host = a.String()
		}
	}
	under := strings.TrimRight(r.Header.Get("X-Forwarded-Prefix"), "/")
	if !strings.HasPrefix(under, "/") || strings.HasPrefix(under, "//") {
		under = ""
	}
	return scheme + host + under
}

// inJSON is the text as it stands between the quotes of a JSON string.
func inJSON(text string) string {
	b := codec.AppendString(nil, codec.JSON, strings.ToValidUTF8(text, ""))
	return string(b[1 : len(b)-1])
}
