package webchannel

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/gorilla/websocket"

	"topicd/node/dialect/dialecttest"
)

// The init reply of Qt's own chat server, 5.15.8 and 6.4.2.
const chatserverInit = `"chatserver":{"methods":[["deleteLater",3],["deleteLater()",3],["login",11],["login(QString)",11],["logout",12],["logout(QString)",12],` +
	`["sendMessage",13],["sendMessage(QString,QString)",13],["keepAliveResponse",14],["keepAliveResponse(QString)",14]],` +
	`"properties":[[0,"objectName",[1,2],""],[1,"userList",[1,7],[]]],` +
	`"signals":[["destroyed",0],["destroyed(QObject*)",0],["destroyed()",1],["newMessage",5],["newMessage(QString,QString,QString)",5],` +
	`["keepAlive",6],["keepAlive()",6],["userCountChanged",8],["userCountChanged()",8]]}`

// And that of its dialog.
const coreInit = `"core":{"methods":[["deleteLater",3],["deleteLater()",3],["receiveText",6],["receiveText(QString)",6]],` +
	`"properties":[[0,"objectName",[1,2],""]],"signals":[["destroyed",0],["destroyed(QObject*)",0],["destroyed()",1],["sendText",5],["sendText(QString)",5]]}`

func TestInit(t *testing.T) {
	w := newWorld(t)
	for _, id := range []string{`0`, `17`, `"x"`, `-1.5`} {
		p := w.dial("/")
		p.say(`{"id":` + id + `,"type":3}`)
		got := p.wantMatch(`^\{"data":\{.*\},"id":` + id + `,"type":10\}$`)
		if !strings.Contains(got, chatserverInit) || !strings.Contains(got, coreInit) || !strings.Contains(got, strings.Replace(coreInit, "core", "dialog", 1)) {
			t.Errorf("got %s", got)
		}
		if !strings.Contains(got, `["topicList",[1,6],[]]`) && !strings.Contains(got, `[1,"topicList",[1,6],[]]`) {
			t.Errorf("topics: %s", got)
		}
	}
}

// Values of calls, as Qt gives them.
func TestCalls(t *testing.T) {
	w := newWorld(t)
	p := w.page()
	for _, c := range []struct{ object, method, args, result string }{
		{"chatserver", `"login"`, `["alice"]`, `true`},
		{"chatserver", `"login"`, `["alice"]`, `false`},
		{"chatserver", `11`, `["bob"]`, `true`},
		{"chatserver", `"login(QString)"`, `["carol"]`, `true`},
		{"chatserver", `"logout(QString)"`, `["carol"]`, `true`},
		{"chatserver", `"login"`, `[42]`, `true`}, // a number for a string is converted
		{"chatserver", `"logout"`, `["42"]`, `true`},
		{"chatserver", `"login"`, `[1.5]`, `true`},
		{"chatserver", `"logout"`, `["1.5"]`, `true`},
		{"chatserver", `"login"`, `[true]`, `true`},
		{"chatserver", `"logout"`, `["true"]`, `true`},
		{"chatserver", `"login"`, `[null]`, `false`}, // no name
		{"chatserver", `"login"`, `[[1]]`, `false`},
		{"chatserver", `"login"`, `[""]`, `false`},
		{"chatserver", `"login"`, `["  "]`, `false`},
		{"chatserver", `"login"`, `["` + strings.Repeat("n", maxName+1) + `"]`, `false`},
		{"chatserver", `"login"`, `[ "a \"quoted\" [name], {really}\\" ]`, `true`},
		{"chatserver", `"login"`, `[]`, `[]`},
		{"chatserver", `"login"`, `["a","b"]`, `[]`}, // by name the number of arguments counts
		{"chatserver", `11`, `["dora","b"]`, `true`}, // by number more are ignored
		{"chatserver", `12`, `["dora","b"]`, `true`},
		{"chatserver", `11`, `[]`, `[]`},
		{"chatserver", `"login(int)"`, `["x"]`, `[]`},
		{"chatserver", `"nothing"`, `[]`, `[]`},
		{"chatserver", `99`, `[]`, `[]`},
		{"chatserver", `-1`, `[]`, `[]`},
		{"chatserver", `null`, `[]`, `[]`},
		{"chatserver", `{"a":[1]}`, `[]`, `[]`},
		{"chatserver", `"deleteLater"`, `[]`, `[]`},
		{"chatserver", `3`, `[]`, `[]`},
		{"chatserver", `"login"`, `{"0":"x"}`, `[]`},
		{"chatserver", `"login"`, `[1,2,3,4,5,6,7,8,9,10,11]`, `[]`},
		{"chatserver", `"logout"`, `["nobody"]`, `false`},
		{"chatserver", `"sendMessage"`, `["nobody","hi"]`, `false`},
		{"chatserver", `"sendMessage"`, `["alice","hi"]`, `true`},
		{"chatserver", `"keepAliveResponse"`, `["alice"]`, `null`},
		{"chatserver", `"keepAliveResponse"`, `["nobody"]`, `null`},
		{"core", `"receiveText"`, `["hi"]`, `null`},
		{"dialog", `6`, `["hi"]`, `null`},
		{"core", `"receiveText"`, `[]`, `[]`},
	} {
		p.id++
		p.say(fmt.Sprintf(`{"args":%s,"id":%d,"method":%s,"object":%q,"type":6}`, c.args, p.id, c.method, c.object))
		for {
			got := p.next()
			if strings.HasSuffix(got, `"type":2}`) {
				p.say(`{"type":4}`)
				continue
			}
			if want := fmt.Sprintf(`{"data":%s,"id":%d,"type":10}`, c.result, p.id); got != want {
				t.Errorf("%s.%s(%s) is answered with %s", c.object, c.method, c.args, got)
			}
			break
		}
	}
}

