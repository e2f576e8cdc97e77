package node

import (
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"topicd/codec"
	"topicd/node/arena"
	"topicd/node/nodetest/race"
)

// clocked is a hub at a time that the test sets: by its own clock now, on the wall
// now + skew.
type clocked struct {
	*Hub
	now  int64
	skew int64
	turn *Turn
}

func newClocked(t testing.TB, o Options) *clocked {
	c := &clocked{now: 1_700_000_000_000}
	o.Clock = func() (wall, mono int64) { return c.now + c.skew, c.now }
	c.Hub = New(o)
	c.turn = c.Hub.Turn()
	t.Cleanup(func() {
		if err := c.Hub.CheckInvariants(); err != nil {
			t.Error(err)
		}
		c.Hub.Close()
	})
	return c
}

func (c *clocked) wait(d time.Duration) {
	c.now += d.Milliseconds()
	c.Tick(c.turn)
}

// step sets the clock on the wall.
func (c *clocked) step(d time.Duration) {
	c.skew += d.Milliseconds()
	c.Tick(c.turn)
}

func (c *clocked) sweep() {
	for range 20 {
		c.Hub.Sweep(c.turn)
	}
}

func want(t testing.TB, got []string, lines ...string) {
	t.Helper()
	if strings.Join(got, "\n") != strings.Join(lines, "\n") {
		t.Errorf("got  %q\nwant %q", got, lines)
	}
}

func TestStoredReadingsThenLiveThenTheRest(t *testing.T) {
	h := newClocked(t, Options{})
	p, s := open(t, h.Hub), open(t, h.Hub)
	for i := range 3 {
		p.pub(t, "a", fmt.Sprint(i), h.turn)
	}
	s.sub(t, "a", SubOptions{Last: 2}, h.turn)
	want(t, s.fill(h.now, 0), "a 2 0 1", "a 3 0 2", "live a 2")
	p.pub(t, "a", "3", h.turn)
	want(t, s.fill(h.now, 0), "a 4 0 3")
	want(t, s.fill(h.now, 0))
}

func TestSince(t *testing.T) {
	h := newClocked(t, Options{TopicCap: 1024})
	p := open(t, h.Hub)
	for i := range 30 {
		h.wait(time.Second)
		p.pub(t, "a", fmt.Sprint(i, strings.Repeat("x", 50)), h.turn)
	}
	first := h.Info(h.Topics("a")[0], h.now).Seq - uint64(h.Info(h.Topics("a")[0], h.now).Readings) + 1
	for _, c := range []struct {
		name      string
		o         SubOptions
		from, gap uint64
	}{
		{"a number that is there", SubOptions{HasSince: true, Since: 27}, 28, 0},
		{"the newest", SubOptions{HasSince: true, Since: 30}, 31, 0},
		{"the future", SubOptions{HasSince: true, Since: 99}, 31, 0},
		{"a number that is gone", SubOptions{HasSince: true, Since: 2}, first, first - 3},
		{"the same epoch", SubOptions{HasSince: true, Since: 27, Ep: h.Epoch()}, 28, 0},
		{"another epoch: start over", SubOptions{HasSince: true, Since: 27, Ep: 12345}, first, 0},
		{"the last 2.5 seconds", SubOptions{HasSince: true, Since: -2}, 28, 0},
		{"none", SubOptions{}, 31, 0},
		{"more than there are", SubOptions{Last: 1000}, first, 0},
	} {
		s := open(t, h.Hub)
		got := s.sub(t, "a", c.o, h.turn)
		if got.From != c.from || got.Gap != c.gap || got.Ep != h.Epoch() {
			t.Errorf("%s: from %d gap %d ep %d, want %d %d %d", c.name, got.From, got.Gap, got.Ep, c.from, c.gap, h.Epoch())
		}
		s.s.Close(h.turn)
	}
}

