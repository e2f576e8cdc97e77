package web

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os/exec"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"topicd/codec"
	"topicd/node"
)

// event is one event of a stream.
type event struct{ name, id, data string }

func (e event) String() string { return e.name + "|" + e.id + "|" + e.data }

// reader reads an event stream as the HTML Standard says.
type reader struct {
	t      testing.TB
	cancel context.CancelFunc
	lines  *bufio.Scanner
	id     string
}

func (h *hub) stream(query string, header ...string) *reader {
	h.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	r, _ := http.NewRequestWithContext(ctx, "GET", h.url+"/api/stream?"+query, nil)
	for _, line := range header {
		name, v, _ := strings.Cut(line, ": ")
		r.Header.Set(name, v)
	}
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		h.t.Fatal(err)
	}
	if res.StatusCode != 200 || res.Header.Get("Content-Type") != "text/event-stream" {
		b, _ := io.ReadAll(res.Body)
		h.t.Fatalf("%s: %d %v %s", query, res.StatusCode, res.Header, b)
	}
	h.t.Cleanup(func() { cancel(); res.Body.Close() })
	return &reader{h.t, cancel, bufio.NewScanner(res.Body), ""}
}

// next is the next event; one without data only sets the id, as in a browser.
func (r *reader) next() event {
	r.t.Helper()
	var e event
	for r.lines.Scan() {
		field, v, _ := strings.Cut(r.lines.Text(), ": ")
		switch field {
		case "event":
			e.name = v
		case "id":
			r.id = v
		case "data":
			e.data += v
		case "":
			if e.data != "" {
				e.id = r.id
				return e
			}
			e = event{}
		}
	}
	return event{name: "end"}
}

// want reads events and expects these, in their order.
func (r *reader) want(want ...string) {
	r.t.Helper()
	for _, w := range want {
		if got := r.next().String(); got != w {
			r.t.Fatalf("got %s, want %s", got, w)
		}
	}
}

// clock is a clock that tests move on.
type clock struct{ now atomic.Int64 }

func (c *clock) clock() (wall, mono int64) { return c.now.Load(), c.now.Load() }

func newClock(ms int64) *clock {
	c := new(clock)
	c.now.Store(ms)
	return c
}

func (h *hub) pub(topic, data string) {
	h.t.Helper()
	h.want(200, "", "POST", "/api/pub/"+topic, data, ofJSON)
}

// One topic: the id is epoch and number, and a stream goes on exactly there.
func TestStreamOneTopic(t *testing.T) {
	c := newClock(1000)
	h := start(t, node.Options{Clock: c.clock, Epoch: 7}, Config{})
	h.pub("a/b", "1")
	h.pub("a/b", "{\"x\":\n2}")
	s := h.stream("topic=a/b&last=5")
	s.want(
		`|7-1|{"topic":"a/b","seq":1,"ts":1000,"data":1}`,
		`|7-2|{"topic":"a/b","seq":2,"ts":1000,"data":{"x": 2}}`,
		`live|7-2|{"topic":"a/b","count":2}`)
	h.want(200, "", "POST", "/api/pub/a/b", "\x03", ofCBOR)
	s.want(`|7-3|{"topic":"a/b","seq":3,"ts":1000,"data":3}`)
	s.cancel()
	h.pub("a/b", "4")
	h.pub("a/b", "5")
	s = h.stream("topic=a/b&last=0", "Last-Event-ID: "+s.id)
	s.want(
		`|7-4|{"topic":"a/b","seq":4,"ts":1000,"data":4}`,
		`|7-5|{"topic":"a/b","seq":5,"ts":1000,"data":5}`,
		`live|7-5|{"topic":"a/b","count":2}`)
	// Numbers that have begun anew since: all that is stored.
	h.want(200, "", "DELETE", "/api/topics/a/b", "")
	h.pub("a/b", "6")
	s.want(`|8-1|{"topic":"a/b","seq":1,"ts":1000,"data":6}`)
	s = h.stream("topic=a/b&lastEventId=7-5")
	s.want(`gap||{"topic":"a/b","ep":8,"gap":0}`, `|8-1|{"topic":"a/b","seq":1,"ts":1000,"data":6}`, `live|8-1|{"topic":"a/b","count":1}`)
	// What nobody of us wrote is no id.
	s = h.stream("topic=a/b&last=0", "Last-Event-ID: 7-t99")
	s.want(`live||{"topic":"a/b","count":0}`)
}

