package link_test

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"topicd/node"
	"topicd/node/link"
)

func shutdown(s *testServer, patience time.Duration) time.Duration {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	began := time.Now()
	s.Shutdown(ctx)
	return time.Since(began)
}

// TestShutdown: everybody gets what was stored for them, bye and 1001.
func TestShutdown(t *testing.T) {
	t.Parallel()
	const peers, n = 20, 250
	eachReader(t, func(t *testing.T, reader string) {
		s := serve(t, options{Reader: reader, Pace: time.Hour}, node.Options{Rate: -1})
		p := s.source()
		var conns []*raw
		for range peers {
			c := s.dial()
			c.say(`{"op":"sub","id":1,"topic":"a"}`)
			c.message(`"op":"live"`)
			conns = append(conns, c)
		}
		silent := s.dial()
		for i := range n {
			p.pub("a", `"%d %s"`, i, strings.Repeat("x", 200)) // waits for the pace
		}
		p.close()
		var wg sync.WaitGroup
		for _, c := range append(conns, silent) {
			want := n
			if c == silent {
				want = 0
			}
			wg.Go(func() { c.sayGoodbye(want) })
		}
		d := shutdown(s, patience)
		wg.Wait()
		if d > long {
			t.Errorf("it took %v", d)
		}
	})
}

// sayGoodbye reads readings, bye and the close frame, and answers that.
func (c *raw) sayGoodbye(readings int) {
	defer c.nc.Close()
	n := 0
	for {
		g, err := c.next()
		if err != nil {
			c.t.Errorf("no close frame: %v", err)
			return
		}
		switch m := string(g.payload); {
		case strings.Contains(m, `"op":"ok"`): // behind the live marker
		case strings.Contains(m, `"op":"msg"`):
			n++
		case strings.Contains(m, `"op":"bye"`):
			if !strings.Contains(m, `"code":503`) || !strings.Contains(m, `"retry":1000`) {
				c.t.Errorf("says %s", m)
			}
			if n != readings {
				c.t.Errorf("bye after %d readings, want %d", n, readings)
			}
		default:
			if g.String() != "close:1001" {
				c.t.Errorf("got %s", g)
			}
			_, _ = c.nc.Write(closing(1001, ""))
			if all, err := c.rest(); err != nil || len(all) > 0 {
				c.t.Errorf("then %q, %v", all, err)
			}
			return
		}
	}
}

// TestShutdownUnderLoad: readings that go on being published do not keep those
// who answer the close frame.
func TestShutdownUnderLoad(t *testing.T) {
	t.Parallel()
	const peers = 10
	eachReader(t, func(t *testing.T, reader string) {
		s := serve(t, options{Reader: reader, Drain: link.DrainFor}, node.Options{Rate: -1})
		p := s.source()
		var readers, publisher sync.WaitGroup
		var told atomic.Int32
		for range peers {
			c := s.dial()
			c.say(`{"op":"sub","id":1,"topic":"#"}`)
			c.message(`"op":"live"`)
			readers.Go(func() {
				defer c.nc.Close()
				for {
					g, err := c.next()
					if err != nil {
						return
					}
					if g.op == opClose {
						told.Add(1)
						_, _ = c.nc.Write(closing(1001, ""))
					}
				}
			})
		}
		stop := make(chan struct{})
		publisher.Go(func() {
			for i := 0; ; i++ {
				select {
				case <-stop:
					return
				default:
					p.pub(fmt.Sprint("a/", i%50), "%d", i)
					runtime.Gosched()
				}
			}
		})
		d := shutdown(s, patience)
		close(stop)
		publisher.Wait()
		readers.Wait()
		p.close()
		if d > long || told.Load() != peers {
			t.Errorf("it took %v; %d of %d were told", d, told.Load(), peers)
		}
	})
}

// TestShutdownWithStuckReaders: who does not read is not waited for longer than
// the caller allows.
func TestShutdownWithStuckReaders(t *testing.T) {
	t.Parallel()
	eachReader(t, func(t *testing.T, reader string) {
		s := serveTight(t, options{Reader: reader}, node.Options{Rate: -1})
		p := s.source()
		for range 5 {
			c := s.dialTight()
			c.say(`{"op":"sub","id":1,"topic":"a"}`)
			c.message(`"op":"live"`)
		}
		s.dial() // reads, but says nothing when it is told to go
		for i := range 200 {
			p.pub("a", `"%d %s"`, i, strings.Repeat("x", 1000))
		}
		eventually(t, "they are stuck", func() bool { return s.Blocked() == 5 })
		p.close()
		if d := shutdown(s, 500*time.Millisecond); d < 400*time.Millisecond || d > long {
			t.Errorf("it took %v, want half a second", d)
		}
	})
}

// TestConnectsDuringShutdown: they get 503, or the connection ends; nothing is
// left behind.
func TestConnectsDuringShutdown(t *testing.T) {
	t.Parallel()
	eachReader(t, func(t *testing.T, reader string) {
		for range 10 {
			s := start(t, options{Reader: reader}, node.Options{})
			var wg sync.WaitGroup
			results := make([]string, 30)
			begin := make(chan struct{})
			for i := range results {
				wg.Go(func() {
					<-begin
					results[i] = s.tryOnce()
				})
			}
			close(begin)
			time.Sleep(time.Millisecond)
			shutdown(s, 50*time.Millisecond)
			if late := s.tryOnce(); late != "503 Service Unavailable" {
				t.Errorf("after the shutdown: %s", late)
			}
			wg.Wait()
			s.end()
			if slices.Contains(results, "stuck") {
				t.Errorf("a connection outlived the shutdown")
			}
		}
	})
}

// tryOnce connects and reads to the end.
func (s *testServer) tryOnce() string {
	nc, err := s.connect(net.Dialer{})
	if err != nil {
		return "refused"
	}
	defer nc.Close()
	c, err := handshake(nc, s.addr)
	if err != nil {
		return "handshake broke"
	}
	if c.resp.StatusCode != http.StatusSwitchingProtocols {
		return c.resp.Status
	}
	for {
		g, err := c.next()
		if e, ok := err.(net.Error); ok && e.Timeout() {
			return "stuck"
		}
		if err != nil {
			return "ended"
		}
		if g.op == opClose {
			_, _ = nc.Write(closing(1001, ""))
		}
	}
}
