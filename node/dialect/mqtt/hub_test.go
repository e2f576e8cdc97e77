package mqtt

import (
	"io"
	"net"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"topicd/node"
	"topicd/node/dialect"
	"topicd/node/dialect/dialecttest"
)

// start is a hub that speaks MQTT, and others by it.
func start(t *testing.T) *dialecttest.Hub { return startAt(t, nil) }

func startAt(t *testing.T, clock node.Clock) *dialecttest.Hub {
	return dialecttest.Start(t, dialecttest.Options{
		Hub:      node.Options{Clock: clock, Rate: -1, MaxBody: 1 << 20, TopicCap: 256 << 10, Sessions: 4096},
		MaxFrame: 1 << 20,
		Plugs: func(h *node.Hub) []dialect.Plug {
			return []dialect.Plug{Plug(Config{Hub: h})}
		},
	})
}

// alone is a hub whose time a case has pass.
func alone(t *testing.T) *aside {
	a := new(aside)
	began := time.Now()
	h := startAt(t, func() (wall, mono int64) {
		now := time.Now()
		ahead := a.ahead.Load()
		return now.UnixMilli() + ahead, now.Sub(began).Milliseconds() + 1 + ahead
	})
	a.broker = overTCP(h.Bare(t, "mqtt"))
	return a
}

// TestTheTableOverTCP: what the standards want, on a bare connection.
func TestTheTableOverTCP(t *testing.T) {
	h := start(t)
	b := overTCP(h.Bare(t, "mqtt"))
	t.Run("cases", func(t *testing.T) { conform(t, b, alone) })
}

// TestTheTableOverWebSocket: the same in binary messages of seven bytes, so that
// packets begin and end anywhere (6.0.0-1).
func TestTheTableOverWebSocket(t *testing.T) {
	if testing.Short() {
		t.Skip("the same over TCP")
	}
	h := start(t)
	t.Run("cases", func(t *testing.T) {
		conform(t, &broker{"topicd", func() (net.Conn, error) {
			d := websocket.Dialer{Subprotocols: []string{"mqtt"}}
			c, _, err := d.Dial(h.WS("/mqtt"), nil)
			if err != nil {
				return nil, err
			}
			return &wsConn{Conn: c}, nil
		}}, alone)
	})
}

// wsConn is MQTT on a WebSocket.
type wsConn struct {
	*websocket.Conn
	r io.Reader
}

func (c *wsConn) Read(b []byte) (int, error) {
	for {
		if c.r == nil {
			_, r, err := c.NextReader()
			if err != nil {
				if websocket.IsCloseError(err, 1000, 1001, 1002, 1003, 1005, 1006, 1008, 1009) {
					err = io.EOF
				}
				return 0, err
			}
			c.r = r
		}
		n, err := c.r.Read(b)
		if err == io.EOF {
			c.r, err = nil, nil
		}
		if n > 0 || err != nil {
			return n, err
		}
	}
}

func (c *wsConn) Write(b []byte) (int, error) {
	const piece = 7
	n := len(b)
	for len(b) > 0 {
		k := min(piece, len(b))
		if n > 4096 {
			k = min(len(b), 60_000)
		}
		if err := c.WriteMessage(websocket.BinaryMessage, b[:k]); err != nil {
			return 0, err
		}
		b = b[k:]
	}
	return n, nil
}

func (c *wsConn) SetDeadline(t time.Time) error { return c.SetReadDeadline(t) }
