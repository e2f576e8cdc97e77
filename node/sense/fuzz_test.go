package sense

import (
	"os"
	"path/filepath"
	"testing"
	"time"
)

// FuzzContents gives every parser any content twice: no panic, and only finite
// values under valid topics.
func FuzzContents(f *testing.F) {
	for _, content := range pi {
		f.Add([]byte(content), []byte(content))
	}
	root := f.TempDir()
	file := filepath.Join(root, "w1_slave")
	f.Fuzz(func(t *testing.T, first, second []byte) {
		b := New(Options{Root: root})
		defer b.Close()
		b.disks.Store(&map[string]bool{"mmcblk0": true, "": true})
		sources := []readFunc{
			readLoad(file), readMemory(file), readCPU(file), readUptime(file), readNet(file), readDisks(file, b),
			readPressure(file, "pressure/io"), textSource(root, "/w1_slave", "a").read, wireSource(root, "/w1_slave", "b").read,
			numberSource(root, "/w1_slave", "c", scale{unitPa, 1e3, 1}).read,
			rawSource(root, "/w1_slave", "/w1_slave", "/w1_slave", "d", scale{unitCel, 1, 1e3}).read,
		}
		now := time.Unix(0, 0)
		b.now = func() time.Time { now = now.Add(time.Second); return now }
		r := &reader{board: b, buf: make([]byte, 64)}
		for _, content := range [][]byte{first, second} {
			if err := os.WriteFile(file, content, 0o600); err != nil {
				t.Fatal(err)
			}
			for _, read := range sources {
				r.out = r.out[:0]
				_ = read(r)
				for _, v := range r.out {
					checkTopic(t, v.Topic)
					if !finite(v.Value) {
						t.Errorf("%+v", v)
					}
				}
			}
		}
	})
}
