package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gorilla/websocket"
)

// foreignPages: a page elsewhere gets no socket, changes nothing and reads nothing.
func (s *siege) foreignPages() {
	scheme, other := "http", "https"
	if s.tls {
		scheme, other = "https", "http"
	}
	own := scheme + "://" + s.h.addr
	for _, origin := range []string{"http://evil.example", "null", other + "://" + s.h.addr, own + ".evil.example", "http://127.0.0.1", "http://x@" + s.h.addr} {
		for _, path := range []string{"/ws", "/", "/scd", "/webchannel", "/echo", "/relay/r"} {
			if _, _, status := s.open("127.0.0.9", path, "Origin: "+origin); status != 403 {
				s.Errorf("%s from %s: %d", path, origin, status)
			}
		}
		for _, ask := range []string{"POST /api/pub/x", "PUT /api/topics/x", "DELETE /api/topics/canary/1", "POST /api/tokens", "POST /v1/messages", "GET /v1/websocket_uri"} {
			method, path, _ := strings.Cut(ask, " ")
			resp := s.http(method, path, "{}", "Origin: "+origin)
			if resp.status != 403 || resp.header.Get("Access-Control-Allow-Origin") != "" {
				s.Errorf("%s from %s: %d %v", ask, origin, resp.status, resp.header)
			}
		}
		if resp := s.http("GET", "/api/topics", "", "Origin: "+origin); resp.header.Get("Access-Control-Allow-Origin") != "" {
			s.Errorf("a page at %s may read", origin)
		}
	}
	if resp := s.http("POST", "/api/pub/x", "1", "Sec-Fetch-Site: cross-site"); resp.status != 403 {
		s.Error(resp.status)
	}
	resp := s.http("GET", "/", "")
	if csp := resp.header.Get("Content-Security-Policy"); !strings.Contains(csp, "frame-ancestors 'none'") || strings.Contains(csp, "unsafe-inline") || resp.header.Get("X-Content-Type-Options") != "nosniff" {
		s.Errorf("the page's headers: %v", resp.header)
	}
}

func (s *siege) rebinding() {
	for _, host := range []string{"evil.example", "127.0.0.1.evil.example", "localhost.evil.example", ""} {
		for _, path := range []string{"/", "/api/topics", "/api/me"} {
			if resp := s.rawHTTP("127.0.0.57", "GET", path, "", "Host: "+host); resp.status != 421 && resp.status != 400 {
				s.Errorf("%s as %q: %d", path, host, resp.status)
			}
		}
	}
}

// connectionFlood: an address has its share of connections, and others theirs.
func (s *siege) connectionFlood() {
	const flood, share = 300, 64
	var refused atomic.Int64
	var wg sync.WaitGroup
	for range flood {
		c, err := s.tcp("127.0.0.10")
		if err != nil {
			refused.Add(1)
			continue
		}
		began := time.Now()
		_ = c.SetReadDeadline(began.Add(30 * time.Second))
		wg.Go(func() { // who is let in and says nothing hears nothing, and is gone when a head is due
			b, _ := io.ReadAll(c)
			if bytes.HasPrefix(b, []byte("HTTP/1.1 503 ")) || time.Since(began) < 4*time.Second {
				refused.Add(1)
			}
		})
	}
	wg.Wait()
	if in := flood - refused.Load(); in > share {
		s.Errorf("%d connections of one address", in)
	}
	if _, _, status := s.open("127.0.0.11", "/ws"); status != 101 {
		s.Errorf("another address: %d", status)
	}
}

func isTimeout(err error) bool {
	n, ok := err.(net.Error)
	return ok && n.Timeout()
}

func (s *siege) churn() {
	var wg sync.WaitGroup
	for i := range 4 {
		wg.Go(func() {
			for end := time.Now().Add(s.lasts()); time.Now().Before(end); {
				c, _, _ := s.open(fmt.Sprintf("127.0.2.%d", i+1), "/ws")
				if c != nil {
					_, _ = c.Write(frame(0x81, `{"op":"sub","topic":"#"}`))
					if t, plain := c.(*net.TCPConn); plain && i%2 == 0 {
						_ = t.SetLinger(0)
					}
					c.Close()
				}
			}
		})
	}
	wg.Wait()
}

