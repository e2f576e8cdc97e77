package node

import (
	"fmt"
	"testing"

	"topicd/codec"
	"topicd/node/fan"
)

// Costs per message must stay flat as the hub grows. Each benchmark's ns/op is
// one publish, or one delivery where its name says so.

var benchBody = Body{Enc: codec.JSON, Data: []byte(`{"sensor":"s000123","t":1700000000000000000,"temp":23.41,"hum":51.20,"bat":3.71,"seq":1000123}`)}

// fixed is a Format that costs next to nothing.
type fixed struct{}

func (*fixed) Append(dst []byte, r *Reading) ([]byte, bool) { return append(dst, r.Data...), true }
func (*fixed) Live(dst []byte, _ string, _ uint64, _ int64) ([]byte, bool) {
	return dst, false
}
func (*fixed) Text() bool { return true }

var fixedFormat = &fixed{}

type benchHub struct {
	*Hub
	turn    *Turn
	scratch Scratch
	buf     []byte
}

func newBench(b *testing.B) *benchHub {
	h := New(Options{Memory: 64 << 20, Topics: fan.MaxTopics, Sessions: 1 << 20, Subs: fan.MaxSlots, Rate: -1, Ready: 1 << 30})
	b.Cleanup(h.Close)
	return &benchHub{Hub: h, turn: h.Turn()}
}

func (h *benchHub) open(b testing.TB) *Session {
	s, err := h.Open(&peer{}, "", "", h.turn)
	if err != nil {
		b.Fatal(err)
	}
	return s
}

func (h *benchHub) sub(b testing.TB, s *Session, pattern string) {
	if _, err := s.Subscribe([]byte(pattern), SubOptions{Format: fixedFormat}, h.turn); err != nil {
		b.Fatal(err)
	}
	h.drain()
}

func (h *benchHub) drain() {
	for _, s := range h.turn.Take() {
		for next := Again; next == Again; {
			h.buf, next = s.Fill(h.buf[:0], 64<<10, h.turn.Mono, newline{}, &h.scratch)
		}
	}
}

func (h *benchHub) pub(b testing.TB, s *Session, name []byte) {
	if _, err := s.Publish(name, benchBody, 0, h.turn); err != nil {
		b.Fatal(err)
	}
}

func BenchmarkPublish(b *testing.B) {
	h := newBench(b)
	s := h.open(b)
	b.ReportAllocs()
	for b.Loop() {
		h.pub(b, s, []byte("greenhouse/1/temp"))
	}
}

// One publish, a thousand cursors that exist already.
func BenchmarkPublishToLaggards(b *testing.B) {
	h := newBench(b)
	s := h.open(b)
	for range 1000 {
		h.sub(b, h.open(b), "a")
	}
	b.ReportAllocs()
	for b.Loop() {
		h.pub(b, s, []byte("a"))
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/1000, "ns/cursor")
}

func BenchmarkFill(b *testing.B) {
	for _, c := range []struct{ readers, readings int }{{1, 1}, {20, 1}, {1000, 1}, {1000, 16}, {1000, 64}} {
		b.Run(fmt.Sprintf("readers=%d/readings=%d", c.readers, c.readings), func(b *testing.B) {
			h := newBench(b)
			s := h.open(b)
			for range c.readers {
				h.sub(b, h.open(b), "a")
			}
			b.ReportAllocs()
			for b.Loop() {
				for range c.readings {
					h.pub(b, s, []byte("a"))
				}
				h.drain()
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(c.readers*c.readings), "ns/delivery")
		})
	}
}

func sizes(b *testing.B, run func(b *testing.B, n int), ns ...int) {
	for _, n := range ns {
		b.Run(fmt.Sprint("n=", n), func(b *testing.B) { run(b, n) })
	}
}

// GrowTopics: one subscriber of everything, the publishers go round n topics.
func BenchmarkGrowTopics(b *testing.B) {
	sizes(b, func(b *testing.B, n int) {
		h := newBench(b)
		s := h.open(b)
		h.sub(b, h.open(b), "#")
		names := make([][]byte, n)
		for i := range names {
			names[i] = fmt.Appendf(nil, "s/%06d", i)
			h.pub(b, s, names[i])
			h.drain()
		}
		b.ReportAllocs()
		for i := 0; b.Loop(); i++ {
			h.pub(b, s, names[i%n])
			if i%8 == 7 { // no topic twice, with ten either: a visit then yields one reading
				h.drain()
			}
		}
	}, 10, 100, 1000, 10_000, 100_000)
}

