package codec

import (
	"io"
	"reflect"
	"strings"
	"testing"
)

func TestBatchGoesOn(t *testing.T) {
	in := `[{"op":"ping","id":1},{"op":"nonsense","id":2},7,{"op":"pub","id":3,"topic":"a","data":{"x":1,"x":2}},{"op":"ping","id":4},{"op":ping`
	want := []struct {
		id  uint64
		bad bool
	}{{1, false}, {2, true}, {0, true}, {3, true}, {4, false}, {0, true}}
	var d Decoder
	d.Reset(JSON, []byte(in))
	for i, w := range want {
		var m Message
		err := d.Next(&m)
		if m.ID != w.id || (err != nil) != w.bad || err == io.EOF {
			t.Errorf("object %d: id %d, %v", i, m.ID, err)
		}
	}
	for range 2 {
		if err := d.Next(new(Message)); err != io.EOF {
			t.Errorf("behind a broken grammar: %v", err)
		}
	}
}

func TestErrorsNameTheField(t *testing.T) {
	tests := []struct{ in, want string }{
		{`{"op":"publish","topic":"a","data":1}`, `unknown op "publish"`},
		{`{"op":"pub","topic":1.5,"data":1}`, "topic must be a string, or the number that an ok gave for it"},
		{`{"op":"pub","id":"1","topic":"a","data":1}`, "id must be a whole number from 0 to 9007199254740991"},
		{`{"op":"pub","topic":"a","data":{"v":1,"v":2}}`, `the key "v" stands twice in one map`},
		{`{"op":"pub","topic":"a","data":{"v":21,}}`, "expected a key in quotes at byte 39"},
		{`{"op":"pub","topic":"a"`, "cut short: the end was reached inside a value at byte 23"},
		{`{"op":"pub","topic":"a"}`, "pub needs data"},
	}
	for _, tt := range tests {
		var d Decoder
		d.Reset(JSON, []byte(tt.in))
		err := d.Next(new(Message))
		if e, ok := err.(*Error); !ok || e.Msg != tt.want {
			t.Errorf("%s: %v, want %s", tt.in, err, tt.want)
		}
	}
}

// TestPageDepth: a body of the greatest depth still fits a page of get.
func TestPageDepth(t *testing.T) {
	body := strings.Repeat("[", MaxDepth) + strings.Repeat("]", MaxDepth)
	m := Message{Op: OpOK, Data: []byte(`[{"topic":"a","data":` + body + `}]`), Has: Fields(0).With(KeyOp).With(KeyData)}
	for _, enc := range []Encoding{JSON, CBOR} {
		frame := Append(nil, enc, &m)
		var d Decoder
		var got Message
		d.Reset(enc, frame)
		if err := d.Next(&got); err != nil {
			t.Fatalf("%s: %v", enc, err)
		}
		if back := Append(nil, JSON, &got); string(back) != string(Append(nil, JSON, &m)) {
			t.Errorf("%s: %s", enc, back)
		}
	}
}

func TestAppendErr(t *testing.T) {
	e := &Error{Code: 429, Msg: `too "fast"`, Retry: 100}
	if got := string(AppendErr(nil, JSON, 7, true, e)); got != `{"op":"err","id":7,"err":{"code":429,"msg":"too \"fast\"","retry":100}}` {
		t.Error(got)
	}
	e.Retry = 0
	if got := string(AppendErr(nil, JSON, 7, false, e)); got != `{"op":"err","err":{"code":429,"msg":"too \"fast\""}}` {
		t.Error(got)
	}
	for _, enc := range []Encoding{JSON, CBOR} {
		for _, code := range Codes {
			var d Decoder
			var m Message
			d.Reset(enc, AppendErr(nil, enc, 0, true, Errorf(code, "no")))
			if err := d.Next(&m); err != nil || m.Err != (Error{Code: code, Msg: "no"}) || !m.Has.Has(KeyID) {
				t.Errorf("%d: %+v, %v", code, m, err)
			}
		}
	}
}