func TestSlowReaderIsToldWhatItMissed(t *testing.T) {
	h := newClocked(t, Options{TopicCap: 1024})
	p, s := open(t, h.Hub), open(t, h.Hub)
	s.sub(t, "#", SubOptions{}, h.turn)
	for i := range 100 {
		p.pub(t, "a", fmt.Sprint(i, strings.Repeat("x", 50)), h.turn)
	}
	got := s.fill(h.now, 0)
	held := h.Info(h.Topics("a")[0], h.now).Readings
	if len(got) != held+1 || !strings.HasPrefix(got[1], fmt.Sprintf("a %d %d ", 101-held, 100-held)) {
		t.Errorf("%d readings held, got %.60q", held, got)
	}
	if n := h.Stats.Get(Delivered) + h.Stats.Get(DropOverrun); n != 100 {
		t.Errorf("delivered + dropped = %d, want 100", n)
	}
}

func TestLatestAndRate(t *testing.T) {
	h := newClocked(t, Options{})
	p, latest, rated := open(t, h.Hub), open(t, h.Hub), open(t, h.Hub)
	latest.sub(t, "a", SubOptions{Latest: true}, h.turn)
	rated.sub(t, "#", SubOptions{Rate: 10}, h.turn)
	latest.fill(h.now, 0)
	rated.fill(h.now, 0)
	for i := range 5 {
		p.pub(t, "a", fmt.Sprint(i), h.turn)
	}
	want(t, latest.fill(h.now, 0), "a 5 4 4")
	want(t, rated.fill(h.now, 0), "a 5 4 4")
	if rated.next != h.now+100 {
		t.Errorf("due in %d ms, want 100", rated.next-h.now)
	}
	p.pub(t, "a", "5", h.turn)
	p.pub(t, "a", "6", h.turn)
	want(t, rated.fill(h.now, 0))
	h.wait(100 * time.Millisecond)
	want(t, rated.fill(h.now, 0), "a 7 1 6")
	h.wait(100 * time.Millisecond)
	want(t, rated.fill(h.now, 0))
	if rated.next != Idle {
		t.Error("a rate holds nothing back and still wants to be called")
	}
	p.pub(t, "a", "7", h.turn)
	want(t, rated.fill(h.now, 0), "a 8 0 7")
}

// A topic that is published faster than an earlier pattern's rate is held back by it
// all the time: the later pattern serves it from the moment of its request.
func TestLaterPatternsRateHolds(t *testing.T) {
	h := newClocked(t, Options{Rate: -1})
	p, s := open(t, h.Hub), open(t, h.Hub)
	second := func() map[string]int {
		n := map[string]int{}
		for range 100 {
			p.pub(t, "a/b", "1", h.turn)
			p.pub(t, "c", "1", h.turn)
			for _, l := range s.fill(h.now, 0) {
				n[strings.Fields(l)[0]]++
			}
			h.wait(10 * time.Millisecond)
		}
		return n
	}
	s.sub(t, "#", SubOptions{Rate: 1, Latest: true}, h.turn)
	second()
	for _, last := range []int64{0, 1} {
		s.sub(t, "a/+", SubOptions{Rate: 10, Latest: true, Last: last}, h.turn)
		if n := second(); n["a/b"] < 9 || n["a/b"] > 11 || n["c"] < 1 || n["c"] > 2 {
			t.Errorf("last %d: %d of 10 and %d of 1 or 2 readings a second", last, n["a/b"], n["c"])
		}
		s.sub(t, "#", SubOptions{Rate: 2, Latest: true}, h.turn) // other options: it stays the earlier one
		if n := second(); n["a/b"] < 9 || n["a/b"] > 11 || n["c"] < 1 || n["c"] > 2 {
			t.Errorf("last %d: %d of 10 and %d of 2 readings a second", last, n["a/b"], n["c"])
		}
		if err := s.s.Unsubscribe([]byte("a/+"), h.turn); err != nil {
			t.Fatal(err)
		}
		if n := second(); n["a/b"] < 1 || n["a/b"] > 3 || n["c"] != 2 {
			t.Errorf("last %d: %d and %d of 2 readings a second", last, n["a/b"], n["c"])
		}
	}
}

