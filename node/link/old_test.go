package link_test

import (
	"fmt"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"topicd/node"
	"topicd/node/dialect/native"
	"topicd/node/link"
	"topicd/node/link/ws"
)

// A hub that runs for 24.8, 49.7 or 99.4 days, or for 68 or 136 years, goes on as
// it did: milliseconds, seconds, places in loops and the choice of a loop wrap, and
// nobody is cut, left unpaced or mixed up because of it.
func TestNumbersThatWrap(t *testing.T) {
	t.Parallel()
	const before = 600 * time.Millisecond
	for name, age := range map[string]time.Duration{
		"2^31 ms": 1 << 31 * time.Millisecond, "2^32 ms": 1 << 32 * time.Millisecond, "2^33 ms": 1 << 33 * time.Millisecond,
		"2^31 s": 1 << 31 * time.Second, "2^32 s": 1 << 32 * time.Second,
	} {
		for _, reader := range []string{link.ReadPoll, link.ReadStay} {
			t.Run(name+", "+reader, func(t *testing.T) {
				t.Parallel()
				runOld(t, reader, age-before)
			})
		}
	}
}

func runOld(t *testing.T, reader string, age time.Duration) {
	var hub hubTime
	hub.pass(age)
	start := time.Now()
	h := node.New(node.Options{Rate: -1, Clock: hub.clock()})
	l, err := link.NewOld(h, link.Options{Reader: reader, Pace: 20 * time.Millisecond, Ping: 300 * time.Millisecond, Dead: 30 * time.Second, Pings: 40}, age)
	if err != nil {
		t.Fatal(err)
	}
	cfg := &native.Config{Hub: h, Version: "test"}
	s := &testServer{Server: ws.New(l, ws.Options{Open: func(a node.Arrival) node.Dialect { return cfg.New(a.Protocol) }}), t: t}
	listener := s.listen(net.ListenConfig{})
	s.addr = listener.Addr().String()
	s.http = &http.Server{Handler: s.Server}
	go func() { _ = s.http.Serve(listener) }()
	t.Cleanup(s.end)
	src := s.source()
	defer src.close()
	s.dial() // it says nothing more
	var live []*raw
	for range 6 { // more than there are loops, and places in them
		c := s.dial()
		c.say(`{"op":"sub","id":1,"topic":"a"}`)
		c.message(`"op":"ok"`)
		live = append(live, c)
	}
	for i := range 30 { // 1.5 s
		src.pub("a", "%d", i)
		for _, c := range live {
			for g := (got{}); g.op != opText; {
				if g, err = c.next(); err != nil {
					t.Fatalf("reading %d, after %v: %v", i, time.Since(start), err)
				}
				if g.op == opPing {
					c.send(clientFrame(true, 0, opPong, g.payload))
				}
				if g.op == opText && !strings.Contains(string(g.payload), fmt.Sprintf(`"seq":%d}`, i+1)) {
					t.Fatalf("reading %d is %s", i, g)
				}
			}
			c.send(ping("")) // twenty a second, which is half of what it may
		}
		if i >= 15 { // all has wrapped: half a minute goes by, in pieces that nobody is taken for dead in
			hub.pass(2500 * time.Millisecond)
		}
		time.Sleep(50 * time.Millisecond)
	}
	eventually(t, "who says nothing is dead, and the others are left", func() bool {
		time.Sleep(50 * time.Millisecond)
		for _, c := range live {
			c.send(ping(""))
		}
		return s.count(node.CutDead) == 1 && s.Left() == len(live)
	})
	for _, c := range live {
		_ = c.nc.Close()
	}
	eventually(t, "they go", func() bool { return s.Left() == 0 })
	c := s.dial() // in a place that was used
	c.say(`{"op":"ping","id":1}`)
	c.message(`"op":"pong"`)
}
