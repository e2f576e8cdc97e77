package bound

import (
	"sync"
	"testing"
)

// What many take at the same time never exceeds the bound, and nothing is left.
func TestBytesTogether(t *testing.T) {
	b := Bytes{Most: 1000}
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			for range 500 {
				if b.Take(90) {
					if b.Held() > 1000+20*90 { // others may be about to take theirs back
						t.Error("too much is held")
					}
					b.Give(90)
				}
			}
		})
	}
	wg.Wait()
	if b.Held() != 0 {
		t.Errorf("%d bytes are left", b.Held())
	}
}

func TestBytesAtTheEdge(t *testing.T) {
	b := Bytes{Most: 100, Few: 10}
	if !b.Take(100) || b.Take(11) || b.Full() {
		t.Error("exactly what fits was refused, or more was granted")
	}
	if !b.Take(10) || !b.Full() {
		t.Error("a few bytes go always")
	}
	b.Give(110)
	b.Move(0, 1<<20)
	if !b.Full() {
		t.Error("what has come counts, whatever it is")
	}
	b.Move(1<<20, 0)
	if b.Held() != 0 {
		t.Errorf("%d bytes are left", b.Held())
	}
}

// An allowance goes at once and comes back in its span; one that is overdrawn is
// whole later.
func TestAllowance(t *testing.T) {
	for _, start := range []int64{0, 1<<32 - 500, 1 << 40} { // the second: 32 bits of milliseconds end meanwhile
		a := Allowance{}
		now, most := start, 10
		for i := range most {
			if !a.Take(1, most, 1000, now) {
				t.Fatalf("%d of %d", i, most)
			}
		}
		if a.Take(1, most, 1000, now) || a.Take(1, most, 1000, now-50) || a.Whole(most, 1000, now+999) || !a.Whole(most, 1000, now+1000) {
			t.Error("it is used up and is not, or is whole at another time")
		}
		if now += 100; !a.Take(30, most, 1000, now) || a.Take(1, most, 1000, now+2900) || !a.Take(1, most, 1000, now+3001) {
			t.Error("what was overdrawn is not paid off in its time")
		}
	}
	// Who asks all the time does not keep it from coming back.
	var a Allowance
	granted := 0
	for now := range int64(600_000) {
		if a.Take(1, 20, 600_000, now) {
			granted++
		}
	}
	if granted < 39 || granted > 40 {
		t.Errorf("%d granted in a span, and 20 before it", granted)
	}
}
