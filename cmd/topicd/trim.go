package main

import (
	"sync/atomic"
	"time"
)

// trimmer calls trimProgram soon after net/http has done something, once for
// all that is done meanwhile.
type trimmer struct{ pending atomic.Bool }

const trimAfter = 250 * time.Millisecond

func (t *trimmer) soon() {
	if t.pending.CompareAndSwap(false, true) {
		time.AfterFunc(trimAfter, func() {
			t.pending.Store(false)
			trimProgram()
		})
	}
}
