package codec

import (
	"testing"
	"time"
)

func TestSpan(t *testing.T) {
	const bad = -1 << 62
	for text, want := range map[string]struct{ bare, seconds time.Duration }{
		"90s": {90 * time.Second, 90 * time.Second}, "1h30m": {90 * time.Minute, 90 * time.Minute}, "30d": {720 * time.Hour, 720 * time.Hour},
		"1.5d": {36 * time.Hour, 36 * time.Hour}, "5": {bad, 5 * time.Second}, "0.25": {bad, 250 * time.Millisecond}, "-2d": {-48 * time.Hour, -48 * time.Hour},
		"0": {0, 0}, "": {bad, bad}, "d": {bad, bad}, "1d2h": {bad, bad}, "infd": {bad, bad}, "NaN": {bad, bad}, "1e3": {bad, bad}, "99999999999999": {bad, bad}, "106752d": {bad, bad}, "soon": {bad, bad},
	} {
		for unit, want := range map[time.Duration]time.Duration{0: want.bare, time.Second: want.seconds} {
			if d, err := Span(text, unit); (err != nil) != (want == bad) || err == nil && d != want {
				t.Errorf("%q in %v: %v, %v, want %v", text, unit, d, err, want)
			}
		}
	}
}
