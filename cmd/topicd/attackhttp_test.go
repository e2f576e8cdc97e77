package main

import (
	"bufio"
	"crypto/tls"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gorilla/websocket"
)

// reply is what HTTP said.
type reply struct {
	status int
	body   string
	header http.Header
}

// http makes one request on a connection of its own, written by hand: Go's
// client would mend it. status 0: the hub closed without a word.
func (s *siege) http(method, path, body string, headers ...string) reply {
	return s.rawHTTP("127.0.0.50", method, path, body, headers...)
}

func (s *siege) rawHTTP(ip, method, path, body string, headers ...string) reply {
	host := "Host: " + s.h.addr
	text := ""
	for _, h := range headers {
		if strings.HasPrefix(h, "Host:") {
			host = h
		} else {
			text += h + "\r\n"
		}
	}
	return s.send(ip, fmt.Sprintf("%s %s HTTP/1.1\r\n%s\r\nConnection: close\r\nContent-Length: %d\r\n%s\r\n%s", method, path, host, len(body), text, body))
}

func (s *siege) send(ip, text string) reply {
	c, err := s.tcp(ip)
	if err != nil {
		s.Fatal(err)
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(20 * time.Second))
	go func() { _, _ = io.WriteString(c, text) }()
	resp, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		return reply{}
	}
	defer resp.Body.Close()
	b, _ := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	return reply{resp.StatusCode, string(b), resp.Header}
}

// guesses: after twenty wrong tokens an address is not listened to, whatever door
// it takes, and its guesses tell it nothing.
func (s *siege) guesses() {
	codes := map[int]int{}
	for i := range 40 {
		a := s.rawHTTP("127.0.0.51", "GET", "/api/tokens", "", fmt.Sprintf("Authorization: Bearer tpd_%d", i))
		codes[a.status]++
	}
	if codes[401] != 20 || codes[429] != 20 {
		s.Error(codes)
	}
	ws := from(s.T, "127.0.0.51", s.h.url)
	defer ws.Close()
	wants(s.T, say(s.T, ws, `{"op":"hello","id":1,"opts":{"token":"tpd_x"}}`), `"code":429`)
}

// administration needs its token, from loopback too.
func (s *siege) administration() {
	for _, ask := range []string{"GET /api/tokens", "POST /api/tokens", "DELETE /api/tokens/x", "POST /api/join", "DELETE /api/clients/1", "GET /api/listeners", "POST /api/listeners", "POST /api/broadcast", "POST /v1/sockets"} {
		method, path, _ := strings.Cut(ask, " ")
		if a := s.http(method, path, "{}"); a.status != 401 {
			s.Errorf("%s: %d %s", ask, a.status, a.body)
		}
	}
}

func (s *siege) junk() {
	host := "\r\nHost: " + s.h.addr
	var wg sync.WaitGroup
	for _, text := range []string{
		"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", "GET\r\n\r\n", "\x00\x00\x00\x00\r\n\r\n", strings.Repeat("A", 5000) + "\r\n\r\n",
		"GET / HTTP/9.9" + host + "\r\n\r\n", "GET / HTTP/1.1\r\n\r\n", "GET / HTTP/1.1" + host + "\r\nHost: evil.example\r\n\r\n",
		"POST /api/pub/a HTTP/1.1" + host + "\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\n1234",
		"POST /api/pub/a HTTP/1.1" + host + "\r\nContent-Length: -1\r\n\r\n", "POST /api/pub/a HTTP/1.1" + host + "\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
		"GET / HTTP/1.1" + host + "\r\nBad Header: x\r\n\r\n", "GET / HTTP/1.1" + host + "\r\nX: a\x00b\r\n\r\n", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
	} {
		wg.Go(func() { // some wait for the deadline of a head
			if a := s.send("127.0.0.52", text); a.status == 200 {
				s.Errorf("%.60q is answered %d", text, a.status)
			}
		})
	}
	defer wg.Wait()
	// RFC 9112 6.1: with both, the length is a lie; what follows is no request.
	smuggled := "POST /api/pub/a HTTP/1.1" + host + "\r\nContent-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nG"
	if a := s.send("127.0.0.52", smuggled); strings.Contains(a.body, "HTTP/1.1 200") {
		s.Error(a)
	}
	for _, path := range []string{"/../../../../etc/passwd", "/%2e%2e/%2e%2e/etc/passwd", "/static/../../etc/passwd", "/api/topics/..%2f..%2fetc%2fpasswd", "//etc/passwd", "/..%5c..%5cetc", "/admin-token", "/tokens.json"} {
		if a := s.http("GET", path, ""); a.status == 200 || strings.Contains(a.body, "root:") {
			s.Errorf("%s: %d %.80s", path, a.status, a.body)
		}
	}
	for _, h := range []string{"Sec-WebSocket-Key: AAAA", "Sec-WebSocket-Version: 99", "Upgrade: h2c"} {
		name, _, _ := strings.Cut(h, ":")
		head := "GET /ws HTTP/1.1" + host + "\r\nConnection: Upgrade\r\n"
		for _, l := range []string{"Upgrade: websocket", "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA=="} {
			if !strings.HasPrefix(l, name) {
				head += l + "\r\n"
			}
		}
		if a := s.send("127.0.0.52", head+h+"\r\n\r\n"); a.status == 101 {
			s.Errorf("%s is upgraded", h)
		}
	}
}

