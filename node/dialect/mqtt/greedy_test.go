package mqtt

import (
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"topicd/node"
	"topicd/node/dialect/mqtt/packet"
)

// What a peer may have the hub keep for a few bytes of its own.

// clientOf is the server's client of that identifier.
func clientOf(t *testing.T, s *Server, id string) *client {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.clientLocked(id)
	if c == nil {
		t.Fatal("there is no client ", id)
	}
	return c
}

// TestNamesOfShares: a share's name may be 65,535 bytes by the standard, and each
// member had a copy of it.
func TestNamesOfShares(t *testing.T) {
	_, s, as := strict(t, node.Options{Rate: -1})
	p := as("").connect("greedy")
	p.sub(1, "$share/"+strings.Repeat("n", maxShareName)+"/a")
	q := packet.Subscribe{ID: 7}
	q.Filters = q.Filters.Append(packet.Filter{Filter: []byte("$share/" + strings.Repeat("n", maxShareName+1) + "/a")})
	p.write(q.Append(nil, p.v))
	p.want(fmt.Sprintf("SUBACK 7 %02x", byte(packet.BadFilter)))
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.shares) != 1 {
		t.Errorf("%d shares", len(s.shares))
	}
}

// TestMembershipsOfOneClient: being a member of what others share costs no session,
// but it does cost memory.
func TestMembershipsOfOneClient(t *testing.T) {
	_, s, as := strict(t, node.Options{Sessions: 4096, Rate: -1})
	p := as("").connect("greedy")
	p.manyShares()
	c := clientOf(t, s, "greedy")
	c.mu.Lock()
	defer c.mu.Unlock()
	if n := len(c.out.more.shares); n != maxMemberships {
		t.Errorf("%d memberships of one client", n)
	}
}

// TestSharesAreCharged: a share that is made and left asks all topics each time, as
// a pattern of the client's own does, and was free.
func TestSharesAreCharged(t *testing.T) {
	h, _, as := strict(t, node.Options{Topics: 8192, Memory: 8 << 20})
	turn := h.Hub.Turn()
	for i := range 8000 {
		h.Hub.PublishOwn(fmt.Sprintf("many/%d", i), []byte("1"), turn)
	}
	p := as("").connect("greedy")
	q, u := packet.Subscribe{ID: 7}, packet.Unsubscribe{ID: 8}
	for i := range 30 {
		f := fmt.Appendf(nil, "$share/g%d/#", i)
		q.Filters, u.Filters = q.Filters.Append(packet.Filter{Filter: f}), u.Filters.Append(f)
	}
	both := u.Append(q.Append(nil, p.v), p.v)
	n := 0
	for began := time.Now(); time.Since(began) < time.Second; n++ {
		p.write(both)
		if p.read(); p.read() == nil {
			break
		}
	}
	// 10,000 a second, and as much again that it may owe: thirty times 1,000.
	if n > 3 {
		t.Errorf("%d times 30 shares of 8,000 topics in a second", n)
	}
}

// TestUnsubscribesAreCharged: 260,000 names fit into one packet.
func TestUnsubscribesAreCharged(t *testing.T) {
	_, _, as := strict(t, node.Options{})
	p := as("").connect("greedy")
	u := packet.Unsubscribe{ID: 8}
	for range 25_000 {
		u.Filters = u.Filters.Append([]byte("a"))
	}
	began := time.Now()
	p.write(u.Append(nil, p.v))
	p.read()
	p.quiet()
	if took := time.Since(began); took < time.Second {
		t.Errorf("25,000 names are paid for in %v", took)
	}
}

// TestUserPropertiesAreNotKept: neither those of a message by each of its readers,
// nor those of a CONNECT that waits.
func TestUserPropertiesAreNotKept(t *testing.T) {
	_, s, as := strict(t, node.Options{})
	big := packet.Props(nil).AppendUser("k", strings.Repeat("x", 60_000))
	p := as("").connect("reader")
	p.sub(1, "a")
	as("").connect("writer").pub(1, "a", "1", with(big))
	p.take("q1 a 1 k:" + strings.Repeat("x", 60_000))
	p.quiet()
	c := clientOf(t, s, "reader")
	c.mu.Lock()
	if n := cap(c.out.more.memo.props); n > 4096 {
		t.Errorf("%d bytes are kept with a reader", n)
	}
	c.mu.Unlock()
	said := (&packet.Connect{Props: big.AppendNum(packet.SessionExpiry, 7).AppendNum(packet.ReceiveMaximum, 8)}).Props
	if kept := needed(said); len(kept) > 20 || kept.Num(packet.ReceiveMaximum, 0) != 8 {
		t.Errorf("%d bytes of a CONNECT are kept", len(kept))
	}
}

// TestAliasesOfRefusedNames: they are counted, all connections' together.
func TestAliasesOfRefusedNames(t *testing.T) {
	_, s, as := strict(t, node.Options{})
	s.names.Most = 4 << 10
	name := func(i int) []byte { return append([]byte("$x/"), strings.Repeat(string(rune('a'+i)), 1000)...) }
	give := func(p *peer, i int) {
		q := packet.Publish{Topic: name(i), Payload: []byte("1"), QoS: 1, ID: 1, Props: packet.Props(nil).AppendNum(packet.TopicAlias, uint32(i+1))}
		p.write(q.Append(nil, p.v))
	}
	p := as("").connect("greedy")
	for i := range 4 {
		give(p, i)
		p.want("PUBACK 1 not authorized")
		give(p, i) // again: it takes the place of the one before
		p.want("PUBACK 1 not authorized")
	}
	give(p, 4)
	p.closed(packet.QuotaExceeded)
	for end := time.Now().Add(30 * time.Second); s.names.Held() != 0; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%d bytes are counted still", s.names.Held())
		}
	}
}

