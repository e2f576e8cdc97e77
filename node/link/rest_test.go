package link_test

import (
	"testing"

	"topicd/node"
)

// A connection whose peer is quiet rests, and hears all that comes then, whenever it does.
func TestQuietConnectionsRest(t *testing.T) {
	t.Parallel()
	eachReader(t, func(t *testing.T, reader string) {
		s := serve(t, options{Reader: reader}, node.Options{Rate: -1})
		c := s.dial()
		if s.Reader() == "goroutine" {
			c.say(`{"op":"ping","id":1}`)
			c.message(`"op":"pong"`)
			eventually(t, "it rests", func() bool { return s.Resting() == 1 })
		}
		for i := range 300 { // whatever it is about
			s.Rest()
			c.say(`{"op":"ping","id":%d}`, i)
			s.Rest()
			s.Rest()
			c.message(`"op":"pong"`)
		}
	})
}
