package scd

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/gorilla/websocket"

	"topicd/codec"
	"topicd/node"
	"topicd/node/dialect"
	"topicd/node/dialect/dialecttest"
)

// TestSCD plays every command and code of the dialect.
func TestSCD(t *testing.T) {
	long := strings.Repeat("x", 1000)
	tests := []struct{ name, script string }{
		{"TMK", `
			a > TMK:Chat
			a < [server@notify]:TMK|Chat|1|no error\n
			a > TMK:Chat
			a < [server@notify]:TMK|Chat|2|topic 'Chat' already exists\n
			b > TMK:Chat
			b < [server@notify]:TMK|Chat|2|topic 'Chat' already exists\n
			a > TMK:
			a < [server@notify]:TMK||0|Undefined topic name\n
			# only the whole name is the topic: no parts of it, no patterns
			a > TRC:Cha
			a < [server@notify]:TRC|Cha|0|topic 'Cha' not found\n
			a > TSM:hat
			a < [server@notify]:TSM|hat|0|topic 'hat' not found\n
			a > TSM:static
			a < [server@notify]:TSM|static|0|topic 'static' not found\n
			a > TDL:.*
			a < [server@notify]:TDL|.*|-1|topic '.*' not found\n
			a > TUC:config.cfg
			a < [server@notify]:TUC|config.cfg|2|topic 'config.cfg' not found\n
			a > TDL:topicd.toml
			a < [server@notify]:TDL|topicd.toml|-1|topic 'topicd.toml' not found\n`},
		{"TRN, TRC, TUC: a dynamic topic lives as long as its members", `
			a > TRC:t
			a < [server@notify]:TRC|t|0|topic 't' not found\n
			a > TRN:t
			a < [server@notify]:TRN|t|3|no error\n
			a > TRN:t
			a < [server@notify]:TRN|t|2|topic 't' already exists\n
			b > TRC:t
			b < [server@notify]:TRC|t|1|no error\n
			b > TRC:t
			b < [server@notify]:TRC|t|1|no error\n
			c > TUC:t
			c < [server@notify]:TUC|t|1|no error\n
			a > TUC:t
			a < [server@notify]:TUC|t|1|no error\n
			a > TUC:t
			a < [server@notify]:TUC|t|1|no error\n
			b > TUC:t
			b < [server@notify]:TUC|t|3|no error\n
			b > TUC:t
			b < [server@notify]:TUC|t|2|topic 't' not found\n
			# a connection that is lost leaves as well
			b > TRN:t
			b < [server@notify]:TRN|t|3|no error\n
			b -
			a > TRC:t
			a < [server@notify]:TRC|t|0|topic 't' not found\n
			a > TRN:
			a < [server@notify]:TRN||0|Undefined topic name\n
			a > TRC:
			a < [server@notify]:TRC||0|Undefined topic name\n
			a > TUC:
			a < [server@notify]:TUC||0|Undefined topic name\n`},
		{"a static topic outlives its members", `
			a > TMK:s
			a < [server@notify]:TMK|s|1|no error\n
			a > TRN:s
			a < [server@notify]:TRN|s|2|topic 's' already exists\n
			a > TUC:s
			a < [server@notify]:TUC|s|1|no error\n
			a > TRC:s
			a < [server@notify]:TRC|s|1|no error\n`},
		{"TSM: to all but the sender, who need not subscribe", `
			a > TRN:t
			a < [server@notify]:TRN|t|3|no error\n
			b > TRC:t
			b < [server@notify]:TRC|t|1|no error\n
			a >+ TSM:t\nHello World
			a < [server@notify]:TSM|t|1|no error\n
			b < [<a>@t]:Hello World
			c >+ TSM:t\nfrom outside
			c < [server@notify]:TSM|t|1|no error\n
			a < [<c>@t]:from outside
			b < [<c>@t]:from outside
			# to nobody is fine too
			d > TMK:s
			d < [server@notify]:TMK|s|1|no error\n
			d >+ TSM:s\nx
			d < [server@notify]:TSM|s|1|no error\n
			d > TSM:
			d < [server@notify]:TSM||0|Undefined topic name\n`},
		{"bodies are verbatim", `
			a > TRN:t
			a < [server@notify]:TRN|t|3|no error\n
			b >+ TSM:t\n
			b < [server@notify]:TSM|t|1|no error\n
			a < [<b>@t]:
			b >+ TSM:t
			b < [server@notify]:TSM|t|1|no error\n
			a < [<b>@t]:
			b >+ TSM:t\n\nline\n\ttab | ]: [x@y]: \n
			b < [server@notify]:TSM|t|1|no error\n
			a < [<b>@t]:\nline\n\ttab | ]: [x@y]: \n
			b >+ TSM:t\n"quoted"
			b < [server@notify]:TSM|t|1|no error\n
			a < [<b>@t]:"quoted"
			b >+ TSM:t\n{ "v" : 1.50,\n"u":"Cel" }
			b < [server@notify]:TSM|t|1|no error\n
			a < [<b>@t]:{ "v" : 1.50,\n"u":"Cel" }
			b >+ TSM:t\n 21.50
			b < [server@notify]:TSM|t|1|no error\n
			a < [<b>@t]: 21.50
			b >+ TSM:t\n21.50\n
			b < [server@notify]:TSM|t|1|no error\n
			a < [<b>@t]:21.50\n
			b >+ TSM:t\n{"a":1,"a":2}
			b < [server@notify]:TSM|t|1|no error\n
			a < [<b>@t]:{"a":1,"a":2}
			b >+ TSM:t\nGrüße, 世界 𝄞 \" \\u0041 \u0000
			b < [server@notify]:TSM|t|1|no error\n
			a < [<b>@t]:Grüße, 世界 𝄞 \" \\u0041 \u0000`},
		{"TDL tells every subscriber, behind what it was sent", `
			a > TRN:t
			a < [server@notify]:TRN|t|3|no error\n
			b > TRC:t
			b < [server@notify]:TRC|t|1|no error\n
			c > TRN:other
			c < [server@notify]:TRN|other|3|no error\n
			a >+ TSM:t\nlast words
			a > TDL:t
			a < [server@notify]:TSM|t|1|no error\n
			a < [server@notify]:TDL|t|1|no error\n
			b < [<a>@t]:last words
			b < [server@notify]:TDL|t|1|no error\n
			a > TDL:t
			a < [server@notify]:TDL|t|-1|topic 't' not found\n
			a > TDL:
			a < [server@notify]:TDL||0|Undefined topic name\n
			# they are subscribed no more
			c > TRN:t
			c < [server@notify]:TRN|t|3|no error\n
			a >+ TSM:t\nx
			a < [server@notify]:TSM|t|1|no error\n
			c < [<a>@t]:x
			# the deleter need not be one of them
			b > TDL:t
			b < [server@notify]:TDL|t|1|no error\n
			c < [server@notify]:TDL|t|1|no error\n`},
		{"the grammar is liberal where the original is", `
			a >> SCDTMH:9\tTRN:t
			a < [server@notify]:TRN|t|3|no error\n
			b >>  SCDTMH : 1.0 \t\t\t TRC :  t  \tmore:fields\tand:more
			b < [server@notify]:TRC|t|1|no error\n
			b > TRN:two words
			b < [server@notify]:TRN|two words|3|no error\n`},
		{"what cannot be is refused in words", `
			a > XYZ:t
			a < [server@notify]:XYZ|t|0|unknown command "XYZ": TMK TDL TRN TRC TUC TSM are known\n
			a > trn:t
			a < [server@notify]:trn|t|0|unknown command "trn": TMK TDL TRN TRC TUC TSM are known\n
			a > TRN:a:b
			a < [server@notify]:TRN|a:b|0|a topic's name may not hold a bar, an at sign, a closing bracket or a colon here\n
			a > TDL:a|b@c]
			a < [server@notify]:TDL|a_b_c_|-1|a topic's name may not hold a bar, an at sign, a closing bracket or a colon here\n
			a > TMK:../x//y
			a < [server@notify]:TMK|../x//y|0|a level ".." in the topic "../x//y": URLs cannot have it, give it another name\n
			a > TRN:a/+
			a < [server@notify]:TRN|a/+|0|+ is for patterns, not for the topic "a/+"\n
			a > TMK:$sys/x
			a < [server@notify]:TMK|$sys/x|0|names that begin with $ are the hub's own\n
			a > TRN:$x
			a < [server@notify]:TRN|$x|0|names that begin with $ are the hub's own\n
			a > TRN:` + long + long + `
			a < [server@notify]:TRN|` + (long + long)[:maxHeader-len("SCDTMH:1.0\tTRN:")] + `|0|the header is longer than 1024 bytes\n
			a > ` + long + `:t
			a < [server@notify]:` + long[:16] + `|t|0|unknown command "` + long[:16] + `": TMK TDL TRN TRC TUC TSM are known\n`},
		{"no answer to what is malformed", `
			a >> SCDTMH:1.0\tTMK:x
			a < [server@notify]:TMK|x|1|no error\n
			a >>
			a >> \n
			a >> SCDTMH:1.0
			a >> SCDTMH:1.0\t\t\nTRN:t
			a >> SCDTMH:1.0 TRN:t
			a >> scdtmh:1.0\tTRN:t
			a >> SCDTMH:1.0\tTRN
			a >> {"op":"ping"}
			a > TMK:x
			a < [server@notify]:TMK|x|2|topic 'x' already exists\n`},
		{"rights", `
			a/mine > TMK:mine
			a < [server@notify]:TMK|mine|0|not yours: mine!\n
			a > TRN:mine
			a < [server@notify]:TRN|mine|3|no error\n
			b > TRN:yours
			b < [server@notify]:TRN|yours|3|no error\n
			a > TRC:yours
			a < [server@notify]:TRC|yours|0|not yours: yours\n
			a > TRN:theirs
			a < [server@notify]:TRN|theirs|0|not yours: theirs\n
			a > TSM:yours
			a < [server@notify]:TSM|yours|0|not yours: yours\n
			a > TDL:yours
			a < [server@notify]:TDL|yours|-1|not yours: yours!\n
			a > TSM:mine
			a < [server@notify]:TSM|mine|1|no error\n`},
	}
	for _, reader := range []string{"poll", "goroutine"} {
		for _, tt := range tests {
			t.Run(reader+"/"+tt.name, func(t *testing.T) {
				t.Parallel()
				s := &session{t, start(t, node.Options{Rate: -1}, reader), map[string]*dialecttest.Client{}}
				s.play(tt.script)
			})
		}
	}
}

