package front

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"topicd/codec"
	"topicd/node"
	"topicd/node/access"
	"topicd/node/nodetest"
	"topicd/node/nodetest/port"
)

func inside(t *testing.T) Inside {
	t.Helper()
	gate, err := access.New(access.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return Inside{
		Stats: &node.Stats{}, Gate: gate,
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, "served") }),
		Refuse:  func(w http.ResponseWriter, r *http.Request, e *codec.Error) { http.Error(w, e.Msg, e.Code) },
	}
}

func get(url string) string {
	resp, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Get(url)
	if err != nil {
		return ""
	}
	defer resp.Body.Close()
	b, _ := io.ReadAll(resp.Body)
	return string(b)
}

// patience bounds every wait: nothing takes a tenth of it.
const patience = 60 * time.Second

func until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal(what)
		}
	}
}

// A port that somebody else has, and an address that no interface has, are told
// once and waited for; what can be served is.
func TestAddressesAreWaitedFor(t *testing.T) {
	held, err := net.Listen("tcp", port.Addr(t)) // nobody takes it when it comes free
	if err != nil {
		t.Fatal(err)
	}
	defer held.Close()
	var log nodetest.Buffer
	f := New(Options{Sessions: 10, Log: slog.New(slog.NewTextHandler(&log, nil))})
	f.again = 10 * time.Millisecond
	if err := f.Bind([]string{"192.0.2.77:22345", held.Addr().String(), "127.0.0.1:0"}, nil); err != nil {
		t.Fatal(err)
	}
	f.Serve(inside(t))
	defer f.End()
	defer f.Close()
	if got := get("http://" + f.Listeners()[0].Addr); got != "served" {
		t.Errorf("what is there answers %q", got)
	}
	if port, _ := f.PublicPort(); port != 22345 {
		t.Errorf("others are told of port %d", port)
	}
	held.Close()
	until(t, "the port that came free is not served", func() bool { return get("http://"+held.Addr().String()) == "served" })
	// It is served before that is told.
	until(t, "it is not told that it is served", func() bool { return strings.Contains(log.String(), "level=INFO") })
	text := log.String()
	if strings.Count(text, "waited for") != 3 || strings.Count(text, "192.0.2.77") < 1 || strings.Count(text, "level=INFO") != 1 {
		t.Error(text)
	}
}

// Where there is no other address a port that is taken ends the start, soon.
func TestTakenPortEnds(t *testing.T) {
	held, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer held.Close()
	f := New(Options{})
	began := time.Now()
	var e *BindError
	if err := f.Bind([]string{held.Addr().String()}, nil); !errors.As(err, &e) || !errors.Is(err, syscall.EADDRINUSE) {
		t.Error(err)
	}
	if took := time.Since(began); took > bindHeld+20*time.Second {
		t.Error("after", took)
	}
}

// A bare endpoint hands its connections on with their rights, plain and over TLS,
// and counts them until somebody says that they are gone.
func TestBareEndpoints(t *testing.T) {
	dir := t.TempDir()
	cert, err := OpenCertificate(dir+"/cert", dir+"/key", true, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	f := New(Options{Sessions: 10, PerAddress: 3, Loopback: true, Dialects: []string{"raw"}, Cert: cert, Header: time.Second})
	if err := f.Bind([]string{"127.0.0.1:0,dialect=raw"}, []string{"127.0.0.1:0,dialect=raw"}); err != nil {
		t.Fatal(err)
	}
	in := inside(t)
	var open atomic.Int32
	in.Bare = map[string]func(net.Conn, node.Arrival){"raw": func(c net.Conn, a node.Arrival) {
		open.Add(1)
		_, _ = io.WriteString(c, a.Dialect+" "+a.Port)
		if a.Rights == nil || a.Rights.MayPublish([]byte("a")) != nil || a.Rights.MayAdmin() == nil {
			_, _ = io.WriteString(c, " with other rights than the LAN's")
		}
		c.Close()
		f.Leave(a.Addr)
		open.Add(-1)
	}}
	f.Serve(in)
	defer f.End()
	defer f.Close()
	for i, l := range f.Listeners() {
		_, port, _ := net.SplitHostPort(l.Addr)
		for range 8 { // more than an address may have at a time
			until(t, "places do not come free", func() bool {
				var c net.Conn
				if i == 0 {
					c, err = net.Dial("tcp", l.Addr)
				} else {
					d := tls.Dialer{Config: &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"mqtt"}}}
					c, err = d.DialContext(context.Background(), "tcp", l.Addr)
				}
				if err != nil {
					return false
				}
				defer c.Close()
				b, _ := io.ReadAll(c)
				return string(b) == "raw "+port
			})
		}
	}
	// One that does not go on with its handshake is not waited for.
	slow, err := net.Dial("tcp", f.Listeners()[1].Addr)
	if err != nil {
		t.Fatal(err)
	}
	defer slow.Close()
	_ = slow.SetReadDeadline(time.Now().Add(patience))
	if _, err := io.ReadAll(slow); errors.Is(err, os.ErrDeadlineExceeded) {
		t.Error("a handshake may be drawn out")
	}
	if u := f.URLs(); len(u) != 2 || !strings.HasPrefix(u[0], "raw://") || !strings.HasPrefix(u[1], "raws://") {
		t.Error(u)
	}
}

// The certificate of a board that makes it before it knows the time is good when it does.
func TestCertificateOfABoardWithoutAClock(t *testing.T) {
	for _, now := range []time.Time{time.Unix(30, 0), time.Date(2026, 11, 29, 0, 0, 0, 0, time.UTC), time.Date(2034, 1, 1, 0, 0, 0, 0, time.UTC)} {
		cert, key := t.TempDir()+"/cert", t.TempDir()+"/key"
		if err := makeCertificate(cert, key, now); err != nil {
			t.Fatal(err)
		}
		pair, err := tls.LoadX509KeyPair(cert, key)
		if err != nil {
			t.Fatal(err)
		}
		for _, year := range []int{2026, 2036, now.Year() + 9} {
			roots := x509.NewCertPool()
			roots.AddCert(pair.Leaf)
			at := time.Date(max(year, 2026), 6, 1, 0, 0, 0, 0, time.UTC)
			if _, err := pair.Leaf.Verify(x509.VerifyOptions{Roots: roots, CurrentTime: at, DNSName: "localhost"}); err != nil {
				t.Errorf("made in %d, at %s: %v", now.Year(), at, err)
			}
		}
	}
}
