package link_test

import (
	"bytes"
	"crypto/tls"
	"fmt"
	"net"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"topicd/node"
)

// A protocol that frames itself is handed whole packets, in order, whatever
// pieces they come in and whatever carries them.
func TestPacketsInAnyPieces(t *testing.T) {
	t.Parallel()
	var stream []byte
	var want []string
	for i := range 60 {
		p := strings.Repeat(fmt.Sprint(i, " "), 1+i*i%150)
		stream = append(stream, toyPacket(p)...)
		want = append(want, p)
	}
	eachToy(t, func(t *testing.T, way, reader string) {
		s := serveToy(t, options{Reader: reader, MaxFrame: 8 << 10}, node.Options{Rate: -1})
		for _, piece := range []int{1, 2, 3, 61, 1000, 8000} {
			p := s.toy(way, net.Dialer{})
			go func() {
				for rest := stream; len(rest) > 0; {
					n := min(piece, len(rest))
					if err := p.write(rest[:n]); err != nil {
						t.Errorf("pieces of %d: %v", piece, err)
						return
					}
					rest = rest[n:]
				}
			}()
			for i := range want {
				if got, err := p.read(); err != nil || got != want[i] {
					t.Fatalf("pieces of %d: packet %d is %.40q, %v", piece, i, got, err)
				}
			}
			_ = p.write(toyPacket("end"))
			p.wantEnd(1000)
			_ = p.nc.Close()
		}
		eventually(t, "nothing is kept", func() bool { return s.Partials() == 0 && s.Left() == 0 })
	})
}

// Fragments of a WebSocket message are no borders to the protocol on it, and
// neither are pings between them.
func TestPacketsInFragments(t *testing.T) {
	t.Parallel()
	eachReader(t, func(t *testing.T, reader string) {
		s := serveToy(t, options{Reader: reader}, node.Options{})
		p := s.toy(toyWS, net.Dialer{})
		stream := append(toyPacket("one"), toyPacket("two")...)
		p.send(frag(false, opBinary, string(stream[:4])), frag(false, opContinuation, ""), frag(false, opContinuation, string(stream[4:6])))
		p.wantPacket("one")
		p.send(ping("between"))
		p.want("pong:between")
		p.send(frag(true, opContinuation, string(stream[6:])))
		p.wantPacket("two")
	})
}

// What cannot be a packet ends the connection, once the protocol has said why.
func TestPacketsThatCannotBe(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		send []byte
		says string
		code int
	}{
		{"too large by its head", []byte{0x40, 0x00}, "bye 413", 1009},
		{"malformed", []byte{0, 0}, "bye 400", 1002},
		{"malformed behind a good one", append(toyPacket("good"), 0, 1), "bye 400", 1002},
	}
	eachToy(t, func(t *testing.T, way, reader string) {
		s := serveToy(t, options{Reader: reader, MaxFrame: 1000}, node.Options{})
		for _, tt := range tests {
			p := s.toy(way, net.Dialer{})
			_ = p.write(tt.send)
			if bytes.HasPrefix(tt.send, toyPacket("good")) {
				p.wantPacket("good")
			}
			p.wantPacket(tt.says)
			p.wantEnd(tt.code)
		}
		if n := s.count(node.CutProtocol); n != int64(len(tests)) {
			t.Errorf("%d breaches counted", n)
		}
	})
}

// MQTT 5 6.0.0-1: text is not for such a protocol.
func TestTextForAPacketProtocol(t *testing.T) {
	t.Parallel()
	eachReader(t, func(t *testing.T, reader string) {
		s := serveToy(t, options{Reader: reader}, node.Options{})
		p := s.toy(toyWS, net.Dialer{})
		p.send(text(string(toyPacket("text"))))
		p.wantEnd(1003)
	})
}