// GrowSubscribers: per delivery, n subscribers of one topic.
func BenchmarkGrowSubscribers(b *testing.B) {
	sizes(b, func(b *testing.B, n int) {
		h := newBench(b)
		s := h.open(b)
		for range n {
			h.sub(b, h.open(b), "a")
		}
		b.ReportAllocs()
		for b.Loop() {
			h.pub(b, s, []byte("a"))
			h.drain()
		}
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(n), "ns/delivery")
	}, 1, 10, 100, 1000, 10_000)
}

// GrowPatterns: n patterns, one of which fits the topic.
func BenchmarkGrowPatterns(b *testing.B) {
	sizes(b, func(b *testing.B, n int) {
		h := newBench(b)
		s := h.open(b)
		h.sub(b, h.open(b), "a/+")
		var other *Session
		for i := range n - 1 {
			if i%fan.MaxSlots == 0 {
				other = h.open(b)
			}
			h.sub(b, other, fmt.Sprintf("x/%d/+", i))
		}
		b.ReportAllocs()
		for b.Loop() {
			h.pub(b, s, []byte("a/b"))
			h.drain()
		}
	}, 1, 10, 100, 1000, 10_000)
}

// GrowSessions: n sessions with a topic each; one publishes, one listens.
func BenchmarkGrowSessions(b *testing.B) {
	sizes(b, func(b *testing.B, n int) {
		h := newBench(b)
		s := h.open(b)
		h.sub(b, h.open(b), "a")
		for i := range n {
			h.sub(b, h.open(b), fmt.Sprint("other/", i))
		}
		b.ReportAllocs()
		for b.Loop() {
			h.pub(b, s, []byte("a"))
			h.drain()
		}
	}, 1, 10, 100, 1000, 10_000)
}

// BenchmarkPublishFull: 10,000 topics share a full arena of 16 MiB, a stuck
// subscriber of everything with them.
func BenchmarkPublishFull(b *testing.B) {
	h := New(Options{Rate: -1})
	b.Cleanup(h.Close)
	bh := &benchHub{Hub: h, turn: h.Turn()}
	s := bh.open(b)
	stuck := bh.open(b)
	if _, err := stuck.Subscribe([]byte("#"), SubOptions{Format: fixedFormat}, bh.turn); err != nil {
		b.Fatal(err)
	}
	names := make([][]byte, 10_000)
	for i := range names {
		names[i] = fmt.Appendf(nil, "s/%06d", i)
	}
	for i := range 300_000 {
		bh.pub(b, s, names[i%len(names)])
	}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		h.Tick(bh.turn)
		bh.pub(b, s, names[i%len(names)])
	}
}

// crowded is a hub whose readers of everything do not read: 30 of them, each with
// a cursor on each of 16,000 topics.
func crowded(b *testing.B) (h *Hub, p *peer, turn *Turn) {
	h = New(Options{Rate: -1, Topics: 20_000, Memory: 64 << 20, Subs: 300, Sessions: 100})
	b.Cleanup(h.Close)
	turn = h.Turn()
	p = open(b, h)
	for range 30 {
		open(b, h).sub(b, "#", SubOptions{Last: 1}, turn)
	}
	for i := range 16_000 {
		p.pub(b, fmt.Sprintf("a/%d/%d", i%250, i), "1", turn)
	}
	turn.Take()
	return h, p, turn
}

// The end of a topic that all of them have a cursor on.
func BenchmarkTopicEnds(b *testing.B) {
	h, p, turn := crowded(b)
	b.ReportAllocs()
	for b.Loop() {
		p.pub(b, "room", "1", turn)
		if err := h.Delete([]byte("room"), nil, turn); err != nil {
			b.Fatal(err)
		}
		turn.Take()
	}
}

// A client with 250 patterns leaves.
func BenchmarkSessionCloses(b *testing.B) {
	h, _, turn := crowded(b)
	for b.Loop() {
		b.StopTimer()
		s := open(b, h)
		for i := range 250 {
			s.sub(b, fmt.Sprintf("+/%d/#", i), SubOptions{}, turn)
		}
		b.StartTimer()
		s.s.Close(turn)
	}
}

// A list of all topics, after one has come.
func BenchmarkList(b *testing.B) {
	h, p, turn := crowded(b)
	for i := 0; b.Loop(); i++ {
		p.pub(b, fmt.Sprint("new/", i%2000), "1", turn)
		h.Listed("#")
		turn.Take()
	}
}

func BenchmarkSweep(b *testing.B) {
	h, _, turn := crowded(b)
	for b.Loop() {
		h.Sweep(turn)
	}
}
