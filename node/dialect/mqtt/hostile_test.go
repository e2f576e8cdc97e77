package mqtt

import (
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"topicd/node"
	"topicd/node/bound"
	"topicd/node/dialect"
	"topicd/node/dialect/dialecttest"
	"topicd/node/dialect/mqtt/packet"
)

// strict is a hub with the limits that it has by default, and its server.
func strict(t *testing.T, o node.Options) (*dialecttest.Hub, *Server, func(may string) *run) {
	t.Helper()
	var s *Server
	o.MaxBody = 1 << 20
	t.Cleanup(func() { s.givenBack(t) })
	h := dialecttest.Start(t, dialecttest.Options{Hub: o, MaxFrame: 1 << 20, Plugs: func(h *node.Hub) []dialect.Plug {
		s = newServer(Config{Hub: h, closeFor: patience})
		return []dialect.Plug{s.plug()}
	}})
	return h, s, func(may string) *run {
		return &run{T: t, v: packet.V5, b: &broker{"topicd", func() (net.Conn, error) {
			d := websocket.Dialer{Subprotocols: []string{"mqtt"}}
			header := http.Header{}
			if may != "" {
				header.Set("May", may)
			}
			c, _, err := d.Dial(h.WS("/mqtt"), header)
			if err != nil {
				return nil, err
			}
			return &wsConn{Conn: c}, nil
		}}}
	}
}

// plug is Plug's, of that server.
func (s *Server) plug() dialect.Plug {
	p := Plug(Config{Hub: s.hub})
	p.Open = func(node.Arrival) node.Dialect { return &conn{srv: s} }
	p.Run, p.Close = s.run, s.close
	return p
}

// givenBack: when the hub has ended nothing is counted as held any more. What stayed
// would be refused to others, for as long as a hub runs.
func (s *Server) givenBack(t *testing.T) {
	if t.Failed() {
		return
	}
	for name, b := range map[string]*bound.Bytes{"wills": &s.wills, "boxes": &s.boxes, "said": &s.said, "names": &s.names, "again": &s.again, "noted": &s.noted} {
		if n := b.Held(); n != 0 {
			t.Errorf("%d of %s are counted when nobody has them", n, name)
		}
	}
}

// TestOneSubscribeOfAllThereIs: 60,000 times # in one packet, in a hub with many
// topics, is not gone through: it kept a processor and the hub's lock busy for minutes.
func TestOneSubscribeOfAllThereIs(t *testing.T) {
	h, _, as := strict(t, node.Options{Topics: 8192, Memory: 8 << 20})
	turn := h.Hub.Turn()
	for i := range 8000 {
		h.Hub.PublishOwn(fmt.Sprintf("many/%d", i), []byte("1"), turn)
	}
	if n := h.Hub.Counts().Topics; n < 8000 {
		t.Fatal(n, " topics")
	}
	p := as("").connect("greedy")
	q := packet.Subscribe{ID: 7}
	for range 60_000 {
		q.Filters = q.Filters.Append(packet.Filter{Filter: []byte("#")})
	}
	began := time.Now()
	p.write(q.Append(nil, p.v))
	honest := as("").connect("honest")
	honest.pub(1, "a", "1")
	if took := time.Since(began); took > patience {
		t.Errorf("another client waits for %v", took)
	}
	if p.read(); time.Since(began) > 2*patience { // the fault took minutes; the race detector on a busy machine takes 7 s
		t.Errorf("the hub was busy with it for %v", time.Since(began))
	}
}

// manyShares subscribes to 200 shares in one SUBSCRIBE and reads its answer.
func (p *peer) manyShares() {
	q := packet.Subscribe{ID: 7}
	for i := range 200 {
		q.Filters = q.Filters.Append(packet.Filter{Filter: fmt.Appendf(nil, "$share/g%d/a", i)})
	}
	p.write(q.Append(nil, p.v))
	p.read()
}

// TestSharesOfOneClient: each shared subscription is a session of the hub's: a
// client with many leaves room for others.
func TestSharesOfOneClient(t *testing.T) {
	_, s, as := strict(t, node.Options{Sessions: 64, Rate: -1})
	p := as("").connect("greedy")
	p.manyShares()
	s.mu.Lock()
	n := len(s.shares)
	s.mu.Unlock()
	if n == 0 || n > 64/8/2 {
		t.Errorf("one client has %d shares", n)
	}
	for i := range 16 {
		as("").connect(fmt.Sprint("honest", i))
	}
}

