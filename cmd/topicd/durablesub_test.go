package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"topicd/node/client"
	"topicd/node/store"
)

// kill ends the hub as a power cut ends its process.
func (h *hubProcess) kill(t *testing.T) {
	t.Helper()
	_ = h.cmd.Process.Kill()
	for range h.end {
	}
}

// reader is a client with a durable subscription, in a life of its own.
type reader struct {
	t   *testing.T
	c   *client.Client
	s   *client.Subscription
	got chan client.Message
}

func subscribeAs(t *testing.T, url, pattern string, o client.SubOptions) *reader {
	t.Helper()
	r := &reader{t: t, got: make(chan client.Message, 1000)}
	var err error
	if r.c, err = client.Dial(t.Context(), client.Options{URL: url, Dev: "logger", OnError: func(err error) { t.Error(err) }}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.c.Close)
	if r.s, err = r.c.Subscribe(t.Context(), pattern, o, func(m client.Message) { r.got <- m }); err != nil {
		t.Fatal(err)
	}
	return r
}

// next are the next n readings as "topic seq", sorted, and no more come soon.
func (r *reader) next(n int) []string {
	r.t.Helper()
	var rows []string
	for len(rows) < n {
		select {
		case m := <-r.got:
			rows = append(rows, fmt.Sprint(m.Topic, " ", m.Seq))
		case <-time.After(30 * time.Second):
			r.t.Fatalf("%d of %d readings came: %q", len(rows), n, rows)
		}
	}
	if _, err := r.c.Ping(r.t.Context()); err != nil {
		r.t.Fatal(err)
	}
	for len(r.got) > 0 {
		m := <-r.got
		rows = append(rows, fmt.Sprint(m.Topic, " ", m.Seq))
	}
	slices.Sort(rows)
	return rows
}

func publishAll(t *testing.T, url, topic string, from, to int) {
	t.Helper()
	c, err := client.Dial(t.Context(), client.Options{URL: url, Dev: "pump"})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	for i := from; i <= to; i++ {
		if _, err := c.Publish(t.Context(), topic, i); err != nil {
			t.Fatal(err)
		}
	}
}

// ackedOnDisk is what a hub's only durable subscription has acknowledged, as the hub
// would find it if it were killed now.
func ackedOnDisk(t *testing.T, state string) map[string]uint64 {
	t.Helper()
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS(filepath.Join(state, "store"))); err != nil {
		return nil // a file went meanwhile
	}
	rep, err := readStore(dir)
	if err != nil || len(rep.Cursors) != 1 {
		t.Fatalf("%+v, %v", rep, err)
	}
	s, err := store.Open(store.Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	got := map[string]uint64{}
	s.Acked(rep.Cursors[0].Client, rep.Cursors[0].Pattern, func(topic string, _, seq uint64) { got[topic] = seq })
	return got
}

