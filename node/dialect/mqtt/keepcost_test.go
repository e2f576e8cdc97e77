package mqtt

import (
	"fmt"
	"path/filepath"
	"runtime"
	"testing"

	"topicd/node/dialect/mqtt/packet"
)

// What 1,000 devices cost that are away, with a subscription and a durable topic each:
// in memory, before and after a restart, and on disk.
func TestCostOfSessionsThatAreAway(t *testing.T) {
	if testing.Short() {
		t.Skip("figures")
	}
	const devices = 1000
	heap := func() int64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.GC()
		runtime.ReadMemStats(&m)
		return int64(m.HeapAlloc)
	}
	dir := filepath.Join(t.TempDir(), "a")
	for round, what := range []string{"left", "restored"} {
		live(t, packet.V5, dir, nil, func(l *life) {
			p := l.connect("pub")
			if round == 0 {
				for i := range devices {
					p.pub(0, fmt.Sprintf("z/device/%04d/cmd", i), "on")
				}
				before := heap()
				for i := range devices {
					d := l.persistent(fmt.Sprintf("device-%04d", i))
					d.sub(1, fmt.Sprintf("z/device/%04d/cmd", i))
					d.bye()
				}
				per := (heap() - before) / devices
				written := l.disk.Store.Stats().Written
				t.Logf("%s: %d bytes of heap each, %d bytes on disk written each", what, per, written/devices)
				if per > 4500 {
					t.Errorf("%d bytes each", per)
				}
				return
			}
			n, size := 0, 0
			l.disk.Remembered(kind, func(_ string, b []byte) { n++; size += len(b) })
			t.Logf("%s: %d sessions, notes of %d bytes", what, n, size/max(n, 1))
			if n != devices {
				t.Errorf("%d sessions are restored", n)
			}
		})
	}
}
