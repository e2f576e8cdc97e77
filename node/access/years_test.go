package access

import (
	"testing"
	"time"
)

// A token that is made before a board knows the time, for a month from then, would end as
// soon as it does: it is refused. A date of somebody who knows is taken.
func TestExpiryBeforeTheClockIsSet(t *testing.T) {
	now := time.Unix(30, 0)
	g, err := New(Options{Now: func() time.Time { return now }})
	if err != nil {
		t.Fatal(err)
	}
	p := Patterns{Publish: []string{"#"}}
	if _, _, bad := g.Create("a", "", p, now.AddDate(0, 1, 0)); bad == nil {
		t.Error("a month after 1970 is taken")
	}
	if _, _, bad := g.Create("b", "", p, time.Date(2027, 1, 31, 0, 0, 0, 0, time.UTC)); bad != nil {
		t.Error(bad)
	}
	now = time.Date(2026, 11, 29, 0, 0, 0, 0, time.UTC)
	if list := g.Tokens(); len(list) != 1 || list[0].Name != "b" {
		t.Errorf("when the clock is set there are %v", list)
	}
}
