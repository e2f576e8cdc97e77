package link_test

import (
	"strings"
	"testing"
	"time"

	"topicd/node"
)

// What peers leave unread of large answers is bounded for all of them together,
// also where it waits as the rest of a write. Who reads is served meanwhile.
func TestUnreadTogether(t *testing.T) {
	t.Parallel()
	eachReader(t, func(t *testing.T, reader string) {
		const most, size, peers = 1 << 20, 60_000, 60
		s := serveTight(t, withEcho(options{Reader: reader, Unread: most}), node.Options{})
		kept := func() int64 { waits, _ := s.Kept(); return waits }
		message := text(strings.Repeat("x", size))
		for range peers {
			c := s.dialTight()
			go func() {
				for range 5 {
					if _, err := c.nc.Write(message); err != nil {
						return
					}
				}
			}()
		}
		// Where they come slowly the first may have been cut for it, and the last keep little.
		eventually(t, "some of it waits, or did", func() bool {
			return kept() > most/2 || s.count(node.CutSlow)+s.count(node.CutReplies) > 0
		})
		// It comes again where all of them together are so far beyond it that whoever is
		// pressed is cut at once.
		eventually(t, "who reads is served", func() bool {
			honest := s.dial()
			defer honest.nc.Close()
			for range 3 {
				_, _ = honest.nc.Write(message)
				if g, err := honest.next(); err != nil || g.op != opText || len(g.payload) != size {
					return false
				}
			}
			return true
		})
		time.Sleep(100 * time.Millisecond)
		if n := kept(); n > most+peers*(size+64) {
			t.Errorf("%d bytes wait at once", n)
		}
		eventually(t, "those who keep most are cut", func() bool { return kept() <= most })
		eventually(t, "what is counted is what the connections say", func() bool {
			_, counted := s.Kept()
			return counted == s.Unread()
		})
	})
}