func TestOneReadingOncePerSession(t *testing.T) {
	h := newClocked(t, Options{})
	p, s := open(t, h.Hub), open(t, h.Hub)
	for _, pattern := range []string{"a/b", "#", "a/+", "+/b"} {
		s.sub(t, pattern, SubOptions{}, h.turn)
	}
	s.fill(h.now, 0)
	p.pub(t, "a/b", "1", h.turn)
	want(t, s.fill(h.now, 0), "a/b 1 0 1")
	p.pub(t, "a/b", "2", h.turn)
	if err := s.s.Unsubscribe([]byte("a/b"), h.turn); err != nil {
		t.Fatal(err)
	}
	want(t, s.fill(h.now, 0), "a/b 2 0 2")
}

func TestNotOwn(t *testing.T) {
	h := newClocked(t, Options{})
	a, b := open(t, h.Hub), open(t, h.Hub)
	a.sub(t, "#", SubOptions{NotOwn: true}, h.turn)
	a.fill(h.now, 0)
	a.pub(t, "x", "1", h.turn)
	b.pub(t, "x", "2", h.turn)
	a.pub(t, "x", "3", h.turn)
	want(t, a.fill(h.now, 0), "x 2 0 2")
}

// 12,500 retained topics, more than the default memory can hold full.
func TestSnapshotIsComplete(t *testing.T) {
	h := newClocked(t, Options{Rate: -1})
	p, s := open(t, h.Hub), open(t, h.Hub)
	const n = 12_500
	for i := range n {
		p.pub(t, fmt.Sprintf("site/%d/value", i), fmt.Sprint(i), h.turn)
	}
	s.sub(t, "#", SubOptions{Last: 1}, h.turn)
	seen := make(map[string]bool)
	for s.next = Again; s.next == Again; {
		for _, l := range s.fill(h.now, 2000) {
			seen[strings.Fields(l)[0]] = true
		}
	}
	if len(seen) != n+1 || s.got[len(s.got)-1] != fmt.Sprintf("live # %d", n) {
		t.Errorf("%d topics and %q, want %d and live", len(seen)-1, s.got[len(s.got)-1], n)
	}
}

func TestLastValueIsKeptWhenTheArenaIsFull(t *testing.T) {
	h := newClocked(t, Options{Memory: 256 << 10, Topics: 10_000, Rate: -1})
	p := open(t, h.Hub)
	body := `"` + strings.Repeat("x", 90) + `"`
	for i := range 20_000 {
		p.pub(t, fmt.Sprint("t/", i%1000), body, h.turn)
	}
	m := h.Memory()
	if m.Readings > m.Budget || m.Budget != 256<<10 {
		t.Errorf("%d bytes of readings, budget %d", m.Readings, m.Budget)
	}
	for _, topic := range h.Topics("t/#") {
		if i := h.Info(topic, h.now); i.Readings < 1 || i.Seq != 20 {
			t.Fatalf("%s holds %d readings, newest %d", i.Topic, i.Readings, i.Seq)
		}
	}
	var err *codec.Error
	for i := 1000; err == nil; i++ { // one reading each fills the arena
		_, err = p.s.Publish(fmt.Append(nil, "t/", i), Body{Enc: codec.JSON, Data: []byte(body)}, 0, h.turn)
	}
	if err.Code != codec.CodeNoRoom || err.Retry == 0 || h.Stats.Get(RefusedRoom) == 0 {
		t.Errorf("a full hub says %v", err)
	}
	if _, err := p.s.Publish([]byte("t/5"), Body{Enc: codec.JSON, Data: []byte(body)}, 0, h.turn); err != nil {
		t.Errorf("a topic that is there must take its next reading: %v", err)
	}
}

func TestBusyTopicYieldsToNewOnes(t *testing.T) {
	h := newClocked(t, Options{Memory: 256 << 10, TopicCap: 1 << 20, Rate: -1})
	p := open(t, h.Hub)
	for i := range 5000 {
		p.pub(t, "busy", fmt.Sprint(i, strings.Repeat("x", 100)), h.turn)
	}
	for i := range 200 {
		p.pub(t, fmt.Sprint("new/", i), strings.Repeat("y", 400), h.turn)
	}
	if i := h.Info(h.Topics("busy")[0], h.now); i.Bytes > 200<<10 || i.Readings == 0 {
		t.Errorf("the busy topic holds %d bytes", i.Bytes)
	}
}

