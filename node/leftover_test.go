package node

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// backlog is a hub with a disk, and a reader with a window whose history lies on it.
type backlog struct {
	*clocked
	t     *testing.T
	d     *ram
	p, s  *peer
	w     *windowed
	pages int
}

func newBacklog(t *testing.T, n int, topics ...string) *backlog {
	d := newRAM("disk/")
	b := &backlog{t: t, d: d, clocked: newClocked(t, Options{TopicCap: 1024, Disk: d, Sessions: 400, Rate: -1}), w: &windowed{}}
	b.p, b.s = open(t, b.Hub), open(t, b.Hub)
	for i := range n {
		for _, topic := range topics {
			b.p.pub(t, topic, fmt.Sprintf("%04d%s", i, strings.Repeat("x", 60)), b.turn)
		}
	}
	return b
}

func (b *backlog) sub(pattern string) {
	b.t.Helper()
	if _, err := b.s.s.Subscribe([]byte(pattern), SubOptions{Format: b.w, HasSince: true}, b.turn); err != nil {
		b.t.Fatal(err)
	}
}

// ack gives the window room for n more and returns what comes, the disk's work done.
func (b *backlog) ack(n int) (got []string) {
	b.t.Helper()
	b.w.room += n
	b.s.s.Resume(b.turn)
	b.turn.Wake()
	for {
		f := b.s.fill(b.now, 0)
		got = append(got, f...)
		if err := b.CheckInvariants(); err != nil {
			b.t.Fatal(err)
		}
		b.pages += len(b.d.work)
		if !b.d.run() && len(f) == 0 {
			return slices.DeleteFunc(got, func(l string) bool { return strings.HasPrefix(l, "live") })
		}
	}
}

// number is that of a line which begins with the topic.
func (b *backlog) number(line, topic string) (seq int) {
	b.t.Helper()
	var drop int
	if _, err := fmt.Sscanf(line, topic+" %d %d", &seq, &drop); err != nil || drop != 0 {
		b.t.Fatalf("%.40q, want one of %s", line, topic)
	}
	return seq
}

// A window takes a page from the disk bit by bit, and the page is read once: a message
// of a shared subscription cost a page, and of QoS 1 a quarter of one.
func TestPagesAreReadOnceForAWindow(t *testing.T) {
	const n = 700
	for _, room := range []int{1, 3, 1000} {
		for _, topics := range [][]string{{"disk/a"}, {"disk/a", "disk/b", "disk/c"}} {
			b := newBacklog(t, n, topics...)
			b.sub("disk/#")
			next := make(map[string]int)
			for lines := b.ack(room); len(lines) > 0; lines = b.ack(room - b.w.room) {
				if len(lines) > room {
					t.Fatalf("with room for %d come %d", room, len(lines))
				}
				for _, l := range lines {
					topic, _, _ := strings.Cut(l, " ")
					if next[topic]++; b.number(l, topic) != next[topic] {
						t.Fatalf("%.40q is number %d of its topic that comes", l, next[topic])
					}
				}
			}
			for _, topic := range topics {
				if next[topic] != n {
					t.Errorf("room %d: %d of %s come", room, next[topic], topic)
				}
			}
			size := len(topics) * n * (64 + 8 + 16)
			if most := size/pageQuota + 2*len(topics); b.pages > most {
				t.Errorf("room %d: %d pages are read for %d bytes of %d topics, want at most %d", room, b.pages, size, len(topics), most)
			}
			if len(b.Hub.pages.list) != 0 {
				t.Error("a page is left")
			}
		}
	}
}

// While the rest of a page waits for room the client asks again, its topic is deleted,
// it goes, or others need the memory.
func TestLeftoverThatIsNotWantedAnyMore(t *testing.T) {
	for _, what := range []string{"again", "without a window", "given up", "away", "deleted", "unsubscribed", "closed"} {
		b := newBacklog(t, 200, "disk/a")
		b.sub("disk/a")
		if got := b.ack(10); len(got) != 10 || len(b.Hub.pages.list) != 1 {
			t.Fatalf("%d readings, %d pages", len(got), len(b.Hub.pages.list))
		}
		first, n := 11, 190
		switch what {
		case "again":
			b.sub("disk/a")
			first, n = 1, 200
		case "without a window":
			b.s.sub(t, "disk/a", SubOptions{}, b.turn)
		case "given up":
			for range maxPages {
				s := open(t, b.Hub)
				s.sub(t, "disk/a", SubOptions{HasSince: true}, b.turn)
				s.fill(b.now, 0)
			}
			b.d.run()
		case "away":
			b.s.s.Away(b.turn)
			if len(b.Hub.pages.list) != 0 {
				t.Error("who has gone keeps a page")
			}
		case "deleted":
			if err := b.Delete([]byte("disk/a"), nil, b.turn); err != nil {
				t.Fatal(err)
			}
			b.sweep()
			if lost := b.s.s.drop.Load(); lost != 190 {
				t.Errorf("%d are counted as lost", lost)
			}
			n = 0
		case "unsubscribed":
			if err := b.s.s.Unsubscribe([]byte("disk/a"), b.turn); err != nil {
				t.Fatal(err)
			}
			n = 0
		case "closed":
			b.s.s.Close(b.turn)
			n = 0
		}
		if err := b.CheckInvariants(); err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		got := b.ack(1000)
		if len(got) != n || n > 0 && (b.number(got[0], "disk/a") != first || b.number(got[n-1], "disk/a") != 200) {
			t.Errorf("%s: %d readings come, %.20q the first", what, len(got), got)
		}
	}
}

// History on the disk does not keep a window from what others publish meanwhile.
func TestNewReadingsPassALeftover(t *testing.T) {
	b := newBacklog(t, 200, "disk/a")
	b.sub("disk/a")
	b.sub("new")
	b.ack(10)
	b.p.pub(t, "new", "1", b.turn)
	got := b.ack(0)
	for range 3 {
		got = append(got, b.ack(1)...)
	}
	want(t, slices.DeleteFunc(got, func(l string) bool { return strings.HasPrefix(l, "disk/a") }), "new 1 0 1")
}

// A window that is full does not keep a subscription without one from its history, and
// that takes nothing from the page which waits for room.
func TestHistoryPassesAFullWindow(t *testing.T) {
	b := newBacklog(t, 400, "disk/a", "disk/b")
	b.sub("disk/a")
	if got := b.ack(10); len(got) != 10 {
		t.Fatalf("%d readings", len(got))
	}
	b.s.sub(t, "disk/b", SubOptions{HasSince: true}, b.turn)
	if got := b.ack(0); len(got) != 400 || b.number(got[399], "disk/b") != 400 {
		t.Errorf("%d readings come while the window is full", len(got))
	}
	pages := b.pages
	if got := b.ack(20); len(got) != 20 || b.number(got[0], "disk/a") != 11 || b.pages != pages {
		t.Errorf("then %d readings come, after %d more pages", len(got), b.pages-pages)
	}
}