// TestSCDMalformed: ten in a row end the connection; all are counted, the rate too.
func TestSCDMalformed(t *testing.T) {
	h := start(t, node.Options{}, "")
	s := &session{t, h, map[string]*dialecttest.Client{}}
	s.play("b > TMK:x\nb < [server@notify]:TMK|x|1|no error\\n")
	c := s.peer("b", "", "")
	for range 4 {
		c.Text("nonsense")
		_ = c.WriteMessage(websocket.BinaryMessage, []byte("SCDTMH:1.0\tTRN:x\n"))
	}
	s.play("b > TMK:x\nb < [server@notify]:TMK|x|2|topic 'x' already exists\\n")
	for range 12 {
		c.Text("SCDTMH:1.0")
	}
	if _, b, err := c.ReadMessage(); !websocket.IsCloseError(err, 1002) {
		t.Errorf("got %q, %v", b, err)
	}
	if n := h.Stats.Get(node.CutMalformed); n != 1 {
		t.Errorf("%d cuts counted", n)
	}
	if n := h.Stats.Get(node.RefusedMalformed); n != 18 {
		t.Errorf("%d malformed frames counted", n)
	}
	if h.Find([]byte("x")) == nil {
		t.Error("the static topic is gone")
	}
}

func newTranscript(t testing.TB, o node.Options) *dialecttest.Transcript {
	var p dialect.Plug
	return dialecttest.NewTranscript(t, o, func(h *node.Hub, _ string) node.Dialect {
		if p.Open == nil {
			p = Plug(h) // all connections share it
		}
		return p.Open(node.Arrival{})
	})
}

