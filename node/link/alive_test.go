package link_test

import (
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"topicd/node"
	"topicd/node/nodetest"
)

// TestKeepAlive: peers are pinged; who answers stays, who does not goes within
// Dead and a sweep. A listener that says nothing but pongs is alive.
func TestKeepAlive(t *testing.T) {
	t.Parallel()
	eachReader(t, func(t *testing.T, reader string) {
		var log nodetest.Buffer
		s := serve(t, withEcho(options{Reader: reader, Ping: time.Second, Dead: 4 * time.Second, Log: slog.New(slog.NewTextHandler(&log, nil))}), node.Options{})
		dead := s.dial()
		gone := make(chan time.Duration, 1)
		began := time.Now()
		go func() {
			all, err := dead.rest()
			gone <- time.Since(began)
			if err != nil || len(all) == 0 || strings.Trim(strings.Join(all, ""), "ping:") != "" {
				t.Errorf("a dead peer saw %q, %v", all, err)
			}
		}()
		live := s.dial()
		pings := 0
		for pings < 4 {
			live.want("ping:")
			pings++
			live.send(clientFrame(true, 0, opPong, nil))
		}
		if d := time.Since(began); d < 3*time.Second {
			t.Errorf("%d pings in %v", pings, d)
		}
		live.send(text("here"))
		for g := (got{}); g.op != opText; {
			var err error
			if g, err = live.next(); err != nil {
				t.Fatalf("a live peer was cut after %d pings: %v", pings, err)
			}
		}
		if d := <-gone; d < 3900*time.Millisecond || d > long {
			t.Errorf("the dead peer was cut after %v", d)
		}
		// The sweep cuts, counts, and tells when it has been through all: the peer may know before.
		eventually(t, "the log tells of it", func() bool { return strings.Contains(log.String(), "no sign of life") })
		if n := s.count(node.CutDead); n != 1 {
			t.Errorf("%d counted as dead, want 1", n)
		}
		if text := log.String(); strings.Count(text, "no sign of life") != 1 || !strings.Contains(text, "at 127.0.0.1:") {
			t.Errorf("the log tells of it so: %q", text)
		}
	})
}

// TestStall: a peer that takes nothing is cut after Stall and counted.
func TestStall(t *testing.T) {
	t.Parallel()
	const stall = 700 * time.Millisecond
	eachReader(t, func(t *testing.T, reader string) {
		s := serveTight(t, options{Reader: reader, Stall: stall}, node.Options{Rate: -1})
		p := s.source()
		defer p.close()
		c := s.dialTight()
		c.say(`{"op":"sub","id":1,"topic":"a"}`)
		c.message(`"op":"live"`)
		began := time.Now()
		for i := range 300 {
			p.pub("a", `"%d %s"`, i, strings.Repeat("x", 500))
		}
		eventually(t, "it is cut", func() bool { return s.Left() == 0 })
		if d := time.Since(began); d < stall {
			t.Errorf("cut after %v", d)
		}
		if n := s.count(node.CutSlow); n != 1 {
			t.Errorf("%d counted as slow, want 1", n)
		}
	})
}

// TestSlowIsNotStalled: a peer that takes little at a time is not cut, however
// long a batch takes.
func TestSlowIsNotStalled(t *testing.T) {
	t.Parallel()
	const stall = 3 * time.Second
	eachReader(t, func(t *testing.T, reader string) {
		s := serveTight(t, withEcho(options{Reader: reader, Stall: stall}), node.Options{})
		c := s.dialTight()
		p := strings.Repeat("x", 60_000)
		c.send(text(p))
		began := time.Now()
		c.br.Reset(slowly{c})
		c.want(answer(opText, []byte(p)))
		if d := time.Since(began); d < 2*stall {
			t.Errorf("read in %v: that is not slow", d)
		}
		if n := s.count(node.CutSlow); n != 0 {
			t.Errorf("%d counted as slow", n)
		}
	})
}

// slowly reads 4 KiB in 0.4 s: a busy machine may keep it six times as long.
type slowly struct{ c *raw }

func (s slowly) Read(b []byte) (int, error) {
	time.Sleep(400 * time.Millisecond)
	return s.c.nc.Read(b[:min(len(b), 4096)])
}

// TestListener: who listens and says nothing but pongs stays, and hears all.
func TestListener(t *testing.T) {
	t.Parallel()
	eachReader(t, func(t *testing.T, reader string) {
		s := serve(t, options{Reader: reader, Ping: time.Second, Dead: 4 * time.Second}, node.Options{Rate: -1})
		p := s.source()
		t.Cleanup(p.close)
		c := s.browser()
		if err := c.WriteMessage(websocket.TextMessage, []byte(`{"op":"sub","id":1,"topic":"a"}`)); err != nil {
			t.Fatal(err)
		}
		seq := uint64(0)
		read := func() (m reading) {
			if err := c.ReadJSON(&m); err != nil {
				t.Fatalf("after reading %d: %v", seq, err)
			}
			return m
		}
		for read().Op != "live" {
		}
		const n = 500
		for i := range n {
			p.pub("a", `"%d %s"`, i, strings.Repeat("x", 400))
		}
		for seq < n {
			if m := read(); m.Op == "msg" {
				if m.Seq != seq+1+m.Drop {
					t.Fatalf("reading %d with drop %d after %d", m.Seq, m.Drop, seq)
				}
				seq = m.Seq
			}
		}
		// It listens, and only its pongs tell that it is there.
		go func() {
			time.Sleep(5100 * time.Millisecond)
			p.pub("a", `"last"`)
		}()
		if m := read(); m.Seq != n+1 {
			t.Errorf("got %+v", m)
		}
		_ = c.WriteMessage(websocket.CloseMessage, websocket.FormatCloseMessage(1000, ""))
		if _, _, err := c.ReadMessage(); !websocket.IsCloseError(err, 1000) {
			t.Errorf("ended with %v", err)
		}
	})
}

// reading is a frame of the native grammar, as far as these tests look.
type reading struct {
	Op        string
	Topic     any // a name, or in an ok a number
	Seq, Drop uint64
	Data      any
}
