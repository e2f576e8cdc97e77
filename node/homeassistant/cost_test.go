package homeassistant

import (
	"fmt"
	"testing"

	"topicd/codec"
	"topicd/node"
)

// A round over a hub full of topics: sensors that have something new, and topics that
// are none.
func BenchmarkRound(b *testing.B) {
	hub := node.New(node.Options{Rate: -1, Topics: 16_384, Memory: 64 << 20})
	defer hub.Close()
	turn := hub.Turn()
	pub, _ := hub.Open(node.Deaf{}, node.Local, "", turn)
	var names [][]byte
	for i := range 16_000 {
		names = append(names, fmt.Appendf(nil, "house/%d/temp", i))
	}
	say := func() {
		for i, n := range names {
			text := `21.5`
			if i < maxTopics {
				text = `{"u":"Cel","v":21.5}`
			}
			if _, err := pub.Publish(n, node.Body{Enc: codec.JSON, Data: []byte(text)}, 0, turn); err != nil {
				b.Fatal(err)
			}
		}
	}
	say()
	s := New(Options{Hub: hub})
	if err := s.open(); err != nil {
		b.Fatal(err)
	}
	s.once()
	for b.Loop() {
		b.StopTimer()
		say()
		b.StartTimer()
		s.round()
	}
	b.ReportMetric(float64(len(s.seen)), "sensors")
	b.ReportMetric(float64(s.bytes), "counted-bytes")
}
