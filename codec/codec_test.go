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
		{`{"op":"pub","topic":"a","data":nan}`, `"nan" cannot be told to JSON readers: send null, at byte 31`},
		{`{"op":"pub","topic":"a","data":-Infinity}`, `"-Infinity" cannot be told to JSON readers: send null, at byte 31`},
		{`{"op":"pub","topic":"a","data":True}`, `no JSON value begins with "T" at byte 31`},
		{"\xa2\x00\x08\x01\x03", "this looks like CBOR, not JSON: send it in a binary frame, or as application/cbor"},
		{"\xd9\xd9\xf7\xa1\x00\x08", "this looks like CBOR, not JSON: send it in a binary frame, or as application/cbor"},
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

// TestJSONAsCBOR: text in a binary frame or body is told what it is, also behind
// white space and a byte order mark.
func TestJSONAsCBOR(t *testing.T) {
	const want = "this looks like JSON, not CBOR: send it in a text frame, or as application/json"
	for _, in := range []string{`{"op":"ping"}`, `[{"op":"ping"}]`, "\n {\"op\":\"ping\"}\n", "\ufeff[]", `{`, `{"op":"pub","id":5,"topic":"t/j","data":1}`} {
		var d Decoder
		d.Reset(CBOR, []byte(in))
		err := d.Next(new(Message))
		if e, ok := err.(*Error); !ok || e.Msg != want {
			t.Errorf("the frame %q: %v", in, err)
		}
		if e, ok := Validate(CBOR, []byte(in)).(*Error); !ok || e.Msg != want {
			t.Errorf("the body %q: %v", in, e)
		}
	}
	if err := Validate(CBOR, []byte("\x7b\x00\x00\x00\x00\x00\x00\x00\x02ab")); err != nil {
		t.Errorf("a text whose length has eight bytes: %v", err)
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
		Stale: 300, Split: true, More: true, After: 86400123,
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
		`{"dev":1}`, `{"last":-1}`, `{"last":1.5}`, `{"last":1e300}`, `{"last":"1"}`, `{"since":true}`, `{"ep":-1}`, `{"after":-1}`, `{"after":"1"}`, `{"rate":-1}`,
		`{"rate":"2"}`, `{"latest":1}`, `{"from":"x"}`, `{"enc":"xml"}`, `{"enc":1}`, `{"static":0}`, `{"cap":9007199254740992}`, `{"more":"yes"}`,
	} {
		err := ParseOpts(JSON, []byte(bad), &o)
		e, ok := err.(*Error)
		if name := strings.Split(bad, `"`)[1]; !ok || e.Code != CodeMalformed || !strings.Contains(e.Msg, name) {
			t.Errorf("%s: %v", bad, err)
		}
	}
	whole := Opts{Has: OptLast | OptSince | OptCap, Last: 10, Since: -5, Cap: 1 << 40}
	for _, same := range []string{
		`{"last":1e1,"since":-5.0,"cap":1099511627776.0}`, `{"last":10.0,"since":-50e-1,"cap":1.099511627776e12,"more":null,"dev":null,"enc":null}`,
		`{"future":{"a":1,"a":2},"last":10,"since":-5,"cap":1099511627776,"later":1e999}`,
	} {
		if err := ParseOpts(JSON, []byte(same), &o); err != nil || o != whole {
			t.Errorf("%s: %+v, %v", same, o, err)
		}
	}
	for _, same := range []string{ // floats of three widths; undefined; an unknown option that only is well-formed; a Map
		"a3646c617374f949006573696e6365fac0a00000636361701b0000010000000000",
		"a5646c6173740a6573696e63652463636170fb427000000000000063646576f763666f6f7f6161ff",
		"d90103a4646c6173740a6573696e63652463636170fb427000000000000063646576f7",
	} {
		if err := ParseOpts(CBOR, unhex(t, same), &o); err != nil || o != whole {
			t.Errorf("%s: %+v, %v", same, o, err)
		}
	}
	for _, bad := range []string{`[]`, `5`, `{`, `{"dev":"a","dev":"b"}`} {
		if err := ParseOpts(JSON, []byte(bad), &o); err == nil {
			t.Errorf("%s is accepted", bad)
		}
	}
}