func TestTopicsComeAndGo(t *testing.T) {
	h := newClocked(t, Options{})
	p, s := open(t, h.Hub), open(t, h.Hub)
	p.pub(t, "published", "1", h.turn)
	s.sub(t, "subscribed", SubOptions{}, h.turn)
	s.sub(t, "#", SubOptions{}, h.turn)
	if _, err := h.Make([]byte("static"), MakeOptions{Static: true}); err != nil {
		t.Fatal(err)
	}
	zero := 0
	if _, err := h.Make([]byte("scd"), MakeOptions{Keep: &zero}); err != nil {
		t.Fatal(err)
	}
	s.sub(t, "scd", SubOptions{}, h.turn)
	names := func() (names []string) {
		for _, t := range h.Topics("") {
			names = append(names, t.Name())
		}
		return
	}
	h.wait(time.Hour)
	h.sweep()
	want(t, names(), "published", "scd", "static", "subscribed")
	if err := s.s.Unsubscribe([]byte("scd"), h.turn); err != nil {
		t.Fatal(err)
	}
	want(t, names(), "published", "static", "subscribed")
	p.s.Close(h.turn)
	if err := s.s.Unsubscribe([]byte("subscribed"), h.turn); err != nil {
		t.Fatal(err)
	}
	h.sweep()
	h.wait(9 * time.Minute)
	h.sweep()
	want(t, names(), "published", "static", "subscribed")
	h.wait(2 * time.Minute)
	h.sweep()
	want(t, names(), "static")
}

func TestDeletedTopicIsBornAgainForItsSubscribers(t *testing.T) {
	h := newClocked(t, Options{})
	p, s := open(t, h.Hub), open(t, h.Hub)
	p.pub(t, "a", "1", h.turn)
	ep := s.sub(t, "a", SubOptions{Last: 1}, h.turn).Ep
	if err := h.Delete([]byte("a"), nil, h.Turn()); err != nil {
		t.Fatal(err)
	}
	want(t, s.fill(h.now, 0), "live a 0")
	if r := p.pub(t, "a", "2", h.turn); r.Seq != 1 {
		t.Errorf("numbers go on at %d", r.Seq)
	}
	want(t, s.fill(h.now, 0), "a 1 0 2")
	if got := s.sub(t, "a", SubOptions{}, h.turn).Ep; got == ep {
		t.Error("numbers began anew in the same epoch")
	}
	if err := h.Delete([]byte("nothing"), nil, h.Turn()); err == nil || err.Code != codec.CodeNotFound {
		t.Errorf("deleting what is not there: %v", err)
	}
}

func TestPresence(t *testing.T) {
	h := newClocked(t, Options{})
	dev, watch := open(t, h.Hub), open(t, h.Hub)
	if err := dev.s.Hello("esp32", "", h.turn); err != nil {
		t.Fatal(err)
	}
	dev.s.Describe("native", "cbor", h.turn)
	watch.sub(t, "$sys/presence/#", SubOptions{Last: 1}, h.turn)
	states := func() (all []string) {
		for _, l := range watch.fill(h.now, 0) {
			if f := strings.Fields(l); f[0] != "live" {
				_, s, _ := strings.Cut(f[3], `"state":"`)
				s, _, _ = strings.Cut(s, `"`)
				all = append(all, strings.TrimPrefix(f[0], "$sys/presence/")+" "+s)
			}
		}
		slices.Sort(all) // several topics: no order promised
		return
	}
	want(t, states(), "c2 online", "esp32 online")
	h.wait(61 * time.Second)
	watch.s.Heard(h.now)
	h.sweep()
	want(t, states(), "esp32 stale")
	dev.s.Heard(h.now)
	h.sweep()
	want(t, states(), "esp32 online")
	again := open(t, h.Hub)
	again.s.Describe("native", "json", h.turn)
	if err := again.s.Hello("esp32", "", h.turn); err != nil {
		t.Fatal(err)
	}
	want(t, states(), "c3 offline", "c3 online", "esp32 online")
	h.wait(61 * time.Second) // the first connection is lost, and nobody knows yet
	watch.s.Heard(h.now)
	again.s.Heard(h.now)
	h.sweep()
	want(t, states())
	dev.s.Close(h.turn)
	want(t, states())
	h.wait(61 * time.Second)
	watch.s.Heard(h.now)
	h.sweep()
	want(t, states(), "esp32 stale")
	again.s.Close(h.turn)
	want(t, states(), "esp32 offline")
}

