package link_test

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"

	"topicd/node"
)

// wsCase is one case in the manner of the Autobahn suite: what the client
// sends and what an echo server answers. A case whose last answer is no close
// frame is ended by the client with 1000, which must be echoed.
type wsCase struct {
	name   string
	send   [][]byte
	want   []string
	octets bool // each octet in a write of its own
	chop   int  // bytes in a write
}

// autobahnFrame is above every length that the cases use.
const autobahnFrame = 128 << 10

// runCases runs each case on a connection of its own.
func runCases(t *testing.T, cases []wsCase) {
	t.Helper()
	eachReader(t, func(t *testing.T, reader string) {
		s := serve(t, withEcho(options{Reader: reader, MaxFrame: autobahnFrame}), node.Options{})
		for _, c := range cases {
			if err := c.run(s, c.want); err != nil {
				t.Errorf("%s: %v", c.name, err)
			}
		}
	})
}

func (c *wsCase) run(s *testServer, want []string) error {
	send := slices.Clone(c.send)
	if n := len(want); n == 0 || !strings.HasPrefix(want[n-1], "close:") {
		send = append(send, closing(1000, ""))
		want = append(slices.Clone(want), "close:1000")
	}
	r := s.dial()
	defer r.nc.Close()
	chop := c.chop
	if c.octets {
		chop = 1
	}
	go func() {
		for _, b := range send {
			for len(b) > 0 {
				n := len(b)
				if chop > 0 {
					n = min(n, chop)
				}
				if _, err := r.nc.Write(b[:n]); err != nil {
					return // the server may have ended it: the answers tell
				}
				b = b[n:]
			}
		}
	}()
	got, err := r.rest()
	if !slices.Equal(got, want) {
		return fmt.Errorf("got %q, want %q (%v)", got, want, err)
	}
	if err != nil {
		return fmt.Errorf("the server did not end the connection: %w", err)
	}
	return nil
}

func several(b ...[]byte) [][]byte { return b }

// frag is one frame of a fragmented message.
func frag(fin bool, op byte, p string) []byte { return clientFrame(fin, 0, op, []byte(p)) }

func answer(op byte, p []byte) string { return got{op, p}.String() }

// TestFraming is group 1: every length at which the head changes.
func TestFraming(t *testing.T) {
	t.Parallel()
	var cases []wsCase
	for _, op := range []byte{opText, opBinary} {
		for _, n := range []int{0, 1, 125, 126, 127, 128, 65535, 65536, autobahnFrame - 1, autobahnFrame} {
			p := bytes.Repeat([]byte{'*'}, n)
			if op == opBinary {
				p = bytes.Repeat([]byte{0xfe}, n)
			}
			c := wsCase{name: fmt.Sprintf("opcode %d, %d bytes", op, n), send: several(clientFrame(true, 0, op, p)), want: []string{answer(op, p)}}
			cases = append(cases, c)
			chopped := c
			if chopped.chop, chopped.name = 997, c.name+" in chops"; n > 0 {
				cases = append(cases, chopped)
			}
			if n <= 128 {
				c.octets, c.name = true, c.name+" octet by octet"
				cases = append(cases, c)
			}
		}
	}
	long := clientFrame(true, 0, opText, []byte("long"))
	long = append([]byte{0x81, 0x80 | 127, 0, 0, 0, 0, 0, 0, 0, 4}, long[2:]...)
	cases = append(cases, wsCase{name: "length in more bytes than need be", send: several(long), want: []string{"text:long"}})
	var many [][]byte
	var answers []string
	for i := range 200 {
		many = append(many, text(fmt.Sprint(i)))
		answers = append(answers, fmt.Sprint("text:", i))
	}
	cases = append(cases, wsCase{name: "many messages in one write", send: several(bytes.Join(many, nil)), want: answers})
	runCases(t, cases)
}

// TestPingPong is group 2.
func TestPingPong(t *testing.T) {
	t.Parallel()
	full := strings.Repeat("\xfe", 125)
	var ten, pongs []string
	var pings [][]byte
	for i := range 10 {
		ten = append(ten, fmt.Sprint(i))
		pongs = append(pongs, fmt.Sprint("pong:", i))
		pings = append(pings, ping(ten[i]))
	}
	pong := clientFrame(true, 0, opPong, []byte("unasked"))
	runCases(t, []wsCase{
		{name: "2.1 no payload", send: several(ping("")), want: []string{"pong:"}},
		{name: "2.2 payload", send: several(ping("Hello, world!")), want: []string{"pong:Hello, world!"}},
		{name: "2.3 binary payload", send: several(ping("\x00\xff\xfe\xfd")), want: []string{"pong:\x00\xff\xfe\xfd"}},
		{name: "2.4 125 bytes", send: several(ping(full)), want: []string{"pong:" + full}},
		{name: "2.5 126 bytes", send: several(ping(full + "x")), want: []string{"close:1002"}},
		{name: "2.6 125 bytes octet by octet", send: several(ping(full)), want: []string{"pong:" + full}, octets: true},
		{name: "2.7 unsolicited pong without payload", send: several(clientFrame(true, 0, opPong, nil))},
		{name: "2.8 unsolicited pong", send: several(pong)},
		{name: "2.9 unsolicited pong, then ping", send: several(pong, ping("a")), want: []string{"pong:a"}},
		{name: "2.10 ten pings", send: pings, want: pongs},
		{name: "2.11 ten pings octet by octet", send: pings, want: pongs, octets: true},
	})
}

