package uplink

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"topicd/codec"
	"topicd/node"
	"topicd/node/store"
	"topicd/node/uplink/natstest"
)

// newest is the newest reading of a topic.
func newest(h *node.Hub, topic string) (found node.Reading, ok bool) {
	t := h.Find([]byte(topic))
	if t == nil {
		return found, false
	}
	from, to := h.Span(t, 1, false, 0, h.Mono())
	var raw []byte
	h.Read(t, from, to, &raw, func(r *node.Reading) bool {
		found, ok = *r, true
		found.Data, found.From = append([]byte(nil), r.Data...), append([]byte(nil), r.From...)
		return true
	})
	return found, ok
}

func TestTheCentrePublishesWhatFitsDownAndNothingElse(t *testing.T) {
	s := natstest.Start(t, "")
	nc := s.Dial()
	natstest.Stream(t, nc, "SITES", nil)
	g := newGateway(t, t.TempDir(), Options{URLs: []string{s.URL}, Site: "farm7", Down: []string{"set/#", "a.b/+"}}, store.Options{})
	g.pub("first", "1")
	g.drained(patience)
	send := func(subject, data string, header ...string) {
		t.Helper()
		m := natstest.Msg(subject, data, header...)
		if err := nc.PublishMsg(m); err != nil {
			t.Fatal(err)
		}
	}
	send("sites.farm7.down.set.lamp", `{"on":true}`)
	send("sites.farm7.down.set", `2`)
	send("sites.farm7.down.a%2Eb.c", "\xa1\x61v\x01", "Content-Type", "application/cbor")
	hostile := map[string]string{
		"sites.farm7.down.plant.1":                             "1", // not in down
		"sites.farm7.down.$sys.stats":                          "1",
		"sites.farm7.down.set%2Flamp":                          "1", // would be another name of set/lamp
		"sites.farm7.down.set.%2E%2E":                          "1", // ..
		"sites.farm7.down.set.%zz":                             "1",
		"sites.farm7.down.set.a+b":                             "1",
		"sites.farm7.down.set.bad1":                            "not JSON",
		"sites.farm7.down.set.bad2":                            "",
		"sites.farm7.down.set.bad3":                            strings.Repeat("[", 100) + strings.Repeat("]", 100),
		"sites.farm7.down.set.bad4":                            `{"a":1,"a":2}`,
		"sites.farm7.down.set.large":                           `"` + strings.Repeat("x", g.hub.Options().MaxBody) + `"`,
		"sites.farm7.down." + strings.Repeat("set.", 80) + "x": "1",
	}
	for subject, data := range hostile {
		send(subject, data)
	}
	send("sites.farm8.down.set.lamp", `9`)
	send("sites.farm7.down.set.last", `3`)
	var st Status
	await(t, patience, "all messages are counted", func() bool {
		st = g.up.Status()
		all := st.Received
		for _, n := range st.Refused {
			all += n
		}
		return all >= 4+int64(len(hostile))
	})
	if st.Received != 4 || st.Refused[refusedMalformed] != 4 || st.Refused[refusedLarge] != 1 {
		t.Errorf("%+v", st)
	}
	if r, _ := newest(g.hub, "set/lamp"); string(r.Data) != `{"on":true}` || string(r.From) != Client {
		t.Errorf("set/lamp: %s of %s", r.Data, r.From)
	}
	if r, _ := newest(g.hub, "a.b/c"); r.Enc() != codec.CBOR {
		t.Errorf("a.b/c: %+v", r)
	}
	for _, topic := range []string{"plant/1", "set/bad1", "set/large"} {
		if _, ok := newest(g.hub, topic); ok {
			t.Errorf("%s was written", topic)
		}
	}
	g.drained(patience)
	if list := natstest.Read(t, nc, "SITES", "sites.>"); len(list) != 1 {
		t.Errorf("%d messages in the stream, one was sent: what comes from the centre goes up again", len(list))
	}
}

