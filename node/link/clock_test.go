package link_test

import (
	"sync/atomic"
	"testing"
	"time"

	"topicd/node"
)

// A board without a battery learns the time an hour after its sensors connected:
// nobody was silent because of it, and who is silent is found all the same.
func TestStepOfTheWallCutsNobody(t *testing.T) {
	for name, step := range map[string]time.Duration{"back": -time.Hour, "forward": 48 * time.Hour} {
		t.Run(name, func(t *testing.T) {
			var skew atomic.Int64
			start := time.Now()
			s := serve(t, withEcho(options{Dead: long}), node.Options{Clock: func() (wall, mono int64) {
				now := time.Now()
				return now.UnixMilli() + skew.Load(), now.Sub(start).Milliseconds() + 1
			}})
			c := s.dial()
			c.send(text("here"))
			c.want("text:here")
			skew.Store(step.Milliseconds())
			for range 25 { // two sweeps
				time.Sleep(100 * time.Millisecond)
				c.send(text("still here"))
				c.want("text:still here")
			}
			if n := s.count(node.CutDead); n != 0 {
				t.Fatalf("%d peers that speak were cut as dead", n)
			}
		})
	}
}