// What Qt does not answer is not answered, and the connection stays.
func TestSilence(t *testing.T) {
	w := newWorld(t)
	p := w.page()
	for _, text := range []string{
		`nonsense`, ``, `[]`, `[{"type":3,"id":1}]`, `42`, `null`, `"x"`, `{}`, `{"type":3}`, `{"type":"3","id":1}`, `{"type":0,"id":1}`,
		`{"type":1,"object":"chatserver","signal":5}`, `{"type":2,"data":[]}`, `{"type":10,"id":1,"data":1}`, `{"type":11,"id":1}`, `{"type":-1}`,
		`{"type":6,"object":"nobody","method":"login","args":["x"],"id":1}`, `{"type":6,"object":"chatserver","method":"login","args":["x"]}`,
		`{"type":6,"method":"login","args":["x"],"id":1}`, `{"type":6,"object":5,"method":11,"args":["x"],"id":1}`,
		`{"type":7,"object":"nobody","signal":5}`, `{"type":7,"object":"chatserver","signal":99}`, `{"type":7,"object":"chatserver"}`, `{"type":7}`,
		`{"type":8,"object":"chatserver","signal":5}`, `{"type":8,"object":"nobody","signal":-5}`,
		`{"type":9,"object":"chatserver","property":1,"value":["x"]}`, `{"type":9}`, `{"type":5,"data":"a debug line"}`, `{"type":5}`, `{"type":4}`,
		`{"type":3,"id":"` + strings.Repeat("x", 100) + `"}`, `{"type":3,"id":` + strings.Repeat(`[`, 20000) + `}`,
		`{"op":"ping"}`, `SCDTMH:1`,
	} {
		p.say(text)
	}
	if err := p.WriteMessage(websocket.BinaryMessage, []byte(`{"type":3,"id":1}`)); err != nil {
		t.Fatal(err)
	}
	p.quiet()
}

