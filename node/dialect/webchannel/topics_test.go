package webchannel

import (
	"context"
	"fmt"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"topicd/codec"
	"topicd/node"
)

// result calls a method of topics and returns its result, past updates.
func (p *peer) result(method, args string) string {
	p.t.Helper()
	p.id++
	p.say(fmt.Sprintf(`{"type":6,"object":"topics","method":%s,"args":%s,"id":%d}`, method, args, p.id))
	for {
		got := p.next()
		if strings.HasSuffix(got, `"type":2}`) {
			p.say(`{"type":4}`)
			continue
		}
		tail := fmt.Sprintf(`,"id":%d,"type":10}`, p.id)
		value, ok := strings.CutSuffix(strings.TrimPrefix(got, `{"data":`), tail)
		if !ok {
			p.t.Fatalf("got %s before the answer to %s(%s)", got, method, args)
		}
		return value
	}
}

// message wants the next reading, past updates of properties.
func (p *peer) message(pattern string) {
	p.t.Helper()
	for {
		got := p.next()
		if strings.HasSuffix(got, `"type":2}`) && !strings.Contains(got, `"properties":{}`) {
			p.say(`{"type":4}`)
			continue
		}
		if !strings.Contains(got, pattern) {
			p.t.Fatalf("got  %s\nwant %s", got, pattern)
		}
		return
	}
}

// Readings of sensors as signals, with all that JSON can say.
func TestReadingsAsSignals(t *testing.T) {
	w := newWorld(t)
	n := w.native("nothing")
	n.publish("green/1", `20.5`)
	p := w.page()
	p.say(`{"type":6,"object":"topics","method":"subscribe","args":["green/#"],"id":1}`)
	p.message(`{"args":["green/1",20.5,1,`) // what a call causes comes first
	p.want(`{"data":{"topics":1,"from":0,"gap":0},"id":1,"type":10}`)
	for i, v := range []string{`21.5`, `-0.1`, `9007199254740993`, `true`, `null`, `""`, `"é\u0000\"\\ ` + "\u2028" + `"`, `[]`, `{}`, `{"n":"temp","u":"Cel","v":21.5}`, `[[1,[2]],{"a":{"b":[null]}}]`} {
		n.publish("green/1", v)
		p.message(fmt.Sprintf(`{"args":["green/1",%s,%d,`, v, i+2))
		if strings.ContainsRune(v, '\\') {
			continue // CBOR has no escapes
		}
		if err := n.WriteMessage(websocket.BinaryMessage, encode(t, `{"op":"pub","topic":"green/cbor","data":`+v+`}`)); err != nil {
			t.Fatal(err)
		}
		p.message(`{"args":["green/cbor",` + v + `,`)
	}
	// qwebchannel.js would take this for an object of the hub's, and throw.
	for _, v := range []string{`{"__QObject*__":true,"id":"x"}`, `[{"a":{"\u005f_\u0051Object\u002A__":1,"id":1}}]`} {
		n.publish("green/1", v)
		p.message(`{"args":["green/1",` + string(codec.AppendString(nil, codec.JSON, v)) + `,`)
	}
	if got := p.result(`"get"`, `["green/1"]`); !strings.Contains(got, `"data":"[{`) {
		t.Errorf("get: %s", got)
	}
	if got := p.result(`"unsubscribe"`, `["green/#"]`); got != `{"pattern":"green/#"}` {
		t.Errorf("unsubscribe: %s", got)
	}
	n.publish("green/1", `1`)
	p.result(`"list"`, `[]`) // nothing but the answer
}

// A page publishes, and hears it as everybody does.
func TestPagePublishes(t *testing.T) {
	w := newWorld(t)
	n, p := w.native("out/#"), w.page()
	if got := p.result(`"publish"`, `["out/a", {"on": true, "level": 0.25} ]`); got != `{"topic":"out/a","seq":1}` {
		t.Errorf("publish: %s", got)
	}
	n.wantMatch(`"topic":"out/a","data":\{"on": true, "level": 0.25\}`)
	p.say(`{"type":6,"object":"topics","method":8,"args":["out/a",{"last":1}],"id":1}`) // as versions before 5.14 do
	p.message(`{"args":["out/a",{"on": true, "level": 0.25},1,`)
	p.want(`{"data":{"topics":1,"from":1,"gap":0},"id":1,"type":10}`)
	if got := p.result(`"subscribe"`, `["out/b",{"from":false,"last":0}]`); got != `{"topics":1,"from":1,"gap":0}` {
		t.Errorf("subscribe: %s", got)
	}
	p.result(`"publish"`, `["out/b",1]`) // and nothing comes back
	n.publish("out/b", `2`)
	p.message(`{"args":["out/b",2,2,`)
}

