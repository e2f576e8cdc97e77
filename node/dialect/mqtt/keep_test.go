package mqtt

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"topicd/codec"
	"topicd/node"
	"topicd/node/dialect"
	"topicd/node/dialect/dialecttest"
	"topicd/node/dialect/mqtt/packet"
	"topicd/node/durable"
	"topicd/node/store"
)

// life is one run of a hub that keeps z/# on disk, in a directory.
type life struct {
	*run
	disk *durable.Disk
	hub  *dialecttest.Hub
	srv  *Server
	dir  string
}

// live runs a hub in dir for as long as do takes, and ends it in order.
func live(t *testing.T, v packet.Version, dir string, door dialect.Door, do func(l *life)) {
	t.Helper()
	t.Run("life", func(t *testing.T) {
		disk, err := durable.Open(store.Options{Dir: dir, Sync: 5 * time.Millisecond}, []string{"z/#"})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = disk.Close() })
		l := &life{disk: disk, dir: dir}
		var s *Server
		t.Cleanup(func() { s.givenBack(t) })
		l.hub = dialecttest.Start(t, dialecttest.Options{
			Hub:      node.Options{Rate: -1, Sessions: 4096, Disk: disk, Epoch: disk.Store.Epoch()},
			MaxFrame: 1 << 20,
			Plugs: func(h *node.Hub) []dialect.Plug {
				disk.Attach(h)
				s = newServer(Config{Hub: h, Archive: disk, Door: door, closeFor: patience})
				return []dialect.Plug{s.plug()}
			},
		})
		addr := l.hub.Bare(t, "mqtt")
		l.run, l.srv = &run{T: t, v: v, b: overTCP(addr)}, s
		do(l)
	})
	if t.Failed() {
		t.FailNow()
	}
}

// image is the directory as a crash would leave it now.
func (l *life) image() string {
	l.Helper()
	to := filepath.Join(filepath.Dir(l.dir), fmt.Sprint("image", time.Now().UnixNano()))
	if err := os.CopyFS(to, os.DirFS(l.dir)); err != nil {
		l.Fatal(err)
	}
	return to
}

// noted waits until what is kept of a client fits, and is on disk.
func (l *life) noted(id string, fits func(n *note, c *client) bool) {
	l.Helper()
	for end := time.Now().Add(patience); ; time.Sleep(5 * time.Millisecond) {
		ok := false
		l.disk.Remembered(kind, func(name string, b []byte) {
			var n note
			c := new(client)
			ok = ok || name == id && n.parse(b, c) && fits(&n, c)
		})
		if ok {
			break
		}
		if time.Now().After(end) {
			l.Fatal("it is not noted")
		}
	}
	l.connect("noting").pub(1, "z/other", "x") // acknowledged once it is on disk, and what came before
}

// ways are how a hub ends.
func ways(t *testing.T, do func(t *testing.T, v packet.Version, crash bool)) {
	for _, v := range []packet.Version{packet.V4, packet.V5} {
		for _, crash := range []bool{false, true} {
			t.Run(fmt.Sprintf("v%d crash=%v", v, crash), func(t *testing.T) { do(t, v, crash) })
		}
	}
}

