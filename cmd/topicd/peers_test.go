package main

import (
	"bufio"
	"crypto/tls"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"
)

// An address may have so many connections, whatever it does with them; another
// one hears nothing of it, and places come free again.
func TestPerAddress(t *testing.T) {
	g := serveGuarded(t, "--config", limitsFile(t, "per-address = 5\nloopback = \"on\"\nrequests = 50\nheader = \"90s\""))
	addr := strings.TrimPrefix(g.http, "http://")
	var held []net.Conn
	for range 3 {
		c, err := net.Dial("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		held = append(held, c)
	}
	a, _ := g.dial("/ws")
	b, _ := g.dial("/ws")
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil || resp.StatusCode != 503 || resp.Header.Get("Retry-After") == "" {
		t.Error(resp, err)
	}
	c.Close()
	other := from(t, "127.0.0.2", g.ws)
	wants(t, say(t, other, `{"op":"ping","id":1}`), "pong")
	a.Close()
	b.Close()
	held[0].Close()
	deadline := time.Now().Add(60 * time.Second)
	for n := 0; n < 3; {
		d := websocket.Dialer{NetDial: (&net.Dialer{}).Dial}
		ws, _, err := d.Dial(g.ws, nil)
		if err == nil {
			defer ws.Close()
			n++
		} else if time.Now().After(deadline) {
			t.Fatal("places do not come free: ", err)
		} else {
			time.Sleep(5 * time.Millisecond)
		}
	}
	wants(t, say(t, other, `{"op":"ping","id":1}`), "pong")
}

// limitsFile is a configuration with those limits.
func limitsFile(t *testing.T, limits string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "limits.toml")
	if err := os.WriteFile(file, []byte("[limits]\n"+limits+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// from dials from another of this machine's addresses.
func from(t *testing.T, ip, url string) *websocket.Conn {
	t.Helper()
	d := websocket.Dialer{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, NetDial: (&net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(ip)}}).Dial}
	ws, _, err := d.Dial(url, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ws.Close() })
	return ws
}

func TestRequestRate(t *testing.T) {
	g := serveGuarded(t, "--config", limitsFile(t, "loopback = \"on\"\nrequests = 4"))
	codes := map[int]int{}
	for n := 0; n < 400 && codes[429] == 0; n++ { // a busy machine may take as long for one as it costs
		status, _, _ := g.ask("GET", "/healthz", "")
		codes[status]++
	}
	if codes[200] < 4 || codes[429] == 0 {
		t.Error(codes)
	}
}

func TestPingLimit(t *testing.T) {
	g := serveGuarded(t)
	ws, _ := g.dial("/ws")
	var got error
	go func() {
		for ws.WriteControl(websocket.PingMessage, nil, time.Now().Add(30*time.Second)) == nil {
		}
	}()
	_ = ws.SetReadDeadline(time.Now().Add(30 * time.Second))
	for got == nil {
		_, _, got = ws.ReadMessage()
	}
	if !websocket.IsCloseError(got, websocket.ClosePolicyViolation) {
		t.Error(got)
	}
}

// Who makes a connection for each request owes as much as who keeps one.
func TestRequestsOfManyConnections(t *testing.T) {
	g := serveGuarded(t, "--config", limitsFile(t, "loopback = \"on\"\nrequests = 20"))
	for n := 0; ; n++ {
		req, err := http.NewRequest("GET", g.http+"/metrics", nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Close = true
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode == http.StatusTooManyRequests {
			return
		}
		if n == 20 { // of which each counts for 20
			t.Fatal("no end of them")
		}
	}
}

// A handshake of TLS is work before anybody has asked for something.
func TestHandshakeRate(t *testing.T) {
	g := serveGuarded(t, "--tls=auto", "--config", limitsFile(t, "loopback = \"on\"\nrequests = 30"))
	addr := strings.TrimSuffix(strings.TrimPrefix(g.ws, "wss://"), "/ws")
	shake := func(ip string) error {
		d := tls.Dialer{NetDialer: &net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(ip)}}, Config: &tls.Config{InsecureSkipVerify: true}}
		c, err := d.Dial("tcp", addr)
		if err == nil {
			err = c.Close()
		}
		return err
	}
	shaken, refused := 0, 0
	for n := 0; n < 400 && refused == 0; n++ {
		if shake("127.0.0.1") == nil {
			shaken++
		} else {
			refused++
		}
	}
	if shaken < 3 || refused == 0 {
		t.Errorf("%d handshakes, %d were refused", shaken, refused)
	}
	if err := shake("127.0.0.2"); err != nil {
		t.Error("another address: ", err)
	}
}

// A query of thousands of parameters costs more than one request.
func TestLongQueries(t *testing.T) {
	g := serveGuarded(t, "--config", limitsFile(t, "loopback = \"on\"\nrequests = 100"))
	codes := map[int]int{}
	for n := 0; n < 400 && codes[429] == 0; n++ {
		status, _, _ := g.ask("GET", "/api/me?"+strings.Repeat("a&", 3000), "")
		codes[status]++
	}
	if codes[200] == 0 || codes[429] == 0 {
		t.Error(codes)
	}
}
