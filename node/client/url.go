package client

import (
	"context"
	"fmt"
	"net"
	"net/url"
	"strings"
	"time"
)

// HubPort is where a hub serves if nobody said otherwise: unassigned, easy to
// type, and not a port a browser refuses.
const HubPort = "22345"

// HubURL completes what people type to the URL of a hub's WebSocket: gateway,
// gateway:8080, http://gateway/hub/, the address of the dashboard; "" is this machine's.
func HubURL(s string) (string, error) {
	if s == "" {
		s = "127.0.0.1"
	}
	text := s
	if !strings.Contains(text, "://") {
		if ip := net.ParseIP(strings.Trim(text, "[]")); ip != nil && ip.To4() == nil {
			text = "[" + ip.String() + "]"
		}
		text = "ws://" + text
	}
	u, err := url.Parse(text)
	if err != nil || u.Hostname() == "" {
		return "", fmt.Errorf("%q is not an address such as gateway, gateway:%s or ws://gateway:%s/ws", s, HubPort, HubPort)
	}
	secure, given := false, u.Scheme
	switch u.Scheme {
	case "ws", "http":
		u.Scheme = "ws"
	case "wss", "https":
		u.Scheme, secure = "wss", true
	default:
		return "", fmt.Errorf("%q: %s is none of ws, wss, http, https", s, u.Scheme)
	}
	if u.Port() == "" && !secure && !strings.Contains(s, "://") {
		u.Host = net.JoinHostPort(u.Hostname(), HubPort)
	}
	page := u.Scheme != given || !strings.Contains(s, "://") || strings.HasSuffix(u.Path, "/")
	if u.Path = strings.TrimRight(u.Path, "/"); u.Path == "" || page && !strings.HasSuffix(u.Path, "/ws") {
		u.Path += "/ws"
	}
	u.Fragment = "" // of the dashboard's address
	return u.String(), nil
}

// WantsTLS tells whether an answer, or an error that has it, is what a port that
// serves TLS says to plain HTTP: it is net/http's own text.
func WantsTLS(text string) bool { return strings.Contains(text, "HTTP request to an HTTPS server") }

// Listening reports whether something serves at addr.
func Listening(ctx context.Context, addr string) bool {
	d := net.Dialer{Timeout: 300 * time.Millisecond}
	c, err := d.DialContext(ctx, "tcp", addr)
	if err == nil {
		c.Close()
	}
	return err == nil
}

// IsHubName tells a word such as kitchen, which may be the name of a hub, from an
// address, which has dots, colons or a scheme.
func IsHubName(s string) bool { return s != "localhost" && !strings.ContainsAny(s, ".:/[") }
