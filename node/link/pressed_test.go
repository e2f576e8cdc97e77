package link_test

import (
	"bytes"
	"net"
	"strings"
	"testing"

	"topicd/node"
	"topicd/node/link"
	"topicd/node/link/ws"
)

// Who asks for much in one go gets its answers also where others leave so much unread that
// nobody may have more than a few waiting: it reads them, once they are written.
func TestPressedAnswers(t *testing.T) {
	const size, n = 30 << 10, 3
	h := node.New(node.Options{})
	defer h.Close()
	f, err := link.Feeder(h, link.Options{Unread: 64 << 10}, ws.Wire{}, echo{})
	if err != nil {
		t.Fatal(err)
	}
	f.Others(128<<10, 0)
	b := bytes.Repeat(clientFrame(true, 0, opBinary, make([]byte, size)), n)
	f.All(b, len(b), func() {})
	if got, want := len(f.End()), n*(size+4); got != want {
		t.Errorf("%d bytes of answers, want %d; ended for them: %d", got, want, h.Stats.Get(node.CutReplies))
	}
}

// Small messages that come in two reads are taken also where others have parked so much of
// large ones that nobody may park more, and large ones that are there with the second.
func TestPressedParts(t *testing.T) {
	h := node.New(node.Options{})
	defer h.Close()
	for name, w := range map[string]link.Wire{"WebSocket": ws.Wire{}, "bare": nil} {
		f, err := link.Feeder(h, link.Options{Partials: 64 << 10}, w, &toy{})
		if err != nil {
			t.Fatal(err)
		}
		f.Others(0, 128<<10)
		want := 0
		for _, size := range []int{50, 900, 5000} {
			b := toyPacket(strings.Repeat("x", size))
			want += len(b)
			if w != nil {
				want += 2 + 2*min(size/100, 1)
				b = clientFrame(true, 0, opBinary, b)
			}
			f.All(b[:40], 40, func() {})
			f.All(b[40:], len(b), func() {})
		}
		if got := len(f.End()); got != want {
			t.Errorf("%s: %d bytes of answers, want %d; ended for parts: %d", name, got, want, h.Stats.Get(node.CutRoom))
		}
	}
}

// A connection that cannot be taken is counted.
func TestNoSocket(t *testing.T) {
	s := serve(t, withEcho(options{}), node.Options{})
	here, there := net.Pipe() // it has no descriptor
	defer there.Close()
	s.Accept(here, node.Arrival{Addr: "10.0.0.1:1"}, echo{}, nil, nil)
	if n := s.count(node.RefusedSessions); n != 1 {
		t.Errorf("%d are counted", n)
	}
}
