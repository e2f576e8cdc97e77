package minutes

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"topicd/codec"
	"topicd/node/arena"
)

// rig is a Log and what should be in it, a slow list.
type rig struct {
	t    *testing.T
	a    *arena.Arena
	m    *Log
	want []Point
	seq  uint64
	open int // of want: where the open minute begins
}

func newRig(t *testing.T) *rig {
	a := arena.New(1 << 20)
	t.Cleanup(a.Close)
	return &rig{t: t, a: a, m: New()}
}

func (g *rig) add(ts int64, era uint16, limit uint32, ns ...codec.Number) {
	g.seq++
	if g.m.Add(g.a, g.seq, &arena.Record{TS: ts, Era: era}, ns, limit, true) {
		g.t.Fatal("a minute is lost in an arena with room")
	}
	at := ts / minute * minute
	if n := len(g.want); n > 0 && (g.want[n-1].TS != at || g.want[n-1].Era != era) {
		g.open = n
	}
next:
	for _, f := range ns {
		for i := g.open; i < len(g.want); i++ {
			if p := &g.want[i]; string(p.Name) == string(f.Name) {
				p.Mean = (p.Mean*float64(p.N) + f.Value) / float64(p.N+1)
				p.Min, p.Max = min(p.Min, f.Value), max(p.Max, f.Value)
				p.N++
				continue next
			}
		}
		g.want = append(g.want, Point{f.Name, at, era, 1, f.Value, f.Value, f.Value})
	}
}

// points are what the log tells, oldest first.
func points(t testing.TB, m *Log, a *arena.Arena) (got []Point) {
	for next, ended := uint64(0), false; !ended; {
		var raw []byte
		raw, next, ended = m.Read(a, next, nil, 700)
		for len(raw) > 0 {
			var r arena.Record
			r, raw = arena.Parse(raw)
			if err := Parse(&r, func(p *Point) bool { got = append(got, *p); return true }); err != nil {
				t.Fatal(err)
			}
		}
	}
	return m.Open(got)
}

// check holds the log against the newest of what should be in it.
func (g *rig) check(limit uint32) int {
	g.t.Helper()
	if g.m.Bytes() > max(limit, 1024) {
		g.t.Fatalf("%d bytes, over the %d that it may take", g.m.Bytes(), limit)
	}
	if err := g.m.log.Check(g.a, make(map[uint32]bool)); err != nil {
		g.t.Fatal(err)
	}
	got := points(g.t, g.m, g.a)
	if len(got) > len(g.want) || len(got) == 0 {
		g.t.Fatalf("%d points of %d minutes", len(got), len(g.want))
	}
	want := g.want[len(g.want)-len(got):]
	for i := range got {
		p, w := got[i], want[i]
		// Within a minute its fields come in the order of the log's.
		for j := max(0, i-3); j < min(len(want), i+4); j++ {
			if c := want[j]; c.TS == p.TS && c.Era == p.Era && string(c.Name) == string(p.Name) {
				w = c
			}
		}
		off := max(math.Abs(w.Min), math.Abs(w.Max))*5e-6 + 1e-12
		if off > 0.0006 {
			off = max(0.0006, off*1e-7)
		}
		if p.TS != w.TS || p.Era != w.Era || p.N != w.N || string(p.Name) != string(w.Name) ||
			math.Abs(p.Min-w.Min) > off || math.Abs(p.Max-w.Max) > off || math.Abs(p.Mean-w.Mean) > 2*off+(w.Max-w.Min)/60000 {
			g.t.Fatalf("point %d of %d is %+v, want %+v", i, len(got), p, w)
		}
	}
	return len(got)
}

// TestModel: random readings of several shapes, whose clock is set now and then, in logs
// of several sizes, are told as a slow list has them.
func TestModel(t *testing.T) {
	for _, limit := range []uint32{512, 700, 1024, 4096, 16 << 10} {
		t.Run(fmt.Sprint(limit), func(t *testing.T) {
			r := rand.New(rand.NewPCG(uint64(limit), 1))
			g := newRig(t)
			ts, era := int64(1_700_000_000_000), uint16(0)
			for range 4000 {
				ts += int64(r.IntN(40_000))
				if r.IntN(200) == 0 {
					ts = max(0, ts+int64(r.IntN(10_000_000))-5_000_000)
					if era++; r.IntN(4) == 0 {
						ts = int64(r.IntN(3_600_000)) // a boot in 1970
					}
				}
				value := func() float64 {
					v := 20 + r.NormFloat64()
					switch r.IntN(300) {
					case 0:
						return v * 1e12
					case 1:
						return v * 1e-12
					case 2:
						return 0
					}
					return math.Round(v*100) / 100
				}
				switch r.IntN(40) {
				case 0:
					g.add(ts, era, limit, codec.Number{Name: []byte("temp"), Value: value()}, codec.Number{Name: []byte("hum"), Value: -value()})
				default:
					g.add(ts, era, limit, codec.Number{Value: value()})
				}
				if r.IntN(50) == 0 {
					g.check(limit)
				}
			}
			g.check(limit)
			g.m.Clear(g.a)
			if used, _, _ := g.a.Usage(); used != 0 {
				t.Errorf("%d bytes left", used)
			}
		})
	}
}

