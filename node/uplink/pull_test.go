package uplink

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"topicd/node"
	"topicd/node/store"
	"topicd/node/uplink/natstest"
)

// site is a stream, and a gateway that sends to it.
func site(t *testing.T) (s *natstest.Server, nc *nats.Conn, g *gateway) {
	t.Helper()
	s = natstest.Start(t, "")
	nc = s.Dial()
	natstest.Stream(t, nc, "SITES", nil)
	return s, nc, newGateway(t, t.TempDir(), Options{URLs: []string{s.URL}, Site: "farm7", AsIs: true}, store.Options{})
}

// filled is a stream in which a gateway has put n readings of so many topics, and a hub
// for the centre.
func filled(t *testing.T, n, topics int) (s *natstest.Server, nc *nats.Conn, g *gateway, h *node.Hub) {
	t.Helper()
	s, nc, g = site(t)
	for i := range n {
		g.pub(fmt.Sprintf("plant/%d", i%topics), fmt.Sprintf(`{"i":%d,"x":%q}`, i, strings.Repeat("x", 200)))
		if i%500 == 499 {
			g.drained(patience)
		}
	}
	g.drained(patience)
	h = node.New(node.Options{Memory: 32 << 20, TopicCap: 1 << 20, Rate: -1, Reserved: []string{Client, Center}})
	t.Cleanup(h.Close)
	return s, nc, g, h
}

// allAcked waits until the consumer owes nothing.
func allAcked(t *testing.T, nc *nats.Conn, f *Feed) {
	t.Helper()
	await(t, 2*patience, "nothing is left", func() bool {
		a := natstest.API(t, nc, "CONSUMER.INFO.SITES.topicd-centre", nil)
		return a["num_pending"] == 0.0 && a["num_ack_pending"] == 0.0
	})
	if st := f.Status(); st.Pending != 0 {
		t.Errorf("%d readings are to come still", st.Pending)
	}
}

// What was under way when the centre's connection was cut comes again, before what is
// newer: none is lost, and none counts as had already.
func TestTheCentreIsCutOff(t *testing.T) {
	const n, topics = 6000, 40
	s, nc, _, h := filled(t, n, topics)
	line := natstest.NewProxy(t, s.Port)
	f := startFeed(t, line.URL, h)
	defer f.Stop()
	for cut := range 4 {
		at := int64(n / 6 * (cut + 1))
		await(t, patience, "some have come", func() bool { return f.Status().Received >= at })
		line.Cut(true)
		line.Cut(false)
	}
	allAcked(t, nc, f)
	if got := inOrder(h, topics); got != n {
		t.Errorf("%d of %d readings are there, in their order: %+v", got, n, f.Status())
	}
}

// What the centre's consumer delivers to somebody else, before and while the centre takes
// readings, is not let go by the centre's acks: a connection that the server has not yet
// found to be gone is somebody else, too.
func TestWhatGoesElsewhere(t *testing.T) {
	const n, more, topics = 2000, 200, 7
	s, nc, g, h := filled(t, n, topics)
	f := startFeed(t, s.URL, h) // makes the consumer
	await(t, patience, "some have come", func() bool { return f.Status().Received >= n/2 })
	f.Stop()
	had := f.Status().Received
	await(t, patience, "what it had is acked", func() bool {
		return natstest.API(t, nc, "CONSUMER.INFO.SITES.topicd-centre", nil)["ack_floor"].(map[string]any)["stream_seq"] == float64(had)
	})
	js, err := nc.JetStream(nats.MaxWait(patience))
	if err != nil {
		t.Fatal(err)
	}
	other, err := js.PullSubscribe(subjects, "topicd-centre", nats.Bind("SITES", "topicd-centre"))
	if err != nil {
		t.Fatal(err)
	}
	steal := func(most int) (n int) {
		got, err := other.Fetch(most, nats.MaxWait(time.Second))
		if err != nil && !errors.Is(err, nats.ErrTimeout) {
			t.Fatal(err)
		}
		return len(got)
	}
	stolen := steal(100)
	f = startFeed(t, s.URL, h)
	defer f.Stop()
	for i := range more {
		g.pub(fmt.Sprintf("plant/%d", (n+i)%topics), fmt.Sprintf(`{"i":%d}`, n+i))
		if i%10 == 9 {
			stolen += steal(3)
		}
		if i == more/2 {
			allAcked(t, nc, f)
		}
	}
	allAcked(t, nc, f)
	if got := inOrder(h, topics); got != n+more || had+f.Status().Received != n+more {
		t.Errorf("%d of %d readings are there, in their order: %+v after %d", got, n+more, f.Status(), had)
	}
	t.Logf("%d went elsewhere", stolen)
}

// For a message that is taken out of the stream the server acks all that it delivered
// before: what of that went elsewhere is published all the same.
func TestTheServerAcksWhatNobodyDid(t *testing.T) {
	const n, more, topics = 100, 60, 7
	s, nc, g, h := filled(t, n, topics)
	line := natstest.NewProxy(t, s.Port)
	f := startFeed(t, line.URL, h)
	defer f.Stop()
	allAcked(t, nc, f)
	line.Cut(true)
	for i := range more {
		g.pub(fmt.Sprintf("plant/%d", (n+i)%topics), fmt.Sprintf(`{"i":%d}`, n+i))
	}
	g.drained(patience)
	place := func(of string) float64 {
		return natstest.API(t, nc, "CONSUMER.INFO.SITES.topicd-centre", nil)[of].(map[string]any)["stream_seq"].(float64)
	}
	await(t, patience, "all is delivered, into the cut", func() bool { return place("delivered") >= n+more })
	natstest.API(t, nc, "STREAM.MSG.DELETE.SITES", map[string]any{"seq": n + more/2})
	await(t, patience, "half is acked", func() bool { return place("ack_floor") >= n+more/2 })
	line.Cut(false)
	allAcked(t, nc, f)
	if got := inOrder(h, topics); got != n+more-1 || f.Status().Received != n+more-1 {
		t.Errorf("%d of %d readings are there, in their order: %+v", got, n+more-1, f.Status())
	}
}

func TestParseReply(t *testing.T) {
	type parts struct {
		at       place
		pending  uint64
		consumer string
	}
	for reply, want := range map[string]parts{
		"$JS.ACK.SITES.topicd-centre.1.22.33.1784600000000000000.44":           {place{22, 33}, 44, "topicd-centre"},
		"$JS.ACK.hub.ACC.SITES.topicd-centre.1.22.33.1784600000000000000.44":   {place{22, 33}, 44, "topicd-centre"},
		"$JS.ACK._.ACC.SITES.topicd-centre.2.22.33.1784600000000000000.44.Rnd": {place{22, 33}, 44, "topicd-centre"},
		"":                         {},
		"_INBOX.x.y":               {},
		"$JS.ACK.a.b.c.d.e.f.g":    {consumer: "b"},
		strings.Repeat("9.", 1000): {place{9, 9}, 9, "9"},
	} {
		var got parts
		if got.at, got.pending, got.consumer = parseReply(reply); got != want {
			t.Errorf("%q: %+v", reply, got)
		}
	}
}
