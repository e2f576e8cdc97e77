package native

import (
	"fmt"
	"strings"
	"testing"

	"topicd/codec"
	"topicd/node"
)

// TestErrors: every refusal has its code and the request's id, and the
// connection goes on.
func TestErrors(t *testing.T) {
	deep := strings.Repeat("[", 17) + strings.Repeat("]", 17)
	tests := []struct {
		say  string
		code int
		id   bool // it can be found
	}{
		{`{"op":"pub","id":7,"topic":"t"`, 400, true},
		{`{"op":"pub","id":7,"topic":"t"}`, 400, true},
		{`{"op":"pub","id":7,"data":1}`, 400, true},
		{`{"op":"pub","topic":"t","id":7,"data":01}`, 400, true},
		{`nonsense`, 400, false},
		{``, 400, false},
		{`7`, 400, false},
		{`{"id":7}`, 400, true},
		{`{"op":"fly","id":7}`, 400, true},
		{`{"op":12,"id":7}`, 400, true},
		{`{"op":"pub","id":-7,"topic":"t","data":1}`, 400, false},
		{`{"op":"pub","id":7,"id":8,"topic":"t","data":1}`, 400, true},
		{`{"op":"pub","topic":"t","data":` + deep + `,"id":7}`, 400, true},
		{`{"op":"pub","id":7,"topic":"a/./b","data":1}`, 400, true},
		{`{"op":"pub","id":7,"topic":"a/+","data":1}`, 400, true},
		{`{"op":"pub","id":7,"topic":"","data":1}`, 400, true},
		{`{"op":"pub","id":7,"topic":"` + strings.Repeat("x", 1025) + `","data":1}`, 400, true},
		{`{"op":"pub","id":7,"topic":"t","data":1,"opts":{"split":1}}`, 400, true},
		{`{"op":"sub","id":7}`, 400, true},
		{`{"op":"sub","id":7,"topic":"a/#/b"}`, 400, true},
		{`{"op":"sub","id":7,"topic":"a","opts":{"rate":-1}}`, 400, true},
		{`{"op":"sub","id":7,"topic":"a","opts":{"rate":0}}`, 400, true},
		{`{"op":"sub","id":7,"topic":"a","opts":{"rate":1001}}`, 400, true},
		{`{"op":"sub","id":7,"topic":"a","opts":{"last":-1}}`, 400, true},
		{`{"op":"sub","id":7,"topic":"a","opts":{"enc":"xml"}}`, 400, true},
		{`{"op":"sub","id":7,"topic":"a","opts":[]}`, 400, true},
		{`{"op":"get","id":7,"topic":"a/#b"}`, 400, true},
		{`{"op":"list","id":7,"opts":{"what":"cats"}}`, 400, true},
		{`{"op":"list","id":7,"opts":{"match":"a/#/"}}`, 400, true},
		{`{"op":"hello","id":7,"opts":{"dev":"a/b"}}`, 400, true},
		{`{"op":"hello","id":7,"opts":{"name":"$a"}}`, 400, true},
		{`{"op":"hello","id":7,"opts":{"dev":"` + strings.Repeat("x", 65) + `"}}`, 400, true},
		{`{"op":"make","id":7,"topic":"m","opts":{"durable":true}}`, 400, true},
		{`{"op":"make","id":7,"topic":"m/+"}`, 400, true},
		{`{"op":"msg","id":7,"topic":"t","data":1}`, 400, true},
		{`{"op":"welcome","id":7}`, 400, true},
		{`{"op":"bye","id":7}`, 400, true},
		{`{"op":"pub","id":7,"topic":"$sys/x","data":1}`, 403, true},
		{`{"op":"pub","id":7,"topic":"$x","opts":{"split":true},"data":[{"n":"a","v":1}]}`, 403, true},
		{`{"op":"make","id":7,"topic":"$sys/x"}`, 403, true},
		{`{"op":"delete","id":7,"topic":"$sys/stats"}`, 403, true},
		{`{"op":"delete","id":7,"topic":"none"}`, 404, true},
		{`{"op":"unsub","id":7,"topic":"none"}`, 404, true},
		{`{"op":"get","id":7,"topic":"none"}`, 404, true},
		{`{"op":"pub","id":7,"topic":3,"data":1}`, 404, true},
		{`{"op":"sub","id":7,"topic":3}`, 404, true},
		{`{"op":"pub","id":7,"topic":"t","data":"` + strings.Repeat("x", 2000) + `"}`, 413, true},
		{`{"op":"pub","id":7,"topic":"t","data":{` + pairs(1025) + `}}`, 413, true},
	}
	for _, tt := range tests {
		s := newTranscript(t, node.Options{MaxBody: 2000})
		p := s.Peer("a")
		p.Say(true, []byte(tt.say))
		want := fmt.Sprintf(`< {"op":"err","id":7,"err":{"code":%d,"msg":"`, tt.code)
		if !tt.id {
			want = fmt.Sprintf(`< {"op":"err","err":{"code":%d,"msg":"`, tt.code)
		}
		if f := p.All(); len(f) != 1 || !strings.HasPrefix(f[0], want) {
			t.Errorf("%.60s: got %.200q, want %s…", tt.say, f, want)
		}
		if cb, err := codec.Transcode(nil, codec.CBOR, codec.JSON, []byte(tt.say)); err == nil {
			p.Say(false, cb)
			if f := p.All(); len(f) != 1 || !strings.HasPrefix(f[0], "<"+want) {
				t.Errorf("CBOR of %.60s: got %.200q, want <%s…", tt.say, f, want)
			}
		}
		p.Say(true, []byte(`{"op":"ping"}`))
		if f := p.All(); p.Code != 0 || len(f) != 1 || f[0] != `< {"op":"pong"}` {
			t.Errorf("%.60s: after it a ping gets %q", tt.say, f)
		}
	}
}

