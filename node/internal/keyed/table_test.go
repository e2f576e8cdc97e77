package keyed

import (
	"math/rand/v2"
	"testing"
)

type number struct{ n uint32 }

func (v *number) Hash() uint32 { return v.n % 97 } // many share one

// A table has what a map has, whatever came and went.
func TestTableIsAMap(t *testing.T) {
	r := rand.New(rand.NewPCG(2, 3))
	var table Table[*number]
	want := make(map[uint32]*number)
	find := func(n uint32) *number {
		return table.Find(n%97, func(v *number) bool { return v.n == n })
	}
	for step := range 20_000 {
		n := uint32(r.IntN(300))
		switch {
		case want[n] == nil:
			want[n] = &number{n}
			table.Put(want[n])
		case r.IntN(2) == 0:
			table.Remove(want[n])
			table.Remove(want[n]) // it is not there any more
			delete(want, n)
		}
		if n = uint32(r.IntN(300)); find(n) != want[n] || table.Len() != len(want) {
			t.Fatalf("step %d: %v for %d, want %v; %d of %d", step, find(n), n, want[n], table.Len(), len(want))
		}
	}
	for v := range table.All {
		if want[v.n] != v {
			t.Errorf("%d is yielded and should not be", v.n)
		}
		delete(want, v.n)
	}
	if len(want) > 0 {
		t.Errorf("%d values are not yielded", len(want))
	}
}