// deflateBomb: compression is not agreed to, so a compressed frame is a mistake.
func (s *siege) deflateBomb() {
	for range 8 {
		c, r, _ := s.open("127.0.0.12", "/ws", "Sec-WebSocket-Extensions: permessage-deflate")
		_, _ = c.Write(frame(0xc2, strings.Repeat("\x00", 60_000)))
		if code := closeCodeOf(r); code != 1002 {
			s.Errorf("close %d", code)
		}
		c.Close()
	}
}

func (s *siege) hugeFrames() {
	for _, b := range [][]byte{
		{0x82, 0xff, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0},
		{0x82, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0},
		frame(0x82, strings.Repeat("x", 1<<20+1)), frame(0x81, strings.Repeat("[", 1<<20+1)),
	} {
		c, r, _ := s.open("127.0.0.13", "/ws")
		_, _ = c.Write(b)
		if code := closeCodeOf(r); code != 1009 && code != 1002 && code != 0 {
			s.Errorf("close %d", code)
		}
		c.Close()
	}
}

// parkedFrames: most of a large frame on each of many connections.
func (s *siege) parkedFrames() {
	for i := range 200 {
		c, _, status := s.open(fmt.Sprintf("127.0.3.%d", i/50+1), "/ws")
		if c == nil {
			s.Fatal(status)
		}
		_, _ = c.Write(frame(0x82, strings.Repeat("x", 1_000_000))[:990_000])
	}
	time.Sleep(s.lasts() / 4)
}

func (s *siege) fragmentFlood() {
	for _, piece := range []string{"", "x"} {
		c, r, _ := s.open("127.0.0.14", "/echo")
		_, _ = c.Write(frame(0x01, "x"))
		many := strings.Repeat(string(frame(0x00, piece)), 1000)
		go func() {
			for end := time.Now().Add(4*s.lasts() + time.Second); time.Now().Before(end); {
				if _, err := c.Write([]byte(many)); err != nil {
					break
				}
			}
		}()
		if code := closeCodeOf(r); code != 1008 && code != 1009 && code != 0 {
			s.Errorf("close %d", code)
		}
		c.Close()
	}
}

func (s *siege) pingFlood() {
	c, r, _ := s.open("127.0.0.15", "/ws")
	pings := strings.Repeat(string(frame(0x89, strings.Repeat("p", 125))), 1000)
	for range 20 {
		if _, err := c.Write([]byte(pings)); err != nil {
			break
		}
	}
	if code := closeCodeOf(r); code != 1008 && code != 0 {
		s.Errorf("close %d", code)
	}
}

// unreadAnswers: asking on without reading the answers.
func (s *siege) unreadAnswers() {
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			c, _, _ := s.open(fmt.Sprintf("127.0.0.%d", 16+i), "/ws")
			ask := strings.Repeat(string(frame(0x81, `{"op":"list","id":1,"opts":{"what":"clients"}}`)), 50)
			_ = c.SetWriteDeadline(time.Now().Add(s.lasts() + time.Second))
			for end := time.Now().Add(s.lasts()); time.Now().Before(end); {
				if _, err := c.Write([]byte(ask)); err != nil {
					return
				}
			}
		})
	}
	wg.Wait()
}

func (s *siege) nonsense() {
	for path, n := range map[string]int{"/ws": 20, "/scd": 20, "/webchannel": 30_000} { // Qt is silent about it, so is the hub, for a second's worth
		if s.tls && path == "/webchannel" {
			continue // there it is read no faster than it may be, and never cut
		}
		c, r, _ := s.open("127.0.0.24", path)
		go func() { // on and on: a busy machine may take no more than it may send
			many := []byte(strings.Repeat(string(frame(0x81, `}{`)), n))
			for {
				if _, err := c.Write(many); err != nil {
					return
				}
			}
		}()
		if code := closeCodeOf(r); code == 0 {
			s.Errorf("%s goes on listening to nonsense", path)
		}
	}
}