// TestWillsTakeTheirRoom: a will with a MiB of properties on each connection.
func TestWillsTakeTheirRoom(t *testing.T) {
	_, s, as := strict(t, node.Options{})
	big := packet.Will{Topic: []byte("w")}
	for range 16 {
		big.Props = big.Props.AppendUser("k", strings.Repeat("x", 60_000))
	}
	in := 0
	for i := range 12 {
		p := as("").dial()
		switch p.hello(fmt.Sprint("big", i), lastWill(big)) {
		case 0:
			in++
		case byte(packet.QuotaExceeded):
		default:
			t.Fatal(p.ack.Code)
		}
	}
	if in == 0 || s.wills.Held() > maxWills {
		t.Errorf("%d are in, %d bytes", in, s.wills.Held())
	}
	p := as("").connect("small", lastWill(packet.Will{Topic: []byte("w"), Payload: []byte("gone")}))
	before := s.wills.Held()
	p.bye()
	for end := time.Now().Add(30 * time.Second); s.wills.Held() == before; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("a will that was withdrawn is counted still")
		}
	}
}

// TestAliasOfWhatIsNoTopic: sixteen names of 64 KB that no topic can have are not kept.
func TestAliasOfWhatIsNoTopic(t *testing.T) {
	_, _, as := strict(t, node.Options{})
	p := as("").connect("c")
	q := packet.Publish{Topic: []byte(strings.Repeat("x", 60_000)), Payload: []byte("1"), QoS: 1, ID: 1, Props: packet.Props(nil).AppendNum(packet.TopicAlias, 1)}
	p.write(q.Append(nil, p.v))
	p.want("PUBACK 1 topic name invalid")
	q = packet.Publish{Payload: []byte("1"), QoS: 1, ID: 2, Props: packet.Props(nil).AppendNum(packet.TopicAlias, 1)}
	p.write(q.Append(nil, p.v))
	p.closed(packet.ProtocolError)
}

// TestAnotherTokenAnotherView: who comes with the identifier of a client that is
// away, and with lesser rights, gets nothing that the first one waited for.
func TestAnotherTokenAnotherView(t *testing.T) {
	_, _, as := strict(t, node.Options{})
	pub := as("")
	first := as("").persistent("them")
	first.sub(1, "secret", "open")
	first.pub(0, "else", "1")
	pub.connect("pub").pub(1, "secret", "in flight")
	first.want("q1 secret in flight")
	first.cut()
	other := pub.connect("pub")
	for i := range 3 {
		other.pub(1, "secret", fmt.Sprint(i))
		other.pub(1, "open", fmt.Sprint(i))
	}
	thief := as("open").persistent("them")
	for i := range 3 {
		thief.take(fmt.Sprintf("q1 open %d", i))
	}
	thief.quiet()
	other.pub(1, "secret", "later")
	thief.quiet()
}

// TestCrowdOfOneAddress: who leaves many sessions behind pushes out its own.
func TestCrowdOfOneAddress(t *testing.T) {
	owner := func(addr string) string { return "crowd" }
	var mu sync.Mutex
	_, s, as := strict(t, node.Options{Owner: func(addr string) string {
		mu.Lock()
		defer mu.Unlock()
		return owner(addr)
	}})
	s.cfg.Away = 8
	is := func(name string) {
		mu.Lock()
		owner = func(string) string { return name }
		mu.Unlock()
	}
	away := func(want int) {
		t.Helper()
		for end := time.Now().Add(30 * time.Second); ; time.Sleep(time.Millisecond) {
			s.mu.Lock()
			n := s.away
			s.mu.Unlock()
			if n == want {
				return
			}
			if time.Now().After(end) {
				t.Fatalf("%d are away, want %d", n, want)
			}
		}
	}
	is("honest")
	as("").persistent("honest").cut()
	away(1)
	is("crowd")
	for i := range 20 {
		as("").persistent(fmt.Sprint("crowd", i)).cut()
		away(min(i+2, 8))
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.clientLocked("honest") == nil {
		t.Error("the honest client's session was pushed out")
	}
}
