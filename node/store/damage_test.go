package store

import (
	"fmt"
	"math/rand"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"topicd/node/nodetest/race"
)

// filled makes a store of n readings over three topics, ended with Close or,
// with clean false, as by a kill.
func filled(t testing.TB, n int, clean bool) (dir string, ep uint64) {
	t.Helper()
	dir = filepath.Join(t.TempDir(), "store")
	s := open(t, Options{Dir: dir, Sync: time.Hour})
	ep = s.Epoch()
	for i := range n {
		put(t, s, reading(fmt.Sprint("t", i%3), ep, uint64(i/3+1), 100))
	}
	if err := s.Sync(); err != nil {
		t.Fatal(err)
	}
	if !clean {
		copied := filepath.Join(t.TempDir(), "copy")
		copyDir(t, dir, copied)
		dir = copied
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	return dir, ep
}

// inMemory is the store of dir as files in memory.
func inMemory(t testing.TB, dir string) *memFS {
	t.Helper()
	m := newMemFS(1)
	list, _ := filepath.Glob(filepath.Join(dir, "*.seg"))
	for _, f := range list {
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		m.put("d/"+filepath.Base(f), b)
	}
	return m
}

func copyDir(t testing.TB, from, to string) {
	t.Helper()
	if err := os.MkdirAll(to, 0o700); err != nil {
		t.Fatal(err)
	}
	list, _ := filepath.Glob(filepath.Join(from, "*.seg"))
	for _, f := range list {
		b, err := os.ReadFile(f)
		if err == nil {
			err = os.WriteFile(filepath.Join(to, filepath.Base(f)), b, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

// held opens the store and returns how many readings it holds; each must be
// what was written. Twice, since the first open mends.
func held(t testing.TB, m *memFS, ep uint64) (n int, st Stats, next uint64) {
	t.Helper()
	for range 2 {
		s := open(t, Options{Dir: "d", FS: m, Sync: time.Hour, Log: testLog(t)})
		m := 0
		for k := range 3 {
			topic := fmt.Sprint("t", k)
			for _, r := range all(t, s, topic, 1) {
				same(t, &r, reading(topic, ep, r.Seq, 100))
				m++
			}
			if i, ok := s.Topic(topic); ok {
				next = i.Next
			}
		}
		if n > 0 && m != n {
			t.Fatalf("%d readings, then %d", n, m)
		}
		if n == 0 {
			st = s.Stats()
		}
		n = m
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	return n, st, next
}

// Whatever is cut off the end, the store starts and keeps all whole records.
func TestEveryTruncation(t *testing.T) {
	dir, ep := filled(t, 120, false)
	seg := newestSeg(t, dir)
	whole, _ := os.ReadFile(seg)
	step := 1
	if testing.Short() {
		step = 37
	}
	last := 120
	for cut := 1; cut <= 4096; cut += step {
		m := newMemFS(1)
		m.put("d/"+filepath.Base(seg), append([]byte(nil), whole[:len(whole)-cut]...))
		n, _, next := held(t, m, ep)
		if n > last || n < 120-cut/90-1 {
			t.Fatalf("%d bytes cut: %d readings, %d before", cut, n, last)
		}
		if next <= 41 {
			t.Fatalf("%d bytes cut: goes on with %d", cut, next)
		}
		last = n
	}
}

func newestSeg(t testing.TB, dir string) string {
	list, _ := filepath.Glob(filepath.Join(dir, "*.seg"))
	if len(list) == 0 {
		t.Fatal("no segment")
	}
	return list[len(list)-1]
}

// A flipped bit anywhere costs one reading at most, which is set aside, counted
// and seen by Verify; no number is given again.
func TestBitFlips(t *testing.T) {
	const n = 6000
	dir, ep := filled(t, n, true)
	list, _ := filepath.Glob(filepath.Join(dir, "*.seg"))
	if len(list) < 3 {
		t.Fatalf("%d segments", len(list))
	}
	flips := 200
	if testing.Short() || race.Enabled {
		flips = 30
	}
	rnd := rand.New(rand.NewSource(1))
	for i := range flips {
		m := inMemory(t, dir)
		seg := "d/" + filepath.Base(list[rnd.Intn(len(list))])
		b := m.files[seg].now
		at := rnd.Intn(len(b))
		if i%5 == 0 {
			at = rnd.Intn(400) // headers, state, definitions
		}
		b[at] ^= 1 << rnd.Intn(8)
		rep, err := Verify("d", m)
		if err != nil {
			t.Fatal(err)
		}
		got, st, next := held(t, m, ep)
		if got < n-1 || int(st.LostDamaged) != n-got {
			t.Fatalf("bit at %d of %s: %d readings, %+v", at, seg, got, st)
		}
		if got < n && (len(rep.Damage) != 1 || next < Ahead) {
			t.Fatalf("bit at %d of %s: verify says %v, next %d", at, seg, rep.Damage, next)
		}
		if aside, _ := m.ReadDir("d/damaged"); got < n && len(aside) != 1 {
			t.Fatalf("set aside: %v", aside)
		}
	}
}

// A lost block costs what lies in it and no reading behind it.
func TestLostBlocks(t *testing.T) {
	const n = 3000
	dir, ep := filled(t, n, true)
	list, _ := filepath.Glob(filepath.Join(dir, "*.seg"))
	rnd := rand.New(rand.NewSource(2))
	for range 12 {
		m := inMemory(t, dir)
		b := m.files["d/"+filepath.Base(list[0])].now
		at := (1 + rnd.Intn(len(b)/block-2)) * block
		rnd.Read(b[at : at+block])
		got, st, _ := held(t, m, ep)
		if lost := n - got; lost < 20 || lost > 60 || int(st.LostDamaged) != lost {
			t.Fatalf("block at %d: %d readings lost, %+v", at, n-got, st)
		}
	}
}

// damaged/ has its bound, and the bound on all holds with it.
func TestDamagedIsBounded(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "s")
	o := Options{Dir: dir, Bytes: 1 << 20, Sync: time.Hour}
	for round := range 12 {
		s := open(t, o)
		for i := range 500 {
			put(t, s, reading("a", 5, uint64(round)<<40+uint64(i)+1, 200))
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		seg := newestSeg(t, dir)
		b, _ := os.ReadFile(seg)
		for at := 300; at < len(b)-200; at += 8000 {
			clear(b[at : at+150])
		}
		os.WriteFile(seg, b, 0o600)
		if n := tree(t, filepath.Join(dir, "damaged")); n > o.Bytes/16+block {
			t.Fatalf("damaged/ holds %d bytes", n)
		}
		if n := tree(t, dir); n > o.Bytes {
			t.Fatalf("%d bytes", n)
		}
	}
}

// FuzzSegment: a segment's bytes, whatever they are, neither break the parser
// nor the opening, and what opening mends is sound afterwards.
func FuzzSegment(f *testing.F) {
	k := keyOf(1, 2)
	h := newHead(&segment{no: 2, key: k}, nil, maxSegment)
	h.buf = append(h.buf, putSegHead(2, 1)...)
	var scratch []byte
	for i := range uint64(6) {
		h.put(reading("a/b", 3, i+1, 40), 0, false, &scratch)
	}
	rec := cursorRec{client: "c", pattern: "#", acks: []cursorAck{{topic: "a/b", ep: 3, seq: 2}}}
	h.raw(kindCursor, rec.put(nil))
	h.raw(kindForget, putForget(nil, "x", 4))
	h.raw(kindState, (&standing{jumps: []jump{{1, 2, 3}}, gone: []lostRange{{1, 2, ByAge}}}).put(nil))
	h.raw(kindFooter, putFooter(nil, h.recs, h.defs, func(uint32) uint64 { return 7 }))
	f.Add(h.buf, uint16(300), uint64(0))
	f.Fuzz(func(t *testing.T, b []byte, at uint16, with uint64) {
		if len(b) > 1<<14 {
			return
		}
		b = append([]byte(nil), b...)
		if int(at)+8 < len(b) {
			for i := range 8 {
				b[int(at)+i] ^= byte(with >> (8 * i))
			}
		}
		m := newMemFS(1)
		m.put("d/"+segName(2), b)
		for round := range 2 {
			s, err := Open(Options{Dir: "d", FS: m, Sync: time.Hour, Bytes: 1 << 20})
			if err != nil {
				t.Fatal(err)
			}
			s.Topics(func(i TopicInfo) {
				var p Page
				if err := s.Read(i.Name, 0, PageBytes, &p); err != nil {
					t.Fatal(err)
				}
			})
			if _, _, err := s.ReadLog(0, 1<<20, func(*Reading) bool { return true }); err != nil {
				t.Fatal(err)
			}
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			if rep, err := Verify("d", m); err != nil || len(rep.Damage) > 0 && !onlyOrphans(rep) {
				t.Fatal(round, rep, err)
			}
		}
	})
}

// onlyOrphans: readings whose topic is lost, and headers, stay as they are.
func onlyOrphans(rep *Report) bool {
	for _, d := range rep.Damage {
		if !strings.Contains(d.What, "topic") && !strings.Contains(d.What, "header") {
			return false
		}
	}
	return true
}