// flood writes frames made by f until the time is over or the hub has enough.
// What the hub says is read.
func (s *siege) flood(ip string, f func(i int) string) {
	c, _, _ := s.open(ip, "/ws")
	_ = c.SetWriteDeadline(time.Now().Add(s.lasts() + 2*time.Second)) // the hub may leave it unread
	go func() { _, _ = io.Copy(io.Discard, c) }()
	i := 0
	for end := time.Now().Add(s.lasts()); time.Now().Before(end); {
		var b []byte
		for range 100 {
			b = append(b, frame(0x81, f(i))...)
			i++
		}
		if _, err := c.Write(b); err != nil {
			break
		}
	}
	c.Close()
}

// topicFlood: one peer does not get all of the hub's topics: a newcomer's is made.
func (s *siege) topicFlood() {
	var wg sync.WaitGroup
	for k := range 2 {
		wg.Go(func() {
			s.flood(fmt.Sprintf("127.0.0.%d", 30+k), func(i int) string {
				return fmt.Sprintf(`{"op":"pub","topic":"flood/%d/%s/%d","data":0}`, k, strings.Repeat("long", 20), i)
			})
		})
	}
	wg.Wait()
	s.newcomer("127.0.0.32")
}

// unreadLists: each of many connections asks for all topics as often as it may,
// and reads none of it.
func (s *siege) unreadLists() {
	ask := strings.Repeat(string(frame(0x81, `{"op":"list","id":1}`)), 4) + strings.Repeat(string(frame(0x81, `{"op":"get","id":2,"topic":"+/#","opts":{"last":9}}`)), 4)
	n := 150
	if s.tls {
		n = 100 // each keeps a record of 16 KB, and a goroutine with what is left of the write
	}
	for i := range n {
		c, _, status := s.open(fmt.Sprintf("127.0.12.%d", i/50+1), "/ws")
		if c == nil {
			s.Fatal(status)
		}
		_, _ = c.Write([]byte(ask))
	}
	time.Sleep(s.lasts() / 2)
}

// newcomer publishes to a topic that nobody has had before.
func (s *siege) newcomer(ip string) {
	s.Helper()
	ws := from(s.T, ip, s.h.url)
	defer ws.Close()
	wants(s.T, say(s.T, ws, fmt.Sprintf(`{"op":"pub","id":1,"topic":"new/%d","data":1}`, time.Now().UnixNano())), `"ok"`)
}

// badNames: MQTT allows levels that are empty, so a//b is a name here too.
func (s *siege) badNames() {
	ws := from(s.T, "127.0.0.33", s.h.url)
	defer ws.Close()
	for _, name := range []string{strings.Repeat("x", 1025), strings.Repeat("a/", 64) + "a", "a/./b", "../a", "a\u0000b", "a\nb", "+", "#", "$sys/x", ""} {
		text, _ := json.Marshal(name)
		for _, op := range []string{"pub", "make"} {
			wants(s.T, say(s.T, ws, fmt.Sprintf(`{"op":"%s","id":1,"topic":%s,"data":1}`, op, text)), `"err"`)
		}
	}
}

func (s *siege) helloFlood() {
	s.flood("127.0.0.34", func(i int) string { return fmt.Sprintf(`{"op":"hello","opts":{"dev":"dev%d"}}`, i) })
	s.newcomer("127.0.0.35")
}

func (s *siege) subscriptionFlood() {
	s.flood("127.0.0.36", func(i int) string {
		return fmt.Sprintf(`{"op":"sub","topic":"a/%d/%s/#"}`, i, strings.Repeat("+/", i%12)+"x")
	})
	s.flood("127.0.0.37", func(i int) string { return fmt.Sprintf(`{"op":"sub","topic":"exact/%d"}`, i) })
}

func (s *siege) wildcards() {
	s.flood("127.0.0.38", func(i int) string {
		return []string{`{"op":"sub","topic":"#","opts":{"last":1000}}`, `{"op":"unsub","topic":"#"}`, `{"op":"get","id":1,"topic":"#","opts":{"last":1000}}`, `{"op":"list","id":2}`, `{"op":"sub","topic":"+/+/+/#"}`}[i%5]
	})
}

