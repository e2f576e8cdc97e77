package front

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"topicd/codec"
)

// endpoint is an address that the hub serves on. They can be opened and closed
// while the hub runs; connections that came through one that is closed go on.
type endpoint struct {
	net.Listener
	dialect string // what is spoken there; "" = everything, by path and first frame
	since   time.Time
	fixed   bool // from the configuration
	tls     bool

	closed bool // by somebody, not by a failure; guarded by Front.mu
}

type endpointKey struct{}

func endpointOf(ctx context.Context) *endpoint {
	e, _ := ctx.Value(endpointKey{}).(*endpoint)
	return e
}

// Dialect is what the endpoint that a request came in by is given to, "" for
// everything.
func Dialect(ctx context.Context) string {
	if e := endpointOf(ctx); e != nil {
		return e.dialect
	}
	return ""
}

// Port is the port of the endpoint that a request came in by.
func Port(ctx context.Context) string {
	if e := endpointOf(ctx); e != nil {
		return e.port()
	}
	return ""
}

func (e *endpoint) port() string {
	if a, ok := e.Addr().(*net.TCPAddr); ok {
		return strconv.Itoa(a.Port)
	}
	return ""
}

// Split takes "ADDR,dialect=NAME" apart.
func Split(text string, dialects []string) (addr, dialect string, err error) {
	addr, rest, more := strings.Cut(text, ",")
	if more {
		key, v, _ := strings.Cut(rest, "=")
		if key != "dialect" {
			return "", "", fmt.Errorf("%q: after the address there may be dialect=NAME", text)
		}
		if !slices.Contains(dialects, v) {
			return "", "", fmt.Errorf("%q: %q is none of %s", text, v, strings.Join(dialects, ", "))
		}
		dialect = v
	}
	if _, port, err := net.SplitHostPort(addr); err != nil {
		return "", "", fmt.Errorf("%q is not an address such as :22345 or 127.0.0.1:22345", addr)
	} else if _, err := net.LookupPort("tcp", port); err != nil {
		return "", "", fmt.Errorf("%q: %s is not a port", addr, port)
	}
	return addr, dialect, nil
}

// bind takes an address; nothing is served on it before serve.
func (f *Front) bind(addr, dialect string) (*endpoint, error) {
	if l := f.inherited(addr); l != nil {
		return f.endpoint(l, dialect), nil
	}
	lc := net.ListenConfig{Control: f.endUnacked}
	lc.SetMultipathTCP(false) // it has no such option
	l, err := lc.Listen(context.Background(), "tcp", addr)
	if err != nil {
		return nil, err
	}
	return f.endpoint(l, dialect), nil
}

func (f *Front) endpoint(l net.Listener, dialect string) *endpoint {
	return &endpoint{Listener: l, dialect: dialect, since: time.Now(), tls: f.opt.AllTLS}
}

// Listener is an address that the hub serves on, as the API shows it.
type Listener struct {
	Addr    string `json:"addr"`    // as bound: 192.0.2.7:22345
	Dialect string `json:"dialect"` // "" = all, told apart by path and first frame
	Since   int64  `json:"since"`   // milliseconds since 1970
	Fixed   bool   `json:"fixed"`   // of the configuration: it comes back with a restart
}

func (e *endpoint) describe() Listener {
	return Listener{Addr: e.Addr().String(), Dialect: e.dialect, Since: time.Now().Add(-time.Since(e.since)).UnixMilli(), Fixed: e.fixed}
}

// Listeners are the addresses that the hub serves on.
func (f *Front) Listeners() []Listener {
	f.mu.Lock()
	defer f.mu.Unlock()
	ls := []Listener{}
	for _, e := range f.list {
		if !e.closed { // else it is about to leave the list
			ls = append(ls, e.describe())
		}
	}
	return ls
}

// Listen serves on one more address until Unlisten, or the hub ends.
func (f *Front) Listen(addr, dialect string) (Listener, *codec.Error) {
	if dialect != "" {
		addr += ",dialect=" + dialect
	}
	addr, dialect, err := Split(addr, f.opt.Dialects)
	if err != nil {
		return Listener{}, codec.Errorf(codec.CodeMalformed, "%v", err)
	}
	if len(f.Listeners()) >= maxEndpoints {
		return Listener{}, codec.Errorf(codec.CodeNoRoom, "the hub serves on %d addresses already", maxEndpoints)
	}
	e, err := f.bind(addr, dialect)
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return Listener{}, codec.Errorf(codec.CodeConflict, "%s is in use", addr)
	case errors.Is(err, syscall.EACCES):
		return Listener{}, codec.Errorf(codec.CodeForbidden, "the hub may not serve on %s: ports below 1024 need a capability", addr)
	case err != nil:
		return Listener{}, codec.Errorf(codec.CodeMalformed, "cannot serve on %s: %v", addr, err)
	}
	l := e.describe()
	f.serve(e)
	return l, nil
}

// maxEndpoints: a mistake in a script must not take every port.
const maxEndpoints = 32

// Unlisten serves on an address no more. The last one stays.
func (f *Front) Unlisten(addr string) *codec.Error {
	f.mu.Lock()
	defer f.mu.Unlock()
	open := 0
	for _, e := range f.list {
		if !e.closed { // else it is about to leave the list
			open++
		}
	}
	for _, e := range f.list {
		if e.Addr().String() == addr && !e.closed {
			if open == 1 {
				return codec.Errorf(codec.CodeConflict, "%s is the last address: nobody could open another", addr)
			}
			e.closed = true
			_ = e.Listener.Close()
			return nil
		}
	}
	return codec.Errorf(codec.CodeNotFound, "the hub does not serve on %q", addr)
}
