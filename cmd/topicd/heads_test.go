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