// Two pages and an onlooker.
func TestConversation(t *testing.T) {
	w := newSlowWorld(t)
	alice, bob, eve := w.page(), w.page(), w.page()
	for _, p := range []*peer{alice, bob, eve} {
		p.connect("chatserver", newMessage)
	}
	alice.connect("chatserver", userCountChanged)
	users := func(names string, ps ...*peer) {
		t.Helper()
		w.wait(flushAfter + 10)
		for _, p := range ps {
			p.want(`{"data":[{"object":"chatserver","properties":{"1":[` + names + `]},"signals":{"7":[]}}],"type":2}`)
			p.say(`{"type":4}`)
		}
	}
	// A signal that a call causes comes before the call's response.
	alice.say(`{"type":6,"object":"chatserver","method":"login","args":["alice"],"id":1}`)
	alice.want(`{"object":"chatserver","signal":8,"type":1}`)
	alice.want(`{"data":true,"id":1,"type":10}`)
	users(`"alice"`, alice, bob, eve)
	bob.call("chatserver", `"login"`, `["alice"]`, `false`)
	bob.call("chatserver", `"login"`, `["Bob"]`, `true`)
	alice.want(`{"object":"chatserver","signal":8,"type":1}`)
	users(`"Bob","alice"`, alice, bob, eve)

	alice.say(`{"type":6,"object":"chatserver","method":"sendMessage","args":["alice","hi <b>you</b>"],"id":2}`)
	said := `^\{"args":\["\d\d:\d\d:\d\d","alice","hi <b>you</b>"\],"object":"chatserver","signal":5,"type":1\}$`
	alice.wantMatch(said)
	alice.want(`{"data":true,"id":2,"type":10}`)
	bob.wantMatch(said)
	eve.wantMatch(said) // an onlooker hears it too

	// Names are bound to the connection that logged in.
	eve.call("chatserver", `"sendMessage"`, `["alice","I am alice"]`, `false`)
	eve.call("chatserver", `"logout"`, `["alice"]`, `false`)
	eve.call("chatserver", `"keepAliveResponse"`, `["alice"]`, `null`)
	alice.quiet()

	// One that is gone leaves the list at once.
	bob.Close()
	alice.want(`{"object":"chatserver","signal":8,"type":1}`)
	users(`"alice"`, alice, eve)
	alice.say(`{"type":6,"object":"chatserver","method":"logout","args":["alice"],"id":3}`)
	alice.want(`{"object":"chatserver","signal":8,"type":1}`)
	alice.want(`{"data":true,"id":3,"type":10}`)
	users(``, alice, eve)
	alice.say(`{"type":8,"object":"chatserver","signal":5}`)
	alice.quiet()
	if n := w.hub.Counts().Subscriptions; n != 1 {
		t.Errorf("%d subscriptions, want that of the onlooker", n)
	}
}

// A native client joins the conversation by publishing.
func TestNativeJoinsChat(t *testing.T) {
	w := newSlowWorld(t)
	alice := w.page()
	alice.connect("chatserver", newMessage)
	n := w.native("chat")
	alice.call("chatserver", `"login"`, `["alice"]`, `true`)
	w.wait(flushAfter + 10)
	alice.wantMatch(`"type":2`)
	alice.say(`{"type":4}`)
	alice.say(`{"type":6,"object":"chatserver","method":"sendMessage","args":["alice","anybody?"],"id":1}`)
	alice.wantMatch(`"alice","anybody\?"`)
	n.wantMatch(`"topic":"chat","data":\{"user":"alice","text":"anybody\?"\},"ts":\d+,"seq":1`)
	alice.want(`{"data":true,"id":1,"type":10}`)
	for _, c := range []struct{ data, user, text string }{
		{`{"user":"gw","text":"I"}`, "gw", "I"},
		{` { "text" : "by number" } `, `c\d+`, "by number"},
		{`"a bare string \u00e9"`, `c\d+`, "a bare string é"},
		{`{"user":"alice","text":"no, I am"}`, `alice \(c\d+\)`, "no, I am"}, // a name that is somebody else's
	} {
		n.publish("chat", c.data)
		alice.wantMatch(`^\{"args":\["\d\d:\d\d:\d\d","` + c.user + `","` + c.text + `"\],"object":"chatserver","signal":5,"type":1\}$`)
	}
	n.say(`{"op":"hello","id":9,"opts":{"name":"gateway"}}`)
	n.wantMatch(`welcome`)
	n.publish("chat", `"named"`)
	alice.wantMatch(`"gateway","named"`)
	// What says nothing is not shown.
	for _, data := range []string{`21.5`, `{"v":1}`, `[]`, `null`, `{"text":5}`, `{"user":5,"text":"x"}`} {
		n.publish("chat", data)
	}
	if err := n.WriteMessage(websocket.BinaryMessage, encode(t, `{"op":"pub","topic":"chat","data":{"user":"cbor","text":"in CBOR"}}`)); err != nil {
		t.Fatal(err)
	}
	alice.wantMatch(`"cbor","in CBOR"`)
}

