package main

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/gorilla/websocket"

	"github.com/spf13/pflag"

	"topicd/codec"
	"topicd/node/client"
)

// defaultHub is where a hub on this machine is.
const defaultHub = "ws://127.0.0.1:" + client.HubPort + "/ws"

// target is which hub a command wants, and how it knows it.
type target struct{ hub, pin string }

func (r *target) addPin(fs *pflag.FlagSet) {
	fs.StringVar(&r.pin, "pin", "", "SHA-256 `FINGERPRINT` that the hub's certificate must have (default the one seen first)")
}

// remote is how a command reaches a hub.
type remote struct {
	target
	token, dev string
	cbor       bool
}

func (r *remote) addFlags(fs *pflag.FlagSet) {
	fs.StringVar(&r.hub, "hub", "", "`HUB`: ws://gateway:22345/ws, a host, or a name that `topicd discover` shows (env TOPICD_HUB; default this machine's, else the only one on the network)")
	fs.StringVar(&r.token, "token", "", "token that the hub wants (env TOPICD_TOKEN)")
	r.addPin(fs)
	fs.BoolVar(&r.cbor, "cbor", false, "speak CBOR with the hub instead of JSON")
}

// reach is where the hub is, and how to speak with it: over TLS or, with nil, in
// the clear.
func (a *app) reach(ctx context.Context, r *target) (*url.URL, *tls.Config, error) {
	r.hub = cmp.Or(r.hub, a.getenv("TOPICD_HUB"))
	text, err := a.hubAt(ctx, r.hub)
	if err != nil {
		return nil, nil, err
	}
	u, err := url.Parse(text)
	switch {
	case err != nil:
		return nil, nil, err
	case u.Scheme == "wss":
		pins := client.Pins{File: a.stateFile("", "known_hubs"), Note: a.note}
		return u, pins.TLS(u.Host, r.pin), nil
	case r.pin != "":
		return nil, nil, fail(exitUsage, "name it with --hub wss://HOST:PORT", "%s is not spoken with over TLS: nothing shows that it has the certificate of --pin", u.Host)
	}
	return u, nil, nil
}

// stateFile is a file of this machine's state, in dir if that is not "". Where
// there is no state it is one that is not there.
func (a *app) stateFile(dir, name string) string {
	dir = cmp.Or(dir, a.getenv("TOPICD_STATE"), stateDir(a.getenv, os.Geteuid() == 0))
	if dir == "" {
		return ""
	}
	return filepath.Join(dir, name)
}

// dial connects. Where the connection is lost later it is made again, which
// people are told on stderr.
func (a *app) dial(ctx context.Context, r *remote) (*client.Client, error) {
	r.token = cmp.Or(r.token, a.getenv("TOPICD_TOKEN"))
	a.tokened = r.token != ""
	at, secure, err := a.reach(ctx, &r.target)
	if err != nil {
		return nil, err
	}
	if err := notOnlyFound(r.hub, at.Hostname(), r.token); err != nil {
		return nil, err
	}
	u := at.String()
	o := client.Options{URL: u, Token: r.token, Dev: r.dev, TLS: secure, OnError: func(err error) { a.note("the hub says: %v", err) }}
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
	if client.IsHubName(hub) {
		return a.findHub(ctx, hub)
	}
	u, err := client.HubURL(hub)
	if err != nil {
		return "", usage("--hub %w", err)
	}
	return u, nil
}

// dialError says what kept us from the hub.
func dialError(u string, err error) error {
	u = client.Shown(u)
	var dns *net.DNSError
	var known *failure
	var plain tls.RecordHeaderError
	var pin *client.PinError
	switch {
	case errors.As(err, &known):
		return known
	case errors.As(err, &pin) && pin.File != "":
		return fail(exitForbidden, "somebody may be listening in. If the hub was installed anew, remove its line from "+pin.File+", or give --pin with the fingerprint that it prints", "%w", pin)
	case errors.As(err, &pin):
		return fail(exitForbidden, "the hub prints its fingerprint when it starts", "%w", pin)
	case client.WantsTLS(err.Error()):
		return fail(exitUnreachable, "name it with --hub "+strings.Replace(u, "ws://", "wss://", 1), "the hub at %s serves TLS there", u)
	case errors.Is(err, client.ErrNotHub):
		return fail(exitUnreachable, "is that a topicd of this version?", "%s %w", u, err)
	case errors.As(err, &plain), errors.Is(err, http.ErrSchemeMismatch):
		return fail(exitUnreachable, "that port is a plain one: name it with ws://, or the one of --tls-listen", "%s: %w", u, err)
	case errors.Is(err, context.Canceled):
		return err
	case errors.As(err, &dns):
		return fail(exitUnreachable, "name the hub with --hub; an address such as 192.0.2.7 always works", "cannot find %s: %w", dns.Name, err)
	case errors.Is(err, client.ErrNoHub), errors.Is(err, websocket.ErrBadHandshake):
		return fail(exitUnreachable, "is that a topicd? Behind a proxy name it as the dashboard is named, such as https://hub.example/hub/", "%w", err)
	}
	var e *codec.Error
	if errors.As(err, &e) {
		return err
	}
	return fail(exitUnreachable, "is the hub running there? `topicd serve` starts one; --hub names another", "cannot reach the hub at %s: %w", u, err)
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
	case http.StatusUpgradeRequired: // the text says what to do
		return exitUnreachable, ""
	case codec.CodeGoingAway:
		return exitUnreachable, "the hub is restarting: try again"
	}
	return exitFailed, ""
}
