package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strings"
	"time"

	"github.com/gorilla/websocket"

	"github.com/spf13/pflag"

	"topicd/codec"
	"topicd/node/client"
)

// defaultHub is where a hub on this machine is.
const defaultHub = "ws://127.0.0.1:" + defaultPort + "/ws"

// remote is how a command reaches a hub.
type remote struct {
	hub, token, dev, pin string
	cbor                 bool
}

func (r *remote) addFlags(fs *pflag.FlagSet) {
	fs.StringVar(&r.hub, "hub", "", "`HUB`: ws://gateway:22345/ws, a host, or a name that `topicd discover` shows (env TOPICD_HUB; default this machine's, else the only one on the network)")
	fs.StringVar(&r.token, "token", "", "token that the hub wants (env TOPICD_TOKEN)")
	addPin(fs, &r.pin)
	fs.BoolVar(&r.cbor, "cbor", false, "speak CBOR with the hub instead of JSON")
}

// dial connects. Where the connection is lost later it is made again, which
// people are told on stderr.
func (a *app) dial(ctx context.Context, r *remote) (*client.Client, error) {
	if r.hub == "" {
		r.hub = a.getenv("TOPICD_HUB")
	}
	if r.token == "" {
		r.token = a.getenv("TOPICD_TOKEN")
	}
	a.tokened = r.token != ""
	u, err := a.hubAt(ctx, r.hub)
	if err != nil {
		return nil, err
	}
	at, err := url.Parse(u)
	if err != nil {
		return nil, err
	}
	if err := notOnlyFound(r.hub, at.Hostname(), r.token); err != nil {
		return nil, err
	}
	o := client.Options{URL: u, Token: r.token, Dev: r.dev, OnError: func(err error) { a.note("the hub says: %v", err) }}
	if o.TLS, err = a.secure(at, r.pin); err != nil {
		return nil, err
	}
	if r.cbor {
		o.Encoding = codec.CBOR
	}
	lost := false
	o.OnState = func(s client.State, err error) {
		switch {
		case s == client.Offline && !lost:
			lost = true
			a.note("connection lost, trying again: %v", err)
		case s == client.Online && lost:
			lost = false
			a.note("connected again")
		}
	}
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	c, err := client.Dial(ctx, o)
	if err != nil {
		return nil, dialError(u, err)
	}
	if token := c.Welcome().Token; token != "" {
		a.note("%s has joined; give its token with --token or TOPICD_TOKEN from now on: %s", r.dev, token)
	}
	return c, nil
}

// notOnlyFound refuses to send a token where nobody said: anybody can tell the
// local network that there is a hub.
func notOnlyFound(hub, host, token string) error {
	if token != "" && hub == "" && !isHere(host) {
		return fail(exitUsage, "name it with --hub "+host+" if that is yours", "there is no hub here, and the token is not sent to one that was only found, at %s", host)
	}
	return nil
}

// isHere tells whether a host is this machine.
func isHere(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

func (a *app) note(format string, args ...any) {
	a.errMu.Lock()
	defer a.errMu.Unlock()
	fmt.Fprintf(a.err, "topicd: "+format+"\n", args...)
}

// hubAt is where the hub is that was named, or not.
func (a *app) hubAt(ctx context.Context, hub string) (string, error) {
	if isName(hub) {
		return a.findHub(ctx, hub)
	}
	return hubURL(hub)
}

// hubURL completes what people type: gateway, gateway:8080, http://gateway.
func hubURL(s string) (string, error) {
	if s == "" {
		return defaultHub, nil
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
		return "", usage("--hub %q is not an address such as gateway, gateway:22345 or ws://gateway:22345/ws", s)
	}
	secure := false
	switch u.Scheme {
	case "ws", "http":
		u.Scheme = "ws"
	case "wss", "https":
		u.Scheme, secure = "wss", true
	default:
		return "", usage("--hub %q: %s is none of ws, wss, http, https", s, u.Scheme)
	}
	if u.Port() == "" && !secure && !strings.Contains(s, "://") {
		u.Host = net.JoinHostPort(u.Hostname(), defaultPort)
	}
	if u.Path == "" || u.Path == "/" {
		u.Path = "/ws"
	}
	return u.String(), nil
}

// dialError says what kept us from the hub.
func dialError(u string, err error) error {
	u = client.Shown(u)
	var dns *net.DNSError
	var known *failure
	var plain tls.RecordHeaderError
	switch {
	case errors.As(err, &known):
		return known
	case strings.Contains(err.Error(), wantsTLS):
		return speaksTLS(u)
	case errors.As(err, &plain):
		return fail(exitUnreachable, "that port is a plain one: name it with ws://, or the one of --tls-listen", "%s: %w", u, err)
	case errors.Is(err, context.Canceled):
		return err
	case errors.As(err, &dns):
		return fail(exitUnreachable, "name the hub with --hub; an address such as 192.0.2.7 always works", "cannot find %s: %w", dns.Name, err)
	case errors.Is(err, websocket.ErrBadHandshake):
		return fail(exitUnreachable, "is that a topicd? Its WebSocket is at /ws", "%s: %w", u, err)
	}
	var e *codec.Error
	if errors.As(err, &e) {
		return err
	}
	return fail(exitUnreachable, "is the hub running there? `topicd serve` starts one; --hub names another", "cannot reach the hub at %s: %w", u, err)
}

// wantsTLS is what net/http answers to plain HTTP on a port that serves TLS.
const wantsTLS = "HTTP request to an HTTPS server"

func speaksTLS(u string) error {
	return fail(exitUnreachable, "name it with --hub "+strings.Replace(u, "ws://", "wss://", 1), "the hub at %s serves TLS there", u)
}

// codeExit is the exit code for each refusal of a hub.
func codeExit(code int) (exit int, hint string) {
	switch code {
	case codec.CodeUnauthorized:
		return exitForbidden, "give a token with --token or TOPICD_TOKEN"
	case codec.CodeForbidden:
		return exitForbidden, "this token may not do that, or the name belongs to the hub ($…)"
	case codec.CodeTooFast:
		return exitFailed, "the hub takes so many requests per second only; [limits] rate in its topicd.toml"
	case codec.CodeTooLarge:
		return exitFailed, "the hub's --max-frame is the largest message it takes"
	case codec.CodeNoRoom:
		return exitFailed, "the hub's limits are in its topicd.toml; `topicd list topics` shows who holds the memory"
	case codec.CodeNotFound:
		return exitFailed, "`topicd list topics` shows what is there"
	case codec.CodeGoingAway:
		return exitUnreachable, "the hub is restarting: try again"
	}
	return exitFailed, ""
}
