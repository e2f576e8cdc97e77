package uplink

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"topicd/node/store"
	"topicd/node/uplink/natstest"
)

// small is a gateway without a hub: a store and an uplink.
type small struct {
	st  *store.Store
	up  *Uplink
	seq uint64
}

func newSmall(t *testing.T, dir string, o Options) *small {
	t.Helper()
	g := &small{}
	var notify func()
	var err error
	g.st, err = store.Open(store.Options{Dir: dir, Bytes: 1 << 20, Sync: 100 * time.Millisecond, Changed: func() {
		if notify != nil {
			notify()
		}
	}})
	if err != nil {
		t.Fatal(err)
	}
	o.Store = g.st
	if g.up, err = New(o); err != nil {
		t.Fatal(err)
	}
	notify = g.up.Notify
	if err := g.up.Start(); err != nil {
		t.Fatal(err)
	}
	return g
}

func (g *small) pub(t *testing.T, topic string, data []byte, flags store.Flags) {
	t.Helper()
	g.seq++
	r := store.Reading{Topic: topic, Ep: 1_790_000_000_000, Seq: g.seq, TS: time.Now().UnixMilli(), From: []byte("esp32-4f2a"), Data: data, Flags: flags}
	if _, err := g.st.Append(&r); err != nil {
		t.Fatal(err)
	}
}

func (g *small) stop() {
	g.up.Stop()
	_ = g.st.Close()
}

// A thousand gateways on one server, which is killed while they send.
// TOPICD_UPLINK_GATEWAYS=1000 says how many, to measure.
func TestManyGateways(t *testing.T) {
	n := 20
	if v, err := strconv.Atoi(os.Getenv("TOPICD_UPLINK_GATEWAYS")); err == nil {
		n = v
	}
	s := natstest.Start(t, "")
	nc := s.Dial()
	natstest.Stream(t, nc, "SITES", map[string]any{"allow_direct": true, "duplicate_window": int64(2 * time.Second)})
	dir := t.TempDir()
	began := time.Now()
	var all []*small
	for i := range n {
		all = append(all, newSmall(t, filepath.Join(dir, fmt.Sprint(i)), Options{URLs: []string{s.URL}, Site: fmt.Sprint("site", i), Stream: "SITES"}))
	}
	defer func() {
		for _, g := range all {
			g.stop()
		}
	}()
	up := func() bool {
		for _, g := range all {
			if g.up.Status().State != Up {
				return false
			}
		}
		return true
	}
	await(t, time.Minute, "all are up", up)
	t.Logf("%d gateways are up %v after the first", n, time.Since(began).Round(time.Millisecond))
	rounds := 0
	c := cpu()
	send := func(d time.Duration) {
		for end := time.Now().Add(d); time.Now().Before(end); rounds++ {
			next := time.Now().Add(time.Second)
			for _, g := range all {
				g.pub(t, "plant/1/temp", []byte(`{"temp":21.5,"hum":40}`), 0)
			}
			time.Sleep(time.Until(next))
		}
	}
	long := 2 * time.Second
	if n >= 100 {
		long = 15 * time.Second
	}
	send(long)
	t.Logf("%.0f readings a second: %.2f processors for all gateways, server %s", float64(n), (cpu()-c).Seconds()/long.Seconds(), memory(s.PID()))
	s.Kill()
	send(3 * time.Second)
	s.Up()
	began = time.Now()
	await(t, 2*time.Minute, "all are up again", up)
	t.Logf("all are up %v after the server", time.Since(began).Round(time.Millisecond))
	for _, g := range all {
		_ = g.st.Sync()
	}
	await(t, time.Minute, "all is sent", func() bool {
		for _, g := range all {
			if g.up.Status().PendingReadings > 0 {
				return false
			}
		}
		return true
	})
	t.Logf("everything is there %v after the server", time.Since(began).Round(time.Millisecond))
	list := natstest.Read(t, nc, "SITES", "sites.>")
	last := map[string]uint64{}
	for _, m := range list {
		if seq := number(m.Header.Get(hdrSeq)); seq != last[m.Subject]+1 {
			t.Errorf("%s: %d behind %d", m.Subject, seq, last[m.Subject])
		}
		last[m.Subject]++
	}
	if len(list) != n*rounds {
		t.Errorf("%d messages, %d were published", len(list), n*rounds)
	}
}

// memory is what a process has, as the system says.
func memory(pid int) string {
	b, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	_, rest, _ := strings.Cut(string(b), "VmRSS:")
	line, _, _ := strings.Cut(rest, "\n")
	return strings.TrimSpace(line)
}

// What a reading costs on the line, for the page that plans gateways over LTE.
func TestBytesOnTheLine(t *testing.T) {
	s := natstest.Start(t, "")
	nc := s.Dial()
	natstest.Stream(t, nc, "SITES", nil)
	for _, c := range []struct {
		name string
		data string
		cbor bool
	}{
		{"JSON", `{"temp":21.53,"hum":40.2,"bat":3.31}`, false},
		{"CBOR", "\xa3dtemp\xfaA\xac\x3d\x71chum\xfaB \xcc\xcdcbat\xfa@S\xd7\x0a", true},
	} {
		p := natstest.NewProxy(t, s.Port)
		g := newSmall(t, t.TempDir(), Options{URLs: []string{p.URL}, Site: "farm7-" + c.name, Stream: "SITES", AsIs: true})
		await(t, patience, "up", func() bool { return g.up.Status().State == Up })
		connect := p.Bytes.Load()
		g.pub(t, "plant/3/temp", []byte(c.data), flagsOf(c.cbor))
		await(t, patience, "acked", func() bool { return g.up.Status().Acked == 1 })
		time.Sleep(50 * time.Millisecond)
		before := p.Bytes.Load()
		const n = 20
		for i := range n {
			g.pub(t, "plant/3/temp", []byte(c.data), flagsOf(c.cbor))
			_ = g.st.Sync()
			await(t, patience, "acked", func() bool { return g.up.Status().Acked == int64(i)+2 })
		}
		time.Sleep(50 * time.Millisecond)
		each := float64(p.Bytes.Load()-before) / n
		t.Logf("%s: body %d bytes, %.0f bytes both ways beside TCP's; connecting %d", c.name, len(c.data), each, connect)
		if each > 700 {
			t.Error("that is more than was planned for")
		}
		g.stop()
	}
}

func flagsOf(cbor bool) store.Flags {
	if cbor {
		return store.CBOR
	}
	return 0
}
