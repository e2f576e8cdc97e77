package mqtt

import (
	"fmt"
	"hash/maphash"
	"runtime"
	"strings"
	"testing"
	"time"

	"topicd/node"
	"topicd/node/dialect/mqtt/packet"
	"topicd/node/internal/keyed"
	"topicd/node/nodetest/race"
)

// What a client takes that has all that it may have is what the formula says, and not
// much less: with a thousand of them it is most of what MQTT takes.
func TestWorstClient(t *testing.T) {
	const clients = 200
	s := &Server{seed: maphash.MakeSeed()}
	all := make([]*conn, clients)
	heap := func() int64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.GC()
		runtime.ReadMemStats(&m)
		return int64(m.HeapAlloc)
	}
	before := heap()
	s.clients = keyed.Table[*client]{}
	g := &share{srv: s}
	for i := range all {
		c := &client{id: fmt.Sprint(i, strings.Repeat("x", maxClientID-8)), srv: s, lasting: &lasting{absent: new(absence), keep: new(keep)}}
		s.clients.Put(c)
		o := &c.out
		for k := range node.SubsPerSession {
			f := fmt.Sprintf("a/%d", k) // its text is the hub's
			o.subs.put(sub{filter: f})
		}
		m := o.rest()
		for k := range maxWindow {
			m.flights = append(m.flights, flight{id: uint16(k)})
		}
		for k := range receiveMaximum {
			m.received = append(m.received, incoming{id: uint16(k)})
		}
		for range maxMemberships {
			m.shares = append(m.shares, g)
			g.members = append(g.members, &member{client: c})
		}
		m.aliases, m.memo.props = make([]topicID, takenAliases), make([]byte, 0, maxScratch)
		m.memo.wish.ids = make([]uint32, node.SubsPerSession)
		w := &piece{codes: make([]byte, node.SubsPerSession), gone: make([]uint32, node.SubsPerSession)}
		all[i] = &conn{srv: s, client: c, past: &past{aliases: make([]string, takenAliases), piece: w}}
	}
	each := (heap() - before) / clients
	said := clientCost + node.SubsPerSession*subCost
	t.Logf("%d bytes a client, %d by the formula", each, said)
	if race.Enabled {
		said += said / 16 // the race detector rounds up further
	}
	if each > said || each < said*3/4 {
		t.Errorf("a client takes %d bytes, the formula says %d", each, said)
	}
	runtime.KeepAlive(all)
}

// A message under way whose topic has ended is lost, and counted, whoever has the
// topic's number now; and a name that an alias stands for counts as long as it does.
func TestTopicsThatEndUnderWay(t *testing.T) {
	h, s, as := strict(t, node.Options{})
	p := as("").persistent("reader")
	p.sub(1, "old/#")
	alias := packet.Props(nil).AppendNum(packet.TopicAlias, 1)
	w := as("").connect("writer")
	w.pub(1, "old/a", "1", with(alias))
	p.want("q1 old/a 1") // and it is not acknowledged
	if n := s.names.Held(); n != int64(len("old/a")) {
		t.Errorf("%d bytes of names count", n)
	}
	p.cut()
	turn := h.Hub.Turn()
	if err := h.Hub.Delete([]byte("old/a"), nil, turn); err != nil {
		t.Fatal(err)
	}
	turn.Wake()
	for i := range 100 {
		w.pub(1, fmt.Sprintf("new/%d", i), "other")
	}
	before := h.Hub.Stats.Get(node.DropOverrun)
	p = as("").persistent("reader")
	p.quiet()
	if n := h.Hub.Stats.Get(node.DropOverrun) - before; n != 1 {
		t.Errorf("%d are counted as lost", n)
	}
	w.bye()
	for end := time.Now().Add(patience); s.names.Held() != 0; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("the alias's name counts still")
		}
	}
}
