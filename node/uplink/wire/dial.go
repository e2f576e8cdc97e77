package wire

import (
	"bufio"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/url"
	"strings"
	"time"

	"github.com/gorilla/websocket"
)

// Options say how to connect.
type Options struct {
	URLs    []string // nats://, tls://, ws://, wss://; tried in any order
	Name    string   // of this client, for the server's operator
	Version string
	Token   string
	Creds   *Creds
	TLS     *tls.Config // roots; nil = the system's

	// Denied is called for what the server says against a single message or
	// subscription, from the goroutine that reads.
	Denied func(words string)
}

const (
	dialTimeout  = 10 * time.Second
	writeTimeout = 10 * time.Second
	defaultPort  = "4222"
	maxLine      = 64 << 10 // of the protocol: INFO of a large cluster is the longest
)

// Denied is what a server says when it does not let a client in.
type Denied struct{ Words string }

func (d *Denied) Error() string { return d.Words }

// Info is the server's greeting.
type Info struct {
	Name        string `json:"server_name"`
	Version     string `json:"version"`
	MaxPayload  int    `json:"max_payload"`
	Headers     bool   `json:"headers"`
	TLSRequired bool   `json:"tls_required"`
	TLSOffered  bool   `json:"tls_available"`
	Nonce       string `json:"nonce"`
}

// Dial connects to one of the servers.
func Dial(ctx context.Context, o Options) (*Conn, error) {
	var errs []error
	for _, i := range rand.Perm(len(o.URLs)) {
		c, err := dialOne(ctx, o, o.URLs[i])
		if err == nil {
			return c, nil
		}
		errs = append(errs, err)
		if ctx.Err() != nil {
			break
		}
	}
	return nil, errors.Join(errs...)
}

func dialOne(ctx context.Context, o Options, text string) (*Conn, error) {
	u, err := url.Parse(text)
	if err != nil {
		return nil, errors.New("a URL that cannot be read")
	}
	ctx, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	c := &Conn{opt: o, URL: u.Scheme + "://" + u.Host, subs: map[uint64]*Sub{}, denied: make(chan string, 1), ended: make(chan struct{})}
	if err := c.open(ctx, u); err != nil {
		if c.nc != nil {
			_ = c.nc.Close()
		}
		return nil, fmt.Errorf("%s: %w", c.URL, err)
	}
	_ = c.nc.SetDeadline(time.Time{})
	c.begin()
	return c, nil
}