// A session that is away outlives the hub: what it has not acknowledged comes with
// DUP and its identifier, QoS 2 goes on where it was, then what came meanwhile.
func TestSessionsThatAreAwayOutliveTheHub(t *testing.T) {
	ways(t, func(t *testing.T, v packet.Version, crash bool) {
		dir := filepath.Join(t.TempDir(), "a")
		var one, two uint16
		live(t, v, dir, nil, func(l *life) {
			d, p := l.persistent("dev"), l.connect("pub")
			d.sub(1, "z/a/#", "loose")
			d.sub(2, "z/two", "z/q")
			p.pub(1, "z/a/1", "acked")
			p.pub(1, "z/a/1", "unacked")
			p.pub(2, "z/two", "two")
			d.take("q1 z/a/1 acked")
			d.want("q1 z/a/1 unacked")
			one = d.id
			d.want("q2 z/two two")
			two = d.id
			d.answer(packet.PUBREC, two)
			d.released(two)
			d.cut()
			q := l.persistent("qos2")
			m := packet.Publish{Topic: []byte("z/q"), Payload: []byte("once"), QoS: 2, ID: 9}
			q.write(m.Append(nil, v))
			q.want("PUBREC 9")
			q.cut()
			p.pub(1, "z/a/2", "meanwhile")
			p.pub(1, "loose", "gone")
			l.noted("dev", func(n *note, c *client) bool { return !n.here && len(c.out.unacked()) == 2 })
			if crash {
				dir = l.image()
			}
		})
		live(t, v, dir, nil, func(l *life) {
			p := l.connect("pub")
			p.pub(1, "z/a/2", "after")
			q := l.persistent("qos2")
			m := packet.Publish{Topic: []byte("z/q"), Payload: []byte("once"), QoS: 2, ID: 9, Dup: true}
			q.write(m.Append(nil, v))
			q.want("PUBREC 9")
			q.answer(packet.PUBREL, 9)
			q.want("PUBCOMP 9")
			d := l.persistent("dev")
			if !d.ack.SessionPresent || !q.ack.SessionPresent {
				l.Error("no session is present")
			}
			d.want("q1 z/a/1 unacked dup")
			if d.id != one {
				l.Errorf("the identifier is %d, was %d", d.id, one)
			}
			d.answer(packet.PUBACK, one)
			d.want(fmt.Sprintf("PUBREL %d", two))
			d.answer(packet.PUBCOMP, two)
			got := map[string]int{}
			for range 3 {
				got[d.describe(d.readAcked())]++
			}
			if got["q1 z/a/2 meanwhile"] != 1 || got["q1 z/a/2 after"] != 1 || got["q2 z/q once"] != 1 {
				l.Errorf("then came %v", got)
			}
			d.quiet()
			want := int64(0)
			if !crash {
				want = 1 // counted at the end in order
			}
			if n := l.hub.Stats.Get(node.DropOverrun); n != want {
				l.Errorf("%d dropped, want %d: the reading of the topic that is not durable", n, want)
			}
		})
	})
}

// readAcked reads a PUBLISH and acknowledges it to the end.
func (p *peer) readAcked() []byte {
	p.x.Helper()
	b := p.read()
	var q packet.Publish
	if b == nil || packet.TypeOf(b) != packet.PUBLISH || q.Decode(b, p.v) != nil {
		p.x.Fatal("no PUBLISH")
	}
	switch q.QoS {
	case 1:
		p.answer(packet.PUBACK, q.ID)
	case 2:
		p.answer(packet.PUBREC, q.ID)
		p.released(q.ID)
		p.answer(packet.PUBCOMP, q.ID)
	}
	return b
}

// A client that is connected when the hub is killed: what it had not acknowledged
// comes with DUP, whether it is noted already or not, and under no identifier that
// may have been given since.
func TestSessionsThatAreHereOutliveACrash(t *testing.T) {
	for _, noted := range []bool{true, false} {
		t.Run(fmt.Sprint("noted=", noted), func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "a")
			id := uint16(0)
			live(t, packet.V5, dir, nil, func(l *life) {
				d, p := l.persistent("dev"), l.connect("pub")
				d.sub(1, "z/a")
				l.noted("dev", func(n *note, _ *client) bool { return n.here })
				if noted {
					p.pub(1, "z/a", "1")
					d.take("q1 z/a 1")
				} else { // and nothing more is, until the image is taken
					k := clientOf(l.T, l.srv, "dev").keep
					k.mu.Lock()
					defer k.mu.Unlock()
				}
				p.pub(1, "z/a", "2")
				d.want("q1 z/a 2")
				id = d.id
				if noted {
					l.noted("dev", func(_ *note, c *client) bool { return len(c.out.unacked()) == 1 })
				}
				dir = l.image()
			})
			live(t, packet.V5, dir, nil, func(l *life) {
				p := l.connect("pub")
				p.pub(1, "z/a", "3")
				d := l.persistent("dev")
				if !d.ack.SessionPresent {
					l.Error("no session is present")
				}
				d.take("q1 z/a 2 dup")
				if noted != (d.id == id) {
					l.Errorf("noted %v, and the identifiers are %d and %d", noted, id, d.id)
				}
				d.take("q1 z/a 3")
				d.quiet()
			})
		})
	}
}

