package client

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"topicd/codec"
	"topicd/node"
	"topicd/node/nodetest/port"
)

// A network that goes and comes back again and again: nothing is lost, nothing
// comes twice, in order, to an exact name and to a pattern.
func TestOutage(t *testing.T) {
	both(t, func(t *testing.T, enc codec.Encoding) {
		h := startHub(t, "", node.Options{TopicCap: 1 << 20, Rate: -1})
		p := startProxy(t, h.Addr)
		pub := dial(t, Options{URL: h.URL(), Encoding: enc})
		sub := dial(t, Options{URL: p.url(), Encoding: enc})
		var exact, wild heard
		for pattern, fn := range map[string]func(Message){"a/1": exact.add, "b/#": wild.add} {
			if _, err := sub.Subscribe(t.Context(), pattern, SubOptions{Last: 10}, fn); err != nil {
				t.Fatal(err)
			}
		}
		const n = 3000
		var wg sync.WaitGroup
		wg.Go(func() {
			for i := range n {
				for _, topic := range []string{"a/1", fmt.Sprintf("b/%d", i%7)} {
					if _, err := pub.Publish(t.Context(), topic, i); err != nil {
						t.Error(err)
						return
					}
				}
			}
		})
		for range 12 {
			time.Sleep(15 * time.Millisecond)
			p.cut(true)
			time.Sleep(5 * time.Millisecond)
			p.cut(false)
		}
		wg.Wait()
		eventually(t, "all readings", func() bool { return exact.count() >= n && wild.count() >= n })
		time.Sleep(50 * time.Millisecond)
		next := map[string]uint64{}
		for _, m := range append(exact.all(), wild.all()...) {
			if m.Seq != next[m.Topic]+1 || m.Drop != 0 || m.Restart {
				t.Fatalf("%s: %d after %d, drop %d, restart %v", m.Topic, m.Seq, next[m.Topic], m.Drop, m.Restart)
			}
			next[m.Topic] = m.Seq
		}
		if exact.count() != n || wild.count() != n {
			t.Errorf("%d and %d readings of %d", exact.count(), wild.count(), n)
		}
	})
}

