package node

import (
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"topicd/codec"
	"topicd/node/nodetest/race"
)

// A device that publishes each quarter of an hour and repeats one after a lost
// answer is recognised: while it is connected, and ten minutes after.
func TestWindowLivesAsLongAsItsSession(t *testing.T) {
	h := newClocked(t, Options{})
	pub := func(p *peer, seq uint64) Published {
		r, err := p.s.Publish([]byte("pump/rpm"), Body{Enc: codec.JSON, Data: fmt.Append(nil, seq)}, seq, h.turn)
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	hello := func() *peer {
		p := open(t, h.Hub)
		if err := p.s.Hello("pump", "", h.turn); err != nil {
			t.Fatal(err)
		}
		return p
	}
	old := hello()
	pub(old, 1)
	for range 15 {
		h.wait(time.Minute)
		h.sweep()
	}
	a := pub(old, 2) // stored; its ok is lost
	h.wait(2 * time.Second)
	b := pub(hello(), 2)
	if !b.Dup || b.Seq != a.Seq {
		t.Errorf("sent again 2 s later it is stored as %d, first as %d", b.Seq, a.Seq)
	}
	h.wait(20 * time.Minute)
	h.sweep()
	old.s.Close(h.turn)
	h.wait(9 * time.Minute)
	h.sweep()
	if c := pub(hello(), 2); !c.Dup {
		t.Error("nine minutes after a session of the device ended nothing is known of it")
	}
}

// Beyond as many devices as the hub remembers, the one unused for longest goes;
// with all of them connected, one more is told that its repeats are not known.
func TestWindowsAreBoundedAndSaidSo(t *testing.T) {
	h := newClocked(t, Options{Sessions: maxWindows + 10, Topics: 10_000, Memory: 32 << 20})
	hello := func(dev string) *peer {
		p := open(t, h.Hub)
		if err := p.s.Hello(dev, "", h.turn); err != nil {
			t.Fatal(err)
		}
		return p
	}
	first := hello("d0")
	for i := 1; i < maxWindows; i++ {
		hello(fmt.Sprint("d", i))
	}
	if p := hello("one more"); p.s.Dedupes() || h.Stats.Get(RefusedWindows) != 1 {
		t.Errorf("one more: %v, counted %d", p.s.Dedupes(), h.Stats.Get(RefusedWindows))
	}
	first.s.Close(h.turn)
	if p := hello("and another"); !p.s.Dedupes() || h.devices["d0"] != nil {
		t.Error("the window of a device that left is not given to another")
	}
}

// Session numbers begin anew after 2^32 connections and requests: 0 is nobody's,
// and none is given twice.
func TestSessionNumbersWrap(t *testing.T) {
	h := newClocked(t, Options{})
	stays := open(t, h.Hub) // number 1
	stays.sub(t, "#", SubOptions{}, h.turn)
	stays.fill(h.now, 0)
	h.Hub.mu.Lock()
	h.ids = math.MaxUint32 - 1
	h.Hub.mu.Unlock()
	last, next := open(t, h.Hub), open(t, h.Hub)
	if last.s.ID() != math.MaxUint32 || next.s.ID() != 2 {
		t.Fatalf("numbers %d and %d, want %d and 2", last.s.ID(), next.s.ID(), uint32(math.MaxUint32))
	}
	next.pub(t, "a", "1", h.turn)
	want(t, stays.fill(h.now, 0), "a 1 0 1")
	next.s.Close(h.turn)
	if err := h.Delete([]byte("a"), nil, h.turn); err != nil {
		t.Fatal(err)
	}
	want(t, stays.fill(h.now, 0))
}

// Between the two halves of a Fill the topic is deleted and its number is given to
// another: nothing of that one is lost, and what is lost is counted once.
func TestNumberOfAnEndedTopicIsAnothers(t *testing.T) {
	h := newClocked(t, Options{})
	p, s := open(t, h.Hub), open(t, h.Hub)
	s.sub(t, "#", SubOptions{}, h.turn)
	want(t, s.fill(h.now, 0), "live # 0")
	p.pub(t, "a", "old", h.turn)
	x := s.s // the first half: up to where Fill lets go of the session's lock
	x.mu.Lock()
	e := *x.ready.At(0)
	b := x.subs.at(e.Slot())
	v := visit{s: x, t: x.hub.topics.at(e.Topic()), e: e, b: b, view: b.view, live: b.live, now: h.now}
	x.mu.Unlock()
	if err := h.Delete([]byte("a"), nil, h.turn); err != nil {
		t.Fatal(err)
	}
	h.sweep()
	p.pub(t, "b", "new", h.turn)
	if h.Find([]byte("b")).idx != e.Topic() {
		t.Fatal("the number was not given to another")
	}
	if out := v.read(nil, 4096, newline{}, &s.scratch); len(out) > 0 {
		t.Errorf("the second half gives %q", out)
	}
	want(t, s.fill(h.now, 0), "b 1 0 new")
	if x.drop.Load() != 1 || h.Stats.Get(DropOverrun) != 1 {
		t.Errorf("1 reading was lost; counted %d and %d", x.drop.Load(), h.Stats.Get(DropOverrun))
	}
}

// Sizes beyond what a word of the hub holds are cut to it, not wrapped.
func TestLargeSizesAreCut(t *testing.T) {
	o := Options{Memory: 1 << 20, TopicCap: math.MaxInt, MaxBody: math.MaxInt, Keep: math.MaxInt64}
	h := newClocked(t, o)
	p := open(t, h.Hub)
	for range 50 {
		p.pub(t, "a", strings.Repeat("x", 100), h.turn)
	}
	if i := h.Info(h.Find([]byte("a")), h.now); i.Readings != 50 || i.Cap != MaxCap {
		t.Errorf("%d of 50 readings are kept with a cap of %d", i.Readings, i.Cap)
	}
	keep := math.MaxInt
	if _, err := h.Make([]byte("a"), MakeOptions{Cap: math.MaxInt64, Stale: math.MaxInt64, Keep: &keep}); err != nil {
		t.Fatal(err)
	}
	if i := h.Info(h.Find([]byte("a")), h.now); i.Cap != 1<<20 {
		t.Errorf("cap %d", i.Cap)
	}
}

// Lows of sequence numbers wrap at 2^32: readers and places go on.
func TestSequenceWraps(t *testing.T) {
	h := newClocked(t, Options{TopicCap: 1024})
	p, s := open(t, h.Hub), open(t, h.Hub)
	p.pub(t, "a", "0", h.turn)
	topic := h.Find([]byte("a"))
	topic.mu.Lock()
	topic.log.Clear(h.arena)
	topic.log.Begin(1<<32 - 3)
	topic.mu.Unlock()
	s.sub(t, "a", SubOptions{}, h.turn)
	s.fill(h.now, 0)
	for i := range 8 {
		p.pub(t, "a", fmt.Sprint(i), h.turn)
		if i%2 == 1 {
			want(t, s.fill(h.now, 0), fmt.Sprintf("a %d 0 %d", uint64(1<<32-4)+uint64(i), i-1), fmt.Sprintf("a %d 0 %d", uint64(1<<32-3)+uint64(i), i))
		}
	}
	late := open(t, h.Hub)
	late.sub(t, "a", SubOptions{HasSince: true, Since: 1<<32 - 2}, h.turn)
	if got := late.fill(h.now, 0); len(got) != 7 || !strings.HasPrefix(got[0], fmt.Sprint("a ", uint64(1<<32-1))) {
		t.Errorf("since 2^32-2: %q", got)
	}
}

// The hub's clock at its edges: milliseconds beyond 2^32 (49.7 days), seconds
// beyond 2^31 and 2^32.
func TestHubsClockBeyondWords(t *testing.T) {
	for _, at := range []int64{1<<32 - 5000, (1<<31 - 5) * 1000, (1<<32 - 5) * 1000} {
		h := newClocked(t, Options{Keep: 20 * time.Second})
		h.now, h.began = at, at
		h.Tick(h.turn)
		p, s := open(t, h.Hub), open(t, h.Hub)
		s.sub(t, "#", SubOptions{Rate: 1}, h.turn)
		s.fill(h.now, 0)
		for i := range 10 {
			p.pub(t, "a", fmt.Sprint(i), h.turn)
			want(t, s.fill(h.now, 0), fmt.Sprintf("a %d 0 %d", i+1, i))
			h.wait(1001 * time.Millisecond)
			s.fill(h.now, 0)
			h.sweep()
		}
		if from, to := h.Span(h.Find([]byte("a")), 0, true, -5, h.now); to-from != 4 {
			t.Errorf("at %d: %d readings in 5 s", at, to-from)
		}
		p.s.Close(h.turn)
		h.sweep()
		h.wait(19 * time.Second)
		h.sweep()
		if h.Find([]byte("a")) == nil {
			t.Errorf("at %d: the topic went early", at)
		}
		h.wait(3 * time.Second)
		h.sweep()
		if h.Find([]byte("a")) != nil {
			t.Errorf("at %d: the topic stays", at)
		}
	}
}

// Whoever leaves with patterns that fit very many topics lets others work meanwhile.
func TestLeavingGivesTheLockBack(t *testing.T) {
	h := newClocked(t, Options{Rate: -1, Topics: 10_000})
	p, s := open(t, h.Hub), open(t, h.Hub)
	for i := range 9000 {
		p.pub(t, fmt.Sprint("t/", i), "1", h.turn)
	}
	s.sub(t, "t/#", SubOptions{}, h.turn)
	s.sub(t, "#", SubOptions{}, h.turn)
	if err := s.s.Unsubscribe([]byte("t/#"), h.turn); err != nil {
		t.Fatal(err)
	}
	s.s.Close(h.turn)
	if want := 2 * (9000 / holdFor); h.gaveBack != want {
		t.Errorf("the lock was given back %d times while 9,000 topics were looked at twice, want %d", h.gaveBack, want)
	}
}

// A publish and a delivery leave no garbage: on a small board the collector would
// take more than the hub.
func TestReadingsCostNoAllocation(t *testing.T) {
	if race.Enabled {
		t.Skip("the race detector allocates")
	}
	h := newClocked(t, Options{Rate: -1})
	p, s := open(t, h.Hub), open(t, h.Hub)
	s.sub(t, "#", SubOptions{}, h.turn)
	s.fill(h.now, 0)
	name, body := []byte("greenhouse/1/temp"), Body{Enc: codec.JSON, Data: []byte("21.5")}
	buf, quiet := make([]byte, 0, 4096), SubOptions{Format: silent{}}
	if _, err := s.s.Subscribe([]byte("#"), quiet, h.turn); err != nil {
		t.Fatal(err)
	}
	n := testing.AllocsPerRun(200, func() {
		if _, err := p.s.Publish(name, body, 0, h.turn); err != nil {
			t.Fatal(err)
		}
		h.turn.Take()
		buf, _ = s.s.Fill(buf[:0], 4096, h.now, newline{}, &s.scratch)
	})
	if n != 0 {
		t.Errorf("%v allocations a reading", n)
	}
}

// silent is a format that makes no garbage of its own.
type silent struct{}

func (silent) Append(dst []byte, r *Reading) ([]byte, bool)                { return append(dst, r.Data...), true }
func (silent) Live(dst []byte, _ string, _ uint64, _ int64) ([]byte, bool) { return dst, false }
func (silent) Text() bool                                                  { return true }
