package store

import (
	"archive/tar"
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"
)

func acked(s *Store, client, pattern string) (m map[string]uint64, p Place, ok bool) {
	m = map[string]uint64{}
	p, ok = s.Acked(client, pattern, func(topic string, _, seq uint64) { m[topic] = seq })
	return m, p, ok
}

// A durable cursor goes on where it was, also when the log has been written
// round many times since, and ends after Forget without use or by EndCursor.
func TestCursorsLive(t *testing.T) {
	mono := &clock{}
	wall := int64(sane)
	o := Options{Dir: t.TempDir(), Bytes: 1 << 20, Sync: time.Hour, Mono: mono.now, Wall: func() int64 { return wall }, Forget: 10 * time.Hour}
	s := open(t, o)
	for i := range uint64(5) {
		put(t, s, reading("idle", 7, i+1, 50))
	}
	if err := s.Ack("c1", "#", "idle", 3); err != nil {
		t.Fatal(err)
	}
	s.Ack("c1", "#", "idle", 2) // lower: ignored
	s.Ack("c1", "#", "not stored", 2)
	s.AckPlace("uplink", "#", 4)
	s.Use("c2", "x/+")
	s.Use("gone", "#")
	if !s.EndCursor("gone", "#") || s.EndCursor("gone", "#") {
		t.Fatal("EndCursor")
	}
	check := func() {
		t.Helper()
		if m, _, ok := acked(s, "c1", "#"); !ok || len(m) != 1 || m["idle"] != 3 {
			t.Fatalf("c1: %v %v", m, ok)
		}
		if _, p, ok := acked(s, "uplink", "#"); !ok || p != 4 {
			t.Fatalf("uplink: %d %v", p, ok)
		}
		if _, _, ok := acked(s, "gone", "#"); ok || len(s.Cursors()) != 3 {
			t.Fatalf("%+v", s.Cursors())
		}
	}
	seq := uint64(0)
	for range 3 {
		for range 12000 {
			seq++
			put(t, s, reading("busy", 7, seq, 100))
		}
		check()
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		wall += time.Hour.Milliseconds()
		s = open(t, o)
		check()
	}
	s.Use("c2", "x/+")
	s.Sync()
	wall += 9 * time.Hour.Milliseconds() // c1 was idle for 12 hours then
	s.Close()
	s = open(t, o)
	s.Use("c2", "x/+")
	put(t, s, reading("busy", 7, seq+1, 100))
	s.Sync()
	if list := s.Cursors(); len(list) != 1 || list[0].Client != "c2" {
		t.Fatalf("%+v", list)
	}
	s.Close()
}

// Readings older than Age are not shown, their segments go, the newest of each
// topic stays; a clock in 1970 expires nothing of an earlier run.
func TestAge(t *testing.T) {
	mono := &clock{}
	wall := int64(sane)
	o := Options{Dir: t.TempDir(), Sync: time.Hour, Age: time.Hour, Mono: mono.now, Wall: func() int64 { return wall }}
	s := open(t, o)
	at := func(topic string, seq uint64, ts int64) {
		r := reading(topic, 7, seq, 100)
		r.TS = ts
		put(t, s, r)
	}
	step := func(d time.Duration) {
		mono.at.Add(int64(d))
		wall += d.Milliseconds()
		s.Sync()
	}
	for i := range uint64(4000) {
		at("a", i+1, wall)
		if i%100 == 0 {
			step(time.Minute / 2)
		}
	}
	at("idle", 1, wall)
	at("idle", 2, wall)
	s.Sync()
	segs := s.Stats().Segments
	for range 20 {
		step(5 * time.Minute)
		at("a", 10000+uint64(mono.now()), wall)
	}
	s.Sync()
	if st := s.Stats(); st.Segments >= segs || st.LostAge < 2000 || st.LostAge > 4001 {
		t.Fatalf("%d segments before, %+v", segs, st)
	}
	if got := all(t, s, "idle", 1); len(got) != 1 || got[0].Seq != 2 {
		t.Fatalf("idle: %d", len(got))
	}
	if n := len(all(t, s, "a", 1)); n < 10 || n > 14 {
		t.Fatalf("%d readings of an hour", n)
	}
	s.Close()
	real := wall
	wall = 5000 // no clock on this board
	s = open(t, o)
	s.Sync()
	if n := len(all(t, s, "a", 1)); n < 10 {
		t.Fatalf("%d readings with a clock in 1970", n)
	}
	wall = real + 2*time.Hour.Milliseconds() // and then it is set
	if n := len(all(t, s, "a", 1)); n != 1 {
		t.Fatalf("%d readings two hours later", n)
	}
	s.Close()
}