func (s *siege) bombs() {
	if a := s.http("GET", "/", "", strings.Repeat("X-Bomb: "+strings.Repeat("x", 100)+"\r\n", 1000)+"X: y"); a.status != 431 && a.status != 0 {
		s.Error(a.status)
	}
	var wg sync.WaitGroup
	for i := range 8 {
		for _, path := range []string{"/api/pub/big", "/api/tokens", "/v1/messages", "/api/pub"} {
			wg.Go(func() {
				a := s.rawHTTP(fmt.Sprintf("127.0.5.%d", i+1), "POST", path, strings.Repeat("x", 4<<20), "Content-Type: application/json")
				if a.status/100 == 2 {
					s.Errorf("%s takes 4 MiB: %d", path, a.status)
				}
			})
		}
	}
	wg.Wait()
}

// manyLines: a head of 15 KB in lines of five bytes is a map of 350 KB, which an
// event stream keeps as long as it lasts, and a head that does not end for 5 s.
func (s *siege) manyLines() {
	var lines strings.Builder
	for i := range 2500 {
		fmt.Fprintf(&lines, "%s:\r\n", strconv.FormatInt(int64(i)+36*36, 36))
	}
	for i, end := range []string{"\r\n", ""} {
		for k := range 125 {
			c, err := s.tcp(fmt.Sprintf("127.0.%d.%d", 10+i, k/50+1))
			if err != nil {
				s.Fatal(err)
			}
			_ = c.SetDeadline(time.Now().Add(20 * time.Second))
			if _, err := io.WriteString(c, "GET /api/stream?topic=quiet HTTP/1.1\r\nHost: "+s.h.addr+"\r\n"+lines.String()+end); err != nil {
				continue // it was refused while it was written
			}
			if k == 0 && end != "" {
				if resp, err := http.ReadResponse(bufio.NewReader(c), nil); err == nil && resp.StatusCode != 431 {
					s.Error(resp.Status)
				}
			}
		}
	}
	time.Sleep(s.lasts() / 4)
	if a := s.http("GET", "/api/me", "", strings.Repeat("X: y\r\n", 60)+"Y: z"); a.status != 200 {
		s.Error("a head of sixty lines: ", a.status)
	}
	if a := s.http("POST", "/api/pub/lines", strings.Repeat("1\n", 1000), "Content-Type: application/x-ndjson"); a.status != 200 {
		s.Error("a body of many lines: ", a.status, a.body)
	}
}

// logInjection: what peers say cannot begin a line of the log; besiege looks.
func (s *siege) logInjection() {
	evil := "x\r\ntime=0 level=INFO msg=forged\x1b[31m"
	s.http("GET", "/%0atime=0%20level=ERROR", "", "User-Agent: x\ttime=0")
	s.http("GET", "/api/topics/%0d%0aevil", "")
	ws := from(s.T, "127.0.0.53", s.h.url)
	defer ws.Close()
	text, _ := json.Marshal(evil)
	wants(s.T, say(s.T, ws, fmt.Sprintf(`{"op":"hello","id":1,"opts":{"name":%s}}`, text)), `"err"`)
	wants(s.T, say(s.T, ws, fmt.Sprintf(`{"op":"pub","id":1,"topic":"log","data":%s}`, text)), `"ok"`)
}

