package main

import (
	"sync/atomic"
	"time"
)

// trimmer calls trimProgram soon after a burst of HTTP: handshakes of many
// devices, a page that loads. A request now and then may have its pages.
type trimmer struct {
	done    atomic.Int32 // since the last look
	pending atomic.Bool
}

const (
	trimAfter = 250 * time.Millisecond
	trimBurst = 16
)

func (t *trimmer) soon() {
	t.done.Add(1)
	if !t.pending.CompareAndSwap(false, true) {
		return
	}
	time.AfterFunc(trimAfter, func() {
		t.pending.Store(false)
		if t.done.Swap(0) >= trimBurst {
			trimProgram()
		}
	})
}
