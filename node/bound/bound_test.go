package bound

import (
	"math"
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

// A second is a second near every edge of the numbers, and one who never stops is
// refused however often he asks.
func TestPerSecond(t *testing.T) {
	for _, start := range []int64{0, 1, math.MaxInt32 - 1500, math.MaxUint32 - 1500, (1<<31 - 2) * 1000, (1<<32 - 2) * 1000} {
		var p PerSecond
		for second := range int64(4) {
			at := (start/1000 + second) * 1000
			for i := range 10 {
				if ok := p.Within(3, at+int64(i)); ok != (i < 3) {
					t.Errorf("from %d, second %d: the %dth is %v", start, second, i+1, ok)
				}
			}
		}
	}
	p := PerSecond{n: math.MaxInt32 - 1}
	for range 5 {
		if p.Within(3, 10) {
			t.Error("the count wrapped")
		}
	}
	if !p.Within(0, 10) {
		t.Error("0 is no limit")
	}
}

// An allowance goes at once and comes back in its span; one that is overdrawn is
// whole later.
func TestAllowance(t *testing.T) {
	for _, start := range []int64{0, 1 << 40} {
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