func pairs(n int) string {
	b := []byte(`"0":0`)
	for i := 1; i < n; i++ {
		b = fmt.Appendf(b, `,"%d":0`, i)
	}
	return string(b)
}

// TestMalformed: ten malformed frames in a row end the connection; one that is
// understood between them begins the count anew.
func TestMalformed(t *testing.T) {
	for _, text := range []bool{true, false} {
		s := newTranscript(t, node.Options{})
		p := s.Peer("a")
		bad, good := []byte("{"), []byte(`{"op":"pong"}`)
		if !text {
			bad, good = []byte{0xff}, []byte{0xa1, 0, 9}
		}
		for range 3 {
			for range 9 {
				p.Say(text, bad)
			}
			p.Say(text, good)
		}
		if f := p.All(); len(f) != 27 || p.Code != 0 {
			t.Fatalf("%d answers, ended with %d", len(f), p.Code)
		}
		for range 12 { // the last two are not looked at any more
			p.Say(text, bad)
		}
		f := p.All()
		if p.Code != 1002 {
			t.Fatalf("ended with %d", p.Code)
		}
		if n := len(f); n != 10 || !strings.Contains(f[9], `"op":"bye"`) || !strings.Contains(f[9], `"code":400`) {
			t.Errorf("%d answers, the last %q", n, f[n-1])
		}
		if n := s.Hub.Stats.Get(node.CutMalformed); n != 1 {
			t.Errorf("%d counted", n)
		}
	}
}

// TestBye: the hub's goodbye in the peer's encoding, with every code.
func TestBye(t *testing.T) {
	for _, code := range codec.Codes {
		s := newTranscript(t, node.Options{})
		for _, proto := range []string{"", ProtocolJSON, ProtocolCBOR} {
			p := s.Open(proto+"!", proto)
			p.All()
			turn := s.Hub.Turn()
			p.Dialect.Bye(p, &codec.Error{Code: code, Msg: "why", Retry: 5}, turn)
			want := fmt.Sprintf(`< {"op":"bye","err":{"code":%d,"msg":"why","retry":5}}`, code)
			if proto == ProtocolCBOR {
				want = "<" + want
			}
			if f := p.All(); len(f) != 1 || f[0] != want {
				t.Errorf("got %q, want %s", f, want)
			}
		}
	}
}