// stoppedReaders: thirty that read nothing while 2 KB readings come as fast as
// the hub takes them.
func (s *siege) stoppedReaders() {
	for i := range 30 {
		c, _, _ := s.open(fmt.Sprintf("127.0.4.%d", i/15+1), "/ws")
		if t, plain := c.(*net.TCPConn); plain {
			_ = t.SetReadBuffer(4096)
		}
		_, _ = c.Write(frame(0x81, `{"op":"sub","topic":"load/#"}`))
	}
	ws := from(s.T, "127.0.0.40", s.h.url)
	defer ws.Close()
	body := strings.Repeat("x", 2000)
	n, began := 0, time.Now()
	for end := began.Add(2*s.lasts() + time.Second); time.Now().Before(end); {
		for i := range 50 {
			if err := ws.WriteMessage(websocket.TextMessage, fmt.Appendf(nil, `{"op":"pub","topic":"load/%d","data":"%s"}`, i, body)); err != nil {
				s.Fatal(err)
			}
		}
		refused := 0
		for answer := say(s.T, ws, `{"op":"ping","id":1}`); !strings.Contains(answer, `"id":1`); refused++ {
			_, m, err := ws.ReadMessage()
			if err != nil {
				s.Fatal(err)
			}
			answer = string(m)
		}
		n += 50 - refused
		if refused > 0 {
			time.Sleep(10 * time.Millisecond)
		}
	}
	rate := float64(n) / time.Since(began).Seconds()
	s.Logf("%.0f readings of 2 KB a second beside 30 stopped readers; a session may 16 MiB, that is %.0f", rate, float64(16<<20)/2050)
	if s.full && rate < 2000 || rate < 100 { // beside other tests it has what they leave of the processors
		s.Errorf("the publisher comes down to %.0f a second", rate)
	}
}

// noise: frames that nobody thought of, made of pieces that parsers look for, in
// both kinds, on every door. The seed is in the log.
func (s *siege) noise() {
	seed := uint64(time.Now().UnixNano())
	r := rand.New(rand.NewPCG(seed, 0))
	pieces := []string{
		"SCDTMH:", "1.0", "\t", "TSM:", "TRN:", "TDL", "\n", "|", "@", "]", ":", "\x80\x80\x80", "\xff", "\x00", "é", "\u2028", `{"type":`, "6", "10", `,"id":`, `,"object":"chat"`,
		`,"method":0`, `,"args":[`, `]`, `}`, `{`, `[`, `"`, `{"op":"pub"`, `,"topic":"`, `,"data":`, "a/b", "#", "+", "$sys/", "null", "1e400", "-0", "\xa3\x00\x02", "\x9f", "\xff\xff\xff\xff", "\x5b\x7f\xff\xff\xff\xff\xff\xff\xff", "\xd8\x1c",
	}
	n := 0
	for end := time.Now().Add(s.lasts()); time.Now().Before(end); n++ {
		path := []string{"/ws", "/", "/scd", "/webchannel", "/echo", "/relay/r", "/mws?token=x"}[n%7]
		c, br, _ := s.open(fmt.Sprintf("127.0.9.%d", n%200+1), path)
		if c == nil {
			continue
		}
		go func() { _, _ = io.Copy(io.Discard, br) }()
		var b []byte
		for range 40 {
			text := ""
			for range 1 + r.IntN(12) {
				text += strings.Repeat(pieces[r.IntN(len(pieces))], 1+r.IntN(3)*r.IntN(400)*r.IntN(2))
			}
			kind := byte(0x82)
			if r.IntN(2) == 0 {
				kind, text = 0x81, strings.ToValidUTF8(text, "?")
			}
			b = append(b, frame(kind, text[:min(len(text), 60_000)])...)
		}
		_, _ = c.Write(b)
		c.Close()
	}
	s.Logf("%d connections, seed %d", n, seed)
	s.newcomer("127.0.0.56")
}
