package mdns

import (
	"strings"
	"testing"
	"unicode/utf8"
)

func TestEscape(t *testing.T) {
	for _, s := range []string{
		"hub", "Sensor Hub 1.5", "Küche", "a.b.", "x\\", `"quoted"`, "\x00\xff\x7f", "(2) @;'", "日本語",
	} {
		e := Escape(s)
		if got := Unescape(e); got != s {
			t.Errorf("Unescape(%q) = %q, want %q", e, got, s)
		}
		w := wireForm(e + "._topicd._tcp.local.")
		if got := Unescape(strings.TrimSuffix(w, "._topicd._tcp.local.")); got != s {
			t.Errorf("%q came off the wire as %q", s, got)
		}
	}
	for in, want := range map[string]string{`\`: `\`, `a\`: `a\`, `\9`: `9`, `\999`: `999`, `\.`: `.`} {
		if got := Unescape(in); got != want {
			t.Errorf("Unescape(%q) = %q, want %q", in, got, want)
		}
	}
	if wireForm(strings.Repeat("x", 64)+".local.") != "" || wireForm(`a..b.`) != "" {
		t.Error("a name that cannot be sent has a wire form")
	}
}

func TestRename(t *testing.T) {
	if got := Rename("hub", 2); got != "hub (2)" {
		t.Error(got)
	}
	if got := RenameHost("gw", 3); got != "gw-3" {
		t.Error(got)
	}
	long := Rename(strings.Repeat("ü", 31), 12)
	if len(long) > MaxLabel || !utf8.ValidString(long) || !strings.HasSuffix(long, " (12)") {
		t.Errorf("%q has %d bytes", long, len(long))
	}
}
