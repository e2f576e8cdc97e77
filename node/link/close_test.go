package link_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"topicd/node"
	"topicd/node/link"
)

// TestCloseHandling is group 7.
func TestCloseHandling(t *testing.T) {
	t.Parallel()
	refused := []string{"close:1002"}
	long := strings.Repeat("*", 123)
	cases := []wsCase{
		{name: "7.1.1 message, then close", send: several(text("Hello"), closing(1000, "")), want: []string{"text:Hello", "close:1000"}},
		{name: "7.1.2 two close frames", send: several(closing(1000, ""), closing(1001, "")), want: []string{"close:1000"}},
		{name: "7.1.3 ping after close", send: several(closing(1000, ""), ping("x")), want: []string{"close:1000"}},
		{name: "7.1.4 text after close", send: several(closing(1000, ""), text("x")), want: []string{"close:1000"}},
		{name: "7.1.5 close within a message", send: several(frag(false, opText, "x"), closing(1000, ""), frag(true, opContinuation, "y")), want: []string{"close:1000"}},
		{name: "7.1.6 large message after close", send: several(closing(1000, ""), text(strings.Repeat("x", 65536))), want: []string{"close:1000"}},
		{name: "7.3.1 no payload", send: several(frag(true, opClose, "")), want: []string{"close:"}},
		{name: "7.3.2 one byte", send: several(frag(true, opClose, "a")), want: refused},
		{name: "7.3.3 code", send: several(closing(1000, "")), want: []string{"close:1000"}},
		{name: "7.3.4 code and reason", send: several(closing(1000, "Hello")), want: []string{"close:1000"}},
		{name: "7.3.5 longest reason", send: several(closing(1000, long)), want: []string{"close:1000"}},
		{name: "7.3.6 reason too long", send: several(closing(1000, long+"*")), want: refused},
		{name: "7.5.1 reason is not UTF-8", send: several(closing(1000, "\xce\xba\xed\xa0\x80x")), want: []string{"close:1007"}},
	}
	for _, code := range []int{1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 3000, 3999, 4000, 4999} {
		cases = append(cases, wsCase{name: fmt.Sprint("7.7 code ", code), send: several(closing(code, "why")), want: []string{fmt.Sprint("close:", code)}})
	}
	for _, code := range []int{0, 1, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65535} {
		cases = append(cases, wsCase{name: fmt.Sprint("7.9 code ", code), send: several(closing(code, "why")), want: refused})
	}
	for _, c := range cases[:len(cases):len(cases)] {
		c.name, c.octets = c.name+" (octets)", true
		if len(c.send[len(c.send)-1]) < 1000 {
			cases = append(cases, c)
		}
	}
	runCases(t, cases)
}

// TestServerCloses: after End what the peer still says is not acted on, and the
// connection ends with the peer's close frame.
func TestServerCloses(t *testing.T) {
	t.Parallel()
	eachReader(t, func(t *testing.T, reader string) {
		o := options{Reader: reader}
		o.Dialect = ending
		s := serve(t, o, node.Options{})
		c := s.dial()
		c.send(text("one"))
		c.want("text:one")
		c.send(text("end"), text("after"))
		c.want("close:4000")
		c.send(text("later"), closing(4000, ""))
		if all, err := c.rest(); err != nil || len(all) > 0 {
			t.Errorf("after our close frame came %q, %v", all, err)
		}
		c.nc.Close()
		eventually(t, "the session ends", func() bool { return s.Hub().Counts().Sessions == 0 })
		if n := s.count(node.CutProtocol); n != 0 {
			t.Errorf("a clean end was counted as a breach: %d", n)
		}
	})
}

// TestPeerVanishesAfterOurClose: no answer to a close frame is no breach.
func TestPeerVanishesAfterOurClose(t *testing.T) {
	t.Parallel()
	eachReader(t, func(t *testing.T, reader string) {
		s := serve(t, options{Reader: reader, Dialect: ending}, node.Options{})
		c := s.dial()
		c.send(text("end"))
		c.want("close:4000")
		c.nc.Close()
		eventually(t, "the session ends", func() bool { return s.Hub().Counts().Sessions == 0 })
		if n := s.count(node.CutProtocol); n != 0 {
			t.Errorf("it was counted as a breach: %d", n)
		}
	})
}

// TestPeerIgnoresOurClose: it is not waited for longer than closeWait and a sweep.
func TestPeerIgnoresOurClose(t *testing.T) {
	t.Parallel()
	eachReader(t, func(t *testing.T, reader string) {
		s := serve(t, options{Reader: reader, Dialect: ending, Closing: link.CloseWait}, node.Options{})
		c := s.dial()
		began := time.Now()
		c.send(text("end"))
		c.want("close:4000")
		if all, err := c.rest(); err != nil || len(all) > 0 {
			t.Errorf("after our close frame came %q, %v", all, err)
		}
		if d := time.Since(began); d < link.CloseWait || d > long {
			t.Errorf("the server waited %v", d)
		}
		if n := s.count(node.CutProtocol); n != 0 {
			t.Errorf("it was counted as a breach: %d", n)
		}
	})
}
