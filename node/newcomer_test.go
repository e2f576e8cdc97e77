package node

import (
	"fmt"
	"strings"
	"testing"

	"topicd/codec"
)

func (p *peer) say(t *testing.T, data string, passing bool, turn *Turn) {
	t.Helper()
	if _, err := p.s.Publish([]byte("a"), Body{Enc: codec.JSON, Data: []byte(data), Passing: passing}, 0, turn); err != nil {
		t.Fatal(err)
	}
}

func TestANewcomerGetsTheKeptReadingOnceAndThenWhatFollows(t *testing.T) {
	h := newClocked(t, Options{})
	p, s := open(t, h.Hub), open(t, h.Hub)
	p.say(t, "1", false, h.turn)
	p.say(t, "passing, in the same millisecond", true, h.turn)
	s.sub(t, "a", SubOptions{Kept: true}, h.turn)
	p.say(t, "3", true, h.turn)
	want(t, s.fill(h.now, 0), "a 1 0 1", "live a 0", "a 3 0 3")
	s.sub(t, "+", SubOptions{Kept: true}, h.turn)
	p.say(t, "4", false, h.turn) // takes the place of the kept one, and comes to all who are there
	want(t, s.fill(h.now, 0), "live + 0", "a 4 0 4")
}

func TestKeptReadingsOfEndedTopicsAndSubscriptionsAreForgotten(t *testing.T) {
	h := newClocked(t, Options{})
	p, s, gone := open(t, h.Hub), open(t, h.Hub), open(t, h.Hub)
	for i := range 200 {
		p.pub(t, fmt.Sprint("t/", i), "1", h.turn)
	}
	p.say(t, "1", false, h.turn)
	p.say(t, "2", true, h.turn)
	s.sub(t, "t/1", SubOptions{Kept: true}, h.turn)
	s.sub(t, "#", SubOptions{Kept: true}, h.turn)
	if err := s.s.Unsubscribe([]byte("t/1"), h.turn); err != nil {
		t.Fatal(err)
	}
	gone.sub(t, "#", SubOptions{Kept: true}, h.turn)
	gone.s.Close(h.turn)
	for i := range 200 {
		if err := h.Delete(fmt.Append(nil, "t/", i), nil, h.turn); err != nil {
			t.Fatal(err)
		}
		if err := h.CheckInvariants(); err != nil {
			t.Fatal(err)
		}
	}
	for i := range 200 { // their numbers are others' now
		p.pub(t, fmt.Sprint("u/", i), "1", h.turn)
	}
	var got []string
	for _, l := range s.fill(h.now, 0) {
		if strings.HasPrefix(l, "a") || strings.HasPrefix(l, "t") {
			got = append(got, l)
		}
	}
	want(t, got, "a 1 0 1")
}

func TestKeptReadingsWaitForRoomInAWindow(t *testing.T) {
	h := newClocked(t, Options{})
	p, s := open(t, h.Hub), open(t, h.Hub)
	for i := range 5 {
		p.pub(t, fmt.Sprint("t/", i), "1", h.turn)
	}
	w := &kept3{room: 3}
	if _, err := s.s.Subscribe([]byte("#"), SubOptions{Kept: true, Format: w}, h.turn); err != nil {
		t.Fatal(err)
	}
	want(t, s.fill(h.now, 0), "t/0 true", "t/1 true", "t/2 true", "live # 0")
	p.pub(t, "t/0", "2", h.turn)
	want(t, s.fill(h.now, 0))
	w.room = 3
	s.s.Resume(h.turn)
	want(t, s.fill(h.now, 0), "t/3 true", "t/4 true", "t/0 false")
}

// kept3 is a window that says whether a reading is a kept one.
type kept3 struct {
	lines
	room int
}

func (k *kept3) Room() int { return k.room }
func (k *kept3) Append(dst []byte, r *Reading) ([]byte, bool) {
	k.room--
	return fmt.Appendf(dst, "%s %v", r.Topic, r.Stored), true
}
