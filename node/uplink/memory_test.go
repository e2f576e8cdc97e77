package uplink

import (
	"fmt"
	"runtime"
	"testing"

	"topicd/node/nodetest/port"
	"topicd/node/store"
)

// While no server is there nothing piles up in memory: what waits is on disk.
func TestAnOutageTakesNoMemory(t *testing.T) {
	g := newGateway(t, t.TempDir(), Options{URLs: []string{fmt.Sprintf("nats://127.0.0.1:%d", port.Free(t))}, Site: "farm7"}, store.Options{Bytes: 8 << 20})
	heap := func() int64 {
		runtime.GC()
		runtime.GC() // what pools keep is there once more
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return int64(m.HeapAlloc)
	}
	pubs := func(n int) {
		for i := range n {
			g.pub(fmt.Sprint("t/", i%50), `{"temp":21.5,"hum":40,"pad":"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"}`)
			if i%1000 == 0 {
				if err := g.disk.Store.Sync(); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	pubs(10_000)
	before := heap()
	pubs(50_000)
	if after := heap(); after > before+1<<20 {
		t.Errorf("the heap went from %d to %d bytes", before, after)
	}
	if st := g.up.Status(); st.PendingReadings == 0 {
		t.Errorf("%+v", st)
	}
}