// A durable subscription goes on behind what it acknowledged, over a new connection,
// a hub that ends in order and one that is killed; topics that came meanwhile are
// read from their beginning; forgotten it begins anew.
func TestDurableSubscription(t *testing.T) {
	processes(t)
	state := t.TempDir()
	flags := []string{"--sense=off", "--state", state, "--durable", "plant/#", "--store-sync", "20ms"}
	h := serveProcess(t, nil, binary(t, "amd64"), flags...)
	publishAll(t, h.url, "plant/a", 1, 10)
	o := client.SubOptions{Name: "db1", Last: 3}
	r := subscribeAs(t, h.url, "plant/#", o)
	if got := r.next(3); fmt.Sprint(got) != "[plant/a 10 plant/a 8 plant/a 9]" {
		t.Fatalf("it begins with %q", got)
	}
	r.s.Ack("plant/a", 9)
	r.c.Close() // which sends it
	publishAll(t, h.url, "plant/b", 1, 2)
	publishAll(t, h.url, "plant/a", 11, 12)

	r = subscribeAs(t, h.url, "plant/#", o)
	if got := r.next(5); fmt.Sprint(got) != "[plant/a 10 plant/a 11 plant/a 12 plant/b 1 plant/b 2]" {
		t.Fatalf("it goes on with %q", got)
	}
	r.s.Ack("plant/a", 11)
	r.c.Close()
	if code, _ := h.stop(t); code != 0 {
		t.Fatalf("exit code %d\n%s", code, h.errs.String())
	}

	h = serveProcess(t, nil, binary(t, "amd64"), flags...)
	r = subscribeAs(t, h.url, "plant/#", o)
	if got := r.next(3); fmt.Sprint(got) != "[plant/a 12 plant/b 1 plant/b 2]" {
		t.Fatalf("after a restart it goes on with %q", got)
	}
	r.s.Ack("plant/a", 12)
	r.s.Ack("plant/b", 1)
	until(t, 60*time.Second, "what is acknowledged is on disk", func() bool { // nothing answers it
		got := ackedOnDisk(t, state)
		return got["plant/a"] == 12 && got["plant/b"] == 1
	})
	h.kill(t)
	r.c.Close() // else it tries that port again, which may be another's by now

	h = serveProcess(t, nil, binary(t, "amd64"), flags...)
	publishAll(t, h.url, "plant/b", 3, 3)
	r = subscribeAs(t, h.url, "plant/#", o)
	got := r.next(2)
	if len(got) != 2 || got[1] != "plant/b 2" || !strings.HasPrefix(got[0], "plant/b 1677") {
		t.Fatalf("after kill -9 it goes on with %q", got)
	}
	if err := r.s.Forget(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := r.c.Forget(t.Context(), "plant/#", "db1"); err == nil {
		t.Error("it is forgotten twice")
	}
	r = subscribeAs(t, h.url, "plant/#", client.SubOptions{Name: "db1", Last: 1})
	if got := r.next(2); len(got) != 2 || got[0] != "plant/a 12" {
		t.Errorf("forgotten it begins with %q", got)
	}
}

// What the native grammar says of acknowledgements and durable subscriptions.
func TestDurableSubscriptionFrames(t *testing.T) {
	url := serveInside(t, "--durable", "plant/#", "--store-sync", "0")
	ws := rawDial(t, url)
	for _, c := range []struct{ say, want string }{
		{`{"op":"sub","id":1,"topic":"plant/#","opts":{"name":"db1"}}`, `"code":403,"msg":"a durable subscription needs a device`},
		{`{"op":"hello","id":2,"opts":{"dev":"logger"}}`, `"welcome"`},
		{`{"op":"sub","id":3,"topic":"plant/a","ack":3}`, `"id":3,"err":{"code":404`},
		{`{"op":"pub","id":4,"topic":"plant/a","data":1}`, `"ok","id":4,"topic":1,"seq":1}`},
		{`{"op":"pub","id":5,"topic":"plant/a","data":2}`, `"ok","id":5,"topic":1,"seq":2}`},
		{`{"op":"sub","id":6,"topic":"plant/+","opts":{"name":"db1","last":0}}`, `"live"`},
		{``, `"ok","id":6,"data":{"topics":1,"from":0,"gap":0}`},
		{`{"op":"sub","id":7,"topic":"plant/a","ack":3}`, `"id":7,"err":{"code":409`},
		{`{"op":"sub","id":8,"topic":"plant/a","ack":2}`, `"ok","id":8}`},
		{`{"op":"sub","id":9,"topic":1,"ack":1}`, `"ok","id":9}`}, // lower: nothing moves
		{`{"op":"sub","id":10,"topic":"plant/+","ack":1}`, `"id":10,"err":{"code":400`},
		{`{"op":"pub","id":11,"topic":"plant/a","data":3}`, `"ok","id":11 & "msg","topic":"plant/a","data":3`}, // on disk, and on its way: whichever is first
		{`{"op":"unsub","id":12,"opts":{"name":"db1"}}`, `"ok","id":12}`},
		{`{"op":"sub","id":13,"topic":"plant/+","opts":{"name":"db1","last":0}}`, `"msg","topic":"plant/a","data":3`},
		{``, `"live"`},
		{``, `"ok","id":13`},
		{`{"op":"sub","id":14,"topic":"plant/a","ack":3,"opts":{"name":"db2"}}`, `"live"`}, // both at once
		{``, `"ok","id":14`},
		{`{"op":"unsub","id":15,"opts":{"name":"db1","forget":true}}`, `"ok","id":15}`},
		{`{"op":"unsub","id":16,"opts":{"name":"db1","forget":true}}`, `"id":16,"err":{"code":404`},
		{`{"op":"unsub","id":17,"topic":"plant/a","opts":{"name":"db2","forget":true}}`, `"ok","id":17}`},
		{`{"op":"sub","id":18,"topic":"plant/a","opts":{"name":"a#"}}`, `"id":18,"err":{"code":400`},
	} {
		if c.say == "" {
			wants(t, nextText(t, ws), c.want)
			continue
		}
		got := say(t, ws, c.say)
		all := strings.Split(c.want, " & ")
		for range all[1:] {
			got += nextText(t, ws)
		}
		for _, want := range all {
			wants(t, got, want)
		}
	}
}
