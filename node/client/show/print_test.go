package show

import (
	"os"
	"testing"
	"time"

	"topicd/codec"
	"topicd/node/client"
)

// What people see on a terminal.
func TestLines(t *testing.T) {
	at := time.Date(2026, 5, 1, 14, 2, 11, 0, time.Local)
	p := &Printer{people: true, width: 12, now: func() time.Time { return at.Add(3 * time.Minute) }}
	for _, c := range []struct{ topic, data, want string }{
		{"a/temp", `{"u":"Cel","v":21.5}`, "14:02:11  a/temp              21.5 Cel"},
		{"a/n", `48.30000000000001`, "14:02:11  a/n                 48.3"},
		{"a/n", `1e-7`, "14:02:11  a/n                1e-07"},
		{"a/mem", `{"u":"B","v":25276514304}`, "14:02:11  a/mem               23.5 GiB"},
		{"a/n", `25276514304`, "14:02:11  a/n           25276514304"},
		{"a/text", `"open\u001b[31m"`, "14:02:11  a/text         open·[31m"},
		{"a/bat", `{"vs":"Charging"}`, "14:02:11  a/bat           Charging"},
		{"a/door", `{"vb":true}`, "14:02:11  a/door              true"},
		{"a/x", `{"k":[1,2]}`, `14:02:11  a/x           {"k":[1,2]}`},
	} {
		m := client.Message{Topic: c.topic, TS: at.UnixMilli(), Enc: codec.JSON, Data: []byte(c.data), Live: true}
		if got := string(p.line(m)); got != c.want {
			t.Errorf("%s:\n%q not\n%q", c.data, got, c.want)
		}
	}
	m := client.Message{Topic: "a/b", TS: at.UnixMilli(), Enc: codec.JSON, Data: []byte("1"), Drop: 12, Restart: true}
	if got, want := string(p.line(m)), "14:02:11  a/b                    1  (3 min ago, the hub restarted, 12 missing before)"; got != want {
		t.Errorf("%q not %q", got, want)
	}
	p.colour = true
	m = client.Message{Topic: "a/b", TS: at.UnixMilli(), Enc: codec.JSON, Data: []byte("1"), Live: true}
	if got, want := string(p.line(m)), "\x1b[2m14:02:11\x1b[0m  \x1b[36ma/b         \x1b[0m           1"; got != want {
		t.Errorf("%q not %q", got, want)
	}
}

// A file is no terminal: programs read JSON from it.
func TestNoTerminal(t *testing.T) {
	f, err := os.CreateTemp(t.TempDir(), "")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if IsTerminal(f) {
		t.Error("a file is taken for a terminal")
	}
}

func TestAge(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0: "just now", 1999 * time.Millisecond: "just now", 2 * time.Second: "2 s ago", 119 * time.Second: "119 s ago",
		2 * time.Minute: "2 min ago", 2 * time.Hour: "2 h ago", 48 * time.Hour: "2 days ago",
	} {
		if got := Age(d); got != want {
			t.Errorf("%v: %q, not %q", d, got, want)
		}
	}
}
