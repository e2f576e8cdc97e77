package webchannel

import (
	"context"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"topicd/node"
	"topicd/node/dialect/dialecttest"
)

// Long answers end and say so.
func TestAnswersAreBounded(t *testing.T) {
	w := newSlowWorld(t)
	n, p := w.native("nothing"), w.page()
	for i := range 600 {
		n.publish(fmt.Sprintf("m/%03d/a-name-of-some-length", i), `"`+strings.Repeat("x", 200)+`"`)
	}
	for _, method := range []string{`"get"`, `"list"`} {
		got := p.result(method, `["m/#"]`)
		if len(got) > maxAnswer+1000 || !strings.HasSuffix(got, `],"more":true}`) {
			t.Errorf("%s: %d bytes, the end is %s", method, len(got), got[len(got)-20:])
		}
	}
	w.wait(2 * relistAfter)
	q := w.dial("/webchannel")
	q.say(`{"type":3,"id":0}`)
	got := q.wantMatch(`"topicList",\[1,6\],\["m/000/`)
	if n := strings.Count(got, `"m/`); n != maxListed {
		t.Errorf("topicList names %d topics", n)
	}
	big := `"` + strings.Repeat("y", 60_000) + `"`
	n.publish("big", big)
	if got := p.result(`"get"`, `["big"]`); !strings.Contains(got, big) || !strings.HasSuffix(got, `"more":false}`) {
		t.Errorf("a large reading: %d bytes", len(got))
	}
}

// Many pages and a long list are told bit by bit.
func TestUpdatesAreBounded(t *testing.T) {
	w := newSlowWorld(t)
	n := w.native("nothing")
	for i := range 300 {
		n.publish(fmt.Sprintf("l/%03d/%s", i, strings.Repeat("n", 60)), `1`)
	}
	const pages = 40 // of 16 KiB each
	var ps []*peer
	for range pages {
		ps = append(ps, w.page())
	}
	for _, p := range ps {
		p.quietNative()
	}
	if err := w.hub.Delete([]byte("l/000/"+strings.Repeat("n", 60)), nil, w.hub.Turn()); err != nil {
		t.Fatal(err)
	}
	told := func() (n int) {
		w.srv.mu.Lock()
		defer w.srv.mu.Unlock()
		for p := range w.srv.pages {
			if !p.idle {
				n++
			}
		}
		return n
	}
	w.wait(2060)
	first := told()
	w.wait(60)
	second := told()
	w.wait(200)
	if first == 0 || first > flushBytes/listedBytes+2 || second <= first || told() != pages {
		t.Errorf("%d pages, then %d, then %d were told", first, second, told())
	}
}

// Who says far too much that has no answer is cut.
func TestFloodEnds(t *testing.T) {
	h := node.New(node.Options{Rate: 100})
	defer h.Close()
	srv := newServer(h)
	p := &fake{t: t}
	p.sess, _ = h.Open(p, "", "", h.Turn())
	d := &page{srv: srv}
	turn := h.Turn()
	d.Open(p, turn)
	d.Frame(p, true, []byte(`{"type":3,"id":0}`), turn)
	for i := range 1000 {
		d.Frame(p, true, []byte(`{"type":6,"object":"topics","method":"list","id":1}`), turn)
		if i > 500 && !strings.Contains(string(p.sent[len(p.sent)-1]), `"code":429`) {
			t.Fatalf("call %d is answered with %s", i, p.sent[len(p.sent)-1])
		}
	}
	for i := 0; p.ended == 0; i++ {
		if i > 1000 {
			t.Fatal("it is not cut")
		}
		d.Frame(p, true, []byte(`{"type":4}`), turn)
	}
	d.Close(p, turn)
	p.sess.Close(turn)
}

// Who logs in and out on and on pays for the list that is made anew and for
// every page that is told.
func TestLoginsCost(t *testing.T) {
	h := node.New(node.Options{Sessions: 2000})
	defer h.Close()
	srv := newServer(h)
	turn := h.Turn()
	var all []*page
	for i := range 1000 {
		p := &fake{t: t}
		p.sess, _ = h.Open(p, "", "", h.Turn())
		d := &page{srv: srv}
		d.Open(p, turn)
		d.Frame(p, true, []byte(`{"type":3,"id":0}`), turn)
		d.Frame(p, true, []byte(`{"type":7,"object":"chatserver","signal":8}`), turn)
		if i < 400 {
			d.Frame(p, true, fmt.Appendf(nil, `{"type":6,"object":"chatserver","method":"login","args":["user %d"],"id":1}`, i), turn)
		}
		p.sent = nil
		all = append(all, d)
	}
	last := all[999]
	p, told := last.peer.(*fake), all[0].peer.(*fake)
	p.sent, told.sent = nil, nil
	began := time.Now()
	for range 5000 { // a second's worth of requests
		last.Frame(p, true, []byte(`{"type":6,"object":"chatserver","method":"login","args":["x"],"id":1}`), turn)
		last.Frame(p, true, []byte(`{"type":6,"object":"chatserver","method":"logout","args":["x"],"id":1}`), turn)
	}
	t.Logf("%d signals in %v", len(told.sent), time.Since(began))
	if n := len(told.sent); n > 100 {
		t.Errorf("%d signals to each of 1,000 pages in one second", n)
	}
	for _, d := range all {
		d.Close(d.peer, turn)
		d.peer.Session().Close(turn)
	}
}

