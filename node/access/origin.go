package access

import (
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"

	"topicd/codec"
)

// Names are the hub's own names on the web.
type Names struct {
	Hosts   []string // beside IP addresses, localhost and *.local
	Origins []string // of pages elsewhere that may use the hub, such as https://app.example
}

// CodeMisdirected is HTTP's own (RFC 9110 15.5.20): the request is for somebody else.
const CodeMisdirected = http.StatusMisdirectedRequest

// Host refuses requests for a name that is not the hub's: a page whose name is
// made to point here (DNS rebinding) has its own name in Host.
func (n *Names) Host(r *http.Request) *codec.Error {
	host := r.Host
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	host = strings.ToLower(strings.TrimSuffix(strings.Trim(host, "[]"), "."))
	if _, err := netip.ParseAddr(host); err == nil || host == "localhost" || strings.HasSuffix(host, ".local") {
		return nil
	}
	if slices.ContainsFunc(n.Hosts, func(h string) bool { return strings.EqualFold(h, host) }) {
		return nil
	}
	return codec.Errorf(CodeMisdirected, "%.100q is not a name of this hub: use its address, or allow the name with --host", host)
}

// Origin refuses what pages of other origins ask for. It is there for browsers
// (RFC 6455 section 10.2), so it judges only what a browser can have written.
func (n *Names) Origin(r *http.Request) *codec.Error {
	origins := r.Header.Values("Origin")
	if len(origins) > 1 {
		return ErrOrigin
	}
	if n.Foreign(r) {
		return nil
	}
	if len(origins) == 0 || !isPage(origins[0]) {
		if site := r.Header.Get("Sec-Fetch-Site"); site == "cross-site" || site == "same-site" {
			return ErrOrigin
		}
		return nil
	}
	if sameOrigin(origins[0], r) {
		return nil
	}
	return ErrOrigin
}

// isPage tells whether a browser can have written that Origin: null, which any
// sandboxed frame has, or scheme://host[:port] of a page (RFC 6454 section 6.2),
// or several of them. It writes no path, no bare word, no scheme without a host,
// and no page comes by ws or wss: those are values of libraries for firmware and
// phones, which send what their authors thought of.
func isPage(origin string) bool {
	for _, o := range strings.FieldsFunc(origin, func(c rune) bool { return c == ' ' || c == ',' || c == '\t' }) {
		scheme, host, ok := strings.Cut(o, "://")
		scheme = strings.ToLower(scheme)
		if o == "null" || ok && scheme != "" && scheme != "ws" && scheme != "wss" && host != "" && !strings.ContainsAny(host, "/?#\\") {
			return true
		}
	}
	return false
}

// ErrOrigin refuses pages elsewhere.
var ErrOrigin = &codec.Error{Code: codec.CodeForbidden, Msg: "a page of another origin may not use this hub: allow it with --origin"}

// Foreign tells whether the request is of a page elsewhere that is allowed.
func (n *Names) Foreign(r *http.Request) bool {
	o := r.Header.Get("Origin")
	return o != "" && slices.ContainsFunc(n.Origins, func(a string) bool { return strings.EqualFold(a, o) })
}

// sameOrigin compares scheme, host and port (RFC 6454 4) with those that the
// request came by.
func sameOrigin(origin string, r *http.Request) bool {
	u, err := url.Parse(origin)
	if err != nil || u.Host == "" || u.User != nil || u.Path != "" || u.RawQuery != "" || u.Fragment != "" {
		return false
	}
	scheme, port := "http", "80"
	if r.TLS != nil {
		scheme, port = "https", "443"
	}
	full := func(host string) string {
		if h, p, err := net.SplitHostPort(host); err == nil {
			return net.JoinHostPort(strings.ToLower(h), p)
		}
		return net.JoinHostPort(strings.ToLower(strings.Trim(host, "[]")), port)
	}
	return u.Scheme == scheme && full(u.Host) == full(r.Host)
}
