package uplink

import (
	"strings"
	"testing"

	"topicd/codec"
)

func TestSubjects(t *testing.T) {
	for topic, want := range map[string]string{
		"plant/3/temp": "plant.3.temp", "a.b": "a%2Eb", "x y": "x%20y", "100%": "100%25", "a/*/>": "a.%2A.%3E", "ä/€": "ä.€", "/a": "%.a", "a/": "a.%", "a//b": "a.%.b", "/": "%.%",
	} {
		if got := string(AppendSubject(nil, topic)); got != want {
			t.Errorf("%q: %q, want %q", topic, got, want)
		}
	}
	for _, bad := range []string{
		"", "%", ".", "a.", ".a", "a..b", "a%2", "a%", "a%2e", "a%41", "a b", "a/b", "a*", "a.>", "%2B", "a%2F", "a\x00", "a.%2E.b", "a+b", "#",
		strings.Repeat("a.", 200) + "a", strings.Repeat("a", codec.MaxTopic+1),
	} {
		if got, ok := Topic(bad); ok && bad != "a%2Eb" {
			t.Errorf("%q is taken for topic %q", bad, got)
		}
	}
	for _, host := range []string{"farm7", "farm 7.example.org", "", strings.Repeat("x", 300)} {
		if bad := CheckSite(Site(host)); bad != "" {
			t.Errorf("%q: %s", host, bad)
		}
	}
}

func FuzzSubject(f *testing.F) {
	for _, s := range []string{"plant/3/temp", "a.b/c*d>", "x y%20", "ä", "a.%2Eb", "%zz", "a..b", "."} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if codec.CheckTopic([]byte(s)) == nil {
			sub := string(AppendSubject(nil, s))
			if strings.ContainsAny(sub, "*> \t\r\n/") || strings.Contains(sub, "..") || sub[0] == '.' || strings.HasSuffix(sub, ".") {
				t.Fatalf("topic %q has subject %q", s, sub)
			}
			if back, ok := Topic(sub); !ok || back != s {
				t.Fatalf("topic %q comes back as %q", s, back)
			}
		}
		if topic, ok := Topic(s); ok {
			if codec.CheckTopic([]byte(topic)) != nil {
				t.Fatalf("subject %q is taken for %q", s, topic)
			}
			if again := string(AppendSubject(nil, topic)); again != s {
				t.Fatalf("subjects %q and %q are one topic", s, again)
			}
		}
	})
}
