package wsock

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"fmt"
	"testing"

	"topicd/codec"
	"topicd/node"
)

// noSocket takes everything, or nothing.
type noSocket struct {
	full bool
	out  []byte
	cut  bool
}

func (*noSocket) start(*conn) {}
func (s *noSocket) write(b []byte) (int, error) {
	if s.full {
		return 0, nil
	}
	s.out = append(s.out, b...)
	return len(b), nil
}
func (*noSocket) waitWritable(*conn) {}
func (*noSocket) warm()              {}
func (*noSocket) finish()            {}
func (s *noSocket) shut()            { s.cut = true }
func (*noSocket) release()           {}

// hearing keeps the messages that it is handed.
type hearing struct {
	echo
	got []string
}

func (d *hearing) Frame(p node.Peer, text bool, b []byte, turn *node.Turn) {
	d.got = append(d.got, fmt.Sprint(text, " ", string(b)))
	d.echo.Frame(p, text, b, turn)
}

// unconnected makes a server without sockets and a connection of it.
func unconnected(t testing.TB, o Options, sock socket) (*conn, *node.Turn) {
	t.Helper()
	h := node.New(node.Options{Memory: 1 << 20})
	s := &Server{hub: h, opt: o.withDefaults()}
	s.flushers.srv, s.pacer.srv = s, s
	s.flushers.cond.L = &s.flushers.mu
	s.pacer.wake = make(chan struct{}, 1)
	c := &conn{srv: s, pace: 0, sock: sock, dialect: &hearing{}}
	turn := h.Turn()
	sess, err := h.Open(c, "", "", turn)
	if err != nil {
		t.Fatal(err)
	}
	c.sess = sess
	s.add(c)
	t.Cleanup(h.Close)
	return c, turn
}

// feedAll feeds b in pieces as a reader would: with the rest in front.
func feedAll(c *conn, b []byte, piece int, turn *node.Turn, check func()) {
	for len(b) > 0 && !c.over {
		n := min(piece, len(b))
		buf := append(append([]byte(nil), c.part...), b[:n]...)
		b = b[n:]
		c.feed(buf, turn)
		check()
	}
}

// FuzzFeed: whatever bytes come and however they are cut, nothing panics, what
// is kept stays within the budget and is counted, and the messages are the
// same as when they come in one piece.
func FuzzFeed(f *testing.F) {
	for _, b := range [][]byte{
		text("hello"), append(text("a"), text("b")...), ping("x"), closing(1000, "bye"), closing(999, ""),
		append(frag(false, opText, "a"), frag(true, opContinuation, "b")...),
		append(frag(false, opBinary, "\xff"), append(ping("p"), frag(true, opContinuation, "")...)...),
		frag(true, opText, "\xce\xba\xe1"), clientFrame(true, 0, opBinary, make([]byte, 300)), {0x81, 0xff, 0xff, 0xff}, {0x81, 5}, {0xf1, 0x80},
		append([]byte{0x81, 0x80 | 127, 0, 0, 0, 0, 0, 0, 0, 4}, text("long")[2:]...),
	} {
		f.Add(b, uint8(1))
		f.Add(b, uint8(7))
	}
	f.Fuzz(func(t *testing.T, b []byte, piece uint8) {
		const budget, limit = 600, 400
		run := func(piece int) ([]string, []byte) {
			sock := &noSocket{}
			c, turn := unconnected(t, Options{MaxFrame: limit, Partials: budget}, sock)
			feedAll(c, bytes.Clone(b), piece, turn, func() {
				held := c.srv.partials.Load()
				if held < 0 || held > budget || held != int64(len(c.part)+c.msg.size()) {
					t.Fatalf("%d counted, %d kept, budget %d", held, len(c.part)+c.msg.size(), budget)
				}
				if n := cap(c.part); n > 2*len(c.part)+1024 {
					t.Fatalf("a part of %d keeps %d", len(c.part), n)
				}
			})
			w := newWorker(c.srv)
			w.tick()
			w.flush(c)
			c.gone(turn)
			if n := c.srv.partials.Load(); n != 0 {
				t.Fatalf("%d bytes are counted after the end", n)
			}
			return c.dialect.(*hearing).got, sock.out
		}
		got, out := run(max(1, int(piece)))
		if len(b) <= limit { // else a piece may be over the budget where the whole is not
			whole, wholeOut := run(len(b) + 1)
			if fmt.Sprint(got) != fmt.Sprint(whole) || !bytes.Equal(out, wholeOut) {
				t.Fatalf("in pieces of %d: %q and % x, in one: %q and % x", piece, got, out, whole, wholeOut)
			}
		}
	})
}

// FuzzHead: a head that is taken says what its bytes say.
func FuzzHead(f *testing.F) {
	f.Add(text("a"), false, uint16(0))
	f.Add(clientFrame(false, 0, opBinary, make([]byte, 70000))[:20], false, uint16(9))
	f.Fuzz(func(t *testing.T, b []byte, fragmented bool, have uint16) {
		const limit = 1 << 20
		h, ok, err := parseHead(b, fragmented, int(have), limit)
		if !ok || err != nil {
			return
		}
		if h.size > len(b) || h.size > maxHead || h.op != b[0]&0x0f || h.fin != (b[0]&0x80 != 0) {
			t.Fatalf("%+v of % x", h, b)
		}
		if h.op < opClose && h.length+uint64(have) > limit || h.op >= opClose && h.length > maxControl {
			t.Fatalf("%+v is over the limit", h)
		}
	})
}

// TestUnmask holds the fast way against RFC 6455 5.3.
func TestUnmask(t *testing.T) {
	key := [4]byte{1, 2, 3, 0xfe}
	for n := range 40 {
		b, want := make([]byte, n), make([]byte, n)
		for i := range b {
			b[i] = byte(i * 7)
			want[i] = b[i] ^ key[i%4]
		}
		unmask(b, binary.LittleEndian.Uint32(key[:]))
		if !bytes.Equal(b, want) {
			t.Fatalf("%d bytes: % x, want % x", n, b, want)
		}
	}
}

// TestServerFrames: heads of every form, also behind other frames.
func TestServerFrames(t *testing.T) {
	for _, n := range []int{0, 1, 125, 126, 127, 65535, 65536, 70000} {
		p := bytes.Repeat([]byte{'x'}, n)
		b := appendFrame([]byte("before"), true, p)
		r := &raw{t: t, br: bufio.NewReader(bytes.NewReader(b[len("before"):]))}
		g, err := r.next()
		if err != nil || g.op != opText || !bytes.Equal(g.payload, p) {
			t.Errorf("%d bytes: %.20q, %v", n, g, err)
		}
		if _, err := r.next(); err == nil {
			t.Errorf("%d bytes: something follows", n)
		}
	}
	long := string(bytes.Repeat([]byte("ä"), 100))
	if b := appendClose(nil, 1002, long); len(b) != 2+2+122 || b[1] != 124 {
		t.Errorf("a long reason makes % x", b)
	}
}

// TestCloseCodes: every code of the protocol has a close code that may be sent.
func TestCloseCodes(t *testing.T) {
	for _, code := range codec.Codes {
		c := closeCode(code)
		if _, err := checkClose([]byte{byte(c >> 8), byte(c)}); err != nil {
			t.Errorf("%d becomes %d, which may not be sent", code, c)
		}
	}
}