func TestDedupe(t *testing.T) {
	h := newClocked(t, Options{})
	pub := func(p *peer, data string, seq uint64) Published {
		r, err := p.s.Publish([]byte("a"), Body{Enc: codec.JSON, Data: []byte(data)}, seq, h.turn)
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	p := open(t, h.Hub)
	if err := p.s.Hello("dev", "", h.turn); err != nil {
		t.Fatal(err)
	}
	pub(p, "1", 7)
	if r := pub(p, "1", 7); !r.Dup || r.Seq != 1 {
		t.Errorf("sent again on the same connection: %+v", r)
	}
	p.s.Close(h.turn)
	p = open(t, h.Hub)
	_ = p.s.Hello("dev", "", h.turn)
	if r := pub(p, "1", 7); !r.Dup {
		t.Error("sent again after a reconnect: taken twice")
	}
	if r := pub(p, "other", 7); r.Dup {
		t.Error("a device that began to count anew lost a reading")
	}
	nameless := open(t, h.Hub)
	pub(nameless, "1", 1)
	if r := pub(nameless, "1", 1); r.Dup {
		t.Error("a number without a device id counts")
	}
}

func TestLimits(t *testing.T) {
	h := newClocked(t, Options{Topics: 3, Sessions: 2, Subs: 2, MaxBody: 100, Rate: 10})
	p := open(t, h.Hub)
	fails := func(name string, err *codec.Error, code int) {
		t.Helper()
		if err == nil || err.Code != code {
			t.Errorf("%s: %v, want %d", name, err, code)
		}
	}
	pub := func(topic, data string) *codec.Error {
		_, err := p.s.Publish([]byte(topic), Body{Enc: codec.JSON, Data: []byte(data)}, 0, h.turn)
		return err
	}
	fails("body", pub("a", strings.Repeat("1", 101)), codec.CodeTooLarge)
	fails("reserved", pub("$sys/x", "1"), codec.CodeForbidden)
	fails("wildcard", pub("a/#", "1"), codec.CodeMalformed)
	for _, topic := range []string{"a", "b", "c"} {
		if err := pub(topic, "1"); err != nil {
			t.Fatal(err)
		}
	}
	fails("topics", pub("d", "1"), codec.CodeNoRoom)
	for i, code := range []int{0, 0, codec.CodeNoRoom} {
		_, err := p.s.Subscribe(fmt.Append(nil, "+/", i), SubOptions{Format: format}, h.turn)
		if (err == nil) != (code == 0) {
			t.Errorf("subscription %d: %v", i, err)
		}
	}
	q := open(t, h.Hub)
	_, err := h.Open(&peer{}, "", "", h.turn)
	fails("sessions", err, codec.CodeNoRoom)
	var spent int
	for err = nil; err == nil; spent++ {
		err = q.s.Spend(1, 1, h.now)
	}
	fails("rate", err, codec.CodeTooFast)
	if spent < 10 || spent > 13 || err.Retry == 0 {
		t.Errorf("%d requests at once at 10 a second, %v", spent, err)
	}
	h.wait(time.Second)
	if err := q.s.Spend(1, 1, h.now); err != nil {
		t.Error(err)
	}
}

// Thirty subscribers of everything that never read cost 8 bytes a topic each,
// and are cut where even that is too much.
func TestReadersThatNeverRead(t *testing.T) {
	h := newClocked(t, Options{Memory: 1 << 20, Topics: 10_000, Rate: -1, Ready: 400 << 10, Sessions: 40})
	p := open(t, h.Hub)
	var stuck []*peer
	for range 30 {
		s := open(t, h.Hub)
		s.sub(t, "#", SubOptions{}, h.turn)
		stuck = append(stuck, s)
	}
	for i := range 5000 {
		p.pub(t, fmt.Sprint(i%2500), "1", h.turn)
	}
	cut := 0
	for _, s := range stuck {
		if s.cut != nil {
			cut++
		}
	}
	if cut == 0 || h.Stats.Get(CutBehind) != int64(cut) { // each once, though its list grew on
		t.Errorf("%d bytes of lists with a limit of %d, %d cut", h.Memory().Ready, 400<<10, cut)
	}
}

// TestAccounting holds what the hub says it takes against the real heap.
func TestAccounting(t *testing.T) {
	if race.Enabled {
		t.Skip("the race detector's heap is another one")
	}
	heap := func() int64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.GC()
		runtime.ReadMemStats(&m)
		return int64(m.HeapAlloc)
	}
	const topics, readings = 10_000, 100
	names := make([][]byte, topics)
	for i := range names {
		names[i] = fmt.Appendf(nil, "greenhouse/%05d/temp", i)
	}
	body := []byte(`{"n":"temp","u":"Cel","v":21.5,"t":1700000000,"bat":3.71,"hum":51.2,"more":"0123456789012345678901234567"}`)
	before := heap()
	h := New(Options{Memory: 256 << 20, Topics: 20_000, Rate: -1})
	h.arena.Close()
	h.arena = arena.Heap(256 << 20) // where it can be measured
	s, err := h.Open(&peer{}, "", "", &Turn{Wall: 1, Mono: 1})
	if err != nil {
		t.Fatal(err)
	}
	turn := h.Turn()
	for range readings {
		for _, n := range names {
			if _, err := s.Publish(n, Body{Enc: codec.JSON, Data: body}, 0, turn); err != nil {
				t.Fatal(err)
			}
		}
	}
	real := heap() - before
	m := h.Memory()
	const fixed = 48 * (256 << 20 >> 16) // the arena's table
	counted := m.Arena + m.Topics + m.Sessions + fixed
	if d := float64(counted-real) / float64(real) * 100; d < -1 || d > 1 {
		t.Errorf("counted %d, heap grew %d: %+.2f %%", counted, real, d)
	} else {
		t.Logf("counted %d, heap grew %d: %+.2f %%, heap/payload %.2f", counted, real, d, float64(real)/float64(topics*readings*len(body)))
	}
	runtime.KeepAlive(h)
}