// Patterns: the id is a time; nothing is lost, the last second comes again.
func TestStreamPattern(t *testing.T) {
	c := newClock(100_000)
	h := start(t, node.Options{Clock: c.clock, Epoch: 7}, Config{})
	h.pub("a/1", "1")
	c.now.Store(105_000)
	h.pub("a/2", "2")
	s := h.stream("topic=a/1&topic=a/2")
	s.want(
		`||{"topic":"a/1","seq":1,"ts":100000,"data":1}`, `live||{"topic":"a/1","count":1}`,
		`||{"topic":"a/2","seq":1,"ts":105000,"data":2}`, `live||{"topic":"a/2","count":1}`)
	c.now.Store(106_500)
	h.pub("a/1", "3")
	s.want(`|7-t104000|{"topic":"a/1","seq":2,"ts":106500,"data":3}`)
	s.cancel()
	c.now.Store(110_000)
	h.pub("a/2", "4")
	h.pub("b/2", "5")
	s = h.stream("topic=a/%23", "Last-Event-ID: 7-t104000")
	s.want(
		`||{"topic":"a/1","seq":2,"ts":106500,"data":3}`, // again
		`||{"topic":"a/2","seq":1,"ts":105000,"data":2}`,
		`||{"topic":"a/2","seq":2,"ts":110000,"data":4}`,
		`live||{"topic":"a/#","count":3}`)
	h.pub("a/3", "6")
	s.want(`|7-t109000|{"topic":"a/3","seq":1,"ts":110000,"data":6}`)
}

// Who comes back is told what it does not get: readings that made room for
// others, and those of a hub that was started anew, whose clock may be behind.
func TestStreamGap(t *testing.T) {
	c := newClock(100_000)
	h := start(t, node.Options{Clock: c.clock, Epoch: 7, TopicCap: 1024}, Config{})
	for i := range 200 {
		h.pub("a/b", fmt.Sprint(i))
	}
	first, next := h.hub.Span(h.hub.Find([]byte("a/b")), 0, false, 0, c.now.Load())
	s := h.stream("topic=a/b", "Last-Event-ID: 7-3")
	s.want(fmt.Sprintf(`gap||{"topic":"a/b","ep":7,"gap":%d}`, first-4),
		fmt.Sprintf(`|7-%d|{"topic":"a/b","seq":%d,"ts":100000,"data":%d}`, first, first, first-1))
	s = h.stream("topic=a/b", fmt.Sprint("Last-Event-ID: 7-", first-1)) // all that it asks for is there
	if e := s.next(); e.id != fmt.Sprint("7-", first) || next-first != 0 && e.name != "" {
		t.Error(e)
	}
	// A restart, with a clock that is an hour behind.
	c.now.Store(50_000)
	h = start(t, node.Options{Clock: c.clock, Epoch: 9}, Config{})
	s = h.stream("topic=a/b", "Last-Event-ID: 7-200") // before it is there
	s.want(`gap||{"topic":"a/b","ep":9,"gap":0}`, `live||{"topic":"a/b","count":0}`)
	h.pub("a/b", "1")
	s.want(`|9-1|{"topic":"a/b","seq":1,"ts":50000,"data":1}`)
	s = h.stream("topic=a/%23", "Last-Event-ID: 7-t99000")
	s.want(`gap||{"topic":"a/#","ep":9,"gap":0}`, `||{"topic":"a/b","seq":1,"ts":50000,"data":1}`, `live||{"topic":"a/#","count":1}`)
	h.pub("a/b", "2")
	s.want(`|9-t49000|{"topic":"a/b","seq":2,"ts":50000,"data":2}`)
	s = h.stream("topic=a/%23&topic=c", "Last-Event-ID: 9-t49000")
	s.want(`||{"topic":"a/b","seq":1,"ts":50000,"data":1}`) // no gap: the same hub
}

