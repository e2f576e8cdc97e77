package link_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"topicd/node"
)

// Readings of a MiB for peers that do not read: what waits of them is bounded for
// all together, not a MiB each for a second. Who reads gets all of it.
func TestLargeReadingsThatNobodyReads(t *testing.T) {
	t.Parallel()
	eachReader(t, func(t *testing.T, reader string) {
		const most, size, peers = 4 << 20, 900_000, 40
		s := serveTight(t, options{Reader: reader, Unread: most, MaxFrame: 1 << 20}, node.Options{MaxBody: 1 << 20, TopicCap: 1 << 20})
		for range peers {
			c := s.dialTight()
			c.send(text(`{"op":"sub","topic":"a","opts":{"last":0}}`))
		}
		honest := s.dial()
		honest.send(text(`{"op":"sub","topic":"a","opts":{"last":0}}`))
		eventually(t, "all subscribe", func() bool { return s.Hub().Counts().Subscriptions == peers+1 })
		p := s.dial()
		p.send(text(fmt.Sprintf(`{"op":"pub","topic":"a","data":"%s"}`, strings.Repeat("x", size))))
		high := int64(0)
		got := make(chan bool)
		go func() {
			defer close(got)
			for {
				g, err := honest.next()
				if err != nil || len(g.payload) > size {
					return
				}
			}
		}()
		for end := time.Now().Add(500 * time.Millisecond); time.Now().Before(end); time.Sleep(time.Millisecond) {
			n, _ := s.Kept()
			high = max(high, n)
		}
		<-got
		if high > 2*most+size {
			t.Errorf("%d bytes wait at once", high)
		}
		eventually(t, "somebody is cut", func() bool { return s.count(node.CutSlow) > 0 })
	})
}
