package node

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
	"time"
)

// bucketsOf is what Steps tells, all of it.
func bucketsOf(h *Hub, topic string, step, since int64) (got []Bucket) {
	s := h.Steps(h.Find([]byte(topic)), step, since)
	for done := false; !done; {
		done = s.Next(func(b *Bucket) bool {
			c := *b
			c.Field = []byte(string(b.Field))
			got = append(got, c)
			return len(got)%7 != 0 // whoever stops gets the rest with the next call
		})
	}
	return got
}

// worth is a reading that a test published.
type worth struct {
	ts    int64
	value float64
}

// stepsOf is the slow way: a bucket for each run of readings of one step.
func stepsOf(list []worth, step int64) (want []Bucket) {
	at := int64(-1)
	for _, r := range list {
		if b := r.ts / step * step; b != at {
			at = b
			want = append(want, Bucket{TS: b, Min: r.value, Max: r.value})
		}
		b := &want[len(want)-1]
		b.Mean = (b.Mean*float64(b.N) + r.value) / float64(b.N+1)
		b.Min, b.Max = min(b.Min, r.value), max(b.Max, r.value)
		b.N++
	}
	return want
}

func sameBuckets(t *testing.T, got, want []Bucket) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%d buckets, want %d", len(got), len(want))
	}
	for i, g := range got {
		if w := want[i]; g.TS != w.TS || g.N != w.N || g.Min != w.Min || g.Max != w.Max || math.Abs(g.Mean-w.Mean) > 1e-3+(w.Max-w.Min)/60000 {
			t.Fatalf("bucket %d of %d is %+v, want %+v", i, len(got), g, w)
		}
	}
}

// TestHistoryGoesBackADay: with the default cap, at a reading a second, whatever the
// clock on the wall did: no reading is counted twice, and none since a day is missing.
func TestHistoryGoesBackADay(t *testing.T) {
	for name, skew := range map[string][]time.Duration{
		"a steady clock": nil, "set back an hour": {-time.Hour}, "from 1970 to today and on": {-400_000 * time.Hour, 400_001 * time.Hour, 90 * time.Second, -2 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			h := newClocked(t, Options{})
			p := open(t, h.Hub)
			r := rand.New(rand.NewPCG(1, 2))
			var all []worth
			for i := range 100_000 {
				if n := 100_000 / (len(skew) + 1); i > 0 && i%n == 0 && i/n <= len(skew) {
					h.step(skew[i/n-1])
				}
				h.wait(time.Second)
				v := math.Round(200+50*r.NormFloat64()) / 10
				p.pub(t, "a", fmt.Sprintf(`{"n":"temp","u":"Cel","v":%v}`, v), h.turn)
				all = append(all, worth{h.turn.Wall, v})
			}
			i := h.Info(h.Find([]byte("a")), h.now)
			if i.Bytes > i.Cap || i.Past > i.Cap/4+1024 || i.Past == 0 {
				t.Errorf("%d bytes, %d of them minutes, of %d", i.Bytes, i.Past, i.Cap)
			}
			for _, step := range []int64{60_000, 3_600_000, 86_400_000} {
				got := bucketsOf(h.Hub, "a", step, Always)
				n := int64(0)
				for _, b := range got {
					n += b.N
				}
				if n < 86_400 {
					t.Fatalf("%d readings are counted, less than a day", n)
				}
				sameBuckets(t, got, stepsOf(all[len(all)-int(n):], step))
			}
			// The last hour, by what has passed.
			n := int64(0)
			for _, b := range bucketsOf(h.Hub, "a", 60_000, h.now-3_600_000) {
				n += b.N
			}
			if n < 3600 || n > 3661 {
				t.Errorf("of the last hour %d readings are counted", n)
			}
			t.Logf("%d readings in memory, %d bytes of minutes", i.Readings, i.Past)
		})
	}
}