// Changes of 50 ms are one update, and the next waits until the page is idle.
func TestPropertyUpdates(t *testing.T) {
	w := newSlowWorld(t)
	watcher, other := w.page(), w.page()
	watcher.quiet()
	for i := range 3 {
		other.call("chatserver", `"login"`, fmt.Sprintf(`["u%d"]`, i), `true`)
		w.wait(10)
	}
	watcher.quiet() // not yet
	w.wait(50)
	watcher.want(`{"data":[{"object":"chatserver","properties":{"1":["u0","u1","u2"]},"signals":{"7":[]}}],"type":2}`)
	other.wantMatch(`"type":2`) // it never says that it is idle: that holds up nobody else
	for i := range 3 {
		other.call("chatserver", `"logout"`, fmt.Sprintf(`["u%d"]`, i), `true`)
		w.wait(60)
	}
	watcher.quiet() // not idle
	watcher.say(`{"type":4}`)
	watcher.want(`{"data":[{"object":"chatserver","properties":{"1":[]},"signals":{"7":[]}}],"type":2}`)
	watcher.say(`{"type":4}`)
	watcher.quiet()
	// A newcomer is told what is so, and not again.
	other.call("chatserver", `"login"`, `["late"]`, `true`)
	late := w.dial("/webchannel")
	late.say(`{"type":3,"id":0}`)
	late.wantMatch(`\[1,"userList",\[1,7\],\["late"\]\]`)
	late.say(`{"type":4}`)
	w.wait(100)
	late.quiet()
	watcher.wantMatch(`\["late"\]`)
}

// The keep-alive rules, on a clock of the test's.
func TestKeepAlive(t *testing.T) {
	w := newSlowWorld(t)
	alice, bob, carol := w.page(), w.page(), w.page()
	alice.call("chatserver", `"login"`, `["alice"]`, `true`)
	bob.call("chatserver", `"login"`, `["bob"]`, `true`)
	for _, p := range []*peer{alice, bob} {
		p.connect("chatserver", keepAlive)
	}
	w.wait(60)
	idle := func(names string, ps ...*peer) {
		t.Helper()
		for _, p := range ps {
			p.want(`{"data":[{"object":"chatserver","properties":{"1":[` + names + `]},"signals":{"7":[]}}],"type":2}`)
			p.say(`{"type":4}`)
			p.quiet()
		}
	}
	idle(`"alice","bob"`, alice, bob, carol)
	asked := func(ps ...*peer) {
		t.Helper()
		for _, p := range ps {
			p.want(`{"object":"chatserver","signal":6,"type":1}`)
		}
	}
	w.wait(10_000 - 70)
	alice.quiet()
	w.wait(20)
	asked(alice, bob)
	alice.call("chatserver", `"keepAliveResponse"`, `["alice"]`, `null`)
	carol.call("chatserver", `"keepAliveResponse"`, `["bob"]`, `null`)   // not hers
	carol.call("chatserver", `"keepAliveResponse"`, `["ghost"]`, `null`) // nobody's
	carol.call("chatserver", `"login"`, `["carol"]`, `true`)             // in between: she has shown that she is there
	w.wait(60)
	idle(`"alice","bob","carol"`, alice, bob, carol)
	w.wait(2_000)
	idle(`"alice","carol"`, alice, bob, carol)
	bob.call("chatserver", `"sendMessage"`, `["bob","still here"]`, `false`)

	// Who was asleep comes back with his next answer.
	w.wait(8_000)
	asked(alice, bob)
	alice.call("chatserver", `"keepAliveResponse"`, `["alice"]`, `null`)
	bob.call("chatserver", `"keepAliveResponse"`, `["bob"]`, `null`)
	w.wait(2_060)
	idle(`"alice","bob"`, alice, bob, carol)
	// Unless somebody else has taken the name meanwhile.
	alice.call("chatserver", `"login"`, `["carol"]`, `true`)
	carol.call("chatserver", `"logout"`, `["carol"]`, `false`)
	carol.call("chatserver", `"login"`, `["carol"]`, `false`)
	w.wait(60)
	idle(`"alice","bob","carol"`, alice, bob, carol)

	// Nobody is there: nothing is due.
	for _, p := range []*peer{alice, bob, carol} {
		p.Close()
	}
	dialecttest.Await(t, "they have left", func() bool {
		w.srv.mu.Lock()
		defer w.srv.mu.Unlock()
		return len(w.srv.pages) == 0
	})
	w.wait(25_000)
	if next := w.srv.tick(w.hub.Turn()); next != 0 {
		t.Errorf("something is due at %d though nobody is there", next)
	}
}

