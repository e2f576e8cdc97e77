package link_test

import (
	"bytes"
	"fmt"
	"io"
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
	const dead = 60 * time.Second
	eachReader(t, func(t *testing.T, reader string) {
		var log nodetest.Buffer
		var hub hubTime
		s := serve(t, withEcho(options{Reader: reader, Ping: time.Second, Dead: dead, Log: slog.New(slog.NewTextHandler(&log, nil))}), node.Options{Clock: hub.clock()})
		silent, live := s.dial(), s.dial()
		gone := make(chan struct{})
		go func() {
			defer close(gone)
			if all, err := silent.rest(); err != nil || len(all) == 0 || strings.Trim(strings.Join(all, ""), "ping:") != "" {
				t.Errorf("a dead peer saw %q, %v", all, err)
			}
		}()
		began, came := time.Now(), s.heardAt(silent.nc)
		for range 4 {
			hub.pass(dead / 3)
			now := s.Hub().Mono()
			live.want("ping:")
			live.send(clientFrame(true, 0, opPong, nil))
			eventually(t, "the pong is heard", func() bool { return s.heardAt(live.nc) >= now })
			if cut := s.count(node.CutDead); cut > 0 && s.Hub().Mono()-came < dead.Milliseconds() {
				t.Errorf("cut after %d ms", s.Hub().Mono()-came)
			}
		}
		if d := time.Since(began); d < 3*time.Second {
			t.Errorf("4 pings in %v", d)
		}
		live.send(text("here"))
		for g := (got{}); g.op != opText; {
			var err error
			if g, err = live.next(); err != nil {
				t.Fatalf("a live peer was cut: %v", err)
			}
		}
		<-gone
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
	const stall = 60 * time.Second
	eachReader(t, func(t *testing.T, reader string) {
		s := serveTight(t, withEcho(options{Reader: reader, Stall: stall}), node.Options{})
		c := s.dialTight()
		p := strings.Repeat("x", 60_000)
		c.send(text(p))
		eventually(t, "its socket is full", func() bool { return s.Blocked() == 1 })
		var took bytes.Buffer
		for range 4 { // it takes a little of it each time before it would have taken nothing for too long
			for s.Age(stall * 2 / 3); s.Stalled() > stall/2; time.Sleep(time.Millisecond) {
				_ = c.nc.SetReadDeadline(time.Now().Add(patience))
				if _, err := io.CopyN(&took, c.nc, 100); err != nil {
					t.Fatal(err)
				}
			}
		}
		c.br.Reset(io.MultiReader(&took, c.nc))
		c.want(answer(opText, []byte(p)))
		if n := s.count(node.CutSlow); n != 0 {
			t.Errorf("%d counted as slow", n)
		}
	})
}

// TestListener: who listens and says nothing but pongs stays, and hears all.
func TestListener(t *testing.T) {
	t.Parallel()
	const dead = 60 * time.Second
	eachReader(t, func(t *testing.T, reader string) {
		var hub hubTime
		s := serve(t, options{Reader: reader, Ping: time.Second, Dead: dead}, node.Options{Rate: -1, Clock: hub.clock()})
		p := s.source()
		t.Cleanup(p.close)
		c := s.browser()
		if err := c.WriteMessage(websocket.TextMessage, []byte(`{"op":"sub","id":1,"topic":"a"}`)); err != nil {
			t.Fatal(err)
		}
		const n = 500
		live, seq, last := make(chan struct{}), uint64(0), make(chan error)
		go func() { // it reads, and so it answers pings
			var err error
			for op := ""; err == nil && seq <= n; {
				var m reading
				if err = c.ReadJSON(&m); err != nil {
					break
				}
				if op != "live" && m.Op == "live" {
					op = m.Op
					close(live)
				}
				if m.Op == "msg" {
					if m.Seq != seq+1+m.Drop {
						err = fmt.Errorf("reading %d with drop %d after %d", m.Seq, m.Drop, seq)
					}
					seq = m.Seq
				}
			}
			last <- err
		}()
		<-live
		for i := range n {
			p.pub("a", `"%d %s"`, i, strings.Repeat("x", 400))
		}
		for range 4 { // it listens, and only its pongs tell that it is there
			hub.pass(dead / 3)
			now := s.Hub().Mono()
			eventually(t, "a pong is heard", func() bool { return s.heardAt(c.NetConn()) >= now })
		}
		p.pub("a", `"last"`)
		if err := <-last; err != nil {
			t.Fatalf("after reading %d: %v", seq, err)
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