// A page that reads nothing is cut, and costs nobody else anything.
func TestPageThatDoesNotRead(t *testing.T) {
	w := newWorld(t)
	dead, p := w.page(), w.page()
	go func() {
		for i := 0; ; i++ {
			if dead.WriteMessage(websocket.TextMessage, []byte(fmt.Sprintf(`{"type":3,"id":%d}`, i))) != nil {
				return
			}
		}
	}()
	for end := time.Now().Add(dialecttest.Patience); w.hub.Stats.Get(node.CutReplies) == 0; {
		if time.Now().After(end) {
			t.Fatal("it is not cut")
		}
		p.call("core", `"receiveText"`, `["on it goes"]`, "null")
	}
}

// The timers end with their context, whatever is due, and leave nothing.
func TestRunEnds(t *testing.T) {
	before := runtime.NumGoroutine()
	h := node.New(node.Options{})
	defer h.Close()
	s := newServer(h)
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { s.run(ctx); close(done) }()
	s.mu.Lock()
	s.atLocked(&s.aliveAt, aliveEvery)
	s.mu.Unlock()
	stop()
	select {
	case <-done:
	case <-time.After(dialecttest.Patience):
		t.Fatal("it goes on")
	}
	for end := time.Now().Add(dialecttest.Patience); runtime.NumGoroutine() > before && time.Now().Before(end); {
		time.Sleep(10 * time.Millisecond)
	}
	if n := runtime.NumGoroutine(); n > before {
		t.Errorf("%d goroutines, %d before", n, before)
	}
}

// Pages come, log in, talk, subscribe and go, in no order: the state holds, and
// those who stay hear what they should.
func TestChurn(t *testing.T) {
	w := newWorld(t)
	stay := w.page()
	stay.connect("chatserver", newMessage)
	heard := make(chan int64)
	go func() { heard <- stay.messages(`"the end"`) }()
	var wg sync.WaitGroup
	var said atomic.Int64
	for i := range 8 {
		wg.Go(func() {
			for round := range 15 {
				said.Add(w.visit(fmt.Sprintf("u%d", (i+round)%5), round)) // they get in each other's way
			}
		})
	}
	wg.Wait()
	w.native("nothing").publish("chat", `"the end"`)
	if got := <-heard; got < said.Load() || said.Load() == 0 {
		t.Errorf("%d messages were taken, %d heard", said.Load(), got)
	}
	p := w.page()
	for end := time.Now().Add(dialecttest.Patience); ; time.Sleep(10 * time.Millisecond) {
		p.say(`{"type":3,"id":7}`)
		f := p.next()
		for strings.HasSuffix(f, `"type":2}`) {
			f = p.next()
		}
		if strings.Contains(f, `"userList",[1,7],[]]`) {
			break
		}
		if time.Now().After(end) {
			t.Fatalf("somebody has stayed: %s", f)
		}
	}
}

// messages counts what the page hears until a frame has last in it.
func (p *peer) messages(last string) (n int64) {
	for {
		_, b, err := p.ReadMessage()
		if err != nil || strings.Contains(string(b), last) {
			return n
		}
		if strings.Contains(string(b), `"signal":5,`) {
			n++
		} else if strings.HasSuffix(string(b), `"type":2}`) {
			p.WriteMessage(websocket.TextMessage, []byte(`{"type":4}`))
		}
	}
}

// visit is a page that does everything once; each third is gone in the middle,
// still logged in. It returns how many of its messages were taken.
func (w *world) visit(name string, round int) (taken int64) {
	c, _, err := websocket.DefaultDialer.Dial(w.url+"/webchannel", nil)
	if err != nil {
		w.t.Error(err)
		return 0
	}
	defer c.Close()
	acts := []string{
		`{"type":3,"id":0}`, `{"type":4}`,
		`{"type":7,"object":"chatserver","signal":5}`, `{"type":7,"object":"chatserver","signal":6}`, `{"type":7,"object":"chatserver","signal":8}`,
		`{"type":6,"object":"topics","method":"subscribe","args":["#"],"id":1}`,
		`{"type":6,"object":"chatserver","method":"login","args":["` + name + `"],"id":2}`,
		`{"type":6,"object":"chatserver","method":"sendMessage","args":["` + name + `","hi"],"id":3}`,
		fmt.Sprintf(`{"type":6,"object":"topics","method":"publish","args":["churn/%d",1],"id":4}`, round),
		`{"type":8,"object":"chatserver","signal":5}`,
		`{"type":6,"object":"chatserver","method":"logout","args":["` + name + `"],"id":5}`,
	}
	if round%3 == 1 {
		acts = acts[:8]
	}
	for _, text := range acts {
		if err := c.WriteMessage(websocket.TextMessage, []byte(text)); err != nil {
			w.t.Error(err)
		}
	}
	c.SetReadDeadline(time.Now().Add(2 * dialecttest.Patience)) // for all of them
	for round%3 != 1 {
		_, b, err := c.ReadMessage()
		if err != nil {
			w.t.Error(err)
			return taken
		}
		if strings.Contains(string(b), `"data":true,"id":3,`) {
			taken++
		}
		if strings.Contains(string(b), `"id":5,`) {
			break
		}
	}
	return taken
}
