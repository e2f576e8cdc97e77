package exposition

import (
	"testing"
	"time"
)

func TestText(t *testing.T) {
	e := Text{Part: "part_"}
	e.Gauge("up", "1 = it is.", Bit(true))
	e.Family("lost_total", "counter", "By reason.")
	e.Sample("lost_total", "reason", "a\"b\\\n", 1<<53+1)
	e.Seconds("age", "Of it.", 1500*time.Millisecond)
	const want = "# HELP topicd_part_up 1 = it is.\n# TYPE topicd_part_up gauge\ntopicd_part_up 1\n" +
		"# HELP topicd_part_lost_total By reason.\n# TYPE topicd_part_lost_total counter\ntopicd_part_lost_total{reason=\"a\\\"b\\\\\\n\"} 9007199254740993\n" +
		"# HELP topicd_part_age Of it.\n# TYPE topicd_part_age gauge\ntopicd_part_age 1.5\n"
	if string(e.B) != want {
		t.Errorf("%s\nwant\n%s", e.B, want)
	}
}
