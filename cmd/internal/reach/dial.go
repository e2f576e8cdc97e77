// Package reach is how the commands of topicd reach a hub: which one is meant, with what
// token and which certificate, and what went wrong where none is reached.
package reach

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/gorilla/websocket"

	"github.com/spf13/pflag"

	"topicd/cmd/internal/command"
	"topicd/codec"
	"topicd/node/client"
)

// DefaultHub is where a hub on this machine is.
const DefaultHub = "ws://127.0.0.1:" + client.HubPort + "/ws"

// Target is which hub a command wants, and how it knows it.
type Target struct {
	Hub string

	env *command.Env
	pin string
}

// AddFlags defines --hub, and --pin.
func (r *Target) AddFlags(env *command.Env, fs *pflag.FlagSet, hub string) {
	r.env = env
	fs.StringVar(&r.Hub, "hub", "", "`HUB`: "+hub)
	fs.StringVar(&r.pin, "pin", "", "SHA-256 `FINGERPRINT` that the hub's certificate must have (default the one seen first)")
}

// Remote is how a command reaches a hub.
type Remote struct {
	Target
	Token, Dev string
	cbor       bool
}

// AddFlags defines the flags of commands that dial a hub.
func (r *Remote) AddFlags(env *command.Env, fs *pflag.FlagSet) {
	r.Target.AddFlags(env, fs, "ws://gateway:22345/ws, a host, or a name that `topicd discover` shows (env TOPICD_HUB; default this machine's, else the only one on the network)")
	r.AddToken(fs)
	fs.BoolVar(&r.cbor, "cbor", false, "speak CBOR with the hub instead of JSON")
}

// AddToken defines --token.
func (r *Remote) AddToken(fs *pflag.FlagSet) {
	fs.StringVar(&r.Token, "token", "", "token that the hub wants (env TOPICD_TOKEN)")
}

// SetToken finds the token in the environment where none was given, and returns it.
func (r *Remote) SetToken() string {
	r.Token = cmp.Or(r.Token, r.env.Getenv("TOPICD_TOKEN"))
	r.env.Tokened = r.Token != ""
	return r.Token
}

// At is where the hub is, and how to speak with it: over TLS or, with nil, in
// the clear.
func (r *Target) At(ctx context.Context) (*url.URL, *tls.Config, error) {
	r.Hub = cmp.Or(r.Hub, r.env.Getenv("TOPICD_HUB"))
	text, err := r.hubAt(ctx)
	if err != nil {
		return nil, nil, err
	}
	u, err := url.Parse(text)
	switch {
	case err != nil:
		return nil, nil, err
	case u.Scheme == "wss":
		pins := client.Pins{File: r.env.StateFile("", "known_hubs"), Note: r.env.Note}
		return u, pins.TLS(u.Host, r.pin), nil
	case r.pin != "":
		return nil, nil, command.Fail(command.Usage, "name it with --hub wss://HOST:PORT", "%s is not spoken with over TLS: nothing shows that it has the certificate of --pin", u.Host)
	}
	return u, nil, nil
}

// Dial connects. Where the connection is lost later it is made again, which
// people are told on stderr.
func (r *Remote) Dial(ctx context.Context) (*client.Client, error) {
	r.SetToken()
	at, secure, err := r.At(ctx)
	if err != nil {
		return nil, err
	}
	if err := notOnlyFound(r.Hub, at.Hostname(), r.Token); err != nil {
		return nil, err
	}
	u := at.String()
	o := client.Options{URL: u, Token: r.Token, Dev: r.Dev, TLS: secure, OnError: func(err error) { r.env.Note("the hub says: %v", err) }}
	if r.cbor {
		o.Encoding = codec.CBOR
	}
	lost := false
	o.OnState = func(s client.State, err error) {
		switch {
		case s == client.Offline && !lost:
			lost = true
			r.env.Note("connection lost, trying again: %v", err)
		case s == client.Online && lost:
			lost = false
			r.env.Note("connected again")
		}
	}
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	c, err := client.Dial(ctx, o)
	if err != nil {
		return nil, DialError(u, err)
	}
	if token := c.Welcome().Token; token != "" {
		r.env.Note("%s has joined; give its token with --token or TOPICD_TOKEN from now on: %s", r.Dev, token)
	}
	return c, nil
}

// notOnlyFound refuses to send a token where nobody said: anybody can tell the
// local network that there is a hub.
func notOnlyFound(hub, host, token string) error {
	if token != "" && hub == "" && !IsHere(host) {
		return command.Fail(command.Usage, "name it with --hub "+host+" if that is yours", "there is no hub here, and the token is not sent to one that was only found, at %s", host)
	}
	return nil
}

// IsHere tells whether a host is this machine.
func IsHere(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// hubAt is where the hub is that was named, or not.
func (r *Target) hubAt(ctx context.Context) (string, error) {
	if client.IsHubName(r.Hub) {
		return r.find(ctx, r.Hub)
	}
	u, err := client.HubURL(r.Hub)
	if err != nil {
		return "", command.Wrong("--hub %w", err)
	}
	return u, nil
}

// DialError says what kept us from the hub.
func DialError(u string, err error) error {
	u = client.Shown(u)
	var dns *net.DNSError
	var known *command.Failure
	var plain tls.RecordHeaderError
	var pin *client.PinError
	switch {
	case errors.As(err, &known):
		return known
	case errors.As(err, &pin) && pin.File != "":
		return command.Fail(command.Forbidden, "somebody may be listening in. If the hub was installed anew, remove its line from "+pin.File+", or give --pin with the fingerprint that it prints", "%w", pin)
	case errors.As(err, &pin):
		return command.Fail(command.Forbidden, "the hub prints its fingerprint when it starts", "%w", pin)
	case client.WantsTLS(err.Error()):
		return command.Fail(command.Unreachable, "name it with --hub "+strings.Replace(u, "ws://", "wss://", 1), "the hub at %s serves TLS there", u)
	case errors.Is(err, client.ErrNotHub):
		return command.Fail(command.Unreachable, "is that a topicd of this version?", "%s %w", u, err)
	case errors.As(err, &plain), errors.Is(err, http.ErrSchemeMismatch):
		return command.Fail(command.Unreachable, "that port is a plain one: name it with ws://, or the one of --tls-listen", "%s: %w", u, err)
	case errors.Is(err, context.Canceled):
		return err
	case errors.As(err, &dns):
		return command.Fail(command.Unreachable, "name the hub with --hub; an address such as 192.0.2.7 always works", "cannot find %s: %w", dns.Name, err)
	case errors.Is(err, client.ErrNoHub), errors.Is(err, websocket.ErrBadHandshake):
		return command.Fail(command.Unreachable, "is that a topicd? Behind a proxy name it as the dashboard is named, such as https://hub.example/hub/", "%w", err)
	}
	var e *codec.Error
	if errors.As(err, &e) {
		return err
	}
	return command.Fail(command.Unreachable, "is the hub running there? `topicd serve` starts one; --hub names another", "cannot reach the hub at %s: %w", u, err)
}
