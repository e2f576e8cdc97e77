package store

import (
	"os"
	"path/filepath"
	"testing"
)

// The format is the same on every machine: testdata/golden.seg was written on
// amd64 (TOPICD_STORE_GOLDEN=1 writes it anew) and is read here, on 32 bits too.
func TestGoldenSegment(t *testing.T) {
	const golden = "testdata/golden.seg"
	name := segName(segNo(1, 1))
	dir := t.TempDir()
	if os.Getenv("TOPICD_STORE_GOLDEN") != "" {
		s := open(t, Options{Dir: dir})
		for i := range uint64(12) {
			put(t, s, reading([]string{"plant/1", "tür"}[i%2], 1<<41+i%2, 1<<33+i, 30))
		}
		s.Ack("client", "plant/#", "plant/1", 1<<33+4)
		s.AckPlace("uplink", "#", 7)
		s.Close()
		b, err := os.ReadFile(filepath.Join(dir, name))
		if err == nil {
			err = os.WriteFile(golden, b, 0o644)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	b, err := os.ReadFile(golden)
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, name), b, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	s := open(t, Options{Dir: dir})
	defer s.Close()
	for i, topic := range []string{"plant/1", "tür"} {
		got := all(t, s, topic, 1)
		if len(got) != 6 {
			t.Fatalf("%s: %d readings", topic, len(got))
		}
		for j := range got {
			same(t, &got[j], reading(topic, 1<<41+uint64(i), 1<<33+uint64(2*j+i), 30))
		}
	}
	if m, _, _ := acked(s, "client", "plant/#"); m["plant/1"] != 1<<33+4 {
		t.Fatal(m)
	}
	if _, p, _ := acked(s, "uplink", "#"); p != 7 {
		t.Fatal(p)
	}
	if st := s.Stats(); st.Torn > 0 || st.LostDamaged > 0 {
		t.Fatalf("%+v", st)
	}
}
