package node

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// steps are what people's boards do: NTP by seconds, a wrong zone, a boot in 1970
// that learns the time, a dead battery that forgets it.
func steps(h *clocked) map[string]time.Duration {
	epoch := time.Duration(h.now+h.skew) * time.Millisecond
	return map[string]time.Duration{
		"-2s": -2 * time.Second, "-71s": -71 * time.Second, "-1h": -time.Hour, "-1d": -24 * time.Hour,
		"+2s": 2 * time.Second, "+1h": time.Hour, "+1d": 24 * time.Hour, "to 1970": -epoch,
	}
}

func eachStep(t *testing.T, o Options, f func(t *testing.T, h *clocked, step func())) {
	for name, d := range steps(newClocked(t, Options{})) {
		t.Run(name, func(t *testing.T) {
			h := newClocked(t, o)
			f(t, h, func() { h.step(d) })
		})
	}
}

func TestBudgetIsRefilledWhateverTheWallSays(t *testing.T) {
	eachStep(t, Options{Rate: 100}, func(t *testing.T, h *clocked, step func()) {
		p := open(t, h.Hub)
		if err := p.s.Spend(100, 0, h.now); err != nil {
			t.Fatal(err)
		}
		step()
		for i := range 60 {
			h.wait(time.Second)
			if err := p.s.Spend(1, 0, h.now); err != nil {
				t.Fatalf("request %d, one a second where 100 are allowed: %v", i, err)
			}
		}
	})
}

func TestNobodyIsStaleByAStep(t *testing.T) {
	eachStep(t, Options{}, func(t *testing.T, h *clocked, step func()) {
		p := open(t, h.Hub)
		if err := p.s.Hello("pump", "", h.turn); err != nil {
			t.Fatal(err)
		}
		p.s.Heard(h.now)
		step()
		h.wait(time.Second)
		h.sweep()
		if s := p.s.Info().State; s != "online" {
			t.Errorf("heard 1 s ago, and %s", s)
		}
		h.wait(2 * time.Minute)
		h.sweep()
		if s := p.s.Info().State; s != "stale" {
			t.Errorf("silent for two minutes, and %s", s)
		}
	})
}

func TestTopicIsKeptForItsKeepTimeByTheHubsClock(t *testing.T) {
	eachStep(t, Options{Keep: time.Minute}, func(t *testing.T, h *clocked, step func()) {
		p := open(t, h.Hub)
		p.pub(t, "greenhouse/1/temp", "21.5", h.turn)
		p.s.Close(h.turn)
		h.sweep()
		step()
		h.wait(50 * time.Second)
		h.sweep()
		if h.Find([]byte("greenhouse/1/temp")) == nil {
			t.Fatal("it went before its time")
		}
		h.wait(15 * time.Second)
		h.sweep()
		if h.Find([]byte("greenhouse/1/temp")) != nil {
			t.Error("it stayed beyond its time")
		}
	})
}

func TestStaleTopicIsToldByTheHubsClock(t *testing.T) {
	eachStep(t, Options{}, func(t *testing.T, h *clocked, step func()) {
		if _, err := h.Make([]byte("a"), MakeOptions{Stale: 60}); err != nil {
			t.Fatal(err)
		}
		open(t, h.Hub).pub(t, "a", "1", h.turn)
		step()
		h.wait(30 * time.Second)
		if h.Info(h.Find([]byte("a")), h.now).Stale {
			t.Error("stale after 30 of 60 s")
		}
		h.wait(31 * time.Second)
		if !h.Info(h.Find([]byte("a")), h.now).Stale {
			t.Error("not stale after 61 of 60 s")
		}
	})
}

