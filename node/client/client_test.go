package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"topicd/codec"
	"topicd/node"
)

func both(t *testing.T, f func(t *testing.T, enc codec.Encoding)) {
	for _, enc := range []codec.Encoding{codec.JSON, codec.CBOR} {
		t.Run(enc.String(), func(t *testing.T) { f(t, enc) })
	}
}

func TestPublishAndSubscribe(t *testing.T) {
	both(t, func(t *testing.T, enc codec.Encoding) {
		h := startHub(t, "", node.Options{Name: "gw"})
		c := dial(t, Options{URL: h.URL(), Encoding: enc, Dev: "esp1"})
		if w := c.Welcome(); w.Hub != "gw" || w.Version != "test" || w.Ep != h.Epoch() || w.MaxFrame != 64<<10 {
			t.Errorf("welcome %+v", w)
		}
		ctx := t.Context()
		for i, data := range []any{21.5, map[string]any{"u": "Cel", "v": 22.25}, "dry", []byte{1, 2, 255}, nil, Body{codec.CBOR, []byte{0x82, 1, 2}}} {
			a, err := c.Publish(ctx, "greenhouse/1/temp", data)
			if err != nil || a.Seq != uint64(i+1) {
				t.Fatalf("publish %v: %+v, %v", data, a, err)
			}
		}
		var got heard
		s, err := c.Subscribe(ctx, "greenhouse/+/temp", SubOptions{Last: 100}, got.add)
		if err != nil {
			t.Fatal(err)
		}
		eventually(t, "stored readings", func() bool { return got.count() == 6 })
		want := []string{`21.5`, `{"u":"Cel","v":22.25}`, `"dry"`, `"AQL_"`, `null`, `[1,2]`}
		for i, m := range got.all() {
			if string(m.JSON()) != want[i] || m.Enc != enc || m.Seq != uint64(i+1) || m.From != "esp1" || m.Live || m.Topic != "greenhouse/1/temp" || time.Since(time.UnixMilli(m.TS)) > time.Minute {
				t.Errorf("reading %d: %+v %s", i, m, m.JSON())
			}
		}
		if err := c.Send("greenhouse/2/temp", mustBody(t, c, 5)); err != nil {
			t.Fatal(err)
		}
		eventually(t, "a live reading", func() bool { return got.count() == 7 })
		if m := got.all()[6]; !m.Live || m.Topic != "greenhouse/2/temp" {
			t.Errorf("%+v", m)
		}
		if v, unit, ok := got.msgs[1].Value(); v != 22.25 || unit != "Cel" || !ok {
			t.Error(v, unit, ok)
		}
		if err := s.Unsubscribe(ctx); err != nil {
			t.Error(err)
		}
		if _, err := c.Publish(ctx, "greenhouse/2/temp", 6); err != nil {
			t.Error(err)
		}
		if _, err := c.Ping(ctx); err != nil || got.count() != 7 {
			t.Error(err, got.count())
		}
		c.Close()
		noGoroutines(t)
	})
}

func mustBody(t *testing.T, c *Client, v any) []byte {
	b, err := c.body(v)
	if err != nil {
		t.Fatal(err)
	}
	return b.Data
}

// What is declared by the client is what a list says of the topic, and what is not
// said again stays.
func TestSetPoint(t *testing.T) {
	both(t, func(t *testing.T, enc codec.Encoding) {
		h := startHub(t, "", node.Options{})
		c := dial(t, Options{URL: h.URL(), Encoding: enc, Name: "desk"})
		ctx := t.Context()
		for _, o := range []MakeOptions{{Writable: true, Min: -5.5, Max: 30}, {Static: true}} {
			if err := c.Make(ctx, "heat/target", o); err != nil {
				t.Fatal(err)
			}
			var got TopicInfo
			if err := c.Topics(ctx, "heat/target", func(i TopicInfo) error { got = i; return nil }); err != nil {
				t.Fatal(err)
			}
			if !got.Writable || got.Min != -5.5 || got.Max != 30 || got.Static != o.Static {
				t.Errorf("%+v after %+v", got, o)
			}
		}
	})
}

func TestQueries(t *testing.T) {
	both(t, func(t *testing.T, enc codec.Encoding) {
		h := startHub(t, "", node.Options{})
		c := dial(t, Options{URL: h.URL(), Encoding: enc, Name: "desk"})
		ctx := t.Context()
		if err := c.Make(ctx, "a/static", MakeOptions{Static: true, Cap: 4096, Stale: time.Minute}); err != nil {
			t.Fatal(err)
		}
		body := strings.Repeat("x", 200)
		for i := range 300 { // more than one page
			if _, err := c.Publish(ctx, fmt.Sprintf("b/%d", i%100), body); err != nil {
				t.Fatal(err)
			}
		}
		var got []Message
		if err := c.Get(ctx, "b/+", GetOptions{Last: 2}, func(m Message) error { got = append(got, m); return nil }); err != nil {
			t.Fatal(err)
		}
		if len(got) != 200 || string(got[0].JSON()) != `"`+body+`"` || got[0].Seq != 2 || got[1].Seq != 3 {
			t.Errorf("%d readings, first %+v", len(got), got[0])
		}
		var topics []TopicInfo
		if err := c.Topics(ctx, "", func(i TopicInfo) error { topics = append(topics, i); return nil }); err != nil {
			t.Fatal(err)
		}
		if len(topics) != 101 || topics[0].Topic != "a/static" || !topics[0].Static || topics[0].Cap != 4096 || topics[1].Readings != 3 {
			t.Errorf("%d topics: %+v", len(topics), topics[:2])
		}
		var clients []ClientInfo
		if err := c.Clients(ctx, "", func(i ClientInfo) error { clients = append(clients, i); return nil }); err != nil {
			t.Fatal(err)
		}
		if len(clients) != 1 || clients[0].Client != "desk" || clients[0].Enc != enc.String() || clients[0].In != 300 {
			t.Errorf("%+v", clients)
		}
		stop := errors.New("enough")
		n := 0
		err := c.List(ctx, "topics", "b/+", func(json.RawMessage) error {
			if n++; n == 3 {
				return stop
			}
			return nil
		})
		if err != stop || n != 3 {
			t.Error(err, n)
		}
		if err := c.Delete(ctx, "a/static"); err != nil {
			t.Error(err)
		}
		var e *codec.Error
		if err := c.Delete(ctx, "a/static"); !errors.As(err, &e) || e.Code != codec.CodeNotFound {
			t.Error(err)
		}
	})
}

