package link_test

import (
	"bytes"
	"fmt"
	"testing"

	"topicd/codec"
	"topicd/node"
	"topicd/node/link"
	"topicd/node/link/ws"
)

// hearing keeps the messages that it is handed.
type hearing struct {
	echo
	got []string
}

func (d *hearing) Frame(p node.Peer, text bool, b []byte, turn *node.Turn) {
	d.got = append(d.got, fmt.Sprint(text, " ", string(b)))
	d.echo.Frame(p, text, b, turn)
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
		const budget, limit = 1500, 1200
		run := func(piece int) ([]string, []byte) {
			h := node.New(node.Options{Memory: 1 << 20})
			defer h.Close()
			d := &hearing{}
			c, err := link.Feeder(h, link.Options{MaxFrame: limit, Partials: budget}, ws.Wire{}, d)
			if err != nil {
				t.Fatal(err)
			}
			c.All(bytes.Clone(b), piece, func() {
				n, room, counted := c.Parked()
				if counted < 0 || counted > budget || counted != int64(n) {
					t.Fatalf("%d counted, %d kept, budget %d", counted, n, budget)
				}
				if room > 2*n+2048 {
					t.Fatalf("%d bytes keep room for %d", n, room)
				}
			})
			out := c.End()
			if n, _, counted := c.Parked(); n != 0 || counted != 0 {
				t.Fatalf("%d bytes are kept after the end, %d counted", n, counted)
			}
			return d.got, out
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

// TestCloseCodes: every code of the protocol has a close code that may be sent.
func TestCloseCodes(t *testing.T) {
	for _, code := range codec.Codes {
		c := link.CloseCode(code)
		m, _, err := ws.Wire{}.Split(closing(c, ""), link.Open{}, 100)
		if err != nil || m.Kind != link.Bye || m.Code != c {
			t.Errorf("%d becomes %d, which may not be sent", code, c)
		}
	}
}