// What the ring no longer holds after an outage is counted.
func TestOutageGap(t *testing.T) {
	h := startHub(t, "", node.Options{TopicCap: 1024})
	p := startProxy(t, h.Addr)
	pub := dial(t, Options{URL: h.URL()})
	sub := dial(t, Options{URL: p.url()})
	var exact, wild heard
	a, _ := sub.Subscribe(t.Context(), "a", SubOptions{}, exact.add)
	b, _ := sub.Subscribe(t.Context(), "b/+", SubOptions{}, wild.add)
	publish := func(n int) {
		for i := range n {
			for _, topic := range []string{"a", "b/1"} {
				if _, err := pub.Publish(t.Context(), topic, i); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	publish(5)
	eventually(t, "readings", func() bool { return exact.count() == 5 && wild.count() == 5 })
	p.cut(true)
	publish(500)
	p.cut(false)
	for _, c := range []struct {
		h *heard
		s *Subscription
	}{{&exact, a}, {&wild, b}} {
		eventually(t, "the newest", func() bool { m := c.h.all(); return m[len(m)-1].Seq == 505 })
		m := c.h.all()[5]
		if m.Drop == 0 || m.Drop != m.Seq-6 || m.Live {
			t.Errorf("first after the outage: %+v", m)
		}
		if total := c.s.Lost() + uint64(c.h.count()); total != 505 {
			t.Errorf("%d lost, %d heard", c.s.Lost(), c.h.count())
		}
	}
}

// A hub that restarts begins its numbers anew.
func TestHubRestart(t *testing.T) {
	addr := port.Addr(t)
	h := startHub(t, addr, node.Options{})
	var states heard
	c := dial(t, Options{URL: h.URL(), OnState: func(s State, _ error) { states.add(Message{Topic: s.String()}) }})
	var exact, wild heard
	c.Subscribe(t.Context(), "a", SubOptions{}, exact.add)
	c.Subscribe(t.Context(), "+", SubOptions{}, wild.add)
	for i := range 5 {
		c.Publish(t.Context(), "a", i)
	}
	eventually(t, "readings", func() bool { return exact.count() == 5 && wild.count() == 5 })
	h.Stop()
	h = startHub(t, addr, node.Options{})
	other := dial(t, Options{URL: h.URL()})
	for i := range 3 {
		if _, err := other.Publish(t.Context(), "a", 100+i); err != nil {
			t.Fatal(err)
		}
	}
	for _, got := range []*heard{&exact, &wild} {
		eventually(t, "new readings", func() bool { return got.count() == 8 })
		for i, m := range got.all()[5:] {
			if m.Seq != uint64(i+1) || string(m.Data) != fmt.Sprint(100+i) || m.Restart != (i == 0) || m.Drop != 0 {
				t.Errorf("%d: %+v", i, m)
			}
		}
	}
	c.Close()
	all := states.all()
	if first, last := all[0].Topic, all[len(all)-1].Topic; first != "online" || last != "closed" || len(all) < 4 {
		t.Errorf("states %v", all)
	}
}

// A device's publish is sent again until it is answered, and stored once.
func TestPublishAcrossOutages(t *testing.T) {
	h := startHub(t, "", node.Options{TopicCap: 1 << 20, Rate: -1})
	p := startProxy(t, h.Addr)
	c := dial(t, Options{URL: p.url(), Dev: "esp1"})
	stop := make(chan bool)
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			select {
			case <-stop:
				return
			case <-time.After(7 * time.Millisecond):
				p.cut(false)
			}
		}
	})
	const n = 1000
	var under []*Publishing
	for i := range n {
		if len(under) == 8 {
			if _, err := under[0].Wait(t.Context()); err != nil {
				t.Fatal(err)
			}
			under = under[1:]
		}
		q, err := c.Start(t.Context(), "a", i)
		if err != nil {
			t.Fatal(err)
		}
		under = append(under, q)
	}
	for _, q := range under {
		if _, err := q.Wait(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	close(stop)
	wg.Wait()
	var got []string
	c.Get(t.Context(), "a", GetOptions{Last: 2 * n}, func(m Message) error { got = append(got, string(m.Data)); return nil })
	if len(got) != n {
		t.Fatalf("%d readings stored", len(got))
	}
	for i, v := range got {
		if v != fmt.Sprint(i) {
			t.Fatalf("reading %d is %s", i, v)
		}
	}
}

// Without a device id nobody can tell whether a publish got through.
func TestPublishUncertain(t *testing.T) {
	h := startHub(t, "", node.Options{})
	p := startProxy(t, h.Addr)
	c := dial(t, Options{URL: p.url()})
	p.mu.Lock()
	p.hold = true
	p.mu.Unlock()
	q, err := c.Start(t.Context(), "a", 1)
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, "the hub has it", func() bool { return h.Find([]byte("a")) != nil })
	p.cut(false)
	if _, err := q.Wait(t.Context()); !errors.Is(err, ErrUncertain) {
		t.Error(err)
	}
	p.mu.Lock()
	p.hold = false
	p.mu.Unlock()
	eventually(t, "another connection", func() bool { _, err := c.Publish(t.Context(), "a", 2); return err == nil })
	c.Close()
	if _, err := c.Publish(t.Context(), "a", 3); err != ErrClosed {
		t.Error(err)
	}
	noGoroutines(t)
}

// ahead is a clock that can be set forward: what there is much time for, which a busy
// machine does not take, is over soon.
type ahead struct{ by atomic.Int64 }

func (a *ahead) since(start time.Time) time.Duration {
	return time.Since(start) + time.Duration(a.by.Load())
}

func (a *ahead) pass(d time.Duration) { a.by.Add(int64(d)) }

// keeping dials with a client's time that can be set forward. What it loses is told.
func keeping(t *testing.T, url string, dead time.Duration) (c *Client, clock *ahead, lost chan error) {
	t.Helper()
	clock, lost = new(ahead), make(chan error, 10)
	start := time.Now()
	return dial(t, Options{URL: url, quiet: 50 * time.Millisecond, dead: dead, now: func() time.Duration { return clock.since(start) }, OnState: func(s State, err error) {
		if s == Offline {
			lost <- err
		}
	}}), clock, lost
}

// A connection that is dead without a word is noticed by its silence.
func TestSilence(t *testing.T) {
	const dead = time.Minute
	h := startHub(t, "", node.Options{})
	p := startProxy(t, h.Addr)
	c, clock, lost := keeping(t, p.url(), dead)
	var k *conn
	eventually(t, "the connection", func() bool {
		c.mu.Lock()
		defer c.mu.Unlock()
		k = c.conn
		return k != nil
	})
	for range 3 { // pings are answered: it stays
		clock.pass(dead / 2)
		now := int64(k.now())
		eventually(t, "a pong", func() bool { return k.heard.Load() >= now })
	}
	if len(lost) > 0 {
		t.Fatal(<-lost)
	}
	p.mu.Lock()
	p.hold = true
	p.mu.Unlock()
	eventually(t, "that it is noticed", func() bool {
		clock.pass(dead / 100)
		return len(lost) > 0
	})
	if err := <-lost; err != errSilent {
		t.Error(err)
	}
	p.mu.Lock()
	p.hold = false
	p.mu.Unlock()
	if _, err := c.Ping(t.Context()); err != nil {
		t.Error(err)
	}
}

// A callback that takes long is no sign of a dead hub, and the hub sees a
// client that lives.
func TestSilenceWhileBusy(t *testing.T) {
	const dead = time.Minute
	var hub ahead
	start := time.Now()
	h := startHub(t, "", node.Options{Clock: func() (wall, mono int64) {
		return time.Now().UnixMilli(), hub.since(start).Milliseconds() + 1
	}})
	p := startProxy(t, h.Addr)
	c, clock, lost := keeping(t, p.url(), dead)
	c.Publish(t.Context(), "a", 1)
	done := make(chan bool)
	c.Subscribe(t.Context(), "a", SubOptions{}, func(Message) {
		defer close(done)
		for range 6 { // in which the hub would take a silent client for dead, as the client would a silent hub
			clock.pass(dead / 3)
			hub.pass(dead / 3)
			before := p.up.Load()
			eventually(t, "a ping", func() bool { return p.up.Load() > before })
		}
	})
	<-done
	if _, err := c.Ping(t.Context()); err != nil || len(lost) > 0 {
		t.Error(err, len(lost))
	}
}

// A hub that says goodbye says when to come back, and one that refuses
// subscriptions for now is asked again.
func TestByeAndRefusedResume(t *testing.T) {
	var mu sync.Mutex
	conns, subs := 0, 0
	var when []time.Time
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ws, err := (&websocket.Upgrader{}).Upgrade(w, r, nil)
		if err != nil {
			return
		}
		defer ws.Close()
		mu.Lock()
		conns++
		first := conns == 1
		when = append(when, time.Now())
		mu.Unlock()
		say := func(s string) { ws.WriteMessage(websocket.TextMessage, []byte(s)) }
		for {
			_, b, err := ws.ReadMessage()
			if err != nil {
				return
			}
			var d codec.Decoder
			var m codec.Message
			d.Reset(codec.JSON, b)
			d.Next(&m)
			switch m.Op {
			case codec.OpHello:
				say(`{"op":"welcome","id":1,"ep":1,"data":{"hub":"h"}}`)
			case codec.OpSub:
				mu.Lock()
				subs++
				n := subs
				mu.Unlock()
				if n == 2 {
					say(fmt.Sprintf(`{"op":"err","id":%d,"err":{"code":429,"msg":"later","retry":10}}`, m.ID))
					continue
				}
				say(fmt.Sprintf(`{"op":"ok","id":%d,"ep":1,"data":{"topics":1,"from":1,"gap":0}}`, m.ID))
				say(fmt.Sprintf(`{"op":"msg","topic":"a","seq":%d,"ts":%d,"data":1}`, n, n))
				if first {
					say(`{"op":"bye","err":{"code":503,"msg":"back soon","retry":200}}`)
					return
				}
			}
		}
	}))
	defer srv.Close()
	lost := make(chan error, 10)
	c := dial(t, Options{URL: "ws" + srv.URL[4:], OnState: func(s State, err error) {
		if s == Offline {
			lost <- err
		}
	}})
	var got heard
	if _, err := c.Subscribe(t.Context(), "a", SubOptions{}, got.add); err != nil {
		t.Fatal(err)
	}
	var e *codec.Error
	if err := <-lost; !errors.As(err, &e) || e.Code != 503 {
		t.Error(err)
	}
	eventually(t, "the second reading", func() bool { return got.count() == 2 })
	mu.Lock()
	defer mu.Unlock()
	if d := when[1].Sub(when[0]); d < 200*time.Millisecond || subs != 3 {
		t.Errorf("came back after %v, subscribed %d times", d, subs)
	}
}

