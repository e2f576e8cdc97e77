package flags

import "testing"

func TestSizes(t *testing.T) {
	for in, want := range map[string]Size{"65536": 65536, "64KiB": 65536, "16 MiB": 16 << 20, "1.5GiB": 3 << 29, "2MB": 2e6, "4k": -1, "8K": 8192, "-1": -1, "NaN": -1, "": -1, "9e99": -1} {
		var s Size
		if err := s.Set(in); (err == nil) != (want >= 0) || err == nil && s != want {
			t.Errorf("%q: %d, %v", in, s, err)
		}
		var again Size
		if err := again.Set(s.String()); err != nil || again != s {
			t.Errorf("%q was written %s", in, &s)
		}
	}
}