// Beginnings of packets count with those of frames, and are bounded together.
func TestBeginningsOfPackets(t *testing.T) {
	t.Parallel()
	const peers, size, budget = 25, 10 << 10, 100 << 10
	eachToy(t, func(t *testing.T, way, reader string) {
		// On a busy machine they come for longer than a peer may say nothing whole.
		s := serveToy(t, options{Reader: reader, Partials: budget, Greet: time.Hour}, node.Options{})
		whole := toyPacket(strings.Repeat("x", size))
		var all []*toyPeer
		for range peers {
			p := s.toy(way, net.Dialer{})
			if err := p.write(whole[:size]); err != nil {
				t.Fatal(err)
			}
			all = append(all, p)
			// One after the other: TLS sends pieces, and many that grow at once are all refused.
			eventually(t, "the peer is parked or refused", func() bool {
				held := s.Partials()
				if held > budget+size {
					t.Fatalf("%d bytes held, the budget is %d", held, budget)
				}
				return (held+size-1)/size+s.count(node.CutRoom) == int64(len(all))
			})
		}
		served := 0
		for _, p := range all {
			if p.write(whole[size:]) == nil {
				if got, err := p.read(); err == nil && len(got) == size {
					served++
				}
			}
			_ = p.nc.Close()
		}
		if served < budget/size-2 || served > budget/size {
			t.Errorf("%d were served", served)
		}
		eventually(t, "nothing is held", func() bool { return s.Partials() == 0 })
	})
}

// Who comes by a bare port says something soon, or goes: bytes that do not become
// a packet are nothing.
func TestGreet(t *testing.T) {
	t.Parallel()
	eachReader(t, func(t *testing.T, reader string) {
		s := serveToy(t, options{Reader: reader, Greet: time.Hour}, node.Options{})
		greets := s.toy(toyTCP, net.Dialer{})
		_ = greets.write(toyPacket("hello"))
		greets.wantPacket("hello")
		began := time.Now()
		silent, drips, socket := s.toy(toyTCP, net.Dialer{}), s.toy(toyTCP, net.Dialer{}), s.toy(toyWS, net.Dialer{})
		if t, ok := silent.nc.(*tls.Conn); ok {
			_ = t.Handshake()
		}
		_ = drips.write(toyPacket(strings.Repeat("x", 1000))[:1])
		eventually(t, "they are there, and what one has said", func() bool { return s.Left() == 4 && s.Partials() == 1 })
		if n, least, most := s.Ungreeted(); n != 3 || most > time.Hour+2*time.Millisecond || least < time.Hour-time.Since(began)-time.Second {
			t.Errorf("%d have from %v to %v to say something", n, least, most)
		}
		for _, p := range []*toyPeer{silent, drips, socket} {
			if b, err := p.read(); err == nil {
				t.Errorf("got %q", b)
			}
		}
		if n := s.count(node.CutDead); n != 3 {
			t.Errorf("%d were counted as dead", n)
		}
		_ = greets.write(toyPacket("still here"))
		greets.wantPacket("still here")
	})
}

// A protocol with a keep alive of its own says how long a peer may be silent.
func TestSilence(t *testing.T) {
	t.Parallel()
	const dead = 60 * time.Second
	eachReader(t, func(t *testing.T, reader string) {
		var hub hubTime
		s := serveToy(t, options{Reader: reader, Dead: dead}, node.Options{Clock: hub.clock()})
		come := func(ms string) *toyPeer {
			p := s.toy(toyTCP, net.Dialer{})
			_ = p.write(append(toyPacket("silence "+ms), toyPacket("said")...))
			p.wantPacket("said")
			return p
		}
		lives := func(p *toyPeer) {
			t.Helper()
			_ = p.write(toyPacket("still here"))
			p.wantPacket("still here")
		}
		ends := func(p *toyPeer) {
			t.Helper()
			if _, err := p.read(); err == nil {
				t.Error("something was said")
			}
		}
		began := time.Now()
		short := come("200")
		others := []*toyPeer{come("0"), come("600000"), come("-1")}
		ends(short)
		if d := time.Since(began); d < 200*time.Millisecond {
			t.Errorf("cut after %v", d)
		}
		for _, p := range others {
			lives(p)
		}
		for range 2 { // the second one is looked at after those who live
			hub.pass(dead + time.Second)
			ends(others[0])
			others[0] = come("0")
			for _, p := range others {
				lives(p)
			}
		}
	})
}