// TestErrorsAreKnown: whatever the core answers has a code of the protocol.
func TestErrorsAreKnown(t *testing.T) {
	for _, e := range []*codec.Error{errAlias, errBehind, errBody, errClosed, errNoRoom, errRate, errReserved, errSessions, errSubs, errTasks, errTopics} {
		known := false
		for _, c := range codec.Codes {
			known = known || e.Code == c
		}
		if !known || e.Msg == "" {
			t.Errorf("%+v", e)
		}
		var err error = e
		if !errors.As(err, &e) {
			t.Errorf("%+v is no error", e)
		}
	}
}

// TestTwoConnectionsOfADevice: while its old connection is still read a device
// sends again on a new one: each reading is stored once.
func TestTwoConnectionsOfADevice(t *testing.T) {
	h := newClocked(t, Options{TopicCap: 1 << 20})
	var conns [2]*peer
	for i := range conns {
		conns[i] = open(t, h.Hub)
		if err := conns[i].s.Hello("dev", "", h.turn); err != nil {
			t.Fatal(err)
		}
	}
	const n = 500
	for i := range n {
		var wg sync.WaitGroup
		for _, p := range conns {
			wg.Go(func() {
				if _, err := p.s.Publish([]byte("a"), Body{Enc: codec.JSON, Data: fmt.Append(nil, i)}, uint64(i+1), h.Turn()); err != nil {
					t.Error(err)
				}
			})
		}
		h.mu.Lock()
		h.forgetDevicesLocked(h.now)
		h.mu.Unlock()
		wg.Wait()
	}
	if got, dup := h.Stats.Get(Stored), h.Stats.Get(Duplicates); got != n || dup != n {
		t.Errorf("%d stored, %d recognised", got, dup)
	}
}
