package node

import (
	"fmt"
	"strings"
	"testing"
)

// Who subscribes once more with another rate, or without a window, is given what the
// one before held back, and what comes next: a cursor does not wait for what the
// subscription has no more.
func TestHeldCursorsAreFreedByOtherOptions(t *testing.T) {
	h := newClocked(t, Options{})
	p, s := open(t, h.Hub), open(t, h.Hub)
	s.sub(t, "#", SubOptions{Rate: 0.001}, h.turn)
	s.fill(h.now, 0)
	for i := range 3 {
		p.pub(t, "a", fmt.Sprint(i), h.turn)
		s.fill(h.now, 0)
	}
	s.sub(t, "#", SubOptions{}, h.turn)
	want(t, s.fill(h.now, 0), "a 2 0 1", "a 3 0 2", "live # 2")
	p.pub(t, "a", "3", h.turn)
	want(t, s.fill(h.now, 0), "a 4 0 3")

	s.sub(t, "#", SubOptions{Rate: 0.001}, h.turn)
	p.pub(t, "a", "4", h.turn)
	want(t, s.fill(h.now, 0), "live # 0", "a 5 0 4")
	p.pub(t, "a", "5", h.turn)
	s.fill(h.now, 0)
	s.sub(t, "#", SubOptions{Rate: 10}, h.turn)
	want(t, s.fill(h.now, 0), "live # 0")
	if s.next != h.now+100 {
		t.Errorf("what the slower rate held back is due in %d ms", s.next-h.now)
	}

	s = open(t, h.Hub)
	if _, err := s.s.Subscribe([]byte("#"), SubOptions{Format: &windowed{}}, h.turn); err != nil {
		t.Fatal(err)
	}
	s.fill(h.now, 0)
	p.pub(t, "a", "6", h.turn)
	want(t, s.fill(h.now, 0)) // no room
	s.sub(t, "#", SubOptions{}, h.turn)
	want(t, s.fill(h.now, 0), "a 7 0 6", "live # 1")
	p.pub(t, "a", "7", h.turn)
	want(t, s.fill(h.now, 0), "a 8 0 7")
}

// The live marker comes though the topic that it waited for ended with its page under
// way.
func TestLiveBehindATopicThatEnded(t *testing.T) {
	d := newRAM("a")
	h := newClocked(t, Options{TopicCap: 1024, Disk: d})
	p, s := open(t, h.Hub), open(t, h.Hub)
	for i := range 200 {
		p.pub(t, "a", fmt.Sprintf("%04d", i), h.turn)
	}
	s.sub(t, "#", SubOptions{HasSince: true}, h.turn)
	want(t, s.fill(h.now, 0))
	if err := h.Delete([]byte("a"), nil, h.turn); err != nil {
		t.Fatal(err)
	}
	got := s.all(d, h.now)
	h.sweep()
	h.turn.Wake()
	got = append(got, s.fill(h.now, 0)...)
	want(t, got, "live # 0")
	if n := s.s.drop.Load(); n != 200 {
		t.Errorf("%d are counted as lost", n)
	}
}

// The same where the topic was the last of those that wait for their turn.
func TestLiveBehindOneThatWaitedForItsTurn(t *testing.T) {
	d := newRAM("disk/")
	h := newClocked(t, Options{TopicCap: 1024, Disk: d})
	p, s := open(t, h.Hub), open(t, h.Hub)
	for i := range 200 {
		p.pub(t, "disk/a", fmt.Sprintf("%04d", i), h.turn)
		p.pub(t, "disk/b", fmt.Sprintf("%04d", i), h.turn)
		p.pub(t, "disk/c", fmt.Sprintf("%04d", i), h.turn)
	}
	s.sub(t, "#", SubOptions{HasSince: true}, h.turn)
	want(t, s.fill(h.now, 0)) // a page is asked for, the other topics wait for their turn
	d.run()
	if got := s.fill(h.now, 1); len(got) == 0 || s.s.ext.fetching != nil || s.s.ext.parked.Len() != 1 {
		t.Fatalf("%d readings, %d topics wait for their turn", len(got), s.s.ext.parked.Len())
	}
	for _, topic := range []string{"disk/b", "disk/c"} {
		if err := h.Delete([]byte(topic), nil, h.turn); err != nil {
			t.Fatal(err)
		}
	}
	h.sweep()
	if got := s.all(d, h.now); len(got) == 0 || got[len(got)-1] != "live # 200" {
		t.Errorf("the last of %d is not the live marker", len(got))
	}
}

// What a subscription that ends has held back, or had not read from the disk, is the
// other's that fits its topic.
func TestWhatWasHeldBackIsTheOthers(t *testing.T) {
	t.Run("window", func(t *testing.T) {
		h := newClocked(t, Options{})
		p, s := open(t, h.Hub), open(t, h.Hub)
		w := &windowed{}
		for _, f := range []string{"#", "+/a"} {
			if _, err := s.s.Subscribe([]byte(f), SubOptions{Format: w}, h.turn); err != nil {
				t.Fatal(err)
			}
		}
		s.fill(h.now, 0)
		p.pub(t, "x/a", "1", h.turn)
		want(t, s.fill(h.now, 0))
		if err := s.s.Unsubscribe([]byte("+/a"), h.turn); err != nil {
			t.Fatal(err)
		}
		w.room = 5
		s.s.Resume(h.turn)
		want(t, s.fill(h.now, 0), "x/a 1 0 1")
		p.pub(t, "x/a", "2", h.turn)
		want(t, s.fill(h.now, 0), "x/a 2 0 2")
	})
	t.Run("disk", func(t *testing.T) {
		d := newRAM("x/")
		h := newClocked(t, Options{TopicCap: 1024, Disk: d})
		p, s := open(t, h.Hub), open(t, h.Hub)
		for i := range 200 {
			for _, topic := range []string{"x/a", "x/b"} {
				p.pub(t, topic, fmt.Sprintf("%04d", i), h.turn)
			}
		}
		for _, f := range []string{"#", "x/#"} {
			s.sub(t, f, SubOptions{HasSince: true}, h.turn)
		}
		s.fill(h.now, 0)
		if err := s.s.Unsubscribe([]byte("x/#"), h.turn); err != nil {
			t.Fatal(err)
		}
		n := 0
		for _, l := range s.all(d, h.now) {
			if strings.HasPrefix(l, "x/") {
				n++
			}
		}
		if n != 400 {
			t.Errorf("it gets %d of 400", n)
		}
	})
}