// TestSubacksThatNobodyReads: 60,000 bytes for each connection, for 240,000 sent once.
func TestSubacksThatNobodyReads(t *testing.T) {
	h, s, as := strict(t, node.Options{})
	addr := h.Bare(t, "mqtt")
	q := packet.Subscribe{ID: 7}
	for range 60_000 {
		q.Filters = q.Filters.Append(packet.Filter{Filter: []byte("a")})
	}
	b := q.Append(nil, packet.V5)
	for i := range 40 {
		c, err := net.Dial("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		_ = c.(*net.TCPConn).SetReadBuffer(2048)
		_, _ = c.Write((&packet.Connect{Version: packet.V5, CleanStart: true, KeepAlive: 60, ClientID: fmt.Append(nil, "deaf", i)}).Append(nil))
		go func() {
			for range 8 {
				if _, err := c.Write(b); err != nil {
					return
				}
			}
		}()
	}
	honest := as("").connect("honest")
	for end := time.Now().Add(time.Second); time.Now().Before(end); time.Sleep(time.Millisecond) {
		s.mu.Lock()
		held := 0
		for c := range s.clients.All {
			c.mu.Lock()
			held += c.out.boxed()
			c.mu.Unlock()
		}
		s.mu.Unlock()
		if held > 1<<20+100<<10 {
			t.Fatalf("%d bytes wait in boxes", held)
		}
	}
	honest.sub(1, "b", "c", "d")
	honest.quiet()
}

// TestManyPatternsWait: who subscribes to a hundred patterns in packets of ten, as Home
// Assistant does, in a hub that is full of topics gets all of them. It has to wait, and
// is neither refused nor cut.
func TestManyPatternsWait(t *testing.T) {
	h, _, as := strict(t, node.Options{Topics: 16_384})
	turn := h.Hub.Turn()
	for i := range 16_000 {
		h.Hub.PublishOwn(fmt.Sprintf("many/%d", i), []byte("1"), turn)
	}
	p := as("").connect("ha")
	const packets = 10
	for i := range packets {
		q := packet.Subscribe{ID: uint16(i + 1)}
		for k := range 10 {
			q.Filters = q.Filters.Append(packet.Filter{Filter: fmt.Appendf(nil, "home/+/%d/%d/#", i, k)})
		}
		p.write(q.Append(nil, p.v))
	}
	began := time.Now()
	for i := range packets {
		p.want(fmt.Sprintf("SUBACK %d 00 00 00 00 00 00 00 00 00 00", i+1))
	}
	asked := time.Since(began)
	p.x.connect("other").pub(0, "home/a/0/0/x", "1")
	p.want("q0 home/a/0/0/x 1")
	t.Logf("%d patterns in %v", packets*10, asked)
}

// TestTopicsThatAreNoted: what clients have read of durable topics is counted until it
// is written, for all of them together, and not kept of those that have no record.
func TestTopicsThatAreNoted(t *testing.T) {
	_, s, _ := strict(t, node.Options{})
	var all []*client
	for range 20 {
		c := &client{srv: s, lasting: &lasting{keep: new(keep)}}
		all = append(all, c)
		for i := range 2 * maxSent {
			c.keepSent(&node.Reading{Num: uint32(i), Ep: 1, Seq: 1, Durable: true})
		}
	}
	if n := s.noted.Held(); n != maxNoted {
		t.Errorf("%d topics are noted", n)
	}
	for _, c := range all {
		c.endRecord()
		c.keepSent(&node.Reading{Num: 9999, Ep: 1, Seq: 1, Durable: true})
	}
	if n := s.noted.Held(); n != 0 {
		t.Errorf("%d topics are counted when nobody has them", n)
	}
}

// TestSubscribeInPieces: filters that ask all topics are made and ended a few at a time,
// each has its own code, and what comes behind them is handled behind them.
func TestSubscribeInPieces(t *testing.T) {
	h, _, as := strict(t, node.Options{Topics: 16_384, Rate: 1_000_000})
	turn := h.Hub.Turn()
	for i := range 16_000 {
		h.Hub.PublishOwn(fmt.Sprintf("many/%d", i), []byte("1"), turn)
	}
	p := as("").connect("p")
	q, u := packet.Subscribe{ID: 7}, packet.Unsubscribe{ID: 8}
	made, ended := "SUBACK 7", "UNSUBACK 8"
	for i := range 40 {
		f, code := fmt.Sprintf("home/+/%d/#", i), byte(packet.Success)
		switch {
		case i%10 == 3:
			f, code = "a/#/b", byte(packet.BadFilter)
		case i%10 == 7:
			f = fmt.Sprintf("$share/%d/home/#", i)
		case i == 39:
			f = "here"
		}
		made += fmt.Sprintf(" %02x", code)
		q.Filters = q.Filters.Append(packet.Filter{Filter: []byte(f)})
		if i%10 == 5 {
			f, code = "nothing/+", byte(packet.NoSubscription)
		}
		ended += fmt.Sprintf(" %02x", code)
		u.Filters = u.Filters.Append([]byte(f))
	}
	here := packet.Publish{Topic: []byte("here"), Payload: []byte("1")}
	p.write(here.Append(q.Append(nil, p.v), p.v))
	p.want(made)
	p.want("q0 here 1")
	p.write(here.Append(u.Append(nil, p.v), p.v))
	p.want(ended)
	p.quiet()
}
