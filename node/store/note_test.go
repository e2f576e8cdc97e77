package store

import (
	"strings"
	"testing"
	"time"
)

// noteOf is what a cursor remembers.
func noteOf(s *Store, client string) string {
	for _, c := range s.Cursors() {
		if c.Client == client {
			return string(c.Note)
		}
	}
	return ""
}

// A note outlives a clean end and an unclean one, also when the log has been
// written round since, and numbers that are acked later do not cost it. It ends with
// its cursor.
func TestNotesLive(t *testing.T) {
	m := newMemFS(1)
	o := Options{Dir: "d", FS: m, Bytes: 1 << 20, Sync: time.Hour}
	s, err := Open(o)
	if err != nil {
		t.Fatal(err)
	}
	seq := uint64(0)
	sync := func() { // a reading is on disk, and so is the note before it
		seq++
		put(t, s, reading("busy", 7, seq, 100))
		_ = s.Sync()
	}
	round := func() {
		for range 12000 {
			seq++
			put(t, s, reading("busy", 7, seq, 100))
		}
		if err := s.Ack("a", "", "busy", seq); err != nil {
			t.Fatal(err)
		}
	}
	round()
	for _, n := range []string{"first", "second"} {
		if err := s.Note("a", "", []byte(n), nil); err != nil {
			t.Fatal(err)
		}
		sync()
	}
	_ = s.Note("gone", "", []byte("x"), nil)
	sync()
	s.EndCursor("gone", "")
	for range 2 {
		round()
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		if s, err = Open(o); err != nil {
			t.Fatal(err)
		}
		if got := noteOf(s, "a"); got != "second" || len(s.Cursors()) != 1 || s.notes != len(got) {
			t.Fatalf("it remembers %q of %+v, %d bytes", got, s.Cursors(), s.notes)
		}
		if n, ok := s.AckedOf("a", "", "busy"); !ok || n != seq {
			t.Fatalf("acked %d of %d", n, seq)
		}
	}
	_ = s.Note("a", "", []byte("third"), nil)
	sync()
	_ = s.Note("a", "", []byte("lost"), nil)
	m.crash()
	m.boot()
	if s, err = Open(o); err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if got := noteOf(s, "a"); got != "third" {
		t.Fatalf("after a power cut it remembers %q", got)
	}
}

// Notes have their bound, each and all together.
func TestNotesAreBounded(t *testing.T) {
	s, err := Open(Options{Dir: "d", FS: newMemFS(1), Bytes: 1 << 20, Sync: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if s.Note("a", "", make([]byte, maxNote+1), nil) == nil {
		t.Error("a note of more than its bound is taken")
	}
	n := 0
	for ; n < 100 && s.Note(strings.Repeat("x", n+1), "", make([]byte, maxNote), nil) == nil; n++ {
	}
	if n != 8 || s.Note("x", "", []byte("less"), nil) != nil || s.Note("y", "", make([]byte, 5000), nil) != nil {
		t.Errorf("%d notes of 8 KiB in a store of 1 MiB", n)
	}
}
