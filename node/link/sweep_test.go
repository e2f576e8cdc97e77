package link_test

import (
	"testing"
	"time"

	"topicd/node"
)

// A hub is swept though one device comes, says one thing and goes, again and again: each
// time it is the first that is connected, for which the sweeper hurries.
func TestSweptThoughOneComesAndGoes(t *testing.T) {
	t.Parallel()
	s := serve(t, options{}, node.Options{Keep: time.Second})
	s.Hub().PublishOwn("$short", []byte("1"), s.Hub().Turn())
	eventually(t, "the topic has ended", func() bool {
		c := s.dial()
		_ = c.nc.Close()
		eventually(t, "the device is gone", func() bool { return s.Left() == 0 })
		time.Sleep(20 * time.Millisecond) // it need not come more often
		return s.count(node.Expired) > 0
	})
}
