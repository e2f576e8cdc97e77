package main

import (
	"io"
	"time"

	"topicd/node"
	"topicd/node/state"
)

const carryHint = "the hub begins without the newest readings and minutes of the last run"

func (s *server) carryFile() string { return s.state.File("carried") }

// takeCarried takes what the last run has handed on, once: a run that ends badly after
// it must not have its numbers given again.
func (s *server) takeCarried(o *node.Options) {
	var c *node.Carried
	ok := state.Take(s.carryFile(), s.log, carryHint, func(text []byte) (err error) {
		c, err = node.ParseCarried(text)
		return err
	})
	if ok && bool(s.set.keepOnExit) {
		o.Carried = c
	}
}

// carryFor is how long what there is to hand on may be gathered: a stop takes two seconds.
const carryFor = 700 * time.Millisecond

// carry hands on what the hub holds. Nobody uses it any more.
func (s *server) carry() {
	if !s.set.keepOnExit {
		return
	}
	began := time.Now()
	var topics, left int
	err := state.WriteFrom(s.carryFile(), func(w io.Writer) (err error) {
		topics, left, err = s.hub.Carry(w, func() bool { return time.Since(began) < carryFor })
		return err
	})
	switch {
	case err != nil:
		s.log.Warn("newest readings and minutes are not kept for the next start", "err", err)
	case left > 0:
		s.log.Warn("newest readings and minutes of some topics are not kept for the next start: there are too many", "kept", topics, "left", left)
	}
}
