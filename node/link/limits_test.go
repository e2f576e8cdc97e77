package link_test

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"

	"topicd/node"
	"topicd/node/link"
)

// TestLimits: what is too big or unmasked is refused by its head, before the
// payload is sent.
func TestLimits(t *testing.T) {
	t.Parallel()
	const limit = 1000
	head := func(fin bool, op byte, length uint64) []byte { return maskedFrame(fin, 0, op, nil, length, 1) }
	part := func(fin bool, op byte, n int) []byte { return frag(fin, op, strings.Repeat("x", n)) }
	unmasked := []byte{0x81, 2, 'h', 'i'}
	tests := []struct {
		name string
		send [][]byte
		want string
	}{
		{name: "unmasked text", send: several(unmasked), want: "close:1002"},
		{name: "unmasked ping", send: several([]byte{0x89, 0}), want: "close:1002"},
		{name: "unmasked close", send: several([]byte{0x88, 0}), want: "close:1002"},
		{name: "one byte too many", send: several(head(true, opBinary, limit+1)), want: "close:1009"},
		{name: "64 KiB", send: several(head(true, opText, 1<<16)), want: "close:1009"},
		{name: "4 GiB", send: several(head(true, opText, 1<<32)), want: "close:1009"},
		{name: "largest signed", send: several(head(true, opText, 1<<63-1)), want: "close:1009"},
		{name: "top bit", send: several(head(true, opText, 1<<63)), want: "close:1009"},
		{name: "largest", send: several(head(true, opText, 1<<64-1)), want: "close:1009"},
		{name: "first fragment", send: several(head(false, opText, limit+1)), want: "close:1009"},
		{name: "second fragment", send: several(part(false, opText, limit), head(true, opContinuation, 1)), want: "close:1009"},
		{name: "third fragment", send: several(part(false, opText, 400), part(false, opContinuation, 400), head(false, opContinuation, 201)), want: "close:1009"},
		{name: "just fits in fragments", send: several(part(false, opText, 400), part(false, opContinuation, 599), part(true, opContinuation, 1)), want: answer(opText, bytes.Repeat([]byte("x"), limit))},
		{name: "just fits", send: several(part(true, opText, limit)), want: answer(opText, bytes.Repeat([]byte("x"), limit))},
	}
	eachReader(t, func(t *testing.T, reader string) {
		s := serve(t, withEcho(options{Reader: reader, MaxFrame: limit}), node.Options{})
		var cut int64
		for _, tt := range tests {
			c := s.dial()
			c.send(tt.send...)
			g, err := c.next()
			if err != nil || g.String() != tt.want {
				t.Errorf("%s: got %q, %v, want %q", tt.name, g, err, tt.want)
			}
			if g.op == opClose {
				if all, err := c.rest(); err != nil || len(all) > 0 {
					t.Errorf("%s: then %q, %v", tt.name, all, err)
				}
				cut++
			}
			_ = c.nc.Close()
		}
		eventually(t, "all sessions end", func() bool { return s.Hub().Counts().Sessions == 0 })
		if n := s.count(node.CutProtocol); n != cut {
			t.Errorf("%d breaches counted, %d made", n, cut)
		}
	})
}

// TestPartials: what peers park is bounded for all together, whether as the
// beginning of a frame or of a message; those that came first are served.
func TestPartials(t *testing.T) {
	t.Parallel()
	const peers, size, budget = 40, 20 << 10, 400 << 10
	begin := map[string][]byte{
		"frame":    clientFrame(true, 0, opBinary, make([]byte, size))[:size],
		"fragment": clientFrame(false, 0, opBinary, make([]byte, size)),
	}
	end := map[string][]byte{
		"frame":    clientFrame(true, 0, opBinary, make([]byte, size))[size:],
		"fragment": clientFrame(true, 0, opContinuation, nil),
	}
	eachReader(t, func(t *testing.T, reader string) {
		for form := range begin {
			s := serve(t, withEcho(options{Reader: reader, Partials: budget}), node.Options{})
			conns := make([]*raw, peers)
			for i := range conns {
				conns[i] = s.dial()
				conns[i].send(begin[form])
				// One after the other: TLS sends pieces, and many that grow at once are all refused.
				eventually(t, "the peer is parked or refused", func() bool {
					held := s.Partials()
					if held > budget+size { // a few bytes of each are taken beyond it
						t.Fatalf("%s: %d bytes held, the budget is %d", form, held, budget)
					}
					// A parked frame's head is counted where it is kept with the rest.
					return (held+size-1)/size+s.count(node.CutRoom) == int64(i+1)
				})
			}
			served, refused := 0, 0
			for _, c := range conns {
				_, _ = c.nc.Write(end[form])
				switch g, err := c.next(); {
				case err == nil && g.op == opBinary && len(g.payload) == size:
					served++
				case err == nil && g.String() == "close:1013":
					refused++
				default:
					t.Errorf("%s: a peer got %.40q, %v", form, g, err)
				}
				_ = c.nc.Close()
			}
			if served < budget/size-2 || served > budget/size || served+refused != peers {
				t.Errorf("%s: %d served, %d refused", form, served, refused)
			}
			eventually(t, "nothing is held", func() bool { return s.Partials() == 0 })
		}
	})
}

