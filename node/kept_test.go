package node

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"topicd/codec"
)

// keptLines shows a kept reading as "kept <topic> <seq> <data>".
type keptLines struct{ lines }

func (*keptLines) Append(dst []byte, r *Reading) ([]byte, bool) {
	return fmt.Appendf(dst, "kept %s %d %s", r.Topic, r.Seq, r.Data), true
}
func (*keptLines) Live(dst []byte, _ string, _ uint64, _ int64) ([]byte, bool) {
	return append(dst, "those were kept"...), true
}

var keptFormat = &keptLines{}

func (p *peer) say(t *testing.T, data string, keep Keep, turn *Turn) {
	t.Helper()
	if _, err := p.s.Publish([]byte("a"), Body{Enc: codec.JSON, Data: []byte(data), Keep: keep}, 0, turn); err != nil {
		t.Fatal(err)
	}
}

// newcomer subscribes to the kept reading of a, and returns all that it is given.
func (h *clocked) newcomer(t *testing.T, pattern string) []string {
	s := open(t, h.Hub)
	defer s.s.Close(h.turn)
	s.sub(t, pattern, SubOptions{Kept: keptFormat}, h.turn)
	if err := h.Check(); err != nil {
		t.Error(err)
	}
	return s.fill(h.now, 0)
}

func TestTheKeptReadingIsTheNewestThatIsNotPassing(t *testing.T) {
	h := newClocked(t, Options{TopicCap: 1024})
	p := open(t, h.Hub)
	p.say(t, "1", KeepThis, h.turn)
	want(t, h.newcomer(t, "a"), "kept a 1 1", "those were kept", "live a 0")
	for range 50 { // more than the log holds
		p.say(t, strings.Repeat("9", 60), KeepLast, h.turn)
	}
	want(t, h.newcomer(t, "#"), "kept a 1 1", "those were kept", "live # 0")
	p.say(t, "52", KeepThis, h.turn)
	want(t, h.newcomer(t, "a"), "kept a 52 52", "those were kept", "live a 0")
	p.say(t, "53", KeepLast, h.turn)
	p.say(t, "54", KeepNone, h.turn)
	want(t, h.newcomer(t, "a"), "those were kept", "live a 0")
	p.say(t, "55", KeepThis, h.turn)
	p.say(t, "56", KeepNone, h.turn)
	want(t, h.newcomer(t, "a"), "those were kept", "live a 0")
	s := open(t, h.Hub) // who does not ask for it gets the last of all
	s.sub(t, "a", SubOptions{Last: 1}, h.turn)
	want(t, s.fill(h.now, 0), "a 56 0 56", "live a 1")
}

func TestANewcomerGetsTheKeptReadingOnceAndThenWhatFollows(t *testing.T) {
	h := newClocked(t, Options{})
	p, s := open(t, h.Hub), open(t, h.Hub)
	p.say(t, "1", KeepThis, h.turn)
	s.sub(t, "a", SubOptions{Kept: keptFormat}, h.turn)
	p.say(t, "2", KeepThis, h.turn) // it takes the place of the first, and comes to who is there
	p.say(t, "3", KeepLast, h.turn)
	want(t, s.fill(h.now, 0), "those were kept", "live a 0", "a 2 0 2", "a 3 0 3")
	s.sub(t, "+", SubOptions{Kept: keptFormat}, h.turn)
	p.say(t, "4", KeepLast, h.turn)
	want(t, s.fill(h.now, 0), "kept a 2 2", "those were kept", "live + 0", "a 4 0 4")
}

func TestKeptReadingsOfEndedTopicsAreForgotten(t *testing.T) {
	h := newClocked(t, Options{})
	p, s := open(t, h.Hub), open(t, h.Hub)
	for i := range 200 {
		p.pub(t, fmt.Sprint("t/", i), "1", h.turn)
	}
	p.say(t, "1", KeepThis, h.turn)
	p.say(t, "2", KeepLast, h.turn)
	s.sub(t, "#", SubOptions{Kept: keptFormat}, h.turn)
	for i := range 200 {
		if err := h.Delete(fmt.Append(nil, "t/", i), nil, h.turn); err != nil {
			t.Fatal(err)
		}
		if err := h.Check(); err != nil {
			t.Fatal(err)
		}
	}
	for i := range 200 { // their numbers are others' now
		p.pub(t, fmt.Sprint("u/", i), "1", h.turn)
	}
	var got []string
	for _, l := range s.fill(h.now, 0) {
		if strings.HasPrefix(l, "kept") && !strings.HasPrefix(l, "kept t/") {
			got = append(got, l)
		}
	}
	want(t, got, "kept a 1 1")
	if err := h.Delete([]byte("a"), nil, h.turn); err != nil {
		t.Fatal(err)
	}
}

func TestAFullArenaLosesWhatWasKeptAndSaysSo(t *testing.T) {
	h := newClocked(t, Options{Memory: 64 << 10, Topics: 1000})
	p := open(t, h.Hub)
	p.say(t, "1", KeepThis, h.turn)
	for i := range 600 { // each topic's newest takes a chunk
		_, _ = p.s.Publish(fmt.Append(nil, "t/", i), Body{Data: []byte("1")}, 0, h.turn)
	}
	before := h.Stats.Get(Evicted)
	p.say(t, strings.Repeat("2", 70), KeepLast, h.turn)
	if err := h.Check(); err != nil {
		t.Error(err)
	}
	if h.Stats.Get(Evicted) == before {
		t.Skip("there was room")
	}
	want(t, h.newcomer(t, "a"), "those were kept", "live a 0")
}

func TestWhatADialectKeepsWithAReadingIsNotItsData(t *testing.T) {
	h := newClocked(t, Options{})
	p := open(t, h.Hub)
	if _, err := p.s.Publish([]byte("a"), Body{Data: []byte("\x03\x00own21.5"), Own: true, Once: true, Keep: KeepLast}, 0, h.turn); err != nil {
		t.Fatal(err)
	}
	s := open(t, h.Hub)
	s.sub(t, "a", SubOptions{Last: 1}, h.turn)
	want(t, s.fill(h.now, 0), "a 1 0 21.5", "live a 1")
	var raw []byte
	h.wait(1500 * time.Millisecond)
	h.Read(h.Find([]byte("a")), 1, 2, &raw, func(r *Reading) bool {
		if string(r.Own) != "own" || string(r.Data) != "21.5" || !r.Once || !r.Passing || h.Age(r, h.now) < 1500 {
			t.Errorf("%+v", r)
		}
		return true
	})
}
