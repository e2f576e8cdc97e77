package main

import (
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"time"
)

// What a hostile peer may try with topics that are kept on disk.
var durableAttacks = []attack{
	{"durable: answers that wait", (*siege).durableAnswers},
	{"durable: history that nobody reads", (*siege).durableHistory},
	{"durable: get of all history", (*siege).durableGets},
	{"durable: names of subscriptions", (*siege).durableNames},
	{"durable: topics that are made so", (*siege).durableTopics},
	{"durable: backup", (*siege).durableBackup},
}

// history are readings on disk, many times what memory holds of their topics.
func (s *siege) history() {
	s.Helper()
	ws := from(s.T, "127.0.0.80", s.h.url)
	defer ws.Close()
	body := strings.Repeat("h", 1000)
	for i := range 3000 {
		if err := ws.WriteMessage(1, fmt.Appendf(nil, `{"op":"pub","topic":"log/%d","data":"%s"}`, i%3, body)); err != nil {
			s.Fatal(err)
		}
		if i%300 == 299 { // 768 KiB may wait for the disk
			wants(s.T, say(s.T, ws, `{"op":"pub","id":1,"topic":"log/0","data":"last"}`), `"ok"`)
		}
	}
}

// durableAnswers: each of many publishes with ids, without a pause, and reads
// nothing: its answers wait for the disk.
func (s *siege) durableAnswers() {
	var wg sync.WaitGroup
	for k := range 16 {
		wg.Go(func() {
			c, _, status := s.open(fmt.Sprintf("127.0.13.%d", k/4+1), "/ws")
			if c == nil {
				s.Errorf("refused: %d", status)
				return
			}
			many := strings.Repeat(string(frame(0x81, fmt.Sprintf(`{"op":"pub","id":1,"topic":"log/%d","data":1}`, k%3)))+string(frame(0x81, `{"op":"pub","id":2,"topic":"other","data":1}`)), 50)
			_ = c.SetWriteDeadline(time.Now().Add(s.lasts() + time.Second))
			for end := time.Now().Add(s.lasts()); time.Now().Before(end); {
				if _, err := io.WriteString(c, many); err != nil {
					return
				}
			}
		})
	}
	wg.Wait()
	s.durableNewcomer()
}

// durableNewcomer: somebody else's reading is on disk soon.
func (s *siege) durableNewcomer() {
	s.Helper()
	ws := from(s.T, "127.0.0.81", s.h.url)
	defer ws.Close()
	began := time.Now()
	wants(s.T, say(s.T, ws, `{"op":"pub","id":1,"topic":"log/honest","data":1}`), `"ok"`)
	most := 20 * time.Second
	if s.full {
		most = 3 * time.Second
	}
	if took := time.Since(began); took > most {
		s.Errorf("a reading was on disk after %v", took)
	}
}

// durableHistory: sixty ask for all that is on disk and read none of it.
func (s *siege) durableHistory() {
	s.history()
	for i := range 60 {
		c, _, status := s.open(fmt.Sprintf("127.0.14.%d", i/30+1), "/ws")
		if c == nil {
			s.Fatal(status)
		}
		if t, plain := c.(*net.TCPConn); plain {
			_ = t.SetReadBuffer(4096)
		}
		_, _ = c.Write(frame(0x81, `{"op":"sub","topic":"log/#","opts":{"last":1000000}}`))
	}
	time.Sleep(s.lasts())
	// Who reads gets all of it meanwhile.
	c, r, status := s.open("127.0.0.82", "/ws")
	if c == nil {
		s.Fatal(status)
	}
	_, _ = c.Write(frame(0x81, `{"op":"sub","topic":"log/1","opts":{"last":1000000}}`))
	n := 0
	for b := make([]byte, 32<<10); n < 900; {
		k, err := r.Read(b)
		n += strings.Count(string(b[:k]), `hhhh"`)
		if err != nil {
			s.Fatalf("%d readings, then %v", n, err)
		}
	}
	s.durableNewcomer()
}

// durableGets: one asks for all history over and over, and another reads nothing of it.
func (s *siege) durableGets() {
	c, _, _ := s.open("127.0.0.83", "/ws")
	_, _ = io.WriteString(c, strings.Repeat(string(frame(0x81, `{"op":"get","id":1,"topic":"log/#","opts":{"last":1000000}}`)), 8))
	s.flood("127.0.0.84", func(int) string { return `{"op":"get","id":1,"topic":"log/#","opts":{"last":1000000}}` })
	s.durableNewcomer()
}

// durableNames: 10,000 durable subscriptions of devices that are never seen again.
func (s *siege) durableNames() {
	refused := 0
	for d := range 40 {
		ws := from(s.T, fmt.Sprintf("127.0.15.%d", d+1), s.h.url)
		wants(s.T, say(s.T, ws, fmt.Sprintf(`{"op":"hello","id":1,"opts":{"dev":"dev%d"}}`, d)), `"id":1`)
		for i := range 250 {
			answer := say(s.T, ws, fmt.Sprintf(`{"op":"sub","id":2,"topic":"log/quiet%d","opts":{"name":"%s%d"}}`, i%50, strings.Repeat("n", 60), i))
			for !strings.Contains(answer, `"id":2`) {
				_, b, err := ws.ReadMessage()
				if err != nil {
					s.Fatal(err)
				}
				answer = string(b)
			}
			if strings.Contains(answer, `"err"`) {
				refused++
			}
		}
		ws.Close()
	}
	s.Logf("%d of 10,000 durable subscriptions are refused", refused)
	s.durableNewcomer()
}

// durableTopics: as many topics with history as one connection gets.
func (s *siege) durableTopics() {
	s.flood("127.0.0.85", func(i int) string {
		return fmt.Sprintf(`{"op":"make","topic":"made/%d/%s","opts":{"durable":true}}`, i, strings.Repeat("x", 100))
	})
	s.flood("127.0.0.86", func(i int) string {
		return fmt.Sprintf(`{"op":"pub","topic":"log/%d/%s","data":0}`, i, strings.Repeat("x", 100))
	})
	s.durableNewcomer()
}

// durableBackup: all that was ever published is for who administers the hub.
func (s *siege) durableBackup() {
	for _, auth := range []string{"X: y", "Authorization: Bearer tpd_x", "Authorization: Basic eDp4"} {
		if a := s.http("GET", "/api/backup", "", auth); a.status != 401 {
			s.Errorf("%s: %d", auth, a.status)
		}
	}
	if a := s.http("HEAD", "/api/backup", ""); a.status != 401 {
		s.Errorf("HEAD: %d", a.status)
	}
	for range 50 {
		if a := s.http("GET", "/api/status", ""); a.status != 200 {
			s.Fatal(a.status, a.body)
		}
	}
}
