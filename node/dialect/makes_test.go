package dialect_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"topicd/node"
	"topicd/node/dialect/dialecttest"
	"topicd/node/dialect/native"
)

// TestMakingIsCharged: whatever a topic is made by, a connection makes as many as
// it may, and all connections of an address three quarters of those there may be.
func TestMakingIsCharged(t *testing.T) {
	const topics, each = 400, 200
	for name, ask := range map[string]func(c *dialecttest.Client, topic string) bool{
		"TRN": func(c *dialecttest.Client, topic string) bool {
			c.Text("SCDTMH:1.0\tTRN:" + topic + "\n")
			return strings.HasSuffix(c.Hear(), "|3|no error\n")
		},
		"TMK": func(c *dialecttest.Client, topic string) bool {
			c.Text("SCDTMH:1.0\tTMK:" + topic + "\n")
			return strings.HasSuffix(c.Hear(), "|1|no error\n")
		},
		"make": func(c *dialecttest.Client, topic string) bool {
			c.Text(`{"op":"make","id":1,"topic":"` + topic + `"}`)
			return strings.Contains(c.Hear(), `"op":"ok"`)
		},
		"pub": func(c *dialecttest.Client, topic string) bool {
			c.Text(`{"op":"pub","id":1,"topic":"` + topic + `","data":1}`)
			return strings.Contains(c.Hear(), `"op":"ok"`)
		},
		"webchannel": func(c *dialecttest.Client, topic string) bool {
			c.Text(`{"type":6,"object":"topics","method":"publish","args":["` + topic + `",1],"id":1}`)
			return strings.Contains(c.Hear(), `"seq":1`)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := dialecttest.Start(t, dialecttest.Options{Hub: node.Options{Topics: topics, Made: each, Subs: each, Keep: 24 * time.Hour}, Plugs: all})
			path := map[string]string{"TRN": "/scd", "TMK": "/scd", "webchannel": "/webchannel"}[name]
			for i, want := range []int{each, topics*3/4 - each, 0} {
				c, made := h.Dial(t, "/"+strings.TrimPrefix(path, "/"), ""), 0
				for k := range each + 20 {
					if ask(c, fmt.Sprintf("t%d.%d", i, k)) {
						made++
					}
				}
				if made > want+2 || made < want-10 { // the allowance comes back bit by bit, and presence takes some
					t.Errorf("connection %d made %d topics, not %d", i, made, want)
				}
			}
		})
	}
}

// TestRoomsAreCharged: a room that nobody was in is a topic that is made.
func TestRoomsAreCharged(t *testing.T) {
	h := dialecttest.Start(t, dialecttest.Options{Hub: node.Options{Topics: 40, Made: 20}, Plugs: all})
	rooms := 0
	for i := range 40 {
		c := h.Dial(t, fmt.Sprintf("/relay/r%d", i), "")
		_ = c.WriteControl(websocket.CloseMessage, websocket.FormatCloseMessage(1000, ""), time.Now().Add(time.Second))
		if _, _, err := c.ReadMessage(); websocket.IsCloseError(err, 1000) {
			rooms++
		}
	}
	if rooms < 3 || rooms > 30 {
		t.Errorf("one address has made %d rooms where 30 topics are the most", rooms)
	}
	if c := h.Dial(t, "/ws", "", native.ProtocolJSON); !strings.Contains(c.WantOp("welcome"), "welcome") {
		t.Error("others are kept out")
	}
}