// TestAppendNeverBreaks: a body that was never validated cannot break a frame.
func TestAppendNeverBreaks(t *testing.T) {
	for _, bad := range []string{"", "\xff", "{"} {
		if got := string(AppendMsg(nil, JSON, "a", 1, 2, nil, 0, []byte(bad), CBOR)); got != `{"op":"msg","topic":"a","data":null,"ts":2,"seq":1}` && bad != "{" {
			t.Errorf("%q: %s", bad, got)
		}
		if got := AppendMsg(nil, CBOR, "a", 1, 2, nil, 0, []byte(bad), JSON); string(got) != "\xa5\x00\x03\x02\x61a\x03\xf6\x04\x02\x05\x01" {
			t.Errorf("%q: %x", bad, got)
		}
	}
}

// TestAppendMsg: the hot path writes what Append writes.
func TestAppendMsg(t *testing.T) {
	for _, enc := range []Encoding{JSON, CBOR} {
		for _, from := range []string{"", "esp32"} {
			for _, drop := range []uint64{0, 3} {
				m := Message{Op: OpMsg, Topic: []byte("a/b"), Seq: 1 << 40, TS: 1700000000123, From: []byte(from), Drop: drop, Data: []byte(`{"v":1}`)}
				m.Has = m.Has.With(KeyOp).With(KeyTopic).With(KeySeq).With(KeyTS).With(KeyData)
				if from != "" {
					m.Has = m.Has.With(KeyFrom)
				}
				if drop > 0 {
					m.Has = m.Has.With(KeyDrop)
				}
				want := Append(nil, enc, &m)
				got := AppendMsg(nil, enc, "a/b", m.Seq, m.TS, m.From, drop, m.Data, JSON)
				if string(got) != string(want) {
					t.Errorf("%s: %q, want %q", enc, got, want)
				}
			}
		}
	}
}

func TestOpts(t *testing.T) {
	want := Opts{
		Has: 1<<len(optNames) - 1, Dev: "d", Token: "t", Name: "n\"", Last: 10, Since: -60, Ep: 7, Rate: 2.5, Pace: 2,
		Latest: true, NotOwn: true, Enc: CBOR, What: "topics", Match: "#", Static: true, Cap: 1 << 40, Durable: true,
		Stale: 300, Split: true, More: true,
	}
	for _, enc := range []Encoding{JSON, CBOR} {
		raw := AppendOpts(nil, enc, &want)
		if err := Validate(enc, raw); err != nil {
			t.Fatalf("%q: %v", raw, err)
		}
		var got Opts
		if err := ParseOpts(enc, raw, &got); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %+v, %v", enc, got, err)
		}
		if err := ParseOpts(enc, nil, &got); err != nil || got != (Opts{}) {
			t.Errorf("no options: %+v, %v", got, err)
		}
	}
	var o Opts
	if err := ParseOpts(JSON, []byte(`{"future":[1],"last":0,"latest":false}`), &o); err != nil || o.Has != OptLast|OptLatest {
		t.Errorf("%+v, %v", o, err)
	}
	for _, bad := range []string{
		`{"dev":1}`, `{"last":-1}`, `{"last":1.5}`, `{"last":1e2}`, `{"last":"1"}`, `{"since":null}`, `{"ep":-1}`, `{"rate":-1}`,
		`{"rate":"2"}`, `{"latest":1}`, `{"from":"x"}`, `{"enc":"xml"}`, `{"enc":1}`, `{"static":0}`, `{"cap":9007199254740992}`, `{"more":null}`,
	} {
		err := ParseOpts(JSON, []byte(bad), &o)
		e, ok := err.(*Error)
		if name := strings.Split(bad, `"`)[1]; !ok || e.Code != CodeMalformed || !strings.Contains(e.Msg, name) {
			t.Errorf("%s: %v", bad, err)
		}
	}
	for _, bad := range []string{`[]`, `5`, `{`, `{"dev":"a","dev":"b"}`} {
		if err := ParseOpts(JSON, []byte(bad), &o); err == nil {
			t.Errorf("%s is accepted", bad)
		}
	}
}

