package uplink

import (
	"fmt"
	"log/slog"
	"os"
	"strings"
	"testing"
	"time"

	"topicd/codec"
	"topicd/node"
	"topicd/node/durable"
	"topicd/node/store"
	"topicd/node/uplink/natstest"
)

// gateway is a hub with a store and an uplink.
type gateway struct {
	t    testing.TB
	hub  *node.Hub
	disk *durable.Disk
	up   *Uplink
	sess *node.Session
	turn *node.Turn
}

func newGateway(t testing.TB, dir string, o Options, so store.Options) *gateway {
	t.Helper()
	g := &gateway{t: t}
	so.Dir = dir
	var err error
	if g.disk, err = durable.Open(so, []string{"#"}); err != nil {
		t.Fatal(err)
	}
	g.hub = node.New(node.Options{Disk: g.disk, Epoch: g.disk.Store.Epoch(), Rate: -1, Memory: 32 << 20, Reserved: []string{Client, Center}})
	g.disk.Attach(g.hub)
	if g.sess, g.turn, err = open(g.hub, "sensor"); err != nil {
		t.Fatal(err)
	}
	o.Hub, o.Store, o.Plain = g.hub, g.disk.Store, durable.Data
	if os.Getenv("TOPICD_TEST_LOG") != "" {
		o.Log = slog.New(slog.NewTextHandler(os.Stderr, nil))
	}
	if g.up, err = New(o); err != nil {
		t.Fatal(err)
	}
	g.disk.Notify(g.up.Notify)
	if err := g.up.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(g.stop)
	return g
}

func (g *gateway) stop() {
	if g.up == nil {
		return
	}
	g.up.Stop()
	if err := g.disk.Close(); err != nil {
		g.t.Error(err)
	}
	g.hub.Close()
	g.up = nil
}

func (g *gateway) pub(topic, json string) node.Published {
	g.t.Helper()
	g.hub.Tick(g.turn)
	p, err := g.sess.Publish([]byte(topic), node.Body{Data: []byte(json)}, 0, g.turn)
	if err != nil {
		g.t.Fatal(err)
	}
	return p
}

// patience is a bound against hanging.
const patience = time.Minute

// await waits until ok.
func await(t testing.TB, within time.Duration, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(within); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("not within %v: %s", within, what)
		}
	}
}

// drained waits until the stream has everything.
func (g *gateway) drained(within time.Duration) {
	g.t.Helper()
	if err := g.disk.Store.Sync(); err != nil {
		g.t.Fatal(err)
	}
	await(g.t, within, "everything is in the stream", func() bool {
		st := g.up.Status()
		return st.State == Up && st.PendingReadings == 0
	})
}

func TestReadingsArriveAsTheyWere(t *testing.T) {
	s := natstest.Start(t, "")
	nc := s.Dial()
	natstest.Stream(t, nc, "SITES", nil)
	g := newGateway(t, t.TempDir(), Options{URLs: []string{s.URL}, Site: "farm7", Stream: "SITES", slow: patience}, store.Options{})
	names := []string{"a", "plant/3/temp", "a.b/c*d", "x y/>", "100%/ä"}
	for i, n := range names {
		g.pub(n, fmt.Sprintf(`{"v":%d}`, i))
	}
	g.hub.Tick(g.turn)
	if _, err := g.sess.Publish([]byte("cbor"), node.Body{Enc: codec.CBOR, Data: []byte{0xa1, 0x61, 'v', 0x18, 42}}, 0, g.turn); err != nil {
		t.Fatal(err)
	}
	g.drained(patience)
	list := natstest.Read(t, nc, "SITES", "sites.farm7.up.>")
	if len(list) != len(names)+1 {
		t.Fatalf("%d messages", len(list))
	}
	seen := map[string]string{}
	for _, m := range list {
		topic, ok := Topic(strings.TrimPrefix(m.Subject, "sites.farm7.up."))
		if !ok || topic != m.Header.Get("Topicd-Topic") {
			t.Errorf("subject %q is topic %q, the header says %q", m.Subject, topic, m.Header.Get("Topicd-Topic"))
		}
		seen[topic] = string(m.Data)
		id := fmt.Sprintf("farm7:%s:%s:%s", m.Header.Get("Topicd-Ep"), m.Header.Get("Topicd-Seq"), topic)
		if m.Header.Get("Nats-Msg-Id") != id || m.Header.Get("Topicd-From") != "sensor" || m.Header.Get("Topicd-Ts") == "" || m.Header.Get("Topicd-Pos") == "" || m.Header.Get("Content-Type") != "application/json" {
			t.Errorf("headers %v", m.Header)
		}
	}
	if seen["cbor"] != `{"v":42}` || seen["x y/>"] != `{"v":3}` {
		t.Errorf("%v", seen)
	}
	if st := g.up.Status(); st.Sent != 6 || st.Acked != 6 || st.Resent != 0 || st.Duplicates != 0 || st.Lost != [3]int64{} {
		t.Errorf("%+v", st)
	}
}