// What ends a session ends what is kept of it: clean start, expiry 0, and the time.
func TestWhatIsKeptOfASessionEndsWithIt(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a")
	live(t, packet.V5, dir, nil, func(l *life) {
		for _, id := range []string{"clean", "bye", "stays", "short"} {
			l.persistent(id).sub(1, "z/"+id)
		}
		l.connect("clean").cut()
		p := l.persistent("bye")
		p.bye(packet.Props(nil).AppendNum(packet.SessionExpiry, 0))
		l.connect("short", keepState, expiry(1)).cut()
		for end := time.Now().Add(patience); ; time.Sleep(10 * time.Millisecond) {
			n, left := 0, ""
			l.disk.Remembered(kind, func(id string, _ []byte) { n++; left = id + " " + left })
			if n == 1 {
				break
			}
			if time.Now().After(end) {
				l.Fatalf("%d are kept: %s", n, left)
			}
		}
	})
	live(t, packet.V5, dir, nil, func(l *life) {
		for id, want := range map[string]bool{"clean": false, "bye": false, "stays": true, "short": false} {
			if p := l.persistent(id); p.ack.SessionPresent != want {
				l.Errorf("%s: session present is %v", id, p.ack.SessionPresent)
			}
		}
	})
}

// openDoor lets everybody in, who may do all but read z/secret.
type openDoor struct{}

func (d openDoor) Admit(node.Rights, string, *node.Credentials) (node.Rights, string, *codec.Error) {
	return d, "", nil
}
func (openDoor) MayPublish([]byte) *codec.Error { return nil }
func (openDoor) MaySubscribe(p []byte) *codec.Error {
	if string(p) == "z/secret" {
		return codec.Errorf(codec.CodeForbidden, "not for you")
	}
	return nil
}
func (openDoor) MayManage([]byte) *codec.Error { return nil }
func (openDoor) MayAdmin() *codec.Error        { return nil }
func (openDoor) MayRead(topic string) bool     { return topic != "z/secret" }
func (openDoor) MayList() *codec.Error         { return nil }

// Who comes back and may not read what the one before did gets none of it.
func TestARestartGivesNobodyMoreRights(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a")
	live(t, packet.V5, dir, nil, func(l *life) {
		d, p := l.persistent("dev"), l.connect("pub")
		d.sub(1, "z/secret", "z/open")
		p.pub(1, "z/secret", "unacked")
		d.want("q1 z/secret unacked")
		d.cut()
		p.pub(1, "z/secret", "s")
		p.pub(1, "z/open", "o")
	})
	live(t, packet.V5, dir, openDoor{}, func(l *life) {
		d := l.persistent("dev")
		if !d.ack.SessionPresent {
			l.Error("no session is present")
		}
		d.take("q1 z/open o")
		d.quiet()
	})
}

// A connection that takes a client over has what it said meanwhile handled by who
// leaves, while its own reader looks at what it owes: for the race detector.
func TestWhatIsHeldIsNobodyElsesBudget(t *testing.T) {
	_, _, as := strict(t, node.Options{})
	x := as("")
	old := x.persistent("dev")
	for range 20 {
		p := x.dial()
		c := packet.Connect{Version: p.v, ClientID: x.n("dev"), Props: packet.Props(nil).AppendNum(packet.SessionExpiry, 100)}
		q := packet.Subscribe{ID: 7, Filters: packet.Filters(nil).Append(packet.Filter{Filter: []byte("a/#"), QoS: 1})}
		b := q.Append(c.Append(nil), p.v)
		p.write(b[:len(b)-3])
		p.write(b[len(b)-3:])
		for range 5 {
			p.write([]byte{0xc0, 0})
		}
		old.cut()
		p.want("CONNACK")
		p.want("SUBACK 7 01")
		for range 5 {
			p.want("PINGRESP")
		}
		old = p
	}
}