// Errors are values that a page can use.
func TestErrorsAsValues(t *testing.T) {
	w := newWorld(t)
	p := w.page()
	for _, c := range []struct{ method, args, want string }{
		{`"publish"`, `["a/+",1]`, `{"error":{"code":400,`},
		{`"publish"`, `["$sys/stats",1]`, `{"error":{"code":403,`},
		{`"publish"`, `["a",` + strings.Repeat("[", 40) + strings.Repeat("]", 40) + `]`, `{"error":{"code":400,`},
		{`"publish"`, `[1,1]`, `{"error":{"code":400,"msg":"the first argument is a topic or pattern: a string"}}`},
		{`"publish"`, `["a"]`, `[]`},
		{`"subscribe"`, `["a/#/b"]`, `{"error":{"code":400,`},
		{`"subscribe"`, `["a",{"rate":-1}]`, `{"error":{"code":400,`},
		{`"subscribe"`, `["a",{"rate":"fast"}]`, `{"error":{"code":400,`},
		{`"subscribe"`, `["a",5]`, `{"error":{"code":400,`},
		{`"unsubscribe"`, `["a"]`, `{"error":{"code":404,`},
		{`"get"`, `["nowhere"]`, `{"error":{"code":404,`},
		{`"get"`, `["no/#"]`, `{"readings":[],"more":false}`},
		{`"get"`, `["#/#"]`, `{"error":{"code":400,`},
		{`"list"`, `["a//b"]`, `{"error":{"code":400,`},
		{`"list"`, `["no/#"]`, `{"topics":[],"more":false}`},
		{`"nothing"`, `[]`, `[]`},
	} {
		if got := p.result(c.method, c.args); !strings.HasPrefix(got, c.want) {
			t.Errorf("%s(%s) is %s", c.method, c.args, got)
		}
	}
	for i := range 300 {
		got := p.result(`"subscribe"`, fmt.Sprintf(`["many/%d"]`, i))
		if failed := strings.HasPrefix(got, `{"error":{"code":507,`); failed != (i >= 256) {
			t.Fatalf("subscription %d is %s", i, got)
		}
	}
}

