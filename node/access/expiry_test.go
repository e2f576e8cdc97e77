package access

import (
	"testing"
	"time"
)

func TestExpiry(t *testing.T) {
	now := time.Date(2026, 11, 25, 12, 0, 0, 0, time.Local)
	for text, want := range map[string]time.Time{
		"24h": now.Add(24 * time.Hour), "30d": now.Add(30 * 24 * time.Hour), "2027-01-31": time.Date(2027, 1, 31, 0, 0, 0, 0, time.Local),
		"2026-11-25T12:30": now.Add(30 * time.Minute), "-1h": {}, "0d": {}, "tomorrow": {}, "2020-01-01": {},
	} {
		ms, err := ParseExpiry(text, now)
		if (err != nil) != want.IsZero() || err == nil && ms != want.UnixMilli() {
			t.Errorf("%q: %d, %v", text, ms, err)
		}
	}
}