// payloads: what decoders must refuse, as both kinds of frame and on every
// other door. The hub answers each, and is there for the next.
func (s *siege) payloads() {
	var vectors []struct {
		Name, Enc, Level, Text, Hex string
		Code                        int
	}
	text, err := os.ReadFile("../../firmware-notes/vectors/refuse.json")
	if err == nil {
		err = json.Unmarshal(text, &vectors)
	}
	if err != nil || len(vectors) < 50 {
		s.Fatal(len(vectors), err)
	}
	doors, dials := map[string]*websocket.Conn{}, 0
	dial := func(path string) *websocket.Conn {
		ws := doors[path]
		if ws == nil {
			d := websocket.Dialer{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, NetDial: (&net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 8, byte(1+dials/40))}}).Dial}
			dials++
			var resp *http.Response
			if ws, resp, err = d.Dial(strings.TrimSuffix(s.h.url, "/ws")+path, nil); err != nil {
				time.Sleep(time.Second)
				s.Fatalf("%s: %v %v\n%.6000s", path, err, resp, s.h.errs.String())
			}
			s.Cleanup(func() { ws.Close() })
			doors[path] = ws
			go func() {
				for {
					if _, _, err := ws.ReadMessage(); err != nil {
						ws.Close()
						return
					}
				}
			}()
		}
		return ws
	}
	for i, v := range vectors {
		body := []byte(v.Text)
		if v.Hex != "" {
			if body, err = hex.DecodeString(v.Hex); err != nil {
				s.Fatal(err)
			}
		}
		for _, path := range []string{"/ws", "/", "/scd", "/webchannel", "/mws?token=x", "/echo", "/relay/r"} {
			for _, kind := range []int{websocket.TextMessage, websocket.BinaryMessage} {
				if err := dial(path).WriteMessage(kind, body); err != nil {
					delete(doors, path) // ten in a row end it: the next one is on a new connection
				}
			}
		}
		if len(body) == 0 {
			continue
		}
		kind := "application/json"
		if v.Enc == "cbor" {
			kind = "application/cbor"
		}
		for _, path := range []string{"/api/pub/hostile", "/api/pub", "/v1/messages", "/v1/webhook_receivers/enginio"} {
			a := s.rawHTTP(fmt.Sprintf("127.0.6.%d", i%100+1), "POST", path, string(body), "Content-Type: "+kind)
			mayBeReading := v.Level == "frame" && path == "/api/pub/hostile" // what is no frame may be a body
			if a.status < 400 && !mayBeReading || a.status == 500 {
				s.Errorf("%s: %s is answered %d %.100s", path, v.Name, a.status, a.body)
			}
		}
	}
	for _, ws := range doors {
		ws.Close()
	}
	s.newcomer("127.0.0.55")
}

// slowHeads: heads that drip, and connections that say nothing, are gone in time.
func (s *siege) slowHeads() {
	var open atomic.Int64
	var wg sync.WaitGroup
	began := time.Now()
	for i := range 100 {
		c, err := s.tcp(fmt.Sprintf("127.0.7.%d", i/25+1))
		if err != nil {
			s.Fatal(err)
		}
		open.Add(1)
		wg.Go(func() {
			defer open.Add(-1)
			drip := []byte("GET / HTTP/1.1\r\nHost: x\r\nX-Slow: " + strings.Repeat("x", 1000))
			one := make([]byte, 512)
			for k := 0; time.Since(began) < 60*time.Second; k++ {
				if i%2 == 0 {
					if _, err := c.Write(drip[k : k+1]); err != nil {
						return
					}
				}
				_ = c.SetReadDeadline(time.Now().Add(100 * time.Millisecond))
				if _, err := c.Read(one); err != nil {
					if n, ok := err.(net.Error); !ok || !n.Timeout() {
						return
					}
				}
			}
		})
	}
	wg.Wait()
	if took := time.Since(began); took > 30*time.Second {
		s.Errorf("they were held for %v", took)
	}
}
