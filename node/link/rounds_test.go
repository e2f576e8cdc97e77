package link

import "testing"

// What it takes to write to all busy sessions is the sum of a cycle's rounds.
func TestRounds(t *testing.T) {
	const ms = int64(1e6)
	var short rounds
	short.note(ms, 100*ms, 0, 2*ms)
	short.note(ms/2, 101*ms, 0, 2*ms)
	if all := short.all.Load(); all != 0 {
		t.Errorf("rounds shorter than the pace: %d", all)
	}
	var one rounds
	one.note(5*ms, 100*ms, 0, 2*ms)
	if all := one.all.Load(); all != 5*ms {
		t.Errorf("one round of 5 ms: %d", all)
	}
	for i := int64(0); i < 40; i++ { // two rounds of half the sessions, 3 ms each, in each cycle
		gap := gapRounds * one.all.Load()
		one.note(3*ms, one.since+gap/2, gap, 2*ms)
		one.note(3*ms, one.since+gap, gap, 2*ms)
	}
	if all := one.all.Load(); all < 59*ms/10 || all > 61*ms/10 {
		t.Errorf("rounds of 3 and 3 ms a cycle: %d", all)
	}
	was := one.all.Load()
	one.note(40*ms, one.since+gapRounds*was, gapRounds*was, 2*ms)
	if all := one.all.Load(); all > 15*ms {
		t.Errorf("a long one among those of 6 ms: %d", all)
	}
}