func TestAFloodFromTheCentreIsBounded(t *testing.T) {
	s := natstest.Start(t, "")
	nc := s.Dial()
	natstest.Stream(t, nc, "SITES", nil)
	g := newGateway(t, t.TempDir(), Options{URLs: []string{s.URL}, Site: "farm7", Down: []string{"set/#"}}, store.Options{})
	g.pub("first", "1")
	g.drained(patience)
	const n = 20000
	for i := range n {
		if err := nc.Publish("sites.farm7.down.set.x", fmt.Appendf(nil, "%d", i)); err != nil {
			t.Fatal(err)
		}
	}
	// What is too large is not read into memory; each is counted.
	const large = 40
	for range large {
		if err := nc.Publish("sites.farm7.down.set.large", make([]byte, g.hub.Options().MaxBody+downHead+1)); err != nil {
			t.Fatal(err)
		}
	}
	_ = nc.Flush()
	await(t, patience, "each message is published or counted", func() bool {
		_ = nc.Publish("sites.farm7.down.set.y", []byte("1")) // what was thrown away is counted with the next one
		st := g.up.Status()
		sum := st.Received
		for _, r := range st.Refused {
			sum += r
		}
		return sum >= n+large && st.Refused[refusedLarge] >= large
	})
}

// Two gateways and a centre that all take and send everything: no message circulates.
func TestNothingCirculates(t *testing.T) {
	s := natstest.Start(t, "")
	nc := s.Dial()
	natstest.Stream(t, nc, "SITES", nil)
	o := Options{URLs: []string{s.URL}, Stream: "SITES", Down: []string{"#"}}
	var all []*gateway
	for _, site := range []string{"a", "b", "centre"} {
		o.Site = site
		all = append(all, newGateway(t, t.TempDir(), o, store.Options{Sync: 10 * time.Millisecond}))
	}
	a, b, c := all[0], all[1], all[2]
	o.Hub = c.hub
	f, err := NewFeed(o, "centre")
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(f.Stop)
	for _, g := range all {
		await(t, patience, "the uplink is up", func() bool { return g.up.Status().State == Up })
	}
	a.pub("temp", "1")
	b.pub("temp", "2")
	c.pub("temp", "3")
	for _, site := range []string{"a", "b", "centre"} {
		_ = nc.Publish("sites."+site+".down.temp", []byte("4"))
		_ = nc.Publish("sites."+site+".down.a.temp", []byte("5"))
	}
	for _, g := range all {
		await(t, patience, "what comes down is there", func() bool { return g.up.Status().Received == 2 })
	}
	await(t, patience, "the centre has both", func() bool { return f.Status().Received == 2 })
	for _, g := range all {
		g.drained(patience)
	}
	list := natstest.Read(t, nc, "SITES", "sites.>")
	if len(list) != 3 {
		t.Errorf("%d messages in the stream, 3 were published", len(list))
		for _, m := range list {
			t.Log(m.Subject, string(m.Data), m.Header.Get("Topicd-From"))
		}
	}
}

func TestTheCentreHasReadingsWithTheirTime(t *testing.T) {
	s := natstest.Start(t, "")
	nc := s.Dial()
	natstest.Stream(t, nc, "SITES", nil)
	g := newGateway(t, t.TempDir(), Options{URLs: []string{s.URL}, Site: "farm7", AsIs: true}, store.Options{})
	g.hub.Tick(g.turn)
	g.turn.Wall -= 3_600_000
	if _, err := g.sess.Publish([]byte("plant/1"), node.Body{Enc: codec.CBOR, Data: []byte{0xa1, 0x61, 'v', 1}}, 0, g.turn); err != nil {
		t.Fatal(err)
	}
	want := g.turn.Wall
	g.drained(patience)
	h := node.New(node.Options{})
	defer h.Close()
	f := startFeed(t, s.URL, h)
	await(t, patience, "the reading is there", func() bool { return f.Status().Received == 1 })
	r, _ := newest(h, "farm7/plant/1")
	if r.TS != want || r.Enc() != codec.CBOR || string(r.Data) != "\xa1\x61v\x01" {
		t.Errorf("%+v, want ts %d", r, want)
	}
	s.Kill()
	for i := range 1000 {
		g.pub(fmt.Sprintf("plant/%d", i%10), fmt.Sprint(i))
	}
	s.Up()
	await(t, patience, "all are there", func() bool { return f.Status().Received == 1001 })
	allAcked(t, nc, f) // Stop waits for a second, and the server may be slower
	f.Stop()
	g.pub("plant/1", "7")
	f = startFeed(t, s.URL, h)
	defer f.Stop()
	await(t, patience, "the consumer goes on where it was", func() bool { return f.Status().Received == 1 })
	if r, _ := newest(h, "farm7/plant/1"); string(r.Data) != "7" {
		t.Errorf("%s", r.Data)
	}
}