// TestLimits: what is over a limit is refused with the code that says whether
// and when trying again makes sense.
func TestLimits(t *testing.T) {
	t.Run("topics", func(t *testing.T) {
		newTranscript(t, node.Options{Topics: 2}).Play(`
			a > [{"op":"pub","topic":"a","data":1},{"op":"pub","topic":"b","data":1}]
			a > {"op":"pub","id":1,"topic":"c","data":1}
			a < {"op":"err","id":1,"err":{"code":507,"msg":"the hub holds as many topics as it may","retry":60000}}
			a > {"op":"sub","id":2,"topic":"c"}
			a < {"op":"err","id":2,"err":{"code":507,"msg":"the hub holds as many topics as it may","retry":60000}}
			a > {"op":"make","id":3,"topic":"c"}
			a < {"op":"err","id":3,"err":{"code":507,"msg":"the hub holds as many topics as it may","retry":60000}}
			a > {"op":"delete","id":4,"topic":"a"}
			a < {"op":"ok","id":4}
			a > {"op":"pub","id":5,"topic":"c","data":1}
			a < {"op":"ok","id":5,"topic":1,"seq":1}`)
	})
	t.Run("subscriptions", func(t *testing.T) {
		newTranscript(t, node.Options{Subs: 1}).Play(`
			a > {"op":"sub","topic":"a/#"}
			a < {"op":"live","topic":"a/#","data":{"count":0}}
			a < {"op":"ok","data":{"topics":0,"from":0,"gap":0},"ep":7}
			a > {"op":"sub","id":1,"topic":"b"}
			a < {"op":"err","id":1,"err":{"code":507,"msg":"too many subscriptions: unsubscribe some or use a pattern"}}
			# the one it has may be changed
			a > {"op":"sub","id":2,"topic":"a/#","opts":{"rate":1}}
			a < {"op":"live","id":2,"topic":"a/#","data":{"count":0}}
			a < {"op":"ok","id":2,"data":{"topics":0,"from":0,"gap":0},"ep":7}`)
	})
	t.Run("requests a second", func(t *testing.T) {
		s := newTranscript(t, node.Options{Rate: 10})
		p := s.Peer("a")
		for range 30 {
			p.Say(true, []byte(`{"op":"ping","id":1}`))
		}
		f := p.All()
		refused := 0
		for _, l := range f {
			if l == `< {"op":"err","id":1,"err":{"code":429,"msg":"too many requests on this connection","retry":100}}` {
				refused++
			}
		}
		if len(f) != 30 || refused < 18 || refused > 20 {
			t.Errorf("%d of %d refused", refused, len(f))
		}
		s.Now += 1000
		p.Say(true, []byte(`{"op":"ping","id":1}`))
		if f := p.All(); len(f) != 1 || f[0] != `< {"op":"pong","id":1}` {
			t.Errorf("a second later: %q", f)
		}
	})
	t.Run("a batch counts by its requests", func(t *testing.T) {
		s := newTranscript(t, node.Options{Rate: 10})
		p := s.Peer("a")
		p.Say(true, []byte("["+strings.Repeat(`{"op":"ping"},`, 29)+`{"op":"ping"}]`))
		if all := strings.Join(p.All(), "\n"); strings.Count(all, "pong") > 12 || strings.Count(all, `"code":429`) < 18 {
			t.Errorf("got %s", all)
		}
	})
	t.Run("bytes a second", func(t *testing.T) {
		s := newTranscript(t, node.Options{ByteRate: 1000})
		p := s.Peer("a")
		for range 3 {
			p.Say(true, []byte(`{"op":"pub","id":1,"topic":"t","data":"`+strings.Repeat("x", 1500)+`"}`))
		}
		if f := p.All(); len(f) != 3 || !strings.Contains(f[0], `"op":"ok"`) || !strings.Contains(f[2], `"code":429`) {
			t.Errorf("got %.100q", f)
		}
	})
	t.Run("unanswered requests", func(t *testing.T) {
		s := newTranscript(t, node.Options{})
		p := s.Peer("a")
		for range 12 {
			p.Say(true, []byte(`{"op":"list","id":3}`))
		}
		all := strings.Join(p.All(), "\n")
		if strings.Count(all, `"op":"ok"`) != 8 || strings.Count(all, `"code":429,"msg":"too many unanswered requests on this connection: read their answers first","retry":100`) != 4 {
			t.Errorf("got %s", all)
		}
	})
	t.Run("room", func(t *testing.T) {
		s := newTranscript(t, node.Options{Memory: 64 << 10, Topics: 1000, TopicCap: 64 << 10})
		p := s.Peer("a")
		full := ""
		for i := range 500 {
			p.Say(true, fmt.Appendf(nil, `{"op":"pub","id":1,"topic":"t/%d","data":"%s"}`, i, strings.Repeat("x", 1000)))
			if f := p.All(); !strings.Contains(f[0], `"op":"ok"`) {
				full = f[0]
				break
			}
		}
		if !strings.Contains(full, `"id":1,"err":{"code":507`) || !strings.Contains(full, `"retry":1000`) {
			t.Errorf("a full hub says %q", full)
		}
	})
}
