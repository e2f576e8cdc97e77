package show

import (
	"strings"
	"testing"
	"unicode/utf8"

	"topicd/node/client"
)

// What changes from round to round is a rate; what was there before is none.
func TestTopRates(t *testing.T) {
	v := Top{Sort: "rate"}
	v.Update([]client.TopicInfo{{Topic: "slow", Seq: 1000}, {Topic: "gone", Seq: 1}}, []client.ClientInfo{{Addr: "a", Drop: 3}}, 1)
	if s := v.State(10); s.Rate != 0 || s.Top[0].Rate != 0 || s.Lost != 3 {
		t.Errorf("a first round has rates: %+v", s)
	}
	v.Update([]client.TopicInfo{{Topic: "slow", Seq: 1002, Bytes: 10}, {Topic: "fast", Seq: 20, Bytes: 5}}, nil, 2001)
	s := v.State(10)
	if s.Topics != 2 || s.Clients != 0 || s.Rate != 11 || s.Bytes != 15 || s.Top[0].Topic != "fast" || s.Top[0].Rate != 10 || s.Top[1].Rate != 1 {
		t.Errorf("%+v", s)
	}
	v.Sort = "name"
	if s := v.State(1); len(s.Top) != 1 || s.Top[0].Topic != "fast" {
		t.Errorf("%+v", s)
	}
	v.Reverse = true
	if s := v.State(1); s.Top[0].Topic != "slow" {
		t.Errorf("%+v", s)
	}
	v.Filter = "fa"
	if s := v.State(9); len(s.Top) != 1 || s.Top[0].Topic != "fast" {
		t.Errorf("%+v", s)
	}
	v.Update([]client.TopicInfo{{Topic: "fast", Seq: 1}}, nil, 4001) // it began anew
	if s := v.State(9); s.Rate < 0 || s.Rate > 1 {
		t.Errorf("a topic that begins anew: %+v", s)
	}
}

// A screen has as many lines and columns as the terminal, whatever the names are.
func TestTopScreen(t *testing.T) {
	v := Top{}
	topics := []client.TopicInfo{{Topic: "evil\x1b[31m" + strings.Repeat("ü", 100), Seq: 1}}
	for range 50 {
		topics = append(topics, client.TopicInfo{Topic: "t" + strings.Repeat("x", len(topics))})
	}
	v.Update(topics, []client.ClientInfo{{Client: "c", Addr: "a"}}, 1)
	for _, clients := range []bool{false, true} {
		v.Clients = clients
		for _, height := range []int{5, 24, 100} {
			v.Scroll = 1000
			lines := strings.Split(v.Screen(80, height, false), "\r\n")
			if len(lines) != height {
				t.Errorf("%d lines of %d", len(lines), height)
			}
			for _, l := range lines {
				if l = strings.TrimSuffix(l, "\x1b[K"); utf8.RuneCountInString(l) > 80 || strings.Contains(l, "\x1b") {
					t.Errorf("%q", l)
				}
			}
		}
	}
}

func TestSpark(t *testing.T) {
	if got := Spark([]float64{0, 1, 2, 4}); got != "▁▃▅█" {
		t.Error(got)
	}
	if got := Spark([]float64{0, 0}); got != "▁▁" {
		t.Error(got)
	}
}
