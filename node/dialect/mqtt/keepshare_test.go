package mqtt

import (
	"path/filepath"
	"testing"
	"time"

	"topicd/node"
	"topicd/node/dialect/mqtt/packet"
)

// shareIsAt waits until that much of a topic is noted as handed out.
func (l *life) shareIsAt(key, topic string, seq uint64) {
	l.Helper()
	for end := time.Now().Add(patience); ; time.Sleep(5 * time.Millisecond) {
		at, _ := l.disk.Store.AckedOf(kindShare+"\x00"+key, "", topic)
		if at == seq {
			return
		}
		if time.Now().After(end) {
			l.Fatalf("%s is at %d of %s", key, at, topic)
		}
	}
}

// A share goes on where it was: what a member that is kept has under way comes to it
// again, what one had that is gone comes to another, and what came meanwhile to any,
// each of them once.
func TestSharesOutliveTheHub(t *testing.T) {
	ways(t, func(t *testing.T, v packet.Version, crash bool) {
		dir := filepath.Join(t.TempDir(), "a")
		const key = "$share/g/z/s"
		live(t, v, dir, nil, func(l *life) {
			a, p := l.persistent("a"), l.connect("pub")
			a.sub(1, key)
			p.pub(1, "z/s", "1")
			a.take("q1 z/s 1")
			p.pub(1, "z/s", "2")
			a.want("q1 z/s 2")
			a.cut()
			l.noted("a", func(n *note, c *client) bool { return !n.here && len(c.out.unacked()) == 1 })
			p.pub(1, "z/s", "3")
			p.pub(1, "z/s", "4")
			b := l.connect("b")
			b.sub(1, key)
			b.take("q1 z/s 3")
			b.want("q1 z/s 4")
			l.shareIsAt(key, "z/s", 4)
			p.pub(1, "z/other", "x") // acknowledged once it is on disk, and what came before
			if crash {
				dir = l.image()
			}
		})
		live(t, v, dir, nil, func(l *life) {
			l.connect("pub").pub(1, "z/s", "5")
			a := l.persistent("a")
			if !a.ack.SessionPresent {
				l.Error("no session is present")
			}
			got := map[string]int{}
			for range 3 {
				got[a.describe(a.readAcked())]++
			}
			if got["q1 z/s 2 dup"] != 1 || got["q1 z/s 4"] != 1 || got["q1 z/s 5"] != 1 {
				l.Errorf("then came %v", got)
			}
			a.quiet()
			if n := l.hub.Stats.Get(node.DropOverrun); n != 0 {
				l.Errorf("%d dropped", n)
			}
			u := packet.Unsubscribe{ID: 8}
			u.Filters = u.Filters.Append([]byte(key))
			a.write(u.Append(nil, v))
			a.read()
			if n := len(l.disk.Store.Cursors()); n != 1 {
				l.Errorf("%d are kept, want the client alone", n)
			}
		})
	})
}

// A message that a member's note has and the share's has not is the member's, and not
// handed out again.
func TestSharesDoNotHandOutAgain(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a")
	const key = "$share/g/z/s"
	live(t, packet.V5, dir, nil, func(l *life) {
		a, p := l.persistent("a"), l.connect("pub")
		a.sub(2, key)
		p.pub(2, "z/s", "1")
		a.want("q2 z/s 1")
		l.noted("a", func(_ *note, c *client) bool { return len(c.out.unacked()) == 1 })
		l.shareIsAt(key, "z/s", 1)
		l.disk.Store.EndCursor(kindShare+"\x00"+key, "") // as it was before
		rec, err := l.disk.Remember(kindShare, key)
		if err == nil {
			err = rec.Note((&shareNote{}).append(nil, nil), []node.Acked{{Topic: "z/s", Seq: 0}})
		}
		if err != nil {
			l.Fatal(err)
		}
		l.connect("noting").pub(1, "z/other", "x")
		dir = l.image()
	})
	live(t, packet.V5, dir, nil, func(l *life) {
		a := l.persistent("a")
		if got := a.describe(a.readAcked()); got != "q2 z/s 1 dup" {
			l.Error(got)
		}
		a.quiet()
		l.connect("pub").pub(2, "z/s", "2")
		if got := a.describe(a.readAcked()); got != "q2 z/s 2" {
			l.Error(got)
		}
	})
}
