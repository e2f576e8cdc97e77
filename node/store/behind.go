package store

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
)

// ID tells this store from any other, for whoever keeps places elsewhere: a store
// that was wiped has another one. A copy that was restored has the same.
func (s *Store) ID() string {
	sum := sha256.Sum256(binary.LittleEndian.AppendUint64([]byte("topicd store id"), s.salt))
	return hex.EncodeToString(sum[:5])
}

// Behind tells about how much is on disk from place from on: readings exactly, but for
// those that are gone, and bytes as files count them.
func (s *Store) Behind(from Place) (readings uint64, bytes int64) {
	from = max(from, 1)
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, g := range s.segs {
		if g.first == 0 || g.last < from {
			continue
		}
		first := max(from, g.first)
		n := uint64(g.last-first) + 1
		n -= min(n, skipped(s.jumps, first, g.last+1))
		all := uint64(g.last-g.first) + 1
		all -= min(all-1, skipped(s.jumps, g.first, g.last+1))
		readings += n
		bytes += int64(float64(g.end) * float64(n) / float64(all))
	}
	return readings, bytes
}
