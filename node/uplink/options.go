package uplink

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"slices"
	"strings"
	"time"

	"topicd/codec"
	"topicd/node"
	"topicd/node/store"
	"topicd/node/uplink/wire"
)

// Client is the name that messages from the centre are published under, and Center
// that of readings which a centre has from its gateways. What they published is
// never sent up.
const (
	Client = "uplink"
	Center = "center"
)

// Worst is the memory that an uplink takes at most, however much waits on disk: the
// window with its buffers 2 MiB, topics that are remembered 1.5, answers that have come
// 1.5, the connection's buffers and messages of the centre that wait.
const Worst = 6 << 20

// Options say where readings go. The zero value of a field means its default.
type Options struct {
	URLs   []string // nats://, tls://, ws://, wss://; any of them
	Site   string   // default the host's name
	Up     []string // topics to send; default all but those of the hub's own
	Down   []string // topics that the centre may publish to; default none
	Creds  string   // file
	Token  string
	CA     string // PEM file; default the system's
	Stream string // the stream that must answer; default any that takes the site's subjects
	AsIs   bool   // CBOR stays CBOR

	Version string // of this program, for the server's operator
	Log     *slog.Logger
	Hub     *node.Hub
	Store   *store.Store
	Plain   func(*store.Reading) []byte // a reading's data without what else is kept with it; default all of it

	slow time.Duration // after so long without an ack the stream is asked, and without an answer the connection given up; default ackWait
}

// WithDefaults fills in what was left out, and says what cannot be meant.
func (o Options) WithDefaults() (Options, error) {
	if o.Site == "" {
		host, _ := os.Hostname()
		o.Site = Site(host)
	}
	if len(o.Up) == 0 {
		o.Up = []string{"#"}
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.slow == 0 {
		o.slow = ackWait
	}
	if o.Plain == nil {
		o.Plain = func(r *store.Reading) []byte { return r.Data }
	}
	if bad := CheckSite(o.Site); bad != "" {
		return o, fmt.Errorf("site %q: %s", o.Site, bad)
	}
	if len(o.URLs) == 0 {
		return o, errors.New("no URL of a server")
	}
	for _, u := range o.URLs {
		if err := CheckURL(u); err != nil {
			return o, err
		}
	}
	for _, p := range append(o.Up[:len(o.Up):len(o.Up)], o.Down...) {
		if err := codec.CheckPattern([]byte(p)); err != nil {
			return o, errors.New(err.Msg)
		}
	}
	if o.Stream != "" && strings.ContainsAny(o.Stream, ". *>/\\\t\r\n") {
		return o, fmt.Errorf("%q is no name of a stream", o.Stream)
	}
	return o, nil
}

// secrets reads the files.
func (o *Options) secrets(w *wire.Options) error {
	if o.Creds != "" {
		b, err := os.ReadFile(o.Creds)
		if err != nil {
			return fmt.Errorf("credentials: %w", err)
		}
		if w.Creds, err = wire.ParseCreds(string(b)); err != nil {
			return fmt.Errorf("credentials: %s is no credentials file of NATS: %w", o.Creds, err)
		}
	}
	if o.CA != "" {
		b, err := os.ReadFile(o.CA)
		if err != nil {
			return fmt.Errorf("ca: %w", err)
		}
		w.TLS = &tls.Config{RootCAs: x509.NewCertPool()}
		if !w.TLS.RootCAs.AppendCertsFromPEM(b) {
			return fmt.Errorf("ca: %s holds no certificate in PEM", o.CA)
		}
	}
	return nil
}

// CheckURL says what is wrong with a server's URL, without what is secret in it.
func CheckURL(text string) error {
	u, err := url.Parse(text)
	switch {
	case err != nil:
		return errors.New("a server's URL that cannot be read")
	case u.Scheme != "nats" && u.Scheme != "tls" && u.Scheme != "ws" && u.Scheme != "wss":
		return fmt.Errorf("%s: a server's URL begins with nats://, tls://, ws:// or wss://", ShownURL(text))
	case u.Hostname() == "":
		return fmt.Errorf("%s: a server's URL names a host", ShownURL(text))
	}
	return nil
}

// ShownURL is a server's URL without what is secret.
func ShownURL(text string) string {
	u, err := url.Parse(text)
	if err != nil {
		return "(a URL that cannot be read)"
	}
	if _, ok := u.User.Password(); !ok && u.User != nil {
		u.User = url.User("xxxxx") // a token
	}
	return u.Redacted()
}

// hosts are the servers without what is secret.
func (o *Options) hosts() string {
	var list []string
	for _, s := range o.URLs {
		if u, err := url.Parse(s); err == nil {
			list = append(list, u.Scheme+"://"+u.Host)
		}
	}
	return strings.Join(list, " ")
}

// fits tells whether one of the patterns does.
func fits(patterns []string, topic string) bool {
	return slices.ContainsFunc(patterns, func(p string) bool { return codec.Match(p, topic) })
}
