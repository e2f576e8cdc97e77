package node

import (
	"fmt"
	"strings"
	"testing"

	"topicd/node/arena"
	"topicd/node/fan"
)

// Who leaves while answers wait for the disk takes them along: every device that
// published just before it left was kept for ever, and woken at each commit.
func TestWhoLeavesWaitsForNothing(t *testing.T) {
	d := newRAM("a")
	h := newClocked(t, Options{Disk: d})
	p := open(t, h.Hub)
	got := p.pub(t, "a", "1", h.turn)
	if err := p.s.Later(got.Commit, said{text: "ok"}, h.turn); err != nil {
		t.Fatal(err)
	}
	p.s.Close(h.turn)
	if n := len(h.laters.sess); n != 0 || h.laters.n.Load() != 0 {
		t.Errorf("%d sessions with %d answers wait still", n, h.laters.n.Load())
	}
}

// While the disk hangs, what waits for it is bounded for all sessions together, and
// a few answers of each may wait whatever the others do.
func TestAnswersThatWaitAreBoundedTogether(t *testing.T) {
	h := newClocked(t, Options{Disk: newRAM("a"), Sessions: 4096})
	waiting := 0
	for range maxLaters/maxLater + 200 {
		p := open(t, h.Hub)
		for p.s.Later(1<<40, said{}, h.turn) == nil {
			waiting++
		}
		if n := p.s.ext.later.n.Load(); n < fewLaters {
			t.Fatalf("a session may have %d", n)
		}
	}
	if most := maxLaters + 200*fewLaters; waiting > most {
		t.Errorf("%d answers wait, want at most %d", waiting, most)
	}
}

// Pages that nobody takes are bounded in bytes: one may be a reading of a MiB.
func TestPagesAreBoundedInBytes(t *testing.T) {
	d := newRAM("a")
	h := newClocked(t, Options{Disk: d, Memory: 1 << 20, TopicCap: 1 << 10, MaxBody: 1 << 20, Sessions: 4096})
	tape, _, _ := d.Tape("a", true, 1, 1)
	p := open(t, h.Hub)
	p.pub(t, "a", "1", h.turn)
	p.pub(t, "a", "2", h.turn)
	r := tape.(*ramTape)
	r.rows[0].rec = arena.Record{Data: []byte(strings.Repeat("x", 1<<20))}
	for range 10 { // the first one leaves the memory
		p.pub(t, "a", strings.Repeat("y", 200), h.turn)
	}
	var list []*peer
	for range 20 {
		s := open(t, h.Hub)
		s.sub(t, "a", SubOptions{Last: 1000}, h.turn)
		s.fill(h.now, 0)
		list = append(list, s)
	}
	d.run()
	bytes := 0
	for _, q := range h.pages.list {
		bytes += cap(*q.buf)
	}
	if bytes > MaxPageBytes || bytes != h.pages.bytes || len(h.pages.list) == 0 {
		t.Errorf("%d pages keep %d bytes, %d counted", len(h.pages.list), bytes, h.pages.bytes)
	}
	for _, s := range list { // those whose pages were given up have them read again
		var got []string
		for range 20 {
			got = append(got, s.fill(h.now, 0)...)
			d.run()
		}
		if len(got) < 12 || len(got[0]) < 1<<20 {
			t.Fatalf("%d readings come, the first of %d bytes", len(got), len(got[0]))
		}
	}
	for _, s := range list {
		s.s.Close(h.turn)
	}
	if len(h.pages.list) != 0 || h.pages.bytes != 0 {
		t.Errorf("%d pages are left, %d bytes", len(h.pages.list), h.pages.bytes)
	}
}

// What all patterns take is bounded in bytes, names as long and as deep as MQTT has
// them: 16,384 patterns of 64 levels would be 330 MiB. Others subscribe still.
func TestPatternsAreBoundedInBytes(t *testing.T) {
	h := newClocked(t, Options{Sessions: 64})
	for _, tail := range []string{strings.Repeat("/x", 60) + "/#", "/" + strings.Repeat("long", 240)} {
		var evil []*peer
		subs := 0
		for k := range 16 {
			p := open(t, h.Hub)
			evil = append(evil, p)
			for i := range 256 {
				if _, err := p.s.Subscribe(fmt.Appendf(nil, "%d-%d%s", k, i, tail), SubOptions{Format: &lines{}}, h.turn); err != nil {
					break
				}
				subs++
			}
		}
		used := int64(h.nsubs)*subBase + h.patternBytes + int64(h.patterns.Levels())*fan.LevelCost
		if most := h.opt.Worst().Subscriptions; used > most || subs == 0 {
			t.Errorf("%d subscriptions take %d bytes of %d", subs, used, most)
		}
		s := open(t, h.Hub)
		for _, pattern := range []string{"a/#", "+/b", "c", "homeassistant/+/+/config"} {
			s.sub(t, pattern, SubOptions{}, h.turn)
		}
		s.s.Close(h.turn)
		for _, p := range evil {
			p.s.Close(h.turn)
		}
		if h.patternBytes != 0 || h.patterns.Levels() != 0 {
			t.Errorf("%d bytes and %d levels are left", h.patternBytes, h.patterns.Levels())
		}
	}
}
