package node

import (
	"fmt"
	"strings"
	"testing"

	"topicd/codec"
)

// While the disk was full readings were delivered and not stored. Who reads from the
// disk afterwards is told how many it does not get, wherever the arena begins.
func TestHolesOnDiskAreTold(t *testing.T) {
	for after := range 40 {
		d := newRAM("plant/")
		h := newClocked(t, Options{TopicCap: 1024, Disk: d})
		p, s := open(t, h.Hub), open(t, h.Hub)
		last := 0
		pub := func(n int) {
			for range n {
				last++
				_, _ = p.s.Publish([]byte("plant/a"), Body{Enc: codec.JSON, Data: fmt.Appendf(nil, "%04d%s", last, strings.Repeat("x", 60))}, 0, h.turn)
			}
		}
		pub(50)
		d.broken = &codec.Error{Code: codec.CodeNoRoom}
		pub(50)
		d.broken = nil
		pub(after)
		s.sub(t, "plant/#", SubOptions{HasSince: true}, h.turn)
		next := 1
		for _, l := range s.all(d, h.now) {
			var topic, data string
			var seq, drop int
			if _, err := fmt.Sscan(l, &topic, &seq, &drop, &data); err != nil || topic != "plant/a" {
				continue
			}
			if seq != next+drop {
				t.Errorf("%d readings after the hole: %d comes and %d was next, %d are told as lost", after, seq, next, drop)
			}
			next = seq + 1
		}
		if next != last+1 {
			t.Errorf("%d readings after the hole: it has heard up to %d of %d", after, next-1, last)
		}
	}
}

// A reader of stored readings that is slower than the disk gives them up is told what
// it does not get, also when the wall clock was set back meanwhile: where its readings
// begin is asked once and not for each page.
func TestWhatLeavesTheDiskBeforeItIsReadIsTold(t *testing.T) {
	for name, opt := range map[string]SubOptions{"of the last hour": {HasSince: true, Since: -3600}, "the last thousand": {Last: 1000}} {
		d := newRAM("plant/")
		h := newClocked(t, Options{TopicCap: 4096, Disk: d})
		p, s := open(t, h.Hub), open(t, h.Hub)
		last := 0
		pub := func(n int) {
			for range n {
				last++
				if _, err := p.s.Publish([]byte("plant/a"), Body{Enc: codec.JSON, Data: fmt.Appendf(nil, "%04d%s", last, strings.Repeat("x", 500))}, 0, h.turn); err != nil {
					t.Fatal(err)
				}
			}
		}
		pub(300)
		s.sub(t, "plant/#", opt, h.turn)
		h.turn.Wall -= 7_200_000
		next, told := 1, 0
		for idle := false; !idle; {
			lines := s.fill(h.now, 2000)
			for _, l := range lines {
				var topic, data string
				var seq, drop int
				if _, err := fmt.Sscan(l, &topic, &seq, &drop, &data); err != nil || topic != "plant/a" {
					continue
				}
				if seq != next+drop {
					t.Fatalf("%s: %d comes and %d was next, %d are told as lost", name, seq, next, drop)
				}
				next, told = seq+1, told+drop
			}
			idle = !d.run() && len(lines) == 0
			if last < 500 {
				pub(5)
				d.mu.Lock()
				tape := d.tapes["plant/a"] // keeps 100
				tape.rows = tape.rows[max(0, len(tape.rows)-100):]
				d.mu.Unlock()
			}
		}
		if next != last+1 || told == 0 {
			t.Errorf("%s: it has heard up to %d of %d, %d told as lost", name, next-1, last, told)
		}
	}
}
