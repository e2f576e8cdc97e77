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

// No reading that came since a moment has a ts before the earliest that is told.
func TestEarliestIsBeforeWhateverCameSince(t *testing.T) {
	var c Calendar
	c.Begin(10_000, 10)
	for _, s := range [][2]int64{{20_000, 1000}, {5_000, 2000}, {90_000, 3000}} { // wall, mono
		c.Era(s[0], s[1])
	}
	for mono, want := range map[int64]int64{
		0: 87_000, 10: 3_010, 999: 3_999, 1000: 4_000, 2500: 5_500, 3000: 90_000, 4000: 91_000,
	} {
		if got := c.Earliest(mono); got != want {
			t.Errorf("since %d by the hub's clock: %d, want %d", mono, got, want)
		}
	}
}
