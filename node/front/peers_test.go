package front

import (
	"net/netip"
	"testing"
	"time"

	"topicd/node"
)

// Addresses that have gone are forgotten, whatever they owe.
func TestPeersAreForgotten(t *testing.T) {
	p := peers{began: time.Now(), most: 8, requests: 10, links: new(links), stats: &node.Stats{}}
	a := netip.MustParseAddr("2001:db8::")
	for range 100 {
		a = a.Next()
		if !p.enter(a) {
			t.Fatal(a)
		}
		_ = p.ask(a, 10)
		p.leave(a)
	}
	if len(p.by) > 4*p.most || p.total != 0 {
		t.Error(len(p.by), p.total)
	}
}
