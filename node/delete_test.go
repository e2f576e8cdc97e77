package node

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"
)

// told is the format of a dialect that tells of a topic's end.
type told struct{ *lines }

func (told) End(dst []byte, topic string) []byte { return append(append(dst, "end "...), topic...) }

func (p *peer) subTold(t *testing.T, notOwn bool, turn *Turn) {
	t.Helper()
	if _, err := p.s.Subscribe([]byte("a"), SubOptions{Format: told{}, NotOwn: notOwn}, turn); err != nil {
		t.Fatal(err)
	}
}

// TestFarewell: who reads a topic in a dialect that tells of its end is given
// what it had not read, is told, and hears it no more; others' subscriptions stay.
func TestFarewell(t *testing.T) {
	h := newClocked(t, Options{TopicCap: 64 << 10})
	mine := told{}
	p, reader, stuck, late, self, other := open(t, h.Hub), open(t, h.Hub), open(t, h.Hub), open(t, h.Hub), open(t, h.Hub), open(t, h.Hub)
	for _, s := range []*peer{reader, stuck, late} {
		s.subTold(t, false, h.turn)
		s.fill(h.now, 0)
	}
	self.subTold(t, true, h.turn)
	self.fill(h.now, 0)
	other.sub(t, "a", SubOptions{}, h.turn)
	other.fill(h.now, 0)
	if n := len(h.Listeners([]byte("a"), mine)); n != 4 {
		t.Fatalf("%d listeners", n)
	}
	big := strings.Repeat("x", 2000)
	for i := range 9 {
		p.pub(t, "a", fmt.Sprintf(`"%d%s"`, i, big), h.turn)
	}
	reader.fill(h.now, 0)
	self.fill(h.now, 0)
	self.pub(t, "a", `"own"`, h.turn)
	p.pub(t, "a", `"last"`, h.turn)
	if err := h.Delete([]byte("a"), self.s, h.turn); err != nil {
		t.Fatal(err)
	}
	if err := h.CheckInvariants(); err != nil {
		t.Fatal(err)
	}
	want(t, reader.fill(h.now, 0), `a 10 0 "own"`, `a 11 0 "last"`, "end a")
	want(t, self.fill(h.now, 0), `a 11 0 "last"`)
	if l := stuck.fill(h.now, 0); len(l) != 12 || !strings.HasPrefix(l[0], `a 1 0 "0xxxx`) || l[11] != "end a" {
		t.Errorf("who was behind got %q", l)
	}
	want(t, other.fill(h.now, 0))
	if d := other.s.drop.Load(); d != 11 {
		t.Errorf("who is not told of the end lost %d", d)
	}
	late.s.mu.Lock()
	marks := late.s.ready.Len()
	late.s.mu.Unlock()
	h.wait(farewell * time.Millisecond)
	h.sweep()
	want(t, late.fill(h.now, 0), "end a")
	if d := late.s.drop.Load(); d != 11 || marks != 2 {
		t.Errorf("who reads too late lost %d, and had %d entries", d, marks)
	}
	if n := len(h.Listeners([]byte("a"), mine)); n != 0 {
		t.Errorf("%d listeners", n)
	}
	p.pub(t, "a", `"anew"`, h.turn)
	for _, s := range []*peer{reader, stuck, late, self} {
		want(t, s.fill(h.now, 0))
	}
	if f := other.fill(h.now, 0); len(f) != 1 || !strings.Contains(f[0], "anew") {
		t.Errorf("another dialect's subscriber got %q", f)
	}
}

// TestUnreadOfDeleted: what nobody was given of a topic that ends is counted,
// whoever ends it.
func TestUnreadOfDeleted(t *testing.T) {
	for _, end := range []string{"delete", "expire"} {
		h := newClocked(t, Options{Keep: time.Second})
		p, behind, held, fast := open(t, h.Hub), open(t, h.Hub), open(t, h.Hub), open(t, h.Hub)
		behind.sub(t, "#", SubOptions{}, h.turn)
		held.sub(t, "#", SubOptions{Rate: 0.01}, h.turn)
		fast.sub(t, "#", SubOptions{}, h.turn)
		p.pub(t, "a", "1", h.turn)
		for _, s := range []*peer{behind, held, fast} {
			s.fill(h.now, 0)
		}
		for range 5 {
			p.pub(t, "a", "2", h.turn)
		}
		fast.fill(h.now, 0)
		if end == "delete" {
			if err := h.Delete([]byte("a"), nil, h.Turn()); err != nil {
				t.Fatal(err)
			}
			h.sweep()
		} else {
			p.s.Close(h.turn)
			for range 3 {
				h.wait(2 * time.Second)
				h.sweep()
			}
		}
		for _, s := range []*peer{behind, held, fast} {
			s.fill(h.now, 0)
			if out, drop := s.s.out.Load(), s.s.drop.Load(); out+drop != 6 {
				t.Errorf("%s: given %d, dropped %d of 6", end, out, drop)
			}
		}
		if n := h.Stats.Get(Delivered) + h.Stats.Get(DropOverrun); n != 18 {
			t.Errorf("%s: %d are counted of 18", end, n)
		}
	}
}

// TestName: a name that the dialect gives is carried, and shown to who watches.
func TestName(t *testing.T) {
	h := newClocked(t, Options{})
	p, s := open(t, h.Hub), open(t, h.Hub)
	s.sub(t, "a", SubOptions{}, h.turn)
	if err := p.s.Name("7F000001:BB1C", h.turn); err != nil {
		t.Fatal(err)
	}
	if h.Find([]byte("$sys/presence/7F000001:BB1C")) != nil {
		t.Error("it is shown to nobody")
	}
	p.pub(t, "a", "1", h.turn)
	if i := p.s.Info(); !i.Named || i.Client != "7F000001:BB1C" {
		t.Errorf("%+v", i)
	}
	s.sub(t, "$sys/presence/#", SubOptions{Last: 1}, h.turn)
	if f := strings.Join(s.fill(h.now, 0), "\n"); !strings.Contains(f, "$sys/presence/7F000001:BB1C") {
		t.Errorf("who watches got %s", f)
	}
}

// TestSubscribeAgainWhileItIsPublished: options change while publishers look at
// them (with -race).
func TestSubscribeAgainWhileItIsPublished(t *testing.T) {
	h := newClocked(t, Options{})
	p, s := open(t, h.Hub), open(t, h.Hub)
	s.sub(t, "a", SubOptions{}, h.turn)
	var wg sync.WaitGroup
	wg.Go(func() {
		turn := h.Turn()
		for range 200 {
			p.pub(t, "a", "1", turn)
		}
	})
	turn := h.Turn()
	for i := range 200 {
		s.sub(t, "a", SubOptions{NotOwn: i%2 == 0}, turn)
		s.fill(h.now, 0)
	}
	wg.Wait()
}

// Whoever keeps what was declared of topics is told when a set-point has ended, too: else
// it were there again after a crash.
func TestEndOfASetPointIsTold(t *testing.T) {
	h := New(Options{})
	defer h.Close()
	if _, err := h.Make([]byte("heat"), MakeOptions{Writable: true}); err != nil {
		t.Fatal(err)
	}
	<-h.Declared()
	if err := h.Delete([]byte("heat"), nil, h.Turn()); err != nil {
		t.Fatal(err)
	}
	select {
	case <-h.Declared():
	default:
		t.Error("nobody is told")
	}
}
