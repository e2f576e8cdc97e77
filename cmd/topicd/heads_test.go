package main

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
)

// However a head comes in pieces, its lines are counted, and the body's are not.
func TestHeadLines(t *testing.T) {
	fields := func(n int) string { return strings.Repeat("a: b\r\n", n) }
	for _, c := range []struct {
		text        string
		few, headed bool
	}{
		{"GET / HTTP/1.1\r\n" + fields(100) + "\r\n", true, true},
		{"GET / HTTP/1.1\r\n" + fields(101), false, false},
		{"GET / HTTP/1.1\n" + strings.Repeat("a:b\n", 101), false, false},
		{"\r\n\r\n\r\nGET / HTTP/1.1\r\n" + fields(3) + "\r\n" + strings.Repeat("1\n", 1000), true, true},
		{"GET / HTTP/1.1\n\n" + strings.Repeat("1\n", 1000), true, true},
		{strings.Repeat("x", 5000), true, false},
		{"", true, false},
	} {
		for _, size := range []int{1, 2, 7, 10_000} {
			var h headConn
			few := true
			for b := []byte(c.text); len(b) > 0; b = b[min(size, len(b)):] {
				if !h.body {
					few = h.take(b[:min(size, len(b))]) && few
				}
			}
			if few != c.few || h.body != c.headed {
				t.Errorf("%.40q… by %d: few %v, its end seen %v", c.text, size, few, h.body)
			}
		}
	}
}

// Each request of a connection has its own hundred fields, whatever was before
// it, and one too many is told so, over TLS too.
func TestManyFields(t *testing.T) {
	g := serveGuarded(t)
	c, err := net.Dial("tcp", strings.TrimPrefix(g.http, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	r := bufio.NewReader(c)
	ask := func(fields int) (int, string) {
		body := strings.Repeat("1\n", 500)
		fmt.Fprintf(c, "POST /api/pub/a HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-ndjson\r\nContent-Length: %d\r\n%s\r\n%s", len(body), strings.Repeat("X: y\r\n", fields), body)
		resp, err := http.ReadResponse(r, nil)
		if err != nil {
			t.Fatal(err)
		}
		b, _ := io.ReadAll(resp.Body)
		return resp.StatusCode, string(b)
	}
	for range 5 {
		if status, body := ask(90); status != 200 {
			t.Fatal(status, body)
		}
	}
	status, body := ask(98)
	if wants(t, body, `{"error":{"code":431,"msg":"a request may have 100 header fields"}}`); status != 431 {
		t.Error(status)
	}
	s := serveGuarded(t, "--tls=auto")
	req, err := http.NewRequest("GET", strings.Replace(strings.TrimSuffix(s.ws, "/ws"), "wss:", "https:", 1)+"/api/me", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header["X"] = make([]string, 101)
	client := http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, DisableKeepAlives: true}}
	resp, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != 431 {
		t.Error("over TLS: ", resp.Status)
	}
}
