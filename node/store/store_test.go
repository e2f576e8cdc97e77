package store

import (
	"bytes"
	"fmt"
	"log/slog"
	"math/rand"
	"testing"
	"time"
)

func open(t testing.TB, o Options) *Store {
	t.Helper()
	if o.Dir == "" {
		o.Dir = t.TempDir()
	}
	if o.Log == nil && testing.Verbose() {
		o.Log = slog.New(slog.NewTextHandler(testWriter{t}, nil))
	}
	s, err := Open(o)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

type testWriter struct{ t testing.TB }

func (w testWriter) Write(b []byte) (int, error) {
	w.t.Log(string(bytes.TrimSpace(b)))
	return len(b), nil
}

func reading(topic string, ep, seq uint64, size int) *Reading {
	data := fmt.Appendf(nil, "%s/%d/%d:", topic, ep, seq)
	for len(data) < size {
		data = append(data, byte('a'+len(data)%26))
	}
	return &Reading{Topic: topic, Ep: ep, Seq: seq, TS: int64(1_800_000_000_000 + seq), From: []byte("dev-" + topic),
		Dev: []byte("d-" + topic), DevSeq: seq, Flags: CBOR, Data: data}
}

func same(t testing.TB, got, want *Reading) {
	t.Helper()
	if got.Topic != want.Topic || got.Ep != want.Ep || got.Seq != want.Seq || got.TS != want.TS || got.Flags != want.Flags ||
		got.DevSeq != want.DevSeq || !bytes.Equal(got.From, want.From) || !bytes.Equal(got.Dev, want.Dev) || !bytes.Equal(got.Data, want.Data) {
		t.Fatalf("read %+v\nwant %+v", got, want)
	}
}

func put(t testing.TB, s *Store, r *Reading) Place {
	t.Helper()
	for {
		p, err := s.Append(r)
		if err == nil {
			return p
		}
		if err != errSlow || s.Sync() != nil {
			t.Fatal(err)
		}
	}
}

// all reads a topic from number from on.
func all(t testing.TB, s *Store, topic string, from uint64) (out []Reading) {
	t.Helper()
	var p Page
	for {
		if err := s.Read(topic, from, 4096, &p); err != nil {
			t.Fatal(err)
		}
		for _, r := range p.Readings {
			r.From, r.Dev, r.Data = bytes.Clone(r.From), bytes.Clone(r.Dev), bytes.Clone(r.Data)
			out = append(out, r)
		}
		if !p.More {
			return out
		}
		from = p.Next
	}
}

// checkPages reads topics plant/0… with numbers 1 to each in all ways.
func checkPages(t *testing.T, s *Store, ep uint64, topics, each int) {
	t.Helper()
	for k := range topics {
		name := fmt.Sprintf("plant/%d", k)
		got := all(t, s, name, 1)
		if len(got) != each {
			t.Fatalf("%s: %d readings", name, len(got))
		}
		for i := range got {
			same(t, &got[i], reading(name, ep, uint64(i+1), 100))
		}
		from := uint64(1 + rand.Intn(each))
		if got = all(t, s, name, from); got[0].Seq != from || len(got) != each-int(from)+1 {
			t.Fatalf("%s from %d: %d from %d", name, from, len(got), got[0].Seq)
		}
		for _, n := range []int{1, 5, each, each + 1} {
			if seq, err := s.Last(name, n); err != nil || seq != uint64(max(1, each-n+1)) {
				t.Fatalf("last %d of %s: %d %v", n, name, seq, err)
			}
		}
		for _, ts := range []int64{0, 50, int64(each), int64(each) + 1} {
			if seq, err := s.Since(name, 1_800_000_000_000+ts); err != nil || seq != uint64(max(1, ts)) {
				t.Fatalf("since %d of %s: %d %v", ts, name, seq, err)
			}
		}
	}
}

// What is on disk takes no room from what may wait, whether or not more comes.
func TestRoomAfterABurst(t *testing.T) {
	s := open(t, Options{Dir: t.TempDir(), Pending: 2 * syncBytes})
	total := uint64(0)
	burst := func(ep uint64) (n uint64) {
		s.mu.Lock()
		defer s.mu.Unlock() // the writer takes all of it, not what it is quick to see
		for {
			if _, _, err := s.appendLocked(reading("a", ep, total+1, 100)); err == errSlow {
				return n
			} else if err != nil {
				t.Fatal(err)
			}
			n++
			total++
		}
	}
	first := burst(s.Epoch())
	if err := s.Sync(); err != nil {
		t.Fatal(err)
	}
	if second := burst(s.Epoch()); second != first {
		t.Errorf("%d readings may wait, and after they were written %d", first, second)
	}
}

func TestAppendReadReopen(t *testing.T) {
	dir := t.TempDir()
	s := open(t, Options{Dir: dir, Sync: 5 * time.Millisecond})
	ep := s.Epoch()
	const topics, each = 20, 700
	for i := uint64(1); i <= each; i++ {
		for k := range topics {
			put(t, s, reading(fmt.Sprintf("plant/%d", k), ep, i, 100))
		}
		if i == 300 { // some on disk, some waiting
			if err := s.Sync(); err != nil {
				t.Fatal(err)
			}
		}
	}
	check := func(s *Store) { t.Helper(); checkPages(t, s, ep, topics, each) }
	check(s)
	if err := s.Sync(); err != nil {
		t.Fatal(err)
	}
	check(s)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Append(reading("x", ep, 1, 10)); err == nil {
		t.Fatal("a closed store took a reading")
	}
	s = open(t, Options{Dir: dir})
	check(s)
	n := 0
	s.Topics(func(i TopicInfo) {
		n++
		if i.Ep != ep || i.First != 1 || i.Last != each || i.Next != each+1 {
			t.Errorf("%+v", i)
		}
	})
	if n != topics {
		t.Errorf("%d topics", n)
	}
	if s.Epoch() < ep+EpochRoom {
		t.Errorf("epoch %d after %d", s.Epoch(), ep)
	}
	seen := 0
	s.Devices(func(dev string, last []Seen) {
		seen++
		if len(last) != PerDevice || last[PerDevice-1].Seq != each || last[0].DevSeq != each-PerDevice+1 {
			t.Errorf("%s: %+v", dev, last)
		}
	})
	if seen != topics {
		t.Errorf("%d devices", seen)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestReadLogInOrder(t *testing.T) {
	s := open(t, Options{Sync: time.Hour})
	defer s.Close()
	var want []*Reading
	for i := uint64(1); i <= 3000; i++ {
		r := reading(fmt.Sprint("t", i%7), 9, i, 100)
		r.Place = put(t, s, r)
		want = append(want, r)
	}
	if err := s.Sync(); err != nil {
		t.Fatal(err)
	}
	from := Place0
	for len(want) > 0 {
		next, lost, err := s.ReadLog(from, 5000, func(r *Reading) bool {
			same(t, r, want[0])
			if r.Place != want[0].Place {
				t.Fatalf("place %d, want %d", r.Place, want[0].Place)
			}
			want = want[1:]
			return true
		})
		if err != nil || lost != (Lost{}) || next == from {
			t.Fatal(next, lost, err)
		}
		from = next
	}
}

// between lets something happen while a file is opened for reading.
type between struct {
	osFS
	do func()
}

func (b *between) Open(name string, create bool) (File, error) {
	if do := b.do; do != nil && !create {
		b.do = nil
		do()
	}
	return b.osFS.Open(name, create)
}

// What is synced while the log is read comes with the next page: the uplink had
// counted it as lost, and gone on behind it.
func TestReadLogWhileTheLogGrows(t *testing.T) {
	fs := &between{}
	s := open(t, Options{Sync: time.Hour, FS: fs})
	defer s.Close()
	seq := uint64(0)
	grow := func() {
		for range 3 {
			seq++
			put(t, s, reading("t", 9, seq, 100))
		}
		if err := s.Sync(); err != nil {
			t.Fatal(err)
		}
	}
	grow()
	from, read := Place0, uint64(0)
	for _, do := range []func(){grow, grow, nil, nil} {
		fs.do = do
		next, lost, err := s.ReadLog(from, 1<<20, func(r *Reading) bool {
			if read++; r.Seq != read {
				t.Fatalf("reading %d, want %d", r.Seq, read)
			}
			return true
		})
		if err != nil || lost != (Lost{}) {
			t.Fatal(lost, err)
		}
		from = next
	}
	if read != seq {
		t.Errorf("%d of %d readings", read, seq)
	}
}

// The bound holds at every moment, each topic keeps its newest reading, and
// what is gone is counted once.
func TestBound(t *testing.T) {
	dir := t.TempDir()
	o := Options{Dir: dir, Bytes: 1 << 20, Sync: time.Millisecond}
	s := open(t, o)
	put(t, s, reading("idle", 7, 1, 100))
	place := put(t, s, reading("idle", 7, 2, 100))
	sum := func(when string) {
		if n := tree(t, dir); n > o.Bytes {
			t.Fatalf("%s: %d bytes", when, n)
		}
	}
	const n = 30000
	for i := uint64(1); i <= n; i++ {
		put(t, s, reading(fmt.Sprint("t", i%3), 7, i, 60+int(i%90)))
		if i%50 == 0 {
			if err := s.Sync(); err != nil {
				t.Fatal(err)
			}
			sum(fmt.Sprint(i))
		}
	}
	for range 2 {
		if got := all(t, s, "idle", 1); len(got) != 1 || got[0].Place != place {
			t.Fatalf("idle: %+v", got)
		} else {
			same(t, &got[0], reading("idle", 7, 2, 100))
		}
		held := 1
		for k := range 3 {
			held += len(all(t, s, fmt.Sprint("t", k), 1))
		}
		if lost := s.Stats().LostBytes; held+int(lost) != n+2 {
			t.Fatalf("%d held and %d lost of %d", held, lost, n+2)
		}
		got, lost := wholeLog(t, s)
		if got != held || lost[ByBytes] != s.Stats().LostBytes || lost[ByAge] != 0 || lost[ByDamage] != 0 {
			t.Fatalf("log: %d of %d, lost %v of %d", got, held, lost, s.Stats().LostBytes)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		sum("closed")
		s = open(t, o)
		sum("open")
	}
	s.Close()
}

// wholeLog counts the log's readings and what is lost of it.
func wholeLog(t *testing.T, s *Store) (got int, lost Lost) {
	t.Helper()
	for from := Place0; ; {
		next, l, err := s.ReadLog(from, PageBytes, func(r *Reading) bool { got++; return true })
		if err != nil {
			t.Fatal(err)
		}
		for i := range l {
			lost[i] += l[i]
		}
		if next == from {
			return got, lost
		}
		from = next
	}
}

// A page opens a few files, however many there are and wherever it begins.
func TestPageOpensFewFiles(t *testing.T) {
	m := newMemFS(1)
	s := open(t, Options{Dir: "d", FS: m, Bytes: 16 << 20, Sync: time.Hour})
	defer s.Close()
	const topics, n = 16, 100_000
	for seq := range uint64(n) {
		put(t, s, reading(fmt.Sprint("t", seq%topics), 1, seq+1, 100))
		if seq == n/2 { // of this one there is little, and numbers leap
			for k := range uint64(50) {
				put(t, s, reading("rare", 1, k<<20+1, 100))
			}
		}
	}
	if err := s.Sync(); err != nil {
		t.Fatal(err)
	}
	if n := s.Stats().Segments; n < 40 {
		t.Fatalf("%d segments", n)
	}
	opens, most, sum := 0, 0, 0
	m.mu.Lock()
	m.fail = func(op, _ string) error {
		if op == "open" {
			opens++
		}
		return nil
	}
	m.mu.Unlock()
	var p Page
	for i := range uint64(400) {
		topic, from := fmt.Sprint("t", i%topics), 1+i*(n/400)
		if i%20 == 0 {
			topic, from = "rare", i<<17
		}
		opens = 0
		if err := s.Read(topic, from, 1000, &p); err != nil || len(p.Readings) == 0 || p.Readings[0].Seq < from || p.Readings[0].Seq > from+1<<20 {
			t.Fatalf("%s from %d: %d readings, the first is %d: %v", topic, from, len(p.Readings), p.Readings[0].Seq, err)
		}
		most, sum = max(most, opens), sum+opens
	}
	t.Logf("%d files opened at most, %.2f in the mean", most, float64(sum)/400)
	if most > 3 || sum > 400*5/4 { // mostly one: twice the one was 12 % of a page's time
		t.Errorf("a page opened up to %d files, 400 opened %d", most, sum)
	}
}
