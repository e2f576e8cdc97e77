package node

import (
	"fmt"
	"math"
	"testing"

	"topicd/codec"
)

// A device that counts its readings is known for as long as it goes on: its window turns
// with a counter that wraps after years of a reading a second.
func TestADeviceSendsForYears(t *testing.T) {
	h := newClocked(t, Options{})
	p := open(t, h.Hub)
	if err := p.s.Hello("dev", "", h.turn); err != nil {
		t.Fatal(err)
	}
	p.s.ext.window.n = math.MaxUint32 - 3
	for i := range 40 {
		for try := range 2 {
			r, err := p.s.Publish([]byte("a"), Body{Enc: codec.JSON, Data: fmt.Append(nil, i)}, uint64(i+1), h.turn)
			if err != nil || r.Dup != (try > 0) || r.Seq != uint64(i+1) {
				t.Fatalf("reading %d, sent %d times: %+v, %v", i, try+1, r, err)
			}
		}
	}
}