// What is on disk only is told from there, in steps of any length.
func TestStepsOfADurableTopicBeginOnDisk(t *testing.T) {
	d := newRAM("plant/")
	h := newClocked(t, Options{TopicCap: 8 << 10, Disk: d})
	p := open(t, h.Hub)
	var all []worth
	for i := range 8000 {
		h.wait(2 * time.Second)
		p.pub(t, "plant/a", fmt.Sprint(i%977), h.turn)
		all = append(all, worth{h.turn.Wall, float64(i % 977)})
	}
	if i := h.Info(h.Find([]byte("plant/a")), h.now); i.Past == 0 || i.Readings > 1000 {
		t.Fatalf("%d readings in memory, %d bytes of minutes", i.Readings, i.Past)
	}
	for _, step := range []int64{1, 10_000, 60_000, 120_000, 86_400_000} {
		sameBuckets(t, bucketsOf(h.Hub, "plant/a", step, Always), stepsOf(all, step))
	}
	for _, age := range []int64{60, 3600, 15_000} {
		n, first := int64(0), int64(math.MaxInt64)
		for _, b := range bucketsOf(h.Hub, "plant/a", 60_000, h.now-age*1000) {
			n, first = n+b.N, min(first, b.TS)
		}
		if n < age/2 || n > age/2+61 || first > h.turn.Wall-age*1000 {
			t.Errorf("of the last %d s %d readings are counted", age, n)
		}
	}
}

// Fields have their names, steps below a minute are exact where readings are, and a day
// of another length is whole minutes.
func TestStepsOfSeveralFields(t *testing.T) {
	h := newClocked(t, Options{TopicCap: 4 << 10})
	p := open(t, h.Hub)
	h.now = h.now / 60_000 * 60_000
	for i := range 600 {
		p.pub(t, "a", fmt.Sprintf(`[{"n":"t","v":%d},{"n":"h","v":-1.5},{"n":"door","vb":true},{"n":"s","vs":"x"}]`, i), h.turn)
		h.wait(10 * time.Second)
	}
	got := bucketsOf(h.Hub, "a", 90_000, Always) // two minutes
	if len(got)%3 != 0 || len(got) < 90 {
		t.Fatalf("%d buckets", len(got))
	}
	for i, b := range got {
		if want := []string{"t", "h", "door"}[i%3]; string(b.Field) != want || b.TS%120_000 != 0 || b.N > 12 {
			t.Fatalf("bucket %d: %s %+v", i, b.Field, b)
		}
	}
	got = bucketsOf(h.Hub, "a", 10_000, h.now-100_000)
	if n := len(got); n < 30 || got[n-3].N != 1 || got[n-3].Min != 599 || got[n-2].Mean != -1.5 || got[n-1].Max != 1 {
		t.Errorf("the newest are %+v", got)
	}
	if s := string(got[len(got)-2].AppendJSON(nil)); s != fmt.Sprintf(`[%d,-1.5,-1.5,-1.5,1,"h"]`, h.now-10_000) {
		t.Error(s)
	}
}

// A topic's minutes end with it, and make room for other topics' newest readings.
func TestHistoryMakesRoom(t *testing.T) {
	h := newClocked(t, Options{Memory: 512 << 10, TopicCap: 300 << 10, Topics: 2000})
	p := open(t, h.Hub)
	for i := range 20_000 {
		h.wait(time.Second)
		p.pub(t, "a", fmt.Sprint(i), h.turn)
	}
	if i := h.Info(h.Find([]byte("a")), h.now); i.Past == 0 {
		t.Fatal("there are no minutes")
	}
	for i := range 800 {
		p.pub(t, fmt.Sprint("b/", i), "1", h.turn)
	}
	if err := h.CheckInvariants(); err != nil {
		t.Fatal(err)
	}
	if err := h.Delete([]byte("a"), nil, h.turn); err != nil {
		t.Fatal(err)
	}
	h.wait(time.Minute)
	h.sweep()
	if n := h.history.Load(); n != 0 {
		t.Errorf("heads of %d bytes are left", n)
	}
}

// Texts cost nothing, and a text among numbers does no harm.
func TestTextsHaveNoHistory(t *testing.T) {
	h := newClocked(t, Options{TopicCap: 2 << 10})
	p := open(t, h.Hub)
	for i := range 2000 {
		h.wait(time.Second)
		p.pub(t, "text", `"a text that says nothing in numbers"`, h.turn)
		data := fmt.Sprint(i)
		if i%3 == 0 {
			data = `"n/a"`
		}
		p.pub(t, "mixed", data, h.turn)
	}
	if i := h.Info(h.Find([]byte("text")), h.now); i.Past != 0 || len(bucketsOf(h.Hub, "text", 1, Always)) != 0 {
		t.Error("a text has history")
	}
	n := int64(0)
	for _, b := range bucketsOf(h.Hub, "mixed", 60_000, Always) {
		n += b.N
	}
	if n < 1300 {
		t.Errorf("%d numbers are counted", n)
	}
}
