package store

import (
	"testing"
	"time"
)

// A reading of another epoch wakes the writer too, though the end of what was stored of
// its topic, which goes before it, has begun to wait already.
func TestAnotherEpochIsWritten(t *testing.T) {
	changed := make(chan struct{}, 1)
	s := open(t, Options{Dir: t.TempDir(), Sync: 5 * time.Millisecond, Changed: func() {
		select {
		case changed <- struct{}{}:
		default:
		}
	}})
	defer s.Close()
	for ep := s.Epoch(); ep < s.Epoch()+2; ep++ {
		p := put(t, s, reading("a", ep, 1, 100))
		for late := time.After(20 * time.Second); s.Status(p) != Synced; {
			select {
			case <-changed:
			case <-late:
				t.Fatal("nobody writes it")
			}
		}
	}
}