// TestSCDRate: beyond the rate a request is refused in words.
func TestSCDRate(t *testing.T) {
	s := newTranscript(t, node.Options{Rate: 10})
	p := s.Peer("a")
	for range 20 {
		p.Say(true, []byte("SCDTMH:1.0\tTDL:x\n"))
	}
	all := strings.Join(p.All(), "")
	if n := strings.Count(all, "|-1|too many requests on this connection\n"); n < 8 || n > 10 {
		t.Errorf("%d refused: %q", n, all)
	}
}

// TestSCDName: as the dialect has it.
func TestSCDName(t *testing.T) {
	for addr, want := range map[string]string{
		"127.0.0.1:47900": "7F000001:BB1C", "10.0.0.1:1": "A000001:1", "[::1]:80": "0:50", "[::ffff:1.2.3.4]:80": "1020304:50", "": "0:0",
	} {
		if got := nameOf(addr); got != want {
			t.Errorf("%s is %s, not %s", addr, got, want)
		}
	}
}

// TestSCDSender: who published, whatever it calls itself, never takes a frame apart.
func TestSCDSender(t *testing.T) {
	for _, tt := range []struct {
		from   string
		origin uint32
		want   string
	}{
		{"", 0, "hub"}, {"", 12, "c12"}, {"esp-1", 3, "esp-1"}, {"7F000001:BB1C", 3, "7F000001:BB1C"},
		{"a@b]:|c[", 3, "a_b___c_"}, {"Grün", 3, "Grün"}, {"a:b:c", 3, "a_b_c"}, {":", 3, "_"}, {"server", 3, "server_"},
	} {
		got := string(appendSender(nil, &node.Reading{From: []byte(tt.from), Origin: tt.origin}))
		if got != tt.want || strings.ContainsAny(got, "@]|[") {
			t.Errorf("%q is %q, not %q", tt.from, got, tt.want)
		}
	}
}