// TestReservedBits is group 3: no extension was agreed.
func TestReservedBits(t *testing.T) {
	t.Parallel()
	var cases []wsCase
	for rsv := byte(1); rsv <= 7; rsv++ {
		for _, op := range []byte{opText, opBinary, opPing, opPong, opClose} {
			cases = append(cases, wsCase{
				name: fmt.Sprintf("bits %03b, opcode %d", rsv, op),
				send: several(text("before"), clientFrame(true, rsv, op, []byte("ab")), ping("never")),
				want: []string{"text:before", "close:1002"}, octets: rsv&1 > 0,
			})
		}
	}
	runCases(t, cases)
}

// TestOpcodes is group 4.
func TestOpcodes(t *testing.T) {
	t.Parallel()
	var cases []wsCase
	for _, op := range []byte{3, 4, 5, 6, 7, 11, 12, 13, 14, 15} {
		cases = append(cases,
			wsCase{name: fmt.Sprintf("opcode %d", op), send: several(clientFrame(true, 0, op, nil), ping("")), want: []string{"close:1002"}},
			wsCase{
				name: fmt.Sprintf("opcode %d with payload after a message", op),
				send: several(text("before"), clientFrame(true, 0, op, []byte("reserved")), ping("")), want: []string{"text:before", "close:1002"}, octets: op&1 > 0,
			})
	}
	runCases(t, cases)
}

// TestFragmentation is group 5.
func TestFragmentation(t *testing.T) {
	t.Parallel()
	whole := []string{"text:fragment1fragment2"}
	between := []string{"pong:between", "text:fragment1fragment2"}
	first, last := frag(false, opText, "fragment1"), frag(true, opContinuation, "fragment2")
	refused := []string{"close:1002"}
	var hundred [][]byte
	hundred = append(hundred, frag(false, opBinary, ""))
	var pongs []string
	for i := range 100 {
		hundred = append(hundred, frag(false, opContinuation, "ab"), ping(fmt.Sprint(i)))
		pongs = append(pongs, fmt.Sprint("pong:", i))
	}
	hundred = append(hundred, frag(true, opContinuation, "."))
	joined := func(b ...[]byte) [][]byte { return several(bytes.Join(b, nil)) }
	cases := []wsCase{
		{name: "5.1 fragmented ping", send: several(frag(false, opPing, "a"), frag(true, opContinuation, "b")), want: refused},
		{name: "5.2 fragmented pong", send: several(frag(false, opPong, "a"), frag(true, opContinuation, "b")), want: refused},
		{name: "fragmented close", send: several(frag(false, opClose, "\x03\xe8"), frag(true, opContinuation, "b")), want: refused},
		{name: "5.3 two fragments", send: several(first, last), want: whole},
		{name: "5.4 two fragments in one write", send: joined(first, last), want: whole},
		{name: "5.5 two fragments octet by octet", send: several(first, last), want: whole, octets: true},
		{name: "5.6 ping between", send: several(first, ping("between"), last), want: between},
		{name: "5.7 ping between, one write", send: joined(first, ping("between"), last), want: between},
		{name: "5.8 ping between, octet by octet", send: several(first, ping("between"), last), want: between, octets: true},
		{name: "5.9 last fragment without a message", send: several(last, text("x")), want: refused},
		{name: "5.10 the same in one write", send: joined(last, text("x")), want: refused},
		{name: "5.11 the same octet by octet", send: several(last, text("x")), want: refused, octets: true},
		{name: "5.12 fragment without a message", send: several(frag(false, opContinuation, "x"), text("x")), want: refused},
		{name: "5.15 a fragment behind the last", send: several(first, last, frag(false, opContinuation, "fragment3"), text("x")), want: append(slices.Clone(whole), "close:1002")},
		{name: "5.16 continuation first, twice", send: several(frag(false, opContinuation, "a"), first, last), want: refused},
		{name: "5.18 a message within a message", send: several(first, text("fragment2")), want: refused},
		{name: "a fragmented message within one", send: several(first, frag(false, opBinary, "x")), want: refused},
		{
			name: "5.19 five fragments, two pings", want: []string{"pong:p1", "pong:p2", "text:f1f2f3f4f5"},
			send: several(frag(false, opText, "f1"), frag(false, opContinuation, "f2"), ping("p1"), frag(false, opContinuation, "f3"), frag(false, opContinuation, "f4"), ping("p2"), frag(true, opContinuation, "f5")),
		},
		{name: "hundred fragments and pings", send: hundred, want: append(pongs, answer(opBinary, []byte(strings.Repeat("ab", 100)+".")))},
		{name: "empty fragments", send: several(frag(false, opText, ""), frag(false, opContinuation, ""), frag(true, opContinuation, "")), want: []string{"text:"}},
		{name: "close between fragments", send: several(first, closing(1000, ""), last), want: []string{"close:1000"}},
	}
	for _, c := range cases[:len(cases):len(cases)] {
		if c.octets || c.chop > 0 {
			continue
		}
		c.name, c.octets = c.name+" (octets)", true
		cases = append(cases, c)
	}
	runCases(t, cases)
}

// TestAutoFragmentation is group 10: 65,536 bytes in frames of 1,300.
func TestAutoFragmentation(t *testing.T) {
	t.Parallel()
	p := bytes.Repeat([]byte("*"), 65536)
	var send [][]byte
	for op, rest := byte(opText), p; len(rest) > 0; op = opContinuation {
		n := min(1300, len(rest))
		send = append(send, clientFrame(n == len(rest), 0, op, rest[:n]))
		rest = rest[n:]
	}
	runCases(t, []wsCase{
		{name: "10.1.1", send: send, want: []string{answer(opText, p)}},
		{name: "10.1.1 in chops of 997", send: send, want: []string{answer(opText, p)}, chop: 997},
	})
}