// TestNames: the bounds of names are parameters, a field that is 0 is the default.
func TestNames(t *testing.T) {
	n := Names{MaxBytes: 8, MaxLevels: 3}
	for name, ok := range map[string]bool{"a/b/c": true, "a/b/c/d": false, "12345678": true, "123456789": false} {
		if (n.CheckTopic([]byte(name)) == nil) != ok || (n.CheckPattern([]byte(name)) == nil) != ok {
			t.Errorf("%q: %v", name, n.CheckTopic([]byte(name)))
		}
	}
	if e := (Names{MaxBytes: 200}).CheckTopic([]byte(strings.Repeat("a", 200))); e != nil {
		t.Error(e)
	}
	if e := (Names{MaxBytes: 200}).CheckTopic([]byte(strings.Repeat("a/", MaxLevels) + "a")); e == nil {
		t.Error("more levels than the default")
	}
}

func TestTopics(t *testing.T) {
	long := strings.Repeat("a", MaxTopic)
	levels := strings.Repeat("a/", MaxLevels-1) + "a"
	for _, s := range []string{"a", "a/b", "greenhouse/1/temp", "$sys/stats", "küche/温度", " ", "a b", long, levels, "urn:dev:x", "a.b-c_d", "...", ".a", "a.", "..a/b..", ". ", "a/.../b", "/", "/a", "a/", "a//b", "//"} {
		if e := CheckTopic([]byte(s)); e != nil {
			t.Errorf("topic %q: %v", s, e)
		}
		if e := CheckPattern([]byte(s)); e != nil {
			t.Errorf("pattern %q: %v", s, e)
		}
	}
	for _, s := range []string{"", long + "a", levels + "/a", "a\x00", "a\n", "a\x7f", "a\u0085", "\xff", "ü\xc3", ".", "..", "./a", "a/..", "a/../b", "a/./b"} {
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

// TestAppendLine: what goes into a format of lines is one line, and the same value.
func TestAppendLine(t *testing.T) {
	for in, want := range map[string]string{
		"{\n  \"u\": \"Cel\",\r\n\t\"v\": 21.5\n}\n": `{   "u": "Cel",   "v": 21.5 }`,
		"[1,\n2]": `[1, 2]`, " 21.5\r\n": `21.5`, `"a\nb"`: `"a\nb"`, "": `null`,
	} {
		if got := AppendLine([]byte("data: "), JSON, []byte(in)); string(got) != "data: "+want {
			t.Errorf("%q is the line %q, want %q", in, got, want)
		}
	}
	if got := AppendLine(nil, CBOR, []byte("\x61\n")); string(got) != `"\n"` {
		t.Errorf("%q", got)
	}
	row := AppendRow(nil, JSON, "a", 1, 2, nil, []byte("[1,\n2]"), JSON)
	if want := `{"topic":"a","seq":1,"ts":2,"data":[1, 2]}`; string(row) != want {
		t.Errorf("%q, want %q", row, want)
	}
}

// TestStrip: what may stand around a value from outside is taken away.
func TestStrip(t *testing.T) {
	for in, want := range map[string]string{
		"21.5\r\n": "21.5", "\ufeff21.5\n": "21.5", "\ufeff\r\n {\"v\":1}\t": `{"v":1}`, "\ufeff": "", "": "", "a\ufeffb": "a\ufeffb", " a b ": "a b",
	} {
		if got := Strip(JSON, []byte(in)); string(got) != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
	for in, want := range map[string]string{"d9d9f701": "01", "01": "01", "d9d9f7": "", "": "", "c101": "c101", "d9": "d9", "d9d9f7d90103a0": "a0"} {
		if got := Strip(CBOR, unhex(t, in)); string(got) != string(unhex(t, want)) {
			t.Errorf("%s: %x, want %s", in, got, want)
		}
	}
}