func TestTopics(t *testing.T) {
	long := strings.Repeat("a", MaxTopic)
	levels := strings.Repeat("a/", MaxLevels-1) + "a"
	for _, s := range []string{"a", "a/b", "greenhouse/1/temp", "$sys/stats", "küche/温度", " ", "a b", long, levels, "urn:dev:x", "a.b-c_d"} {
		if e := CheckTopic([]byte(s)); e != nil {
			t.Errorf("topic %q: %v", s, e)
		}
		if e := CheckPattern([]byte(s)); e != nil {
			t.Errorf("pattern %q: %v", s, e)
		}
	}
	for _, s := range []string{"", "/", "/a", "a/", "a//b", long + "a", levels + "/a", "a\x00", "a\n", "a\x7f", "a\u0085", "\xff", "ü\xc3"} {
		if CheckTopic([]byte(s)) == nil {
			t.Errorf("topic %q is accepted", s)
		}
		if CheckPattern([]byte(s)) == nil {
			t.Errorf("pattern %q is accepted", s)
		}
	}
	for _, s := range []string{"#", "+", "a/#", "+/b", "a/+/c", "+/+", "+/#", "$sys/#", "$sys/+/x"} {
		if CheckTopic([]byte(s)) == nil {
			t.Errorf("topic %q is accepted", s)
		}
		if e := CheckPattern([]byte(s)); e != nil {
			t.Errorf("pattern %q: %v", s, e)
		}
		if !HasWildcard(s) {
			t.Errorf("HasWildcard %q", s)
		}
	}
	for _, s := range []string{"a#", "#/a", "a/#/b", "a+", "+a", "a/b+", "a/+b/c", "##", "++"} {
		if CheckPattern([]byte(s)) == nil {
			t.Errorf("pattern %q is accepted", s)
		}
	}
	if !IsReserved([]byte("$sys")) || IsReserved([]byte("a$")) || IsReserved(nil) {
		t.Error("IsReserved")
	}
}

func TestMatch(t *testing.T) {
	tests := []struct {
		pattern, topic string
		want           bool
	}{
		{"a", "a", true}, {"a", "b", false}, {"a", "a/b", false}, {"a/b", "a", false}, {"a/b", "a/b", true},
		{"#", "a", true}, {"#", "a/b/c", true}, {"#", "$sys/stats", false}, {"+", "$sys", false}, {"+/stats", "$sys/stats", false},
		{"$sys/#", "$sys/stats", true}, {"$sys/+", "$sys/stats", true}, {"$sys/#", "$sys", true}, {"a/+", "a/$b", true}, {"a/#", "a/$b", true},
		{"a/#", "a", true}, {"a/#", "a/b", true}, {"a/#", "a/b/c", true}, {"a/#", "ab", false}, {"a/b/#", "a", false}, {"+/#", "a", true},
		{"+", "a", true}, {"+", "a/b", false}, {"+/+", "a/b", true}, {"+/+", "a", false}, {"a/+", "a", false}, {"a/+/c", "a/b/c", true},
		{"a/+/c", "a/b/d", false}, {"a/+/#", "a/b", true}, {"a/+/#", "a", false}, {"+/b/#", "a/b/c/d", true}, {"a/+", "a/b/c", false},
	}
	for _, tt := range tests {
		if got := Match(tt.pattern, tt.topic); got != tt.want {
			t.Errorf("Match(%q, %q) is %v", tt.pattern, tt.topic, got)
		}
	}
}

// TestRows: a page made of rows is what the golden page is.
func TestRows(t *testing.T) {
	for _, v := range loadVectors[frameVector](t, "frames.json") {
		if v.Name != "page of a get" {
			continue
		}
		for _, enc := range []Encoding{JSON, CBOR} {
			var rows []byte
			for i, value := range []string{"21.25", "21.5"} {
				rows = AppendRow(rows, enc, "greenhouse/1/temp", uint64(41+i), 1700000000000+int64(123*i), []byte("esp32-a1b2c3"), []byte(value), JSON)
				if enc == JSON {
					rows = append(rows, ',')
				}
			}
			m := Message{Op: OpOK, ID: 9, Enc: enc, Data: AppendList(nil, enc, 2, rows), Opts: AppendOpts(nil, enc, &Opts{Has: OptMore, More: true})}
			m.Has = m.Has.With(KeyOp).With(KeyID).With(KeyData).With(KeyOpts)
			want := []byte(v.JSON)
			if enc == CBOR {
				want = unhex(t, v.CBOR)
			}
			if got := Append(nil, enc, &m); string(got) != string(want) {
				t.Errorf("%s:\n%q, want\n%q", enc, got, want)
			}
		}
		return
	}
	t.Error("no golden page")
}