// Long answers end and say so.
func TestAnswersAreBounded(t *testing.T) {
	w := newWorld(t)
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
	time.Sleep(2 * relistAfter * time.Millisecond)
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

// A page that listens to a conversation and to its topic gets a reading as both.
func TestOneReadingTwoSignals(t *testing.T) {
	w := newWorld(t)
	n, p := w.native("nothing"), w.page()
	said := func(want ...string) {
		t.Helper()
		for _, topic := range []string{"chat", "dialog"} {
			n.publish(topic, `"x"`)
		}
		for _, w := range want {
			p.message(w)
		}
		p.result(`"list"`, `["none"]`) // and nothing more
	}
	const (
		chat  = `","x"],"object":"chatserver","signal":5,"type":1}`
		core  = `{"args":["x"],"object":"core","signal":5,"type":1}`
		multi = `{"data":[{"object":"chatserver","properties":{},"signals":{"5":["`
	)
	said()
	p.connect("chatserver", newMessage)
	p.connect("core", sendText)
	said(chat, core)
	p.result(`"subscribe"`, `["#",{"last":0}]`)
	said(multi, `{"data":[{"object":"core","properties":{},"signals":{"5":["x"]}},{"object":"topics","properties":{},"signals":{"5":["dialog","x",`)
	p.connect("dialog", sendText)
	said(multi, `{"data":[{"object":"core","properties":{},"signals":{"5":["x"]}},{"object":"dialog","properties":{},"signals":{"5":["x"]}},{"object":"topics",`)
	n.publish("chat", `5`) // no message, but a reading
	p.message(`{"data":[{"object":"topics","properties":{},"signals":{"5":["chat",5,`)
	p.result(`"subscribe"`, `["chat",{"last":0}]`)
	p.result(`"unsubscribe"`, `["#"]`)
	said(multi, `{"data":[{"object":"core","properties":{},"signals":{"5":["x"]}},{"object":"dialog","properties":{},"signals":{"5":["x"]}}],"type":2}`)
	p.say(`{"type":8,"object":"chatserver","signal":5}`)
	p.say(`{"type":8,"object":"dialog","signal":5}`)
	said(`{"args":["chat","x",`, core)
	p.result(`"unsubscribe"`, `["chat"]`)
	said(core)
	p.say(`{"type":8,"object":"core","signal":5}`)
	said()
	if n := w.hub.Counts().Subscriptions; n != 1 {
		t.Errorf("%d subscriptions, want that of the native client", n)
	}
}

// topicList follows topics that come and go, at most every two seconds.
func TestTopicList(t *testing.T) {
	w := newSlowWorld(t)
	n := w.native("nothing")
	p, chatter := w.page(), w.page()
	chatter.connect("chatserver", newMessage) // it does not look at topics
	list := func(names string) string {
		return `{"data":[{"object":"topics","properties":{"1":[` + names + `]},"signals":{"6":[]}}],"type":2}`
	}
	n.publish("b", `1`)
	n.publish("a", `1`)
	w.wait(1900)
	p.quietNative()
	w.wait(160)
	p.want(list(`"a","b","chat","nothing"`))
	p.say(`{"type":4}`)
	p.quietNative()
	n.publish("a", `2`)
	w.wait(5000)
	p.quietNative()
	n.publish("c", `1`)
	if err := w.hub.Delete([]byte("b")); err != nil {
		t.Fatal(err)
	}
	n.publish("d", `1`)
	w.wait(2100)
	p.want(list(`"a","c","chat","d","nothing"`))
	chatter.quiet()
	chatter.say(`{"type":6,"object":"topics","method":"list","args":["none"],"id":1}`) // now it does
	chatter.wantMatch(`"type":10}$`)
	w.wait(100)
	chatter.want(list(`"a","c","chat","d","nothing"`))
}

func (p *peer) quietNative() {
	p.t.Helper()
	if got := p.result(`"list"`, `["none"]`); got != `{"topics":[],"more":false}` {
		p.t.Fatal(got)
	}
}

// onlyGreen may read and publish green/#, nothing else.
type onlyGreen struct{}

func (onlyGreen) may(name []byte) *codec.Error {
	if strings.HasPrefix(string(name), "green") {
		return nil
	}
	return &codec.Error{Code: codec.CodeForbidden, Msg: "green only"}
}
func (r onlyGreen) MayPublish(t []byte) *codec.Error   { return r.may(t) }
func (r onlyGreen) MaySubscribe(t []byte) *codec.Error { return r.may(t) }
func (r onlyGreen) MayManage(t []byte) *codec.Error    { return r.may(t) }
func (r onlyGreen) MayAdmin() *codec.Error             { return r.may(nil) }
func (r onlyGreen) MayRead(t string) bool              { return r.may([]byte(t)) == nil }

func TestRightsOfPages(t *testing.T) {
	w := makeWorld(t, func(r *http.Request) node.Rights {
		if r.URL.Query().Has("green") {
			return onlyGreen{}
		}
		return nil
	})
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { w.srv.Run(ctx); close(done) }()
	t.Cleanup(func() { stop(); <-done })
	n, alice := w.native("nothing"), w.page()
	n.publish("green/1", `1`)
	n.publish("red/1", `1`)
	alice.connect("chatserver", newMessage)
	alice.call("chatserver", `"login"`, `["alice"]`, `true`)
	alice.wantMatch(`"type":2`)
	time.Sleep(2 * relistAfter * time.Millisecond)
	p := w.dial("/webchannel?green")
	p.say(`{"type":3,"id":0}`)
	p.wantMatch(`\[1,"userList",\[1,7\],\[\]\].*\[1,"topicList",\[1,6\],\["green/1"\]\]`)
	p.say(`{"type":4}`)
	p.connect("chatserver", newMessage)
	p.connect("core", sendText)
	p.call("chatserver", `"login"`, `["bob"]`, `false`)
	p.call("core", `"receiveText"`, `["hi"]`, `[]`)
	for _, c := range []struct{ method, args, want string }{
		{`"publish"`, `["red/1",1]`, `{"error":{"code":403,`},
		{`"publish"`, `["chat","hi"]`, `{"error":{"code":403,`},
		{`"subscribe"`, `["#"]`, `{"error":{"code":403,`},
		{`"subscribe"`, `["green/#",{"last":0}]`, `{"topics":1,`},
		{`"get"`, `["red/1"]`, `{"error":{"code":403,`},
		{`"list"`, `[]`, `{"topics":[{"topic":"green/1",`},
	} {
		if got := p.result(c.method, c.args); !strings.HasPrefix(got, c.want) || strings.Contains(got, `"red`) {
			t.Errorf("%s(%s) is %s", c.method, c.args, got)
		}
	}
	n.publish("chat", `"secret"`)
	alice.wantMatch(`secret`)
	p.say(`{"type":6,"object":"topics","method":"publish","args":["green/1",2],"id":1}`)
	p.message(`{"args":["green/1",2,2,`)
	p.want(`{"data":{"topic":"green/1","seq":2},"id":1,"type":10}`)
}

// The timers end with their context, whatever is due, and leave nothing.
func TestRunEnds(t *testing.T) {
	before := runtime.NumGoroutine()
	h := node.New(node.Options{})
	defer h.Close()
	s := New(h)
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { s.Run(ctx); close(done) }()
	s.mu.Lock()
	s.atLocked(&s.aliveAt, aliveEvery)
	s.mu.Unlock()
	stop()
	select {
	case <-done:
	case <-time.After(5 * time.Second):
		t.Fatal("it goes on")
	}
	for i := 0; runtime.NumGoroutine() > before && i < 100; i++ {
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
	heard := make(chan int)
	go func() {
		n := 0
		for {
			_, b, err := stay.ReadMessage()
			if err != nil || strings.Contains(string(b), `"the end"`) {
				heard <- n
				return
			}
			if strings.Contains(string(b), `"signal":5,`) {
				n++
			} else if strings.HasSuffix(string(b), `"type":2}`) {
				stay.WriteMessage(websocket.TextMessage, []byte(`{"type":4}`))
			}
		}
	}()
	const pages, rounds = 8, 15
	var wg sync.WaitGroup
	var said atomic.Int64
	for i := range pages {
		wg.Go(func() {
			for round := range rounds {
				c, _, err := websocket.DefaultDialer.Dial(w.url+"/webchannel", nil)
				if err != nil {
					t.Error(err)
					return
				}
				name := fmt.Sprintf("u%d", (i+round)%5) // they get in each other's way
				for k, text := range []string{
					`{"type":3,"id":0}`, `{"type":4}`,
					`{"type":7,"object":"chatserver","signal":5}`, `{"type":7,"object":"chatserver","signal":6}`, `{"type":7,"object":"chatserver","signal":8}`,
					`{"type":6,"object":"topics","method":"subscribe","args":["#"],"id":1}`,
					`{"type":6,"object":"chatserver","method":"login","args":["` + name + `"],"id":2}`,
					`{"type":6,"object":"chatserver","method":"sendMessage","args":["` + name + `","hi"],"id":3}`,
					fmt.Sprintf(`{"type":6,"object":"topics","method":"publish","args":["churn/%d",%d],"id":4}`, round, i),
					`{"type":8,"object":"chatserver","signal":5}`,
					`{"type":6,"object":"chatserver","method":"logout","args":["` + name + `"],"id":5}`,
				} {
					if round%3 == 1 && k == 8 {
						break // gone in the middle, still logged in
					}
					if err := c.WriteMessage(websocket.TextMessage, []byte(text)); err != nil {
						t.Error(err)
					}
				}
				c.SetReadDeadline(time.Now().Add(10 * time.Second))
				for last := `"id":5,`; round%3 != 1; {
					_, b, err := c.ReadMessage()
					if err != nil {
						t.Error(err)
						break
					}
					if strings.Contains(string(b), `"data":true,"id":3,`) {
						said.Add(1)
					}
					if strings.Contains(string(b), last) {
						break
					}
				}
				c.Close()
			}
		})
	}
	wg.Wait()
	n := w.native("nothing")
	n.publish("chat", `"the end"`)
	if got := int64(<-heard); got < said.Load() || said.Load() == 0 {
		t.Errorf("%d messages were taken, %d heard", said.Load(), got)
	}
	p := w.page()
	for end := time.Now().Add(5 * time.Second); ; time.Sleep(10 * time.Millisecond) {
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
	for end := time.Now().Add(15 * time.Second); w.hub.Stats.Get(node.CutReplies) == 0; {
		if time.Now().After(end) {
			t.Fatal("it is not cut")
		}
		p.call("core", `"receiveText"`, `["on it goes"]`, "null")
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
	if err := w.hub.Delete([]byte("l/000/" + strings.Repeat("n", 60))); err != nil {
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
	srv := New(h)
	p := &fake{t: t}
	p.sess, _ = h.Open(p, "", "", 1000)
	d := srv.Dialect().(*page)
	turn := &node.Turn{Now: 1000}
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
