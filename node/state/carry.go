package state

import (
	"io"
	"log/slog"
	"time"

	"topicd/node"
)

const carryHint = "the hub begins without the newest readings and minutes of the last run"

func (d *Dir) carried() string { return d.File("carried") }

// TakeCarried takes what the last run has handed on, nil = nothing. It does so once: a run
// that ends badly after it must not have its numbers given again.
func (d *Dir) TakeCarried(log *slog.Logger) (c *node.Carried) {
	if Take(d.carried(), log, carryHint, func(text []byte) (err error) {
		c, err = node.ParseCarried(text)
		return err
	}) {
		return c
	}
	return nil
}

// carryFor is how long what there is to hand on may be gathered: a stop takes two seconds.
const carryFor = 700 * time.Millisecond

// Carry hands on what a hub holds that nobody uses any more.
func (d *Dir) Carry(h *node.Hub, log *slog.Logger) {
	began := time.Now()
	var topics, left int
	err := WriteFrom(d.carried(), func(w io.Writer) (err error) {
		topics, left, err = h.Carry(w, func() bool { return time.Since(began) < carryFor })
		return err
	})
	switch {
	case err != nil:
		log.Warn("newest readings and minutes are not kept for the next start", "err", err)
	case left > 0:
		log.Warn("newest readings and minutes of some topics are not kept for the next start: there are too many", "kept", topics, "left", left)
	}
}
