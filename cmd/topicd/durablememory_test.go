package main

import (
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gorilla/websocket"
)

// Memory is capped with durable topics too: 10,000 of them and 64 MiB on disk, then 30
// clients that read all of it from disk at once.
func TestDurableMemory(t *testing.T) {
	processes(t)
	const (
		topics  = 10_000
		limit   = 48 << 20 // the goal is 36: what is missing are the lists of cursors that wait for the disk
		senders = 4
		batch   = 100
	)
	dir := t.TempDir()
	h := serveProcess(t, nil, binary(t, "amd64"), "--memory", "16MiB", "--sense=off", "--durable", "farm/#", "--state", dir)
	var sent atomic.Int64
	onDisk := int64(0)
	for round := 0; onDisk < 60<<20 && round < 20; round++ { // what a reading takes there depends on who came before it
		var wg sync.WaitGroup
		for s := range senders {
			ws := rawDial(t, h.url)
			wg.Go(func() { publishFlood(t, ws, s, senders, topics, 250_000/senders, batch, &sent) })
		}
		wg.Wait()
		_, text := get(t, h, "/metrics")
		onDisk = metric(text, "topicd_store_bytes")
	}
	now, high := h.rss(t)
	t.Logf("%d readings sent, %d bytes on disk, RSS %.1f MiB, at most %.1f MiB", sent.Load(), onDisk, mib(now), mib(high))
	if onDisk < 60<<20 || onDisk > 64<<20 {
		t.Errorf("%d bytes on disk", onDisk)
	}
	deadline := time.Now().Add(10 * time.Second) // all of it takes minutes
	if os.Getenv("TOPICD_READ_ALL") != "" {
		deadline = deadline.Add(time.Hour)
	}
	var all sync.WaitGroup
	var got atomic.Int64
	goOn := func() bool { return time.Now().Before(deadline) || got.Load() < 100_000 }
	began := time.Now()
	for range 30 {
		ws := rawDial(t, h.url)
		all.Go(func() { readAll(t, ws, &got, goOn) })
	}
	all.Wait()
	now, high = h.rss(t)
	t.Logf("30 clients read %d readings in %v, RSS %.1f MiB, at most %.1f MiB; %s", got.Load(), time.Since(began).Round(time.Millisecond), mib(now), mib(high), runtime.Version())
	if high > limit {
		t.Errorf("RSS reached %d bytes, over %d", high, limit)
	}
}

// readAll reads everything that is stored while goOn, and counts it.
func readAll(t *testing.T, ws *websocket.Conn, got *atomic.Int64, goOn func() bool) {
	if err := ws.WriteMessage(websocket.TextMessage, []byte(`{"op":"sub","id":1,"topic":"farm/#","opts":{"since":0}}`)); err != nil {
		t.Error(err)
		return
	}
	for goOn() {
		_ = ws.SetReadDeadline(time.Now().Add(60 * time.Second))
		_, b, err := ws.ReadMessage()
		if err != nil {
			t.Error(err)
			return
		}
		if strings.HasPrefix(string(b), `{"op":"live"`) {
			return
		}
		got.Add(int64(strings.Count(string(b), `"op":"msg"`)))
	}
}

func metric(text, name string) int64 {
	_, v, _ := strings.Cut(text, "\n"+name+" ")
	v, _, _ = strings.Cut(v, "\n")
	n, err := strconv.ParseFloat(v, 64)
	if err != nil {
		panic(fmt.Sprint(name, ": ", err))
	}
	return int64(n)
}

func mib(n int64) float64 { return float64(n) / (1 << 20) }
