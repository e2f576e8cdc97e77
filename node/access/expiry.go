package access

import (
	"fmt"
	"time"

	"topicd/codec"
)

// ParseExpiry reads how long from now, or until when; "" is for ever, 0.
func ParseExpiry(text string, now time.Time) (int64, error) {
	if text == "" {
		return 0, nil
	}
	if d, err := codec.Span(text, 0); err == nil && d > 0 {
		return now.Add(d).UnixMilli(), nil
	}
	for _, layout := range []string{time.DateOnly, "2006-01-02T15:04", time.RFC3339} {
		if t, err := time.ParseInLocation(layout, text, time.Local); err == nil && t.After(now) {
			return t.UnixMilli(), nil
		}
	}
	return 0, fmt.Errorf("%q is neither a time such as 24h or 30d nor a date to come such as 2027-01-31", text)
}
