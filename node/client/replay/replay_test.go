package replay

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"

	"topicd/codec"
	"topicd/node/client"
)

func list(rows []Row) string {
	var b strings.Builder
	for _, r := range rows {
		at := "-"
		if !r.At.IsZero() {
			at = r.At.UTC().Format("2006-01-02T15:04:05Z")
		}
		fmt.Fprintf(&b, "%s %s %s\n", at, r.Topic, r.Data)
	}
	return b.String()
}

// Each kind of file says which readings, oldest first.
func TestRead(t *testing.T) {
	for _, c := range []struct {
		name, in string
		m        Mapping
		want     string
	}{
		{"what sub writes", `{"topic":"a/b","seq":1,"ts":20000,"data":{"u":"Cel","v":1}}` + "\n" + `{"topic":"a","seq":1,"ts":10000,"data":"x"}`, Mapping{},
			"1970-01-01T00:00:10Z a \"x\"\n1970-01-01T00:00:20Z a/b {\"u\":\"Cel\",\"v\":1}\n"},
		{"the export", "time,ts,topic,seq,value,unit,from,data\r\n1970-01-01T00:00:01.000Z,1000,a,1,21.5,,,\r\n1970-01-01T00:00:02.000Z,2000,a,2,1,Cel,,\"{\"\"u\"\":\"\"Cel\"\",\"\"v\"\":1}\"\r\n", Mapping{},
			"1970-01-01T00:00:01Z a 21.5\n1970-01-01T00:00:02Z a {\"u\":\"Cel\",\"v\":1}\n"},
		{"the export for Excel", "\xef\xbb\xbftime;ts;topic;seq;value;unit;from;data\r\nx;1000;a;1;\"21,5\";;;\r\n", Mapping{}, "1970-01-01T00:00:01Z a 21.5\n"},
		{"a table", "date,temp max,weather\n2012-01-02,10.6,rain\n2012-01-01,12.8,\n", Mapping{Prefix: "seattle/"},
			"2012-01-01T00:00:00Z seattle/temp_max 12.8\n2012-01-02T00:00:00Z seattle/temp_max 10.6\n"},
		{"named columns", "date,t,weather,city\n2012-01-02,10.6,rain,New York\n", Mapping{Topics: []string{"t=w/{city}/t", "weather=w/{city}/is"}},
			"2012-01-02T00:00:00Z w/New_York/t 10.6\n2012-01-02T00:00:00Z w/New_York/is \"rain\"\n"},
		{"a list of objects", `[{"year":2001,"v":1e3,"w":null},{"year":2000,"v":"2"}]`, Mapping{}, "2000-01-01T00:00:00Z v 2\n2001-01-01T00:00:00Z v 1e3\n"},
		{"no times", "a\n1\n0x10\nNaN\n.5\n", Mapping{}, "- a 1\n- a \"NaN\"\n- a 0.5\n"},
	} {
		rows, err := Read(strings.NewReader(c.in), c.m)
		if got := list(rows); err != nil || got != c.want {
			t.Errorf("%s: %v\n%snot\n%s", c.name, err, got, c.want)
		}
	}
}

// What cannot be read says where and why.
func TestReadRefuses(t *testing.T) {
	for in, want := range map[string]string{
		"":                              "nothing",
		"a,b\nx,y\n":                    "no column of numbers",
		`{"topic":"$a","ts":1,"data":}`: "object 1",
		`[{"a":1},5]`:                   "object 2",
		"topic,value,data\na,1,{\n":     "line 2",
	} {
		if _, err := Read(strings.NewReader(in), Mapping{}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, not %s", in, err, want)
		}
	}
	for _, m := range []Mapping{{Time: "no"}, {Topics: []string{"no=x"}}, {Topics: []string{"a"}}, {Topics: []string{"a=x/{a}/{no}"}}} {
		if _, err := Read(strings.NewReader("a\n1\n"), m); err == nil || !strings.Contains(err.Error(), "there are a") {
			t.Errorf("%+v: %v", m, err)
		}
	}
}

// What a sheet has is read back as it was.
func TestSheet(t *testing.T) {
	var b bytes.Buffer
	s := NewSheet(&b)
	for _, data := range []string{`21.5`, `{"u":"Cel","v":1}`, `"a,\"b"`, `[1]`, `true`} {
		if err := s.Write(client.Message{Topic: "a", TS: 1000, Enc: codec.JSON, Data: []byte(data)}); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Flush(); err != nil {
		t.Fatal(err)
	}
	rows, err := Read(&b, Mapping{})
	want := "a 21.5\na {\"u\":\"Cel\",\"v\":1}\na \"a,\\\"b\"\na [1]\na true\n"
	if got := strings.ReplaceAll(list(rows), "1970-01-01T00:00:01Z ", ""); err != nil || got != want {
		t.Errorf("%v\n%s", err, got)
	}
}

func TestStamp(t *testing.T) {
	want := time.Date(2000, 1, 2, 0, 0, 0, 0, time.UTC)
	for _, text := range []string{"2000-01-02", "2000/01/02", "01/02/2000", "Jan 2 2000", "946771200", "946771200000", "2000-01-02T00:00:00Z", "2000-01-02 00:00"} {
		if got := stamp(text); !got.Equal(want) {
			t.Errorf("%s: %v", text, got)
		}
	}
}

// FuzzRead: whatever is in a file, what is taken of it can be published.
func FuzzRead(f *testing.F) {
	f.Add([]byte("time,a\n1,2\n"), "a=x/{time}")
	f.Add([]byte(`[{"ts":1,"b":"c"}]`), "")
	f.Fuzz(func(t *testing.T, in []byte, m string) {
		var mapping Mapping
		if m != "" {
			mapping.Topics = []string{m}
		}
		rows, _ := Read(bytes.NewReader(in), mapping)
		for _, r := range rows {
			if codec.CheckTopic([]byte(r.Topic)) != nil || codec.Validate(codec.JSON, r.Data) != nil {
				t.Fatalf("%+q", r)
			}
		}
	})
}