// TestPartialsAreFreedAtOnce: a peer that was refused and lingers holds nothing.
func TestPartialsAreFreedAtOnce(t *testing.T) {
	t.Parallel()
	eachReader(t, func(t *testing.T, reader string) {
		s := serve(t, withEcho(options{Reader: reader}), node.Options{})
		c := s.dial()
		c.send(frag(false, opText, strings.Repeat("x", 5000)), []byte{0x80, 0xff})
		eventually(t, "it is parked", func() bool { return s.Partials() >= 5000 })
		c.send([]byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0})
		c.want("close:1009")
		if n := s.Partials(); n != 0 {
			t.Errorf("%d bytes are still held for a peer that is over", n)
		}
	})
}

// TestUnreadAnswers: a peer that asks on and on without reading is cut, and
// what waits for it meanwhile stays bounded.
func TestUnreadAnswers(t *testing.T) {
	t.Parallel()
	hellos := append([]byte{0x99, 0x4e, 0x20}, bytes.Repeat([]byte{0xa1, 0, 0}, 20000)...) // 60 KB that ask for 2 MB
	requests := map[string][]byte{
		"pings":    bytes.Repeat(ping(strings.Repeat("x", 125)), 400),
		"requests": bytes.Repeat(text(`{"op":"hello","id":1}`), 1000),
		"batches":  clientFrame(true, 0, opBinary, hellos),
	}
	eachReader(t, func(t *testing.T, reader string) {
		for name, b := range requests {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				s := serveTight(t, options{Reader: reader}, node.Options{})
				c := s.dialTight()
				most := 0
				stop := make(chan struct{})
				go func() {
					defer close(stop)
					for {
						if _, err := c.nc.Write(b); err != nil {
							return
						}
					}
				}()
				eventually(t, "it is cut", func() bool {
					most = max(most, s.Queued())
					return s.count(node.CutReplies) == 1 && s.Hub().Counts().Sessions == 0
				})
				_ = c.nc.Close()
				<-stop
				if bound := 4 * link.MaxUnread; most > bound {
					t.Errorf("%d bytes waited for it, want at most %d", most, bound)
				}
			})
		}
	})
}

// TestUnreadMessages: a peer that says nothing and does not read what others
// have said to it is cut: it would miss the rest and never know.
func TestUnreadMessages(t *testing.T) {
	t.Parallel()
	b := bytes.Repeat([]byte("x"), 60<<10)
	eachReader(t, func(t *testing.T, reader string) {
		s := serveTight(t, withEcho(options{Reader: reader}), node.Options{})
		s.dialTight()
		eventually(t, "it is there", func() bool { return len(s.Peers()) == 1 })
		p := s.Peers()[0]
		for range 20 {
			turn := s.Hub().Turn()
			p.Send(true, b, turn)
			turn.Wake()
		}
		eventually(t, "it is cut", func() bool { return s.count(node.CutReplies) == 1 && s.Hub().Counts().Sessions == 0 })
	})
}

// TestManyAnswersAtOnce: a peer that asks a lot in one go and reads gets every
// answer.
func TestManyAnswersAtOnce(t *testing.T) {
	t.Parallel()
	const n = 9000
	var b []byte
	for i := range n {
		b = append(b, text(fmt.Sprintf(`{"op":"unsub","id":%d,"topic":"none"}`, i))...)
	}
	eachReader(t, func(t *testing.T, reader string) {
		s := serve(t, options{Reader: reader}, node.Options{})
		c := s.dial()
		go func() { _, _ = c.nc.Write(b) }()
		for i := range n {
			g, err := c.next()
			if want := fmt.Sprintf(`"id":%d,`, i); err != nil || !strings.Contains(string(g.payload), want) {
				t.Fatalf("answer %d is %.100q, %v; ended for answers: %d, slow: %d, dead: %d, protocol: %d", i, g, err,
					s.count(node.CutReplies), s.count(node.CutSlow), s.count(node.CutDead), s.count(node.CutProtocol))
			}
		}
	})
}

// TestOneLargeAnswer: one answer may be longer than what may wait.
func TestOneLargeAnswer(t *testing.T) {
	t.Parallel()
	p := bytes.Repeat([]byte("large "), 200_000)
	eachReader(t, func(t *testing.T, reader string) {
		s := serveTight(t, withEcho(options{Reader: reader, MaxFrame: len(p)}), node.Options{})
		c := s.dial()
		go func() { _, _ = c.nc.Write(clientFrame(true, 0, opText, p)) }()
		time.Sleep(50 * time.Millisecond) // it is slow to read, not dead
		c.want(answer(opText, p))
		c.send(text("x"))
		c.want("text:x")
	})
}

// TestLongMessages: messages longer than what a reader reads into come whole, with
// what is before and behind them, in whatever pieces the socket has them.
func TestLongMessages(t *testing.T) {
	t.Parallel()
	long := bytes.Repeat([]byte("0123456789"), 50_000)
	eachReader(t, func(t *testing.T, reader string) {
		s := serve(t, withEcho(options{Reader: reader, MaxFrame: len(long)}), node.Options{})
		c := s.dial()
		go func() {
			var all []byte
			for _, n := range []int{1, 70_000, 131_072, 500_000, 2, 200_000} {
				all = append(all, clientFrame(true, 0, opText, long[:n])...)
			}
			for step := 1; len(all) > 0; step = step*3 + 1 {
				n := min(step, len(all))
				if step > 300_000 {
					step = 0
				}
				_, _ = c.nc.Write(all[:n])
				all = all[n:]
			}
		}()
		for _, n := range []int{1, 70_000, 131_072, 500_000, 2, 200_000} {
			c.want(answer(opText, long[:n]))
		}
		c.send(text("x"))
		c.want("text:x")
		if n := s.Partials(); n != 0 {
			t.Errorf("%d bytes of unfinished messages are counted", n)
		}
	})
}
