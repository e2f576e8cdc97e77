package link_test

import (
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"runtime"
	"sync"
	"testing"
	"time"

	"topicd/node"
)

// TestChurn: peers come, subscribe, publish and go in every way while readings
// are published. Nothing is left of them: no session, byte, descriptor or
// goroutine. It runs apart from other tests, which would count too.
func TestChurn(t *testing.T) {
	const peers, rounds = 25, 20
	for _, reader := range readers {
		t.Run(reader, func(t *testing.T) {
			descriptors, goroutines := open(t), runtime.NumGoroutine()
			s := start(t, options{Reader: reader}, node.Options{Rate: -1})
			p := s.source()
			stop := make(chan struct{})
			var publisher, wg sync.WaitGroup
			publisher.Go(func() {
				for i := 0; ; i++ {
					select {
					case <-stop:
						return
					default:
						p.pub(fmt.Sprint("t/", i%20), "%d", i)
						if i%20 == 0 {
							time.Sleep(time.Millisecond)
						}
					}
				}
			})
			for i := range peers {
				wg.Go(func() {
					r := rand.New(rand.NewPCG(uint64(i), 5))
					for range rounds {
						if err := s.visit(r); err != nil {
							t.Error(err)
							return
						}
					}
				})
			}
			wg.Wait()
			eventually(t, "the server has seen them go", func() bool { return s.Left() == 0 })
			close(stop)
			publisher.Wait()
			p.close()
			if err := s.Hub().CheckInvariants(); err != nil {
				t.Error(err)
			}
			if n := s.count(node.Opened); n != peers*rounds+1 {
				t.Errorf("%d sessions were opened", n)
			}
			s.end()
			eventually(t, "no descriptor is left", func() bool { return open(t) <= descriptors })
			eventually(t, "no goroutine is left", func() bool { return runtime.NumGoroutine() <= goroutines })
		})
	}
}

// open counts descriptors.
func open(t *testing.T) int {
	t.Helper()
	fds, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Skip("no /proc here")
	}
	return len(fds)
}

// visit is one peer's stay and one way to end it.
func (s *testServer) visit(r *rand.Rand) error {
	nc, err := s.connect(net.Dialer{})
	if err != nil {
		return err
	}
	defer nc.Close()
	c, err := handshake(nc, s.addr)
	if err != nil {
		return err
	}
	c.say(`{"op":"sub","id":1,"topic":%q,"opts":{"last":5}}`, []string{"#", "t/+", "t/3", "$sys/presence/#"}[r.IntN(4)])
	c.say(`{"op":"hello","opts":{"dev":"dev-%d"}}`, r.IntN(10))
	c.say(`{"op":"pub","topic":"t/%d","data":1}`, r.IntN(30))
	for range r.IntN(5) {
		if _, err := c.next(); err != nil {
			return err
		}
	}
	whole := text(`{"op":"pub","topic":"t/1","data":"a longer reading that is cut short"}`)
	switch r.IntN(6) {
	case 0: // a clean end
		_, _ = nc.Write(closing(1000, ""))
		_, err := c.rest()
		return err
	case 1: // FIN
	case 2: // FIN within a frame
		_, _ = nc.Write(whole[:10+r.IntN(20)])
	case 3: // FIN within a fragmented message
		_, _ = nc.Write(frag(false, opText, `{"op":`))
	case 4: // RST, with readings on their way
		c.reset()
	case 5: // nonsense, and gone
		_, _ = nc.Write([]byte{0xff, 0xff, 0xff})
	}
	return nil
}

// TestShutdownLeavesNothing: with peers of every kind still connected.
func TestShutdownLeavesNothing(t *testing.T) {
	if l, err := net.Listen("tcp", "127.0.0.1:0"); err == nil {
		_ = l.Close() // Go's poller has descriptors of its own from the first socket on
	}
	for _, reader := range readers {
		t.Run(reader, func(t *testing.T) {
			descriptors, goroutines := open(t), runtime.NumGoroutine()
			s := start(t, options{Reader: reader}, node.Options{Rate: -1})
			var conns []*raw
			for i := range 30 {
				nc, err := s.connect(net.Dialer{})
				if err != nil {
					t.Fatal(err)
				}
				c, err := handshake(nc, s.addr)
				if err != nil {
					t.Fatal(err)
				}
				c.t = t
				conns = append(conns, c)
				switch i % 3 {
				case 0:
					c.send(text(`{"op":"sub","id":1,"topic":"#"}`))
				case 1:
					c.send(frag(false, opBinary, "parked"), []byte{0x80, 0xfe, 1})
				case 2:
					c.reset()
				}
			}
			s.end()
			for _, c := range conns {
				_ = c.nc.Close()
			}
			eventually(t, "no descriptor is left", func() bool { return open(t) <= descriptors })
			eventually(t, "no goroutine is left", func() bool { return runtime.NumGoroutine() <= goroutines })
		})
	}
}