func TestSinceSecondsCountsSecondsThatPassed(t *testing.T) {
	eachStep(t, Options{}, func(t *testing.T, h *clocked, step func()) {
		p := open(t, h.Hub)
		for i := range 20 {
			h.wait(time.Minute)
			p.pub(t, "a", fmt.Sprint("before", i), h.turn)
		}
		step()
		for i := range 5 {
			h.wait(time.Minute)
			p.pub(t, "a", fmt.Sprint("after", i), h.turn)
		}
		topic := h.Find([]byte("a"))
		for seconds, want := range map[int64]uint64{120: 3, 299: 5, 310: 6, 601: 11, 99_999: 25} {
			if from, to := h.Span(topic, 0, true, -seconds, h.now); to-from != want {
				t.Errorf("readings of the last %d s: %d to %d, want %d", seconds, from, to, want)
			}
		}
		s := open(t, h.Hub)
		s.sub(t, "a", SubOptions{HasSince: true, Since: -120}, h.turn)
		if got := s.fill(h.now, 0); len(got) != 4 { // and live
			t.Errorf("a subscription since 120 s ago begins with %q", got)
		}
	})
}

// The disk knows readings by their ts only: the wall was set while they came.
func TestSinceFindsOnTheDiskWhatCameBeforeAStep(t *testing.T) {
	for name, opt := range map[string]func(at, now int64) SubOptions{
		"seconds":    func(at, now int64) SubOptions { return SubOptions{HasSince: true, Since: (at - now) / 1000} },
		"a position": func(at, now int64) SubOptions { return SubOptions{HasSince: true, After: at} },
	} {
		t.Run(name, func(t *testing.T) {
			d := newRAM("plant/")
			eachStep(t, Options{TopicCap: 1024, Disk: d}, func(t *testing.T, h *clocked, step func()) {
				d.tapes = map[string]*ramTape{}
				p := open(t, h.Hub)
				pub := func(n int) {
					for i := range n {
						h.wait(time.Second)
						p.pub(t, "plant/a", fmt.Sprintf("%04d%s", i, strings.Repeat("x", 60)), h.turn)
					}
				}
				pub(100)
				at := h.now
				pub(100)
				step()
				pub(100)
				s := open(t, h.Hub)
				s.sub(t, "#", opt(at, h.now), h.turn)
				got := map[string]bool{}
				for _, l := range append(s.fill(h.now, 0), s.all(d, h.now)...) {
					if f := strings.Fields(l); f[0] == "plant/a" {
						got[f[1]] = true
					}
				}
				for seq := 101; seq <= 300; seq++ {
					if !got[fmt.Sprint(seq)] {
						t.Fatalf("reading %d, which came after that, is not sent: %d came", seq, len(got))
					}
				}
			})
		})
	}
}

func TestReadingHeldByItsRateComesInTime(t *testing.T) {
	eachStep(t, Options{}, func(t *testing.T, h *clocked, step func()) {
		p, s := open(t, h.Hub), open(t, h.Hub)
		s.sub(t, "a", SubOptions{Rate: 1}, h.turn)
		s.fill(h.now, 0)
		p.pub(t, "a", "1", h.turn)
		want(t, s.fill(h.now, 0), "a 1 0 1")
		p.pub(t, "a", "2", h.turn)
		step()
		h.wait(500 * time.Millisecond)
		want(t, s.fill(h.now, 0))
		h.wait(501 * time.Millisecond)
		want(t, s.fill(h.now, 0), "a 2 0 2")
	})
}

func TestUptimeIsTimeThatPassed(t *testing.T) {
	eachStep(t, Options{}, func(t *testing.T, h *clocked, step func()) {
		step()
		h.wait(30 * time.Second)
		h.Figures(func(name string, v int64) {
			if name == "uptime" && v != 30 {
				t.Errorf("uptime %d s, want 30", v)
			}
		})
	})
}

func TestConnectionIsAsOldAsItIs(t *testing.T) {
	eachStep(t, Options{}, func(t *testing.T, h *clocked, step func()) {
		p := open(t, h.Hub)
		h.wait(10 * time.Second)
		step()
		if age := h.Wall() - p.s.Info().Since; age != 10_000 {
			t.Errorf("connected for %d ms", age)
		}
	})
}
