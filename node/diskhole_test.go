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