func TestStreamRate(t *testing.T) {
	h := start(t, node.Options{}, Config{})
	s := h.stream("topic=a/%23&rate=10&last=0")
	s.want(`live||{"topic":"a/#","count":0}`)
	began := time.Now()
	h.pub("a/1", "0")
	if e := s.next(); !strings.Contains(e.data, `"data":0`) { // at once
		t.Fatal(e)
	}
	for i := 1; i < 20; i++ {
		h.pub("a/1", fmt.Sprint(i))
		time.Sleep(15 * time.Millisecond)
	}
	got := 1
	for e := (event{}); !strings.Contains(e.data, `"data":19`); got++ {
		e = s.next()
		if e.name != "" {
			t.Fatal(e)
		}
	}
	if took := time.Since(began); got > 1+int(took/(90*time.Millisecond)) || got < 2 {
		t.Errorf("%d readings in %v", got, took)
	}
	s = h.stream("topic=a/1&latest&last=9")
	if e := s.next(); !strings.Contains(e.data, `"data":19`) || !strings.Contains(e.data, `"drop":`) {
		t.Error(e)
	}
}

func TestStreamRefused(t *testing.T) {
	h := start(t, node.Options{Subs: 2}, Config{})
	for _, query := range []string{"", "?topic=", "?topic=a%23", "?topic=a&rate=0", "?topic=a&rate=NaN", "?topic=a&latest=maybe", "?topic=a&last=-1"} {
		h.want(400, "", "GET", "/api/stream"+query, "")
	}
	h.want(413, "", "GET", "/api/stream?"+strings.Repeat("topic=a/%23&", 65), "")
	h.want(507, "", "GET", "/api/stream?topic=a/%23&topic=b/%23&topic=c/%23", "")
	h.want(200, "", "HEAD", "/api/stream?topic=a", "")
	if c := h.hub.Counts(); c.Sessions != 0 || c.Subscriptions != 0 {
		t.Error(c)
	}
}

// A stream is a client like others: seen, counted, cut, and told to go.
func TestStreamEnds(t *testing.T) {
	h := start(t, node.Options{}, Config{})
	s := h.stream("topic=a")
	s.want(`live||{"topic":"a","count":0}`)
	var list struct {
		Clients []struct {
			ID           uint32
			Dialect, URL string
			Subs         int
		}
	}
	h.get("/api/clients", &list)
	if len(list.Clients) != 1 || list.Clients[0].Dialect != "sse" || list.Clients[0].Subs != 1 || list.Clients[0].URL != "/api/stream" {
		t.Fatal(list)
	}
	h.want(200, "", "DELETE", fmt.Sprint("/api/clients/", list.Clients[0].ID), "")
	s.want(`bye||{"code":403,"msg":"an administrator ended this connection"}`, "end||")
	h.want(404, "", "DELETE", fmt.Sprint("/api/clients/", list.Clients[0].ID), "")
	own, _ := h.hub.Open(&subscriber{}, node.Local, "", h.hub.Turn())
	h.want(404, "", "DELETE", fmt.Sprint("/api/clients/", own.ID()), "") // nobody would be told
	own.Close(h.hub.Turn())
	s = h.stream("topic=b")
	s.want(`live||{"topic":"b","count":0}`)
	h.web.Close()
	s.want(`bye||{"code":503,"msg":"the hub is going away","retry":1000}`, "end||")
	h.want(503, `{"error":{"code":503,"msg":"the hub is going away","retry":1000}}`, "GET", "/readyz", "")
	r, _ := http.NewRequest("GET", h.url+"/api/stream?topic=a", nil)
	r.Header.Set("Accept", "text/event-stream")
	if resp, err := http.DefaultClient.Do(r); err == nil {
		resp.Body.Close()
		t.Errorf("an EventSource is told %s, and would not come back", resp.Status)
	}
}

