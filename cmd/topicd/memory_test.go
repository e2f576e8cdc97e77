package main

import (
	"encoding/json"
	"fmt"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"topicd/codec"
	"topicd/node/client"
)

// Memory is capped whatever clients do: 10,000 topics, publishers that never
// stop, 30 subscribers of everything that never read.
func TestMemory(t *testing.T) {
	processes(t)
	const (
		topics   = 10_000
		readings = 1_500_000
		limit    = 34 << 20 // of which the program's own pages are 8, which the kernel may take back
		senders  = 20
		batch    = 100
	)
	h := serveProcess(t, nil, binary(t, "amd64"), "--memory", "16MiB", "--sense=off")
	for range 30 {
		ws := rawDial(t, h.url)
		if err := ws.WriteMessage(websocket.TextMessage, []byte(`{"op":"sub","id":1,"topic":"#"}`)); err != nil {
			t.Fatal(err)
		}
	}
	began := time.Now()
	var sent atomic.Int64
	var wg sync.WaitGroup
	for s := range senders {
		ws := rawDial(t, h.url)
		wg.Go(func() { publishFlood(t, ws, s, senders, topics, readings/senders, batch, &sent) })
	}
	finished := make(chan bool)
	go func() { wg.Wait(); close(finished) }()
	most := int64(0)
	for running := true; running; {
		select {
		case <-finished:
			running = false
		case <-time.After(50 * time.Millisecond):
		}
		now, _ := h.rss(t)
		most = max(most, now)
	}
	_, high := h.rss(t)
	t.Logf("%d readings in %v, RSS at most %.1f MiB", sent.Load(), time.Since(began).Round(time.Millisecond), float64(high)/(1<<20))
	if high > limit || most > limit {
		t.Errorf("RSS reached %d and %d bytes, over %d", most, high, limit)
	}
	checkFigures(t, h, sent.Load())
	if code, took := h.stop(t); code != 0 {
		t.Errorf("exit code %d after %v\n%s", code, took, h.errs.String())
	}
}

// publishFlood publishes n readings in batches, to its share of the topics. A
// ping behind each batch keeps what is on its way bounded.
func publishFlood(t *testing.T, ws *websocket.Conn, s, senders, topics, n, batch int, sent *atomic.Int64) {
	for i := 0; i < n; {
		var b strings.Builder
		b.WriteByte('[')
		for j := range batch {
			if j > 0 {
				b.WriteByte(',')
			}
			topic := (i*senders + s) % topics
			fmt.Fprintf(&b, `{"op":"pub","topic":"farm/%d/temp","data":{"u":"Cel","v":%d.5,"n":"a reading of about a hundred bytes"}}`, topic, i%100)
			i++
		}
		b.WriteString(`,{"op":"ping","id":1}]`)
		if err := ws.WriteMessage(websocket.TextMessage, []byte(b.String())); err != nil {
			t.Error(err)
			return
		}
		refused := 0
		for {
			_, m, err := ws.ReadMessage()
			if err != nil {
				t.Error(err)
				return
			}
			if strings.HasPrefix(string(m), `{"op":"pong"`) || strings.HasPrefix(string(m), `{"op":"err","id":1,`) {
				break // the ping itself may be too much
			}
			refused++ // 429: faster than a session may be
		}
		sent.Add(int64(batch - refused))
		if refused > 0 {
			time.Sleep(100 * time.Millisecond)
		}
	}
}

// checkFigures compares what the hub says of itself: the bytes of all topics
// are what the arena holds, and every reading was counted.
func checkFigures(t *testing.T, h *hubProcess, published int64) {
	t.Helper()
	c, err := client.Dial(t.Context(), client.Options{URL: h.url})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	figures := make(chan map[string]int64, 10)
	_, err = c.Subscribe(t.Context(), "$sys/stats", client.SubOptions{Last: -1}, func(m client.Message) {
		f := map[string]int64{}
		if err := m.Decode(&f); err != nil {
			t.Error(err)
		}
		figures <- f
	})
	if err != nil {
		t.Fatal(err)
	}
	f := <-figures // within ten seconds
	out, err := exec.Command(binary(t, "amd64"), "list", "topics", "--json", "--hub", h.url).Output()
	if err != nil {
		t.Fatal(err)
	}
	var sum, n, own int64
	for _, l := range strings.Split(strings.TrimSpace(string(out)), "\n") {
		var i client.TopicInfo
		if err := json.Unmarshal([]byte(l), &i); err != nil {
			t.Fatalf("%s: %v", l, err)
		}
		sum += i.Bytes
		if codec.IsReserved([]byte(i.Topic)) {
			own += i.Bytes // changes between the two looks
		} else {
			n++
		}
	}
	t.Logf("%d topics hold %d bytes (%d the hub's own); the arena says %d of %d", n, sum, own, f["bytes_readings"], f["bytes_budget"])
	if d := sum - f["bytes_readings"]; d > own || -d > own {
		t.Errorf("topics hold %d bytes, the arena %d", sum, f["bytes_readings"])
	}
	if n != 10_000 || f["bytes_readings"] > 16<<20 {
		t.Errorf("%d topics, %d bytes", n, f["bytes_readings"])
	}
	if f["published"] != published {
		t.Errorf("%d readings stored of %d", f["published"], published)
	}
}

// One subscriber of everything gets every topic's newest reading, however many.
func TestRetained(t *testing.T) {
	processes(t)
	const topics = 12_500
	h := serveProcess(t, nil, binary(t, "amd64"), "--sense=off", "--limits=bench")
	var sent atomic.Int64
	publishFlood(t, rawDial(t, h.url), 0, 1, topics, topics, 100, &sent)
	for _, enc := range []codec.Encoding{codec.JSON, codec.CBOR} {
		c, err := client.Dial(t.Context(), client.Options{URL: h.url, Encoding: enc})
		if err != nil {
			t.Fatal(err)
		}
		got := map[string]int{}
		all := make(chan bool)
		began := time.Now()
		_, err = c.Subscribe(t.Context(), "#", client.SubOptions{}, func(m client.Message) {
			if got[m.Topic]++; len(got) == topics {
				close(all)
			}
		})
		if err != nil {
			t.Fatal(err)
		}
		select {
		case <-all:
			t.Logf("%s: %d topics in %v", enc, topics, time.Since(began))
		case <-time.After(60 * time.Second):
			t.Fatalf("%s: %d of %d topics came", enc, len(got), topics)
		}
		c.Close()
		for topic, n := range got {
			if n != 1 {
				t.Errorf("%s came %d times", topic, n)
			}
		}
	}
}