// FuzzSCD: whatever is said, a reply has one line, four fields and one @ in its
// brackets, and the hub stays in order.
func FuzzSCD(f *testing.F) {
	for _, s := range []string{
		"SCDTMH:1.0\tTRN:Chat\n", "SCDTMH:1.0\tTSM:Chat\nHello World", "SCDTMH:1.0\tTMK:Chat", "SCDTMH:1.0\tTDL:Chat\n",
		"SCDTMH:1.0\tTRC:a|b\n", "SCDTMH:\t\t TUC : Chat \tx", "SCDTMH:1.0\tTSM:Chat\n\"x\"", "SCDTMH:1.0\tTSM:Chat\n{\"v\":1}", "SCDTMH", "\n\n", "",
	} {
		f.Add([]byte(s), []byte("SCDTMH:1.0\tTDL:Chat\n"))
	}
	for n := range 2 { // cut within a letter
		f.Add([]byte("SCDTMH:"+strings.Repeat("x", maxHeader-14+n)+"\tTRN:\u00e9\n"), []byte{})
	}
	f.Fuzz(func(t *testing.T, one, two []byte) {
		s := newTranscript(t, node.Options{Memory: 64 << 10, TopicCap: 4096, Topics: 50, Subs: 5})
		p, q := s.Peer("p"), s.Peer("q")
		q.Say(true, []byte("SCDTMH:1.0\tTRN:Chat\n"))
		for _, frame := range [][]byte{one, two, one} {
			frame = []byte(strings.ToValidUTF8(string(frame), "?"))
			p.Say(true, frame)
			if err := s.Hub.CheckInvariants(); err != nil {
				t.Fatal(err)
			}
		}
		for _, l := range append(p.All(), q.All()...) {
			if !utf8.ValidString(l) {
				t.Errorf("no text: %q", l)
			}
			reply, is := strings.CutPrefix(l, "< [server@notify]:")
			if is && (strings.Count(reply, "|") != 3 || strings.Index(reply, "\n") != len(reply)-1) {
				t.Errorf("a reply that clients cannot read: %q", l)
			}
			if head, body, ok := strings.Cut(l, "]:"); !is && (!ok || strings.Count(head, "@") != 1) {
				t.Errorf("a delivery that clients cannot read: %q %q", head, body)
			}
		}
	})
}

// A body comes back as it was sent, byte for byte, whatever it is.
func FuzzSCDBody(f *testing.F) {
	for _, s := range []string{"", "x", `"x"`, " 1", "1 ", "1e999", `{"a":1}`, "\x00", `[1,"\u0041"]`, "null", "{\"a\":\n1}"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, body string) {
		body = strings.ToValidUTF8(body, "?")
		b := dialect.TextBody([]byte(body))
		if isValue([]byte(body)) {
			b = node.Body{Enc: codec.JSON, Data: []byte(body)}
		}
		if err := codec.Validate(b.Enc, b.Data); err != nil {
			t.Fatalf("%q became a reading that is none: %v", body, err)
		}
		r := node.Reading{Topic: "t", From: []byte("A:1"), CBOR: b.Enc == codec.CBOR, Data: b.Data}
		got, _ := format{}.Append(nil, &r)
		if want := "[A:1@t]:" + body; string(got) != want {
			t.Errorf("%q came back as %q", body, got)
		}
		js, err := codec.Transcode(nil, codec.JSON, b.Enc, b.Data)
		if err != nil {
			t.Fatal(err)
		}
		text, ok := codec.AppendText(nil, codec.JSON, js)
		if b.Enc == codec.CBOR && (!ok || string(text) != body) {
			t.Errorf("%q is %s to native subscribers", body, js)
		}
	})
}

// A frame that is no text at all has no place where it could be cut well.
func TestSCDBinary(t *testing.T) {
	for _, b := range []string{"\x80", "\xff"} {
		if _, ok := parse([]byte(strings.Repeat(b, 60_001))); ok {
			t.Error("taken for a request")
		}
		if got := cut(strings.Repeat(b, 20), 16); len(got) > 16 {
			t.Error(got)
		}
	}
}