// Who reads nothing is cut, and nobody waits for it.
func TestStreamNeverRead(t *testing.T) {
	h := start(t, node.Options{TopicCap: 1 << 20, Rate: -1}, Config{})
	h.web.desk.Patience = 300 * time.Millisecond
	c, err := net.Dial("tcp", h.url[len("http://"):])
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	c.(*net.TCPConn).SetReadBuffer(4096)
	fmt.Fprintf(c, "GET /api/stream?topic=%%23 HTTP/1.1\r\nHost: x\r\n\r\n")
	batch := strings.Repeat(`"`+strings.Repeat("x", 1000)+`"`+"\n", 1000)
	for end := time.Now().Add(time.Minute); h.hub.Stats.Get(node.CutSlow) == 0; {
		began := time.Now()
		h.want(200, "", "POST", "/api/pub/a", batch, ndjson)
		if d := time.Since(began); d > 20*time.Second {
			t.Fatalf("publishing took %v", d)
		}
		if time.Now().After(end) {
			t.Fatal("it is not cut")
		}
	}
}

// A body that does not come holds nothing for long.
func TestSlowBody(t *testing.T) {
	h := start(t, node.Options{}, Config{})
	h.web.bodyTime = 200 * time.Millisecond
	for _, path := range []string{"/api/pub/a", "/api/pub", "/api/broadcast", "/api/topics/a"} {
		method := "POST"
		if path == "/api/topics/a" {
			method = "PUT"
		}
		c, err := net.Dial("tcp", h.url[len("http://"):])
		if err != nil {
			t.Fatal(err)
		}
		kind := "application/json"
		if path == "/api/pub" {
			kind = "application/x-ndjson"
		}
		fmt.Fprintf(c, "%s %s HTTP/1.1\r\nHost: x\r\nContent-Type: %s\r\nContent-Length: 100\r\n\r\n{", method, path, kind)
		c.SetReadDeadline(time.Now().Add(time.Minute))
		b, err := io.ReadAll(c)
		if !strings.HasPrefix(string(b), "HTTP/1.1 408 ") || err != nil {
			t.Errorf("%s: %v %s", path, err, b)
		}
		c.Close()
	}
	if n := h.hub.Counts().Sessions; n != 0 {
		t.Error(n, "sessions")
	}
}

// A browser's EventSource goes on where it was: after a cut without loss or
// repetition, after a restart of the hub with all that the new one has.
func TestEventSource(t *testing.T) {
	processes(t)
	needNode(t, "eventsource")
	h := start(t, node.Options{Epoch: 7}, Config{})
	h.pub("a", "1")
	addr := h.url[len("http://"):]
	cmd := exec.Command("node", "testdata/js/events.js", h.url+"/api/stream?topic=a&last=9")
	in, _ := cmd.StdinPipe()
	out, _ := cmd.StdoutPipe()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	timer := time.AfterFunc(5*time.Minute, func() { cmd.Process.Kill() })
	defer timer.Stop()
	defer cmd.Wait()
	defer in.Close()
	lines := bufio.NewScanner(out)
	want := func(want ...string) {
		t.Helper()
		for _, w := range want {
			for {
				if !lines.Scan() {
					t.Fatalf("no %s", w)
				}
				got := lines.Text()
				if strings.HasPrefix(got, "error") {
					continue
				}
				if i := strings.Index(got, `,"ts":`); i > 0 { // the time is of no interest
					got = got[:i] + got[i+len(`,"ts":1700000000000`):]
				}
				if got != w {
					t.Fatalf("got %s, want %s", got, w)
				}
				break
			}
		}
	}
	want("open", `message 7-1 {"topic":"a","seq":1,"data":1}`, `live {"topic":"a","count":1}`)
	h.hold.Lock() // it comes back when there is more
	for _, c := range h.hub.Clients() {
		h.hub.Cut(c.ID, &codec.Error{Code: 503, Msg: "test"})
	}
	want(`bye {"code":503,"msg":"test"}`)
	h.store("a", "2")
	h.hold.Unlock()
	want("open", `message 7-2 {"topic":"a","seq":2,"data":2}`, `live {"topic":"a","count":1}`)
	h.hold.Lock() // a hub that has closed its port refuses nobody with 503, for which a browser stays away
	h.stop()
	h.hold.Unlock()
	want(`bye {"code":503,"msg":"the hub is going away","retry":1000}`)
	h = newHub(t, node.Options{Epoch: 8}, Config{})
	h.store("a", "3")
	h.startAt(addr)
	want("open", `message 8-1 {"topic":"a","seq":1,"data":3}`, `live {"topic":"a","count":1}`)
	h.pub("a", "4")
	want(`message 8-2 {"topic":"a","seq":2,"data":4}`)
}
