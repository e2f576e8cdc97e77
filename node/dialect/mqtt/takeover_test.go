package mqtt

import (
	"fmt"
	"net"
	"path/filepath"
	"testing"

	"github.com/gorilla/websocket"

	"topicd/node/dialect/mqtt/packet"
)

// A new session takes the place of one whose connection lingers: what is kept of the new
// one stays when that connection has gone at last.
func TestANewSessionIsKeptWhenTheOldOneGoes(t *testing.T) {
	dir, crashed, later := filepath.Join(t.TempDir(), "a"), "", ""
	live(t, packet.V5, dir, nil, func(l *life) {
		tcp := l.b.dial
		l.b.dial = func() (net.Conn, error) {
			d := websocket.Dialer{Subprotocols: []string{"mqtt"}}
			c, _, err := d.Dial(l.hub.WS("/mqtt"), nil)
			if err != nil {
				return nil, err
			}
			return &wsConn{Conn: c}, nil
		}
		old := l.connect("dev", expiry(100))
		old.sub(1, "z/a")
		l.b.dial = tcp
		d := l.connect("dev", expiry(100)) // the old connection is told, and says nothing
		d.sub(1, "z/a", "z/b")
		l.connect("pub").pub(1, "z/a", "read")
		d.take("q1 z/a read")
		done := func(n *note, c *client) bool { // what it was sent last is acknowledged
			return len(n.subs) == 2 && len(c.out.unacked()) == 0 && c.out.lastID == d.id+1<<15
		}
		l.noted("dev", done)
		old.closed(packet.TakenOver)
		crashed = l.image()
		l.connect("pub").pub(1, "z/b", "read")
		d.take("q1 z/b read")
		l.noted("dev", done)
		later = l.image()
	})
	for _, dir := range []string{crashed, later} {
		live(t, packet.V5, dir, nil, func(l *life) {
			d := l.persistent("dev")
			if !d.ack.SessionPresent {
				t.Error("no session is present")
			}
			d.quiet()
		})
	}
}

// A client may give an alias with a message of QoS 2 that it sends once more.
func TestAliasOfAMessageSentAgain(t *testing.T) {
	h := start(t)
	addr := h.Bare(t, "mqtt")
	x := &run{T: t, v: packet.V5, b: &broker{"topicd", func() (net.Conn, error) { return net.Dial("tcp", addr) }}}
	s := x.connect("s")
	s.sub(1, "a")
	p := x.persistent("p")
	m := packet.Publish{Topic: []byte("a"), Payload: []byte("once"), QoS: 2, ID: 3}
	p.write(m.Append(nil, x.v))
	p.want("PUBREC 3")
	p.cut()
	p = x.persistent("p")
	m.Dup = true
	alias(1)(&m)
	p.write(m.Append(nil, x.v))
	p.want("PUBREC 3")
	p.pub(1, "", "by its alias", noTopic, alias(1))
	s.take("q1 a once")
	s.take("q1 a by its alias")
}

// A device that lost its power connects anew while its old connection is there still, half
// open: its will is told before it says that it is back, not seconds later.
func TestTheWillComesBeforeTheBirth(t *testing.T) {
	h := start(t)
	addr := h.Bare(t, "mqtt")
	for _, v := range []packet.Version{packet.V4, packet.V5} {
		x := &run{T: t, v: v, b: &broker{"topicd", func() (net.Conn, error) { return net.Dial("tcp", addr) }}, ns: fmt.Sprint(v)}
		s := x.connect("s")
		s.sub(0, "lwt")
		for range 3 { // nobody reads what the old ones are told, or closes them
			p := x.connect("dev", lastWill(w(x, "lwt", "offline", 0, true)))
			p.pub(0, "lwt", "online", retain)
			s.want("q0 lwt online")
			p = x.connect("dev", lastWill(w(x, "lwt", "offline", 0, true)))
			p.pub(0, "lwt", "online", retain)
			s.want("q0 lwt offline")
			s.want("q0 lwt online")
			p.bye()
		}
	}
}
