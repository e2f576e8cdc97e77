package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"topicd/node/client"
)

// A board without a battery boots in 1970, gathers readings, and learns the time when
// the network comes: nobody is cut, nothing is lost, "the last minute" is a minute,
// and a stream that broke goes on where it was. Then somebody sets the clock back.
func TestHubLearnsTheTime(t *testing.T) {
	var skew atomic.Int64 // of the wall
	start := time.Now()
	clock := func() (wall, mono int64) {
		mono = time.Since(start).Milliseconds() + 1
		return mono + 60_000 + skew.Load(), mono
	}
	ws, _ := serveClocked(t, clock)
	base := strings.TrimSuffix(strings.Replace(ws, "ws://", "http://", 1), "/ws")
	get := func(path string, into any) {
		t.Helper()
		r, err := http.Get(base + path)
		if err != nil {
			t.Fatal(err)
		}
		defer r.Body.Close()
		if err := json.NewDecoder(r.Body).Decode(into); err != nil {
			t.Fatal(path, err)
		}
	}
	pub := func(i int) {
		t.Helper()
		r, err := http.Post(base+"/api/pub/greenhouse/1/temp", "application/json", strings.NewReader(fmt.Sprint(i)))
		if err != nil || r.StatusCode != 200 {
			t.Fatal(err, r)
		}
		r.Body.Close()
	}
	c, err := client.Dial(t.Context(), client.Options{URL: ws})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	got := make(chan client.Message, 100)
	if _, err := c.Subscribe(t.Context(), "greenhouse/#", client.SubOptions{Last: 100}, func(m client.Message) { got <- m }); err != nil {
		t.Fatal(err)
	}
	lastID := ""
	stream := func(last string) { // until that comes, and the id of what came
		t.Helper()
		req, _ := http.NewRequestWithContext(t.Context(), "GET", base+"/api/stream?topic=greenhouse/%23&last=100", nil)
		if lastID != "" {
			req.Header.Set("Last-Event-ID", lastID)
		}
		r, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer r.Body.Close()
		event, seen := "", false
		lastID = ""
		for s := bufio.NewScanner(r.Body); !seen || lastID == ""; {
			if !s.Scan() {
				t.Fatal("the stream ended", s.Err())
			}
			name, value, _ := strings.Cut(s.Text(), ": ")
			switch {
			case name == "event":
				event = value
			case name == "id":
				lastID = value
			case name == "data" && event == "":
				var m struct{ Data json.RawMessage }
				if err := json.Unmarshal([]byte(value), &m); err != nil {
					t.Fatal(err)
				}
				seen = seen || string(m.Data) == last
			case name == "":
				event = ""
			}
		}
	}
	for i := range 5 {
		pub(i)
	}
	stream("4")
	for n, to := range []time.Duration{20_000 * 24 * time.Hour, 20_000*24*time.Hour - 10*time.Minute} { // 2024, and ten minutes back
		skew.Store(to.Milliseconds())
		pub(6 + n)
		time.Sleep(1200 * time.Millisecond) // a sweep
		var readings struct{ Readings []struct{ Data int } }
		if get("/api/topics/greenhouse/1/temp?since=-60", &readings); len(readings.Readings) < 6 {
			t.Errorf("the last minute has %d readings", len(readings.Readings))
		}
		stream(fmt.Sprint(6 + n)) // goes on behind its last id, whatever the wall says
		var stats struct {
			Uptime  int `json:"uptime"`
			Dead    int `json:"cut_dead"`
			Expired int `json:"topics_expired"`
		}
		if get("/api/stats", &stats); stats.Uptime < 0 || stats.Uptime > 60 || stats.Dead > 0 || stats.Expired > 0 {
			t.Errorf("%+v", stats)
		}
	}
	deadline := time.After(30 * time.Second)
	for n := range 7 {
		select {
		case <-got:
		case <-deadline:
			t.Fatalf("the subscriber has %d of 7 readings", n)
		}
	}
}