// A tombstone outlives its segment for as long as an older one may hold the
// topic: here one that holds nothing but newest readings, which do not age.
func TestTombstoneOutlivesItsSegment(t *testing.T) {
	mono := &clock{}
	o := Options{Dir: t.TempDir(), Bytes: 4 << 20, Sync: time.Hour, Age: time.Hour, Mono: mono.now, Wall: func() int64 { return 5 }}
	s := open(t, o)
	const topics = 5000
	for i := range topics {
		put(t, s, reading(fmt.Sprint("x", i), 7, 1, 100))
	}
	busy := uint64(0)
	fill := func(n int) {
		for range n {
			busy++
			put(t, s, reading("busy", 7, busy, 100))
		}
		s.Sync()
	}
	expire := func() {
		for range 30 {
			mono.at.Add(int64(5 * time.Minute))
			s.Use("c", "#") // wakes the writer
			s.Sync()
			fill(1)
		}
	}
	for i := range 3 { // something that ages in each segment
		put(t, s, reading(fmt.Sprint("x", i*2000), 7, 2, 100))
	}
	fill(3000)
	expire()
	s.Forget("x2500")
	fill(5000)
	expire()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = open(t, o)
	defer s.Close()
	if _, ok := s.Topic("x2500"); ok || s.Stats().Topics != topics {
		t.Fatalf("x2500 is back: %v; %+v", ok, s.Stats())
	}
}

// A forgotten topic is gone, comes back under another epoch, and its number in
// memory is given anew.
func TestForget(t *testing.T) {
	o := Options{Dir: t.TempDir(), Bytes: 1 << 20, Sync: time.Hour}
	s := open(t, o)
	for round := range uint64(40) {
		for i := range uint64(200) {
			put(t, s, reading("a", round+1, i+1, 100))
			put(t, s, reading("b", 1, round*200+i+1, 100))
		}
		if round%3 == 0 {
			s.Sync()
		}
		s.Forget("a")
		if got := all(t, s, "a", 1); len(got) != 0 {
			t.Fatalf("%d readings", len(got))
		}
		if round%10 == 9 {
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			s = open(t, o)
			if _, ok := s.Topic("a"); ok {
				t.Fatal("it is back")
			}
		}
	}
	put(t, s, reading("a", 99, 1, 100))
	put(t, s, reading("a", 100, 1, 100)) // another epoch without Forget
	s.Sync()
	if got := all(t, s, "a", 1); len(got) != 1 || got[0].Ep != 100 || len(s.table) > 12 {
		t.Fatalf("%d readings, %d numbers", len(got), len(s.table))
	}
	s.Close()
	rep, err := Verify(o.Dir, nil)
	if err != nil || len(rep.Damage) > 0 {
		t.Fatal(rep.Damage, err)
	}
}