// open does what comes before the first message.
func (c *Conn) open(ctx context.Context, u *url.URL) (err error) {
	d := &net.Dialer{KeepAlive: 30 * time.Second}
	if u.Scheme == "ws" || u.Scheme == "wss" {
		c.nc, err = c.dialWeb(ctx, d, u)
	} else {
		port := u.Port()
		if port == "" {
			port = defaultPort
		}
		c.nc, err = d.DialContext(ctx, "tcp", net.JoinHostPort(u.Hostname(), port))
	}
	if err != nil {
		return err
	}
	stop := context.AfterFunc(ctx, func() { _ = c.nc.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	c.r, c.w = bufio.NewReaderSize(c.nc, 32<<10), bufio.NewWriterSize(c.nc, 32<<10)
	line, err := c.line()
	if err != nil {
		return err
	}
	if !strings.HasPrefix(line, "INFO ") || json.Unmarshal([]byte(line[5:]), &c.Info) != nil {
		return errors.New("that is no server of NATS")
	}
	if !c.Info.Headers {
		return errors.New("the server knows no headers: it is older than NATS 2.2")
	}
	if plain := u.Scheme == "nats" || u.Scheme == "tls"; plain && (u.Scheme == "tls" || c.Info.TLSRequired) {
		if err := c.secure(ctx, u); err != nil {
			return err
		}
	}
	return c.introduce(u)
}

func (c *Conn) secure(ctx context.Context, u *url.URL) error {
	if !c.Info.TLSRequired && !c.Info.TLSOffered {
		return &Denied{"the server offers no TLS"}
	}
	t := tls.Client(c.nc, c.config(u.Hostname()))
	if err := t.HandshakeContext(ctx); err != nil {
		return err
	}
	c.nc = t
	c.r, c.w = bufio.NewReaderSize(t, 32<<10), bufio.NewWriterSize(t, 32<<10)
	return nil
}

// introduce says who we are and waits for the server's word.
func (c *Conn) introduce(u *url.URL) error {
	hello := map[string]any{
		"verbose": false, "pedantic": false, "lang": "topicd", "version": c.opt.Version, "protocol": 1,
		"headers": true, "no_responders": true, "echo": false, "name": c.opt.Name,
	}
	switch {
	case c.opt.Creds != nil:
		hello["jwt"], hello["sig"] = c.opt.Creds.JWT, c.opt.Creds.sign(c.Info.Nonce)
	case c.opt.Token != "":
		hello["auth_token"] = c.opt.Token
	case u.User != nil:
		if pass, ok := u.User.Password(); ok {
			hello["user"], hello["pass"] = u.User.Username(), pass
		} else {
			hello["auth_token"] = u.User.Username()
		}
	}
	b, err := json.Marshal(hello)
	if err != nil {
		return err
	}
	if _, err := fmt.Fprintf(c.w, "CONNECT %s\r\nPING\r\n", b); err != nil {
		return err
	}
	if err := c.w.Flush(); err != nil {
		return err
	}
	for {
		line, err := c.line()
		switch {
		case err != nil:
			if errors.Is(err, errCloseByHim) {
				return &Denied{"the server closed the connection after the credentials"}
			}
			return err
		case strings.HasPrefix(line, "PONG"):
			return nil
		case strings.HasPrefix(line, "-ERR"):
			return &Denied{quoted(line)}
		}
	}
}

// quoted is what a -ERR says.
func quoted(line string) string {
	return strings.Trim(strings.TrimSpace(strings.TrimPrefix(line, "-ERR")), "'")
}

func (c *Conn) dialWeb(ctx context.Context, d *net.Dialer, u *url.URL) (net.Conn, error) {
	w := websocket.Dialer{NetDialContext: d.DialContext, TLSClientConfig: c.opt.TLS, HandshakeTimeout: dialTimeout}
	bare := *u
	bare.User = nil
	ws, answer, err := w.DialContext(ctx, bare.String(), nil)
	if err != nil {
		if answer != nil {
			return nil, fmt.Errorf("%w: %s", err, answer.Status)
		}
		return nil, err
	}
	return &webConn{Conn: ws.NetConn(), ws: ws}, nil
}

// webConn carries the protocol's bytes in binary messages.
type webConn struct {
	net.Conn // deadlines, addresses
	ws       *websocket.Conn
	r        io.Reader
}

func (c *webConn) Read(b []byte) (int, error) {
	for {
		if c.r == nil {
			var err error
			if _, c.r, err = c.ws.NextReader(); err != nil {
				return 0, err
			}
		}
		n, err := c.r.Read(b)
		if errors.Is(err, io.EOF) {
			c.r, err = nil, nil
		}
		if n > 0 || err != nil {
			return n, err
		}
	}
}

// SetWriteDeadline: gorilla sets its own with each write.
func (c *webConn) SetWriteDeadline(t time.Time) error { return c.ws.SetWriteDeadline(t) }

func (c *webConn) Write(b []byte) (int, error) {
	return len(b), c.ws.WriteMessage(websocket.BinaryMessage, b)
}

// config is the TLS of a host.
func (c *Conn) config(host string) *tls.Config {
	t := new(tls.Config)
	if c.opt.TLS != nil {
		t = c.opt.TLS.Clone()
	}
	if t.ServerName == "" {
		t.ServerName = host
	}
	t.MinVersion = tls.VersionTLS12
	return t
}