// Readers of one topic in one format share the frames made for the first of them,
// but not across wires.
func TestWiresShareNoFrames(t *testing.T) {
	t.Parallel()
	for _, reader := range readers {
		t.Run(reader, func(t *testing.T) {
			t.Parallel()
			s := serveToy(t, options{Reader: reader}, node.Options{Rate: -1})
			src := s.source()
			defer src.close()
			var peers []*toyPeer
			for i := range 12 {
				p := s.toy([]string{toyTCP, toyWS}[i%2], net.Dialer{})
				_ = p.write(append(toyPacket("sub a"), toyPacket("there")...))
				p.wantPacket("there")
				peers = append(peers, p)
			}
			const n = 300
			for i := range n {
				src.pub("a", "%d", i)
			}
			for _, p := range peers {
				for i := range n {
					p.wantPacket(fmt.Sprint(i))
				}
			}
		})
	}
}

// Everything arrives through writes that are interrupted again and again.
func TestPacketsThroughAFullSocket(t *testing.T) {
	t.Parallel()
	const n = 1500
	eachToy(t, func(t *testing.T, way, reader string) {
		s := serveToyOn(t, net.ListenConfig{Control: smallBuffer(unix.SO_SNDBUF)}, options{Reader: reader}, node.Options{Rate: -1, TopicCap: 4 << 20})
		src := s.source()
		defer src.close()
		p := s.toy(way, net.Dialer{Control: smallBuffer(unix.SO_RCVBUF)})
		_ = p.write(append(toyPacket("sub a"), toyPacket("there")...))
		p.wantPacket("there")
		data := strings.Repeat("x", 300)
		for i := range n {
			src.pub("a", `"%d %s"`, i, data)
		}
		eventually(t, "the socket is full", func() bool { return s.Blocked() == 1 })
		for i := range n {
			p.wantPacket(fmt.Sprintf(`"%d %s"`, i, data))
		}
	})
}

// Bare peers are told to go in their protocol's words, and then the end comes.
func TestBareShutdown(t *testing.T) {
	t.Parallel()
	eachToy(t, func(t *testing.T, way, reader string) {
		s := serveToy(t, options{Reader: reader}, node.Options{})
		var wg sync.WaitGroup
		for range 10 {
			p := s.toy(way, net.Dialer{})
			_ = p.write(toyPacket("in"))
			p.wantPacket("in")
			wg.Go(func() {
				if got, err := p.read(); err != nil || got != "bye 503" {
					t.Errorf("told %q, %v", got, err)
				}
				p.wantEnd(1001)
				_ = p.nc.Close()
			})
		}
		d := shutdown(s.testServer, patience)
		wg.Wait()
		if d > long {
			t.Errorf("it took %v", d)
		}
	})
}

// Every connection that was handed over is told gone, once, however it ended; and
// nothing is left of it.
func TestBareChurn(t *testing.T) {
	for _, reader := range readers {
		t.Run(reader, func(t *testing.T) {
			descriptors, goroutines := open(t), runtime.NumGoroutine()
			t.Cleanup(func() {
				eventually(t, "no descriptor is left", func() bool { return open(t) <= descriptors })
				eventually(t, "no goroutine is left", func() bool { return runtime.NumGoroutine() <= goroutines })
			})
			var gone atomic.Int64
			const peers, rounds = 10, 12
			s := serveToy(t, options{Reader: reader, Gone: func(string) { gone.Add(1) }}, node.Options{Sessions: 8})
			var wg sync.WaitGroup
			for i := range peers {
				wg.Go(func() {
					for round := range rounds {
						nc, err := connect(net.Dialer{}, s.bare, s.tls)
						if err != nil {
							t.Error(err)
							return
						}
						_ = nc.SetDeadline(time.Now().Add(patience))
						_, _ = nc.Write(append(toyPacket("hello"), 0)) // and half of another
						switch (i + round) % 3 {
						case 0:
							_, _ = nc.Read(make([]byte, 7))
						case 1:
							newRaw(t, nc).reset()
						}
						_ = nc.Close()
					}
				})
			}
			wg.Wait()
			eventually(t, "all are gone", func() bool { return gone.Load() == peers*rounds && s.Left() == 0 })
		})
	}
}