// The hub's clock is set during an outage, as on a board that gets the network
// and the time at one moment: nothing is lost, nothing comes twice.
func TestOutageClock(t *testing.T) {
	for name, step := range map[string]time.Duration{"from 1970": 56 * 365 * 24 * time.Hour, "an hour": time.Hour, "back ten minutes": -10 * time.Minute, "back two seconds": -2 * time.Second} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var off, slept atomic.Int64
			began := time.Now()
			h := startHub(t, "", node.Options{Clock: func() (wall, mono int64) {
				mono = time.Since(began).Milliseconds() + 1 + slept.Load()
				return 1_000_000_000 + off.Load() + mono, mono
			}})
			p := startProxy(t, h.Addr)
			pub := dial(t, Options{URL: h.URL()})
			sub := dial(t, Options{URL: p.url()})
			var got heard
			s, err := sub.Subscribe(t.Context(), "room/#", SubOptions{}, got.add)
			if err != nil {
				t.Fatal(err)
			}
			var want []string
			publish := func(topic string, v int) {
				t.Helper()
				if _, err := pub.Publish(t.Context(), topic, v); err != nil {
					t.Fatal(err)
				}
				want = append(want, fmt.Sprint(topic, " ", v))
			}
			publish("room/a", 20)
			publish("room/a", 21)
			eventually(t, "the first readings", func() bool { return got.count() == 2 })
			p.cut(true)
			publish("room/a", 22)
			publish("room/d", 1)
			off.Store(step.Milliseconds())
			slept.Store(50_000) // this computer stood still meanwhile, and no clock of it knows
			publish("room/a", 23)
			p.cut(false)
			eventually(t, "what was missed", func() bool { return got.count() >= len(want) })
			publish("room/a", 24)
			eventually(t, "what is live", func() bool { return got.count() >= len(want) })
			p.cut(false) // once more, with marks from both sides of the step
			publish("room/a", 25)
			eventually(t, "what comes then", func() bool { return got.count() >= len(want) })
			time.Sleep(50 * time.Millisecond)
			var all []string
			for _, m := range got.all() {
				all = append(all, m.Topic+" "+string(m.Data))
			}
			slices.Sort(want)
			slices.Sort(all)
			if !slices.Equal(all, want) || s.Lost() != 0 {
				t.Errorf("%v, not %v; %d lost", all, want, s.Lost())
			}
		})
	}
}

