package codec

import (
	"math"
	"strconv"
	"strings"
	"time"
)

// Span reads a length of time: 90s, 1h30m, 2.5d, or a bare number of units; where
// unit is 0 none may stand alone.
func Span(text string, unit time.Duration) (time.Duration, error) {
	number, days := strings.CutSuffix(text, "d")
	if days {
		unit = 24 * time.Hour
	}
	plain := unit > 0 && strings.Trim(number, "-.0123456789") == "" // 1e9 is no length of time
	if f, err := strconv.ParseFloat(number, 64); err == nil && plain && math.Abs(f*float64(unit)) < math.MaxInt64 {
		return time.Duration(f * float64(unit)), nil
	}
	return time.ParseDuration(text)
}
