package echo

import (
	"bytes"
	"crypto/rand"
	"fmt"
	"strings"
	"testing"

	"github.com/gorilla/websocket"

	"topicd/node"
	"topicd/node/dialect"
	"topicd/node/dialect/dialecttest"
)

// TestEcho: text as text, binary as binary, empty, fragmented, large, and what
// looks like another dialect's.
func TestEcho(t *testing.T) {
	dialecttest.EachReader(t, func(t *testing.T, reader string) {
		h := dialecttest.Start(t, dialecttest.Options{
			Hub: node.Options{MaxBody: 2 << 20}, Reader: reader, MaxFrame: 2 << 20,
			Plugs: func(*node.Hub) []dialect.Plug { return []dialect.Plug{Plug()} },
		})
		c, other := h.Dial(t, "/echo", ""), h.Dial(t, "/echo", "")
		large := make([]byte, 1<<20)
		_, _ = rand.Read(large)
		for _, m := range []string{"Hello, world!", "", `{"type":3,"id":0}`, `{"op":"ping"}`, "SCDTMH:1.0\tTRN:x\n", strings.Repeat("ü", 1<<19)} {
			c.Text(m)
			if got := c.Hear(); got != m {
				t.Fatalf("%.40q came back as %.40q", m, got)
			}
		}
		for _, m := range [][]byte{{}, {0xa1, 0, 8}, large} {
			c.Binary(string(m))
			if kind, b, err := c.ReadMessage(); err != nil || kind != websocket.BinaryMessage || !bytes.Equal(b, m) {
				t.Fatalf("%d bytes came back as %d (%d, %v)", len(m), len(b), kind, err)
			}
		}
		w, err := c.NextWriter(websocket.TextMessage) // gorilla sends a fragment each time its buffer is full
		for i := range 50 {
			fmt.Fprintf(w, "%d %s ", i, strings.Repeat("part", 500))
		}
		if err == nil {
			err = w.Close()
		}
		if got := c.Hear(); err != nil || len(got) != 50*2002+10+2*40 {
			t.Errorf("%d bytes of fragments, %v", len(got), err)
		}
		other.Text("only mine")
		other.Want("only mine")
	})
}