// A backup of a store that is written to holds all that was synced before, and
// the newest reading of each topic; restored, numbers go on above.
func TestBackupRestore(t *testing.T) {
	o := Options{Dir: t.TempDir(), Bytes: 1 << 20, Sync: time.Millisecond}
	s := open(t, o)
	ep := s.Epoch()
	put(t, s, reading("idle", ep, 1, 100))
	s.Ack("c", "#", "idle", 1)
	seq := uint64(0)
	write := func(n int) {
		for range n {
			seq++
			put(t, s, reading("busy", ep, seq, 100))
		}
	}
	write(9000)
	s.Sync()
	atLeast := seq
	var tarred bytes.Buffer
	if err := s.Backup(writerFunc(func(b []byte) (int, error) {
		write(50) // the log moves on under the backup
		return tarred.Write(b)
	})); err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	dir := filepath.Join(t.TempDir(), "new")
	if err := Restore(dir, bytes.NewReader(tarred.Bytes())); err != nil {
		t.Fatal(err)
	}
	if err := Restore(dir, bytes.NewReader(tarred.Bytes())); !errors.Is(err, ErrNotEmpty) {
		t.Fatal(err)
	}
	r := open(t, Options{Dir: dir, Bytes: 1 << 20})
	defer r.Close()
	if got := all(t, r, "idle", 1); len(got) != 1 {
		t.Fatal("idle is gone")
	}
	got := all(t, r, "busy", 1)
	if last := got[len(got)-1].Seq; last < atLeast {
		t.Fatalf("%d of %d", last, atLeast)
	}
	if m, _, _ := acked(r, "c", "#"); m["idle"] != 1 {
		t.Fatal("the cursor is gone")
	}
	if i, _ := r.Topic("busy"); i.Next < seq {
		t.Fatalf("%+v", i)
	}
	for _, bad := range [][]byte{nil, tarred.Bytes()[:3000], evilTar(t)} {
		to := filepath.Join(t.TempDir(), "bad")
		if err := Restore(to, bytes.NewReader(bad)); err == nil {
			t.Error("restored")
		}
		if list, _ := filepath.Glob(filepath.Join(to, "*.seg")); len(list) > 0 {
			t.Error("left behind: ", list)
		}
	}
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(b []byte) (int, error) { return f(b) }

func evilTar(t *testing.T) []byte {
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, name := range []string{"../../0000000100000001.seg", "/etc/passwd", "0000000100000002.seg"} {
		w.WriteHeader(&tar.Header{Name: name, Size: 1 << 10})
		io.CopyN(w, zeros{}, 1<<10)
	}
	w.Close()
	return b.Bytes()
}

type zeros struct{}

func (zeros) Read(b []byte) (int, error) { clear(b); return len(b), nil }

// The bound is exact under random work: readings of all sizes, topics that come
// and go, cursors, crashes.
func TestBoundUnderRandomWork(t *testing.T) {
	rnd := rand.New(rand.NewSource(3))
	for _, bound := range []int64{MinBytes, 300_000, 1 << 20, 5 << 20} {
		m := newMemFS(bound)
		o := Options{Dir: "d", FS: m, Bytes: bound, Sync: time.Hour}
		s := open(t, o)
		next := map[string]uint64{}
		full := 0
		for i := range 6000 {
			topic := fmt.Sprint("t", rnd.Intn(40))
			next[topic]++
			size := rnd.Intn(300)
			if rnd.Intn(50) == 0 {
				size = rnd.Intn(o.segmentSize())
			}
			if _, err := s.Append(reading(topic, 1+next[topic]>>32, next[topic]&(1<<32-1), size)); err != nil && err.Code != 413 {
				if full++; err != errSlow && err != errLive {
					t.Fatal(err)
				}
			}
			switch rnd.Intn(100) {
			case 0:
				s.Ack(fmt.Sprint("c", rnd.Intn(5)), "#", topic, next[topic])
			case 1:
				s.EndCursor(fmt.Sprint("c", rnd.Intn(5)), "#")
			case 2, 3, 4:
				if err := s.Sync(); err != nil {
					t.Fatal(err)
				}
			case 5:
				s.Forget(topic)
				next[topic] = (next[topic]>>32 + 1) << 32
			}
			if n := m.tree("d"); n > max(bound, MinBytes) {
				t.Fatalf("step %d: %d bytes of %d", i, n, bound)
			}
			if i%1500 == 1499 {
				m.crash()
				s.Close()
				m.boot()
				s = open(t, o)
				for name := range next {
					next[name] = (next[name]>>32 + 1) << 32
					s.Forget(name)
				}
				if n := m.tree("d"); n > max(bound, MinBytes) {
					t.Fatalf("open: %d bytes of %d", n, bound)
				}
			}
		}
		s.Close()
		if rep, err := Verify("d", m); err != nil || len(rep.Damage) > 0 {
			t.Fatal(rep.Damage, err)
		}
		t.Logf("bound %d: %d refused, %+v", bound, full, s.Stats())
	}
}

// A board without a battery, whose power is cut each day, learns the time when it has been
// up for a while: who has not been seen for Forget is forgotten then, and who was is not,
// whatever the clock said when.
func TestCursorsOfABoardWithoutAClock(t *testing.T) {
	mono, days := &clock{}, int64(0)
	var wall atomic.Int64
	o := Options{Dir: t.TempDir(), Bytes: 1 << 20, Sync: time.Hour, Mono: mono.now, Wall: wall.Load}
	day := int64(24 * time.Hour / time.Millisecond)
	set := func() { wall.Store(sane + days*day) }
	set()
	s := open(t, o)
	s.Use("gone", "#")
	s.Use("here", "#")
	for ; days < 40; days++ {
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		wall.Store(30_000)
		s = open(t, o)
		if days%2 == 0 { // before it is known what day it is, or after
			s.Use("here", "#")
		}
		set()
		if days%2 > 0 {
			s.Use("here", "#")
		}
		put(t, s, reading("a", 7, uint64(days+1), 100)) // the writer has its turn
		if _, _, ok := acked(s, "here", "#"); !ok {
			t.Fatalf("who comes each day is forgotten after %d days", days)
		}
		if _, _, ok := acked(s, "gone", "#"); ok && days > 31 {
			t.Fatalf("who has gone is known after %d days", days)
		} else if !ok && days < 29 {
			t.Fatalf("who has gone is forgotten after %d days", days)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}