// What a topic that was born in an outage lost before the network came back is told.
func TestOutageBirth(t *testing.T) {
	h := startHub(t, "", node.Options{TopicCap: 1024, Rate: -1})
	p := startProxy(t, h.Addr)
	pub := dial(t, Options{URL: h.URL()})
	sub := dial(t, Options{URL: p.url()})
	var got heard
	if _, err := pub.Publish(t.Context(), "room/quiet", 1); err != nil {
		t.Fatal(err)
	}
	s, err := sub.Subscribe(t.Context(), "room/#", SubOptions{}, got.add)
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, "the first reading", func() bool { return got.count() == 1 })
	p.cut(true)
	const n = 300
	for i := range n {
		if _, err := pub.Publish(t.Context(), "room/new", i); err != nil {
			t.Fatal(err)
		}
	}
	p.cut(false)
	eventually(t, "all of them, or that they are lost", func() bool { return uint64(got.count())+s.Lost() == 1+n })
	if s.Lost() == 0 || got.all()[1].Drop != s.Lost() {
		t.Errorf("%d lost, %+v", s.Lost(), got.all()[1])
	}
}

// A computer that slept was away for longer than its own clock knows; one whose
// clock was set by years asks for a week.
func TestAway(t *testing.T) {
	for _, c := range [][3]time.Duration{
		{3 * time.Second, 3 * time.Second, 3 * time.Second},
		{3 * time.Second, time.Hour, time.Hour},
		{3 * time.Second, -time.Hour, 3 * time.Second},
		{3 * time.Second, 56 * 365 * 24 * time.Hour, longestAway},
	} {
		if got := away(c[0], c[1]); got != c[2] {
			t.Errorf("%v and %v: %v", c[0], c[1], got)
		}
	}
}
