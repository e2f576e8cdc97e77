package arena

import "testing"

// A clock that is set all the time uses up the calendar's ring: what is stored
// since keeps its age.
func TestCalendarForgetsTheOldestEras(t *testing.T) {
	var c Calendar
	c.Begin(0, 0)
	for i := range int64(2*maxEras + 10) {
		e := c.Era(i*1000, i)
		if got := c.Mono(i*1000, e); got != i {
			t.Fatalf("step %d: now is %d by the hub's clock, want %d", i, got, i)
		}
	}
	if len(c.eras) != maxEras {
		t.Errorf("%d eras are kept, want %d", len(c.eras), maxEras)
	}
}