// A day of readings a second fits a quarter of the default cap, whatever sensor it is: only
// noise of ten digits does not.
func TestBytesAMinute(t *testing.T) {
	limit := Share(64 << 10)
	for name, value := range map[string]func(i int, r *rand.Rand) float64{
		"switch": func(i int, r *rand.Rand) float64 { return float64(i / 5000 % 2) },
		"one decimal": func(i int, r *rand.Rand) float64 {
			return math.Round(10*(20+5*math.Sin(float64(i)/13000)+r.NormFloat64()/5)) / 10
		},
		"two decimals": func(i int, r *rand.Rand) float64 {
			return math.Round(100*(20+5*math.Sin(float64(i)/13000)+r.NormFloat64()/5)) / 100
		},
		"six digits": func(i int, r *rand.Rand) float64 { return 20 + 5*math.Sin(float64(i)/13000) + r.NormFloat64() },
		"pressure":   func(i int, r *rand.Rand) float64 { return 101325.12 + 30*r.NormFloat64() },
		"meter":      func(i int, r *rand.Rand) float64 { return 123456789 + float64(i)*0.7 },
		"big noise":  func(i int, r *rand.Rand) float64 { return r.NormFloat64() * 1e6 },
	} {
		g := newRig(t)
		r := rand.New(rand.NewPCG(7, 7))
		for i := range 3 * 86400 {
			g.add(1_700_000_000_000+int64(i)*1000+int64(r.IntN(60)), 0, limit, codec.Number{Value: value(i, r)})
		}
		n := g.check(limit)
		t.Logf("%-13s %5d minutes in %d bytes: %.1f a minute", name, n, g.m.Bytes(), float64(g.m.Bytes())/float64(n))
		if n < 1440 && name != "big noise" {
			t.Errorf("%s: %d minutes are less than a day", name, n)
		}
	}
}

// The numbers that the minutes cover go from First on, without a hole, to what is in
// the topic's log still.
func TestFirstIsTheOldestReadingCounted(t *testing.T) {
	g := newRig(t)
	g.seq = 1<<32 - 3000
	if got := g.m.First(g.a, 17); got != 17 {
		t.Fatalf("of an empty one: %d", got)
	}
	for i := range 6000 {
		g.add(int64(i)*7000, 0, 2048, codec.Number{Value: float64(i)})
		n := uint64(0)
		for _, p := range points(t, g.m, g.a) {
			n += uint64(p.N)
		}
		if first := g.m.First(g.a, g.seq+1); first != g.seq+1-n {
			t.Fatalf("step %d: %d readings are counted, the oldest is said to be %d of %d", i, n, first, g.seq)
		}
	}
}

func TestNoRoomLosesAMinuteAndSaysSo(t *testing.T) {
	a := arena.New(64 << 10)
	defer a.Close()
	var full arena.Log
	full.Begin(1)
	for ok := true; ok; {
		_, ok = full.Append(a, &arena.Record{Data: make([]byte, 40)}, 1<<30, 1<<30)
	}
	m := New()
	lost := 0
	for i := range 10 {
		if m.Add(a, uint64(i), &arena.Record{TS: int64(i) * minute}, []codec.Number{{Value: 1}}, 4096, true) {
			lost++
		}
	}
	if lost != 9 {
		t.Errorf("%d minutes of 9 are said to be lost", lost)
	}
	full.Clear(a)
	if m.Add(a, 11, &arena.Record{TS: 11 * minute}, []codec.Number{{Value: 1}}, 4096, true) || len(points(t, m, a)) != 2 {
		t.Error("with room again nothing is kept")
	}
}

// FuzzParse: a block may come from a file.
func FuzzParse(f *testing.F) {
	a := arena.New(1 << 20)
	defer a.Close()
	m := New()
	for i := range 100 {
		m.Add(a, uint64(i), &arena.Record{TS: int64(i) * minute}, []codec.Number{{Value: float64(i) / 3}, {Name: []byte("hum"), Value: 1}}, 4096, true)
	}
	raw, _, _ := m.Read(a, 0, nil, 1<<20)
	for len(raw) > 0 {
		var r arena.Record
		r, raw = arena.Parse(raw)
		f.Add(r.TS, r.Data)
	}
	f.Fuzz(func(t *testing.T, ts int64, data []byte) {
		n := 0
		_ = Parse(&arena.Record{TS: ts & (1<<44 - 1), Data: data}, func(p *Point) bool {
			if n++; p.N <= 0 || p.TS < 0 || n > len(data) {
				t.Fatalf("%+v", p)
			}
			return true
		})
	})
}

func BenchmarkAdd(b *testing.B) {
	a := arena.New(1 << 20)
	defer a.Close()
	m := New()
	ns := []codec.Number{{Value: 21.5}}
	ts := int64(0)
	b.ReportAllocs()
	for b.Loop() {
		ts += 1000
		ns[0].Value = float64(ts%7000) / 100
		m.Add(a, uint64(ts), &arena.Record{TS: ts}, ns, 16<<10, true)
	}
}
