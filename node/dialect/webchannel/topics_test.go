package webchannel

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

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
		{`"list"`, `["a/./b"]`, `{"error":{"code":400,`},
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

// A chat does not hear its last line again when the page subscribes to its topic
// too, unless it asks for that by name; other topics tell theirs.
func TestChatHearsLinesOnce(t *testing.T) {
	w := newWorld(t)
	n, p := w.native("nothing"), w.page()
	n.publish("chat", `"before"`)
	n.publish("green/1", `20.5`)
	p.connect("chatserver", newMessage)
	n.publish("chat", `"heard"`)
	p.message(`","heard"],"object":"chatserver","signal":5,"type":1}`)
	say := func(method, args string) {
		t.Helper()
		p.say(`{"type":6,"object":"topics","method":` + method + `,"args":` + args + `,"id":1}`)
	}
	for _, args := range []string{`["#"]`, `["#",{"last":9}]`} {
		say(`"subscribe"`, args)
		p.message(`{"args":["green/1",20.5,1,`)
		p.message(`,"id":1,"type":10}`)
	}
	say(`"subscribe"`, `["chat"]`)
	p.message(`{"data":{"topics":1,"from":3,"gap":0},"id":1,"type":10}`)
	say(`"subscribe"`, `["chat",{"last":2}]`)
	for _, line := range []string{"before", "heard", "now"} {
		p.message(`,"` + line + `"]}},{"object":"topics","properties":{},"signals":{"5":["chat","` + line + `",`)
		if line == "heard" {
			p.message(`{"data":{"topics":1,"from":1,"gap":0},"id":1,"type":10}`)
			n.publish("chat", `"now"`)
		}
	}
	p.result(`"unsubscribe"`, `["chat"]`)
	say(`"subscribe"`, `["#",{"last":1}]`)
	p.message(`{"args":["green/1",20.5,1,`)
	p.message(`,"id":1,"type":10}`)
	p.say(`{"type":8,"object":"chatserver","signal":5}`) // now only a topic
	say(`"subscribe"`, `["#"]`)
	p.message(`{"args":["chat","now",3,`)
	p.message(`{"args":["green/1",20.5,1,`)
	p.message(`,"id":1,"type":10}`)
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
	if err := w.hub.Delete([]byte("b"), nil, w.hub.Turn()); err != nil {
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
func (r onlyGreen) MayList() *codec.Error              { return nil }
func (r onlyGreen) MayRead(t string) bool              { return r.may([]byte(t)) == nil }

func TestRightsOfPages(t *testing.T) {
	w := makeWorld(t, func(r *http.Request) node.Rights {
		if r.URL.Query().Has("green") {
			return onlyGreen{}
		}
		return nil
	}, false).slowly()
	n, alice := w.native("nothing"), w.page()
	n.publish("green/1", `1`)
	n.publish("red/1", `1`)
	alice.connect("chatserver", newMessage)
	alice.call("chatserver", `"login"`, `["alice"]`, `true`)
	w.wait(2 * relistAfter)
	alice.wantMatch(`"type":2`)
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
