package main

import (
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"topicd/node/client"
)

// ledger is what the test knows of one topic over all lives of the hub.
type ledger struct {
	t     *testing.T
	topic string

	mu    sync.Mutex
	acked map[int]uint64    // by the reading's value: the number that its ok named
	seen  map[uint64]string // by number: what anybody was ever sent
}

func newLedger(t *testing.T, topic string) *ledger {
	return &ledger{t: t, topic: topic, acked: map[int]uint64{}, seen: map[uint64]string{}}
}

func (l *ledger) ack(value int, seq uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if was, ok := l.acked[value]; ok && was != seq {
		l.t.Errorf("%s: reading %d was acknowledged as %d, and now as %d", l.topic, value, was, seq)
	}
	l.acked[value] = seq
}

// size is how many are acknowledged.
func (l *ledger) size() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.acked)
}

// sent notes that somebody was sent a reading.
func (l *ledger) sent(seq uint64, data string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if was, ok := l.seen[seq]; ok && was != data {
		l.t.Errorf("%s: number %d stood for %s, and now for %s", l.topic, seq, was, data)
	}
	l.seen[seq] = data
}

// check holds what the hub has from a number on against the ledger: all that was
// acknowledged is there, with its number, and nothing twice.
func (l *ledger) check(url string, from uint64) (newest uint64) {
	l.t.Helper()
	c, err := client.Dial(l.t.Context(), client.Options{URL: url})
	if err != nil {
		l.t.Fatal(err)
	}
	defer c.Close()
	held := map[string]uint64{}
	o := client.GetOptions{Since: int64(from), Last: 1 << 30}
	err = c.Get(l.t.Context(), l.topic, o, func(m client.Message) error {
		data := string(m.JSON())
		if was, twice := held[data]; twice {
			l.t.Errorf("%s: reading %s is there as %d and as %d", l.topic, data, was, m.Seq)
		}
		held[data] = m.Seq
		newest = m.Seq
		l.sent(m.Seq, data)
		return nil
	})
	if err != nil && !strings.Contains(err.Error(), "no topic") {
		l.t.Fatal(err)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	lost := 0
	for value, seq := range l.acked {
		if seq > from && held[strconv.Itoa(value)] != seq {
			if lost++; lost < 5 {
				l.t.Errorf("%s: reading %d, acknowledged as %d, is at %d (0 = lost)", l.topic, value, seq, held[strconv.Itoa(value)])
			}
		}
	}
	return newest
}

// device publishes with its own numbers and sends again what was not answered, and a
// few that were.
type device struct {
	l       *ledger
	next    int
	waiting []int // not answered
	done    []int // answered lately
}

// run publishes until the hub is gone.
func (d *device) run(url string) {
	ws, _, err := websocket.DefaultDialer.Dial(url, nil)
	if err != nil {
		return
	}
	defer ws.Close()
	if ws.WriteMessage(websocket.TextMessage, []byte(`{"op":"hello","opts":{"dev":"pump"}}`)) != nil {
		return
	}
	send := func(value int) bool {
		return ws.WriteMessage(websocket.TextMessage, fmt.Appendf(nil, `{"op":"pub","id":%d,"topic":"%s","data":%d,"seq":%d}`, value, d.l.topic, value, value)) == nil
	}
	again := append(append([]int(nil), d.done[max(0, len(d.done)-(16-len(d.waiting))):]...), d.waiting...)
	for _, v := range again {
		if !send(v) {
			return
		}
	}
	d.waiting = again
	for {
		for len(d.waiting) < 16 {
			d.next++
			d.waiting = append(d.waiting, d.next)
			if !send(d.next) {
				return
			}
		}
		_, b, err := ws.ReadMessage()
		if err != nil {
			return
		}
		var m struct {
			Op  string
			ID  int
			Seq uint64
			Err any
		}
		if json.Unmarshal(b, &m) != nil || m.Op == "welcome" {
			continue
		}
		if m.Op != "ok" || len(d.waiting) == 0 || m.ID != d.waiting[0] {
			d.l.t.Errorf("the device waits for %v and hears %s", d.waiting, b)
			return
		}
		d.l.ack(m.ID, m.Seq)
		d.waiting = d.waiting[1:]
		if d.done = append(d.done, m.ID); len(d.done) > 16 {
			d.done = d.done[1:]
		}
	}
}

// posts publishes over HTTP, where nothing is sent again.
func posts(l *ledger, addr string, next *int) {
	c := http.Client{Timeout: 20 * time.Second}
	defer c.CloseIdleConnections()
	for {
		*next++
		res, err := c.Post("http://"+addr+"/api/pub/"+l.topic, "application/json", strings.NewReader(strconv.Itoa(*next)))
		if err != nil {
			return
		}
		b, err := io.ReadAll(res.Body)
		res.Body.Close()
		var a struct{ Seq uint64 }
		if err != nil || res.StatusCode != 200 || json.Unmarshal(b, &a) != nil {
			return
		}
		l.ack(*next, a.Seq)
	}
}

// overhears notes all that a subscriber is sent.
func overhears(url string, ls ...*ledger) {
	ws, _, err := websocket.DefaultDialer.Dial(url, nil)
	if err != nil {
		return
	}
	defer ws.Close()
	if ws.WriteMessage(websocket.TextMessage, []byte(`{"op":"sub","topic":"plant/#","opts":{"last":0}}`)) != nil {
		return
	}
	for {
		_, b, err := ws.ReadMessage()
		if err != nil {
			return
		}
		var m struct {
			Op    string
			Topic any
			Seq   uint64
			Data  json.RawMessage
		}
		if json.Unmarshal(b, &m) != nil || m.Op != "msg" {
			continue
		}
		for _, l := range ls {
			if l.topic == m.Topic {
				l.sent(m.Seq, string(m.Data))
			}
		}
	}
}

// kill -9 in rounds under load: what was acknowledged is there with its number, once;
// a number that anybody was sent is given to nothing else; a device that sends again
// is recognised; the hole is told. TOPICD_KILLS=200 for many rounds.
func TestKilledUnderLoad(t *testing.T) {
	processes(t)
	rounds := 6
	if n, err := strconv.Atoi(os.Getenv("TOPICD_KILLS")); err == nil {
		rounds = n
	}
	dir := t.TempDir()
	native, posted := newLedger(t, "plant/native"), newLedger(t, "plant/http")
	dev := &device{l: native}
	var next int
	var nativeAt, postedAt uint64
	for round := range rounds {
		h := serveProcess(t, nil, binary(t, "amd64"), "--sense=off", "--state", dir, "--durable", "plant/#", "--store-sync", "5ms", "--topic-cap", "4KiB")
		newest := native.check(h.url, nativeAt)
		postedAt = max(postedAt, posted.check(h.url, postedAt))
		if round > 0 && newest > 0 {
			toldOfHole(t, h.url, native.topic, newest)
		}
		nativeAt = max(nativeAt, newest)
		var load sync.WaitGroup
		load.Go(func() { dev.run(h.url) })
		load.Go(func() { posts(posted, h.addr, &next) })
		load.Go(func() { overhears(h.url, native, posted) })
		if round%2 == 0 { // every second one is killed whatever has been done by then
			until(t, 60*time.Second, "some are acknowledged", func() bool { return native.size() > 2*round+2 && posted.size() > 2*round+2 })
		}
		time.Sleep(time.Duration(20+rand.IntN(250)) * time.Millisecond) // when it is killed is chance
		h.kill(t)
		load.Wait()
		if t.Failed() {
			t.Fatalf("in round %d", round)
		}
	}
	h := serveProcess(t, nil, binary(t, "amd64"), "--sense=off", "--state", dir, "--durable", "plant/#")
	native.check(h.url, 0)
	posted.check(h.url, 0)
	t.Logf("%d rounds: %d readings of the device and %d over HTTP acknowledged, %d and %d numbers seen", rounds, len(native.acked), len(posted.acked), len(native.seen), len(posted.seen))
	if len(native.acked) < rounds || len(posted.acked) < rounds {
		t.Error("there was no load")
	}
	if code, out, errs := h.command(t, "log", "--verify", "--state", dir); code != 0 {
		t.Errorf("log --verify: %d %s%s", code, out, errs)
	}
}

// toldOfHole: who asks for what follows the newest number of before the crash is told
// how many numbers nobody has.
func toldOfHole(t *testing.T, url, topic string, newest uint64) {
	t.Helper()
	ws := rawDial(t, url)
	defer ws.Close()
	if err := ws.WriteMessage(websocket.TextMessage, fmt.Appendf(nil, `{"op":"sub","id":1,"topic":"%s","opts":{"since":%d}}`, topic, newest)); err != nil {
		t.Fatal(err)
	}
	for {
		var a struct {
			Op   string
			Data struct{ From, Gap uint64 }
		}
		text := nextText(t, ws)
		if err := json.Unmarshal([]byte(text), &a); err != nil {
			t.Fatal(err)
		}
		if a.Op != "ok" {
			continue
		}
		if a.Data.Gap == 0 || a.Data.From != newest+1+a.Data.Gap {
			t.Errorf("behind %d the hub says %s", newest, text)
		}
		return
	}
}
