package uplink

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"topicd/node/store"
	"topicd/node/uplink/natstest"
)

// The gateway's own store is wiped, or restored from an older copy of a hub that was
// running: the stream gets what is new, and nothing twice.
func TestTheGatewaysStoreIsAnother(t *testing.T) {
	for _, wiped := range []bool{true, false} {
		t.Run(fmt.Sprint("wiped=", wiped), func(t *testing.T) {
			s := natstest.Start(t, "")
			nc := s.Dial()
			natstest.Stream(t, nc, "SITES", nil)
			dir, copied := t.TempDir(), filepath.Join(t.TempDir(), "copy")
			o := Options{URLs: []string{s.URL}, Site: "farm7"}
			g := newGateway(t, dir, o, store.Options{})
			n := 0
			pubs := func(k int) {
				for range k {
					g.pub(fmt.Sprint("t/", n%5), fmt.Sprint(n))
					n++
				}
				g.drained(patience)
			}
			pubs(50)
			if !wiped {
				if err := exec.Command("cp", "-a", dir, copied).Run(); err != nil {
					t.Fatal(err)
				}
			}
			pubs(50)
			g.stop()
			if err := os.RemoveAll(dir); err != nil {
				t.Fatal(err)
			}
			if !wiped {
				if err := os.Rename(copied, dir); err != nil {
					t.Fatal(err)
				}
			}
			g = newGateway(t, dir, o, store.Options{})
			pubs(50)
			seen := map[string]int{}
			for _, m := range natstest.Read(t, nc, "SITES", "sites.>") {
				seen[string(m.Data)]++
			}
			for i := range n {
				if seen[fmt.Sprint(i)] != 1 {
					t.Errorf("reading %d is there %d times", i, seen[fmt.Sprint(i)])
				}
			}
		})
	}
}

// What the store had no room for before it was sent is counted, no more and no less,
// also when no server was ever there.
func TestWhatTheStoreHadNoRoomForIsCounted(t *testing.T) {
	for _, first := range []bool{true, false} {
		t.Run(fmt.Sprint("the first connection=", first), func(t *testing.T) {
			s := natstest.Start(t, "")
			natstest.Stream(t, s.Dial(), "SITES", nil)
			if first {
				s.Kill()
			}
			g := newGateway(t, t.TempDir(), Options{URLs: []string{s.URL}, Site: "farm7"}, store.Options{Bytes: store.MinBytes})
			n := int64(0)
			pubs := func(k int) {
				for range k {
					g.pub(fmt.Sprint("t/", n%5), fmt.Sprintf(`{"n":%d,"pad":"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"}`, n))
					if n++; n%500 == 0 {
						if err := g.disk.Store.Sync(); err != nil {
							t.Fatal(err)
						}
					}
				}
			}
			pubs(100)
			if !first {
				g.drained(patience)
				s.Kill()
				await(t, patience, "it is noticed", func() bool { return g.up.Status().State == Connecting })
			}
			pubs(10_000)
			s.Up()
			g.drained(patience)
			there := int64(len(natstest.Read(t, s.Dial(), "SITES", "sites.>")))
			if lost := g.up.Status().Lost; there+lost[store.ByBytes] != n || lost[store.ByBytes] == 0 || lost[store.ByAge]+lost[store.ByDamage] != 0 {
				t.Errorf("%d published, %d in the stream, %v lost", n, there, lost)
			}
		})
	}
}