func TestRefusals(t *testing.T) {
	h := startHub(t, "", node.Options{Subs: 1})
	errs := make(chan error, 10)
	c := dial(t, Options{URL: h.URL(), OnError: func(err error) { errs <- err }})
	ctx := t.Context()
	var e *codec.Error
	if _, err := c.Publish(ctx, "a/+", 1); !errors.As(err, &e) || e.Code != codec.CodeMalformed {
		t.Error(err)
	}
	if _, err := c.Publish(ctx, "$sys/x", 1); !errors.As(err, &e) || e.Code != codec.CodeForbidden {
		t.Error(err)
	}
	if _, err := c.Publish(ctx, "a", json.RawMessage(`{"a":`)); err == nil {
		t.Error("half a body was sent")
	}
	if err := c.Send("a", []byte(`1]`)); err == nil {
		t.Error("a body that ends the frame was sent")
	}
	if err := c.Send("$sys/x", []byte("1")); err != nil {
		t.Error(err)
	}
	if err := <-errs; !errors.As(err, &e) || e.Code != codec.CodeForbidden {
		t.Error(err)
	}
	if _, err := c.Subscribe(ctx, "a", SubOptions{}, func(Message) {}); err != nil {
		t.Error(err)
	}
	if _, err := c.Subscribe(ctx, "a", SubOptions{}, func(Message) {}); err == nil {
		t.Error("subscribed twice")
	}
	if _, err := c.Subscribe(ctx, "b", SubOptions{}, func(Message) {}); !errors.As(err, &e) || e.Code != codec.CodeNoRoom {
		t.Error(err)
	}
	if len(c.subs) != 1 || len(c.calls) != 0 {
		t.Error(c.subs, c.calls)
	}
}

func TestDialFails(t *testing.T) {
	h := startHub(t, "", node.Options{})
	url := h.URL()
	h.Stop()
	if _, err := Dial(t.Context(), Options{URL: url}); err == nil {
		t.Error("connected to nothing")
	}
	silent := startProxy(t, "127.0.0.1:1")
	silent.hold = true
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := Dial(ctx, Options{URL: silent.url()}); err == nil {
		t.Error("welcomed by nobody")
	}
	noGoroutines(t)
}

// Overlapping subscriptions: the hub sends a reading once, every subscription
// that fits hears it once, and what is stored for a later one does not come to
// an earlier one again.
func TestOverlap(t *testing.T) {
	h := startHub(t, "", node.Options{})
	c := dial(t, Options{URL: h.URL()})
	ctx := t.Context()
	var all, one heard
	if _, err := c.Subscribe(ctx, "#", SubOptions{}, all.add); err != nil {
		t.Fatal(err)
	}
	for i := range 10 {
		c.Publish(ctx, "a/b", i)
	}
	if _, err := c.Subscribe(ctx, "a/b", SubOptions{Last: 5}, one.add); err != nil {
		t.Fatal(err)
	}
	c.Publish(ctx, "a/b", 10)
	eventually(t, "the last reading", func() bool { return one.count() == 6 && all.count() == 11 })
	time.Sleep(20 * time.Millisecond)
	for i, m := range all.all() {
		if m.Seq != uint64(i+1) {
			t.Errorf("# heard %d as its reading %d", m.Seq, i+1)
		}
	}
	if m := one.all()[0]; m.Seq != 6 {
		t.Errorf("a/b begins with %d", m.Seq)
	}
}

// A callback that hangs holds up the reading, and memory with it.
func TestSlowCallback(t *testing.T) {
	h := startHub(t, "", node.Options{TopicCap: 4096, Rate: -1})
	pub := dial(t, Options{URL: h.URL()})
	slow := dial(t, Options{URL: h.URL()})
	gate := make(chan bool)
	open := sync.OnceFunc(func() { close(gate) })
	defer open()
	var got heard
	s, err := slow.Subscribe(t.Context(), "a", SubOptions{}, func(m Message) { <-gate; got.add(m) })
	if err != nil {
		t.Fatal(err)
	}
	body := strings.Repeat("x", 1000)
	const n = 20_000 // 20 MB: more than the sockets' buffers hold
	for range n / 100 {
		for range 99 {
			if err := pub.Send("a", []byte(`"`+body+`"`)); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := pub.Publish(t.Context(), "a", body); err != nil {
			t.Fatal(err)
		}
	}
	open()
	eventually(t, "the newest reading", func() bool {
		m := got.all()
		return len(m) > 0 && m[len(m)-1].Seq == n
	})
	if total := uint64(got.count()) + s.Lost(); total != n || s.Lost() == 0 {
		t.Errorf("%d heard and %d lost are not %d", got.count(), s.Lost(), n)
	}
}