func TestLimitsOfUsers(t *testing.T) {
	w := newWorld(t)
	p := w.page()
	n := 0
	for i := range maxPageUsers + 3 {
		p.say(fmt.Sprintf(`{"type":6,"object":"chatserver","method":"login","args":["u%d"],"id":%d}`, i, i))
	}
	for i := 0; i < maxPageUsers+3; {
		f := p.next()
		if strings.HasSuffix(f, `"type":2}`) {
			continue
		}
		i++
		if strings.HasPrefix(f, `{"data":true`) {
			n++
		}
	}
	if n != maxPageUsers {
		t.Errorf("%d users of one connection", n)
	}
}

// Names are in order of UTF-16 code units, as QStringList sorts.
func TestOrderOfNames(t *testing.T) {
	names := []string{"\ufb00", "\U0001d11e", "a", "B", "ab", "\U0001d11f", "\ue000", "\ud7fb", "é", ""}
	slices.SortFunc(names, compare)
	want := []string{"", "B", "a", "ab", "é", "\ud7fb", "\U0001d11e", "\U0001d11f", "\ue000", "\ufb00"}
	if !slices.Equal(names, want) {
		t.Errorf("%q", names)
	}
}

// With a page there the timers wake up less than once a second, and not at all
// without one.
func TestSleep(t *testing.T) {
	w := newSlowWorld(t)
	if next := w.srv.tick(w.hub.Turn()); next != 0 {
		t.Errorf("with nobody there something is due at %d", next)
	}
	p := w.page()
	p.call("chatserver", `"login"`, `["alice"]`, `true`)
	p.connect("chatserver", keepAlive)
	n := 0
	for w.slow.Load() < 60_000 {
		next := w.srv.tick(w.hub.Turn())
		if next <= w.slow.Load() {
			t.Fatalf("due at %d, it is %d", next, w.slow.Load())
		}
		w.slow.Store(next)
		n++
	}
	if n > 60 {
		t.Errorf("%d times in a minute", n)
	}
	t.Logf("%d times in a minute", n)
}

// Who was asked whether they are there just before the hub stood still, for seconds, are
// not taken for gone when it goes on: what they said lies in their sockets still.
func TestKeepAliveOfAHubThatStoodStill(t *testing.T) {
	w := newSlowWorld(t)
	alice := w.page()
	alice.call("chatserver", `"login"`, `["alice"]`, `true`)
	alice.connect("chatserver", keepAlive)
	w.wait(60)
	alice.want(`{"data":[{"object":"chatserver","properties":{"1":["alice"]},"signals":{"7":[]}}],"type":2}`)
	alice.say(`{"type":4}`)
	w.wait(10_000)
	alice.want(`{"object":"chatserver","signal":6,"type":1}`)
	w.slow.Add(3_000)
	w.wait(200)
	alice.call("chatserver", `"keepAliveResponse"`, `["alice"]`, `null`)
	alice.call("chatserver", `"sendMessage"`, `["alice","still here"]`, `true`)
}
