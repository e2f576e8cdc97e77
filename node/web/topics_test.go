package web

import (
	"encoding/csv"
	"fmt"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/fxamacker/cbor/v2"

	"topicd/codec"
	"topicd/node"
)

func TestTopics(t *testing.T) {
	h := start(t, node.Options{Clock: func() (int64, int64) { return 1000, 1000 }, Epoch: 7}, Config{})
	h.want(200, "", "POST", "/api/pub/g/1/temp", "21.5", ofJSON)
	h.want(200, "", "POST", "/api/pub/g/2/temp", "\xa1\x61v\x15", ofCBOR)
	h.want(201, `{"topic":"s","static":true,"seq":0,"ts":0,"readings":0,"bytes":0,"cap":9000,"subscribers":0,"stale":false,"durable":false,"ep":7}`, "PUT", "/api/topics/s", `{"static":true,"cap":9000}`, ofJSON)
	h.want(200, "", "PUT", "/api/topics/s", "")
	h.want(200, "", "PUT", "/api/topics/s", "\xa1\x65stale\x05", ofCBOR)
	h.want(409, "", "PUT", "/api/topics/s", `{"static":false}`, ofJSON)
	h.want(400, "", "PUT", "/api/topics/s", `{"cap":"much"}`, ofJSON)
	h.want(400, "", "PUT", "/api/topics/s", `{"wirtable":true}`, ofJSON)
	h.want(403, "", "PUT", "/api/topics/$s", `{}`, ofJSON)
	h.want(201, `{"topic":"heat/target","static":false,"seq":0,"ts":0,"readings":0,"bytes":0,"cap":65536,"subscribers":0,"stale":false,"durable":false,"writable":true,"min":5,"max":30,"ep":7}`,
		"PUT", "/api/topics/heat/target", `{"writable":true,"min":5,"max":30}`, ofJSON)
	h.want(200, "", "DELETE", "/api/topics/heat/target", "")
	one := `{"topic":"g/1/temp","static":false,"seq":1,"ts":1000,"readings":1,"bytes":128,"cap":65536,"subscribers":0,"stale":false,"durable":false,"ep":7`
	h.want(200, `{"topics":[`+one+`}]}`, "GET", "/api/topics?match=g/1/%23", "")
	h.want(200, `{"topics":[`+one+`,"data":21.5},`+strings.Replace(one, "g/1", "g/2", 1)+`,"data":{"v":21}}]}`, "GET", "/api/topics?match=g/%23&data=1", "")
	h.want(200, `{"topics":[`+one+`}]}`, "GET", "/api/topics?match=+/1/temp", "")
	h.want(200, `{"topics":[]}`, "GET", "/api/topics?match=nothing/%23", "")
	h.want(400, "", "GET", "/api/topics?match=a%23", "")
	h.want(400, "", "GET", "/api/topics?data=yes", "")
	h.want(200, `{"topic":"g/1/temp"}`, "DELETE", "/api/topics/g/1/temp", "")
	h.want(404, "", "DELETE", "/api/topics/g/1/temp", "")
	h.want(403, "", "DELETE", "/api/topics/$sys/stats", "")

	var list struct {
		Topics []struct {
			Topic string
			Ep    uint64
			Data  any
		}
	}
	a := h.want(200, "", "GET", "/api/topics?data", "", "Accept: application/json;q=0.5, application/cbor")
	if err := cbor.Unmarshal([]byte(a.body), &list); err != nil || len(list.Topics) != 2 || fmt.Sprint(list.Topics[0].Data) != "map[v:21]" || list.Topics[1].Data != nil {
		t.Errorf("%v %+v", err, list)
	}
}

// What may not be read is not shown.
func TestRights(t *testing.T) {
	h := start(t, node.Options{}, Config{})
	h.want(200, "", "POST", "/api/pub/a/1", "1", ofJSON)
	h.want(200, "", "POST", "/api/pub/b/1", "1", ofJSON)
	h.as(rights{"a/#"})
	var list struct{ Topics []struct{ Topic string } }
	h.get("/api/topics", &list)
	if len(list.Topics) != 1 || list.Topics[0].Topic != "a/1" {
		t.Error(list)
	}
	h.want(200, "", "GET", "/api/topics/a/1", "")
	h.want(200, "", "POST", "/api/pub/a/1", "2", ofJSON)
	for _, c := range [][2]string{
		{"GET", "/api/topics/b/1"}, {"GET", "/api/topics/never/was"}, {"GET", "/api/stream?topic=b/1"}, {"GET", "/api/stream?topic=a/1&topic=b/%23"},
		{"GET", "/api/export?topic=%23"}, {"GET", "/api/export?topic=a/%23&topic=b/1"}, {"POST", "/api/pub/b/1"}, {"POST", "/api/pub/b/2"},
		{"PUT", "/api/topics/b/1"}, {"DELETE", "/api/topics/b/1"}, {"DELETE", "/api/clients/1"}, {"POST", "/api/listeners"}, {"DELETE", "/api/listeners?addr=x"},
		{"POST", "/api/broadcast"},
	} {
		h.want(403, "", c[0], c[1], "1")
	}
	h.want(403, `{"error":{"code":403,"msg":"line 2: not yours"},"published":1}`, "POST", "/api/pub", `{"topic":"a/1","data":3}`+"\n"+`{"topic":"b/1","data":3}`, ndjson)
	if h.newest("b/1") != "1" || h.hub.Find([]byte("b/2")) != nil || h.hub.Find([]byte("never/was")) != nil {
		t.Error("something was done")
	}
	if h.hub.Stats.Get(node.RefusedForbidden) < 15 {
		t.Error("refusals are not counted")
	}
}

// ending rights end while somebody reads.
type ending struct {
	rights
	left int
}

func (e *ending) MayList() *codec.Error { return nil }
func (e *ending) MayRead(string) bool   { e.left--; return e.left >= 0 }

// An export that is read slowly ends with the rights that it began with.
func TestExportEndsWithRights(t *testing.T) {
	h := start(t, node.Options{}, Config{})
	h.want(200, "", "POST", "/api/pub/a/1", "1", ofJSON)
	h.want(200, "", "POST", "/api/pub/a/2", "1", ofJSON)
	for left, want := range map[int]int{2: 2, 1: 1, 0: 0} {
		r := httptest.NewRequest("GET", "/api/export?topic=a/%23", nil)
		w := httptest.NewRecorder()
		h.web.ServeHTTP(w, r.WithContext(node.WithRights(r.Context(), &ending{rights{"a/#"}, left})))
		if n := strings.Count(w.Body.String(), "\n"); w.Code != 200 || n != want {
			t.Errorf("%d of %d: %d %s", n, want, w.Code, w.Body)
		}
	}
}

func TestReadings(t *testing.T) {
	now := int64(1_000_000)
	h := start(t, node.Options{Clock: func() (int64, int64) { return now, now }, Epoch: 7, TopicCap: 1024}, Config{})
	for i := range 20 {
		h.want(200, "", "POST", "/api/pub/a", fmt.Sprintf(`"%040d"`, i), ofJSON)
		now += 1000
	}
	seqs := func(path string) string {
		var r struct {
			Topic    string
			Ep, Gap  uint64
			Readings []struct {
				Seq uint64
				TS  int64
			}
		}
		h.get("/api/topics/a"+path, &r)
		s := fmt.Sprint(r.Topic, " ", r.Ep, " gap ", r.Gap, ":")
		for _, g := range r.Readings {
			s += fmt.Sprint(" ", g.Seq)
			if g.TS != 1_000_000+1000*int64(g.Seq-1) {
				t.Error(path, g)
			}
		}
		return s
	}
	first := 6 // of 20 with this cap
	all := ""
	for i := first; i <= 20; i++ {
		all += fmt.Sprint(" ", i)
	}
	for path, want := range map[string]string{
		"":                 "gap 0: 20",
		"?last=2":          "gap 0: 19 20",
		"?last=0":          "gap 0:",
		"?last=100":        "gap 0:" + all,
		"?since=18":        "gap 0: 19 20",
		"?since=20":        "gap 0:",
		"?since=99":        "gap 0:",
		"?since=2":         fmt.Sprintf("gap %d:%s", first-3, all),
		"?since=2&last=1":  fmt.Sprintf("gap %d: 20", first-3),
		"?since=-2":        "gap 0: 19 20",
		"?since=18&ep=7":   "gap 0: 19 20",
		"?since=18&ep=6":   "gap 0:" + all,
		"?since=-2&ep=6":   "gap 0: 19 20",
		"?last=1&since=-9": "gap 0: 20",
	} {
		if got := seqs(path); got != "a 7 "+want {
			t.Errorf("%s: %s, want %s", path, got, want)
		}
	}
	for _, path := range []string{"?last=-1", "?last=x", "?since=1.5", "?ep=-1", "?since=-99999999999999", "?rate=x"} {
		h.want(400, "", "GET", "/api/topics/a"+path, "")
	}
	h.want(404, "", "GET", "/api/topics/b", "")
	h.want(400, "", "GET", "/api/topics/a/%23", "")
}

func TestExport(t *testing.T) {
	now := time.Date(2026, 11, 25, 12, 0, 0, 5e6, time.UTC).UnixMilli()
	h := start(t, node.Options{Clock: func() (int64, int64) { return now, now }}, Config{})
	for _, c := range []struct{ topic, data, kind string }{
		{"a/num", "-21.50", ofJSON},
		{"a/senml", `{"n":"t","u":"Cel","v":21.5}`, ofJSON},
		{"a/cbor", "\xa2\x01\x65=1+%A\x02\x15", ofCBOR},
		{"a/text", `"=HYPERLINK(\"http://x\")"`, ofJSON},
		{"a/obj", "{\"a\":\n[1, \"x\"]}", ofJSON},
		{"%3Dcmd%7C'%20%2FC%20calc'!A0", `"say \"hi\", you"`, ofJSON},
		{"-1", `null`, ofJSON},
		{"a/door", ` "open"`, ofJSON},
		{"a/on", `true`, ofJSON},
		{"@x", `18446744073709551615`, ofJSON},
		{"b/vs", `[{"bn":"x"},{"vs":"=zu; \"halb\""}]`, ofJSON},
		{"b/vb", "\xa1\x04\xf5", ofCBOR},
	} {
		h.want(200, "", "POST", "/api/pub/"+c.topic, c.data, c.kind)
	}
	a := h.want(200, "", "GET", "/api/export?topic=%23&format=csv", "")
	if a.header.Get("Content-Type") != "text/csv; charset=utf-8; header=present" || a.header.Get("Content-Disposition") != `attachment; filename="topicd-20261125-120000.csv"` {
		t.Error(a.header)
	}
	rows, err := csv.NewReader(strings.NewReader(a.body)).ReadAll()
	if err != nil {
		t.Fatal(err, a.body)
	}
	got := ""
	for _, r := range rows {
		got += strings.Join(r, "|") + "\n"
	}
	at := "2026-11-25T12:00:00.005Z|" + fmt.Sprint(now) + "|"
	want := "time|ts|topic|seq|value|unit|from|data\n" +
		at + "'-1|1||||null\n" +
		at + "'=cmd|' /C calc'!A0|1|say \"hi\", you|||\"say \\\"hi\\\", you\"\n" +
		at + "'@x|1|18446744073709551615|||\n" +
		at + "a/cbor|1|21|'=1+%A||{\"u\":\"=1+%A\",\"v\":21}\n" +
		at + "a/door|1|open|||\"open\"\n" +
		at + "a/num|1|-21.50|||\n" +
		at + "a/obj|1||||{\"a\": [1, \"x\"]}\n" +
		at + "a/on|1|true|||\n" +
		at + "a/senml|1|21.5|Cel||{\"n\":\"t\",\"u\":\"Cel\",\"v\":21.5}\n" +
		at + "a/text|1|'=HYPERLINK(\"http://x\")|||\"=HYPERLINK(\\\"http://x\\\")\"\n" +
		at + "b/vb|1|true|||{\"vb\":true}\n" +
		at + "b/vs|1|'=zu; \"halb\"|||[{\"bn\":\"x\"},{\"vs\":\"=zu; \\\"halb\\\"\"}]\n"
	if got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	for _, r := range rows[1:] {
		for i, cell := range r {
			if cell != "" && strings.ContainsAny(cell[:1], "=+-@\t\r") && i != 4 {
				t.Errorf("%q is a formula", cell)
			}
		}
	}
	h.want(200, fmt.Sprintf(`{"topic":"a/obj","seq":1,"ts":%d,"data":{"a": [1, "x"]}}`, now), "GET", "/api/export?topic=a/obj", "")
	if a := h.do("GET", "/api/export?topic=a/%23&topic=a/num&topic=a/obj", "", "Accept: text/csv"); strings.Count(a.body, "\r\n") != 8 {
		t.Error(a.body) // each topic once
	}
	h.hub.Sweep(h.hub.Turn()) // makes $sys/stats
	if a := h.do("GET", "/api/export?topic=$sys/%23&topic=%23&topic=a/num", ""); strings.Count(a.body, "\n") != 13 {
		t.Error(a.body)
	}
	// For a spreadsheet that wants semicolons and a comma in numbers.
	german := h.want(200, "", "GET", "/api/export?topic=a/num&topic=a/senml&topic=b/vs&format=csv&sep=%3B&decimal=,&bom=1", "").body
	if want := "\ufefftime;ts;topic;seq;value;unit;from;data\r\n" +
		"2026-11-25T12:00:00.005Z;" + fmt.Sprint(now) + ";a/num;1;-21,50;;;\r\n" +
		"2026-11-25T12:00:00.005Z;" + fmt.Sprint(now) + ";a/senml;1;21,5;Cel;;\"{\"\"n\"\":\"\"t\"\",\"\"u\"\":\"\"Cel\"\",\"\"v\"\":21.5}\"\r\n" +
		"2026-11-25T12:00:00.005Z;" + fmt.Sprint(now) + ";b/vs;1;\"'=zu; \"\"halb\"\"\";;;\"[{\"\"bn\"\":\"\"x\"\"},{\"\"vs\"\":\"\"=zu; \\\"\"halb\\\"\"\"\"}]\"\r\n"; german != want {
		t.Errorf("got\n%q\nwant\n%q", german, want)
	}
	tabs := h.want(200, "", "GET", "/api/export?topic=a/num&format=csv&sep=tab&decimal=.", "").body
	if !strings.HasPrefix(tabs, "time\tts\t") || !strings.HasSuffix(tabs, "\t-21.50\t\t\t\r\n") {
		t.Errorf("%q", tabs)
	}
	if a := h.want(200, "", "GET", "/api/export?topic=a/num&format=csv&decimal=,", ""); !strings.HasSuffix(a.body, `,"-21,50",,,`+"\r\n") {
		t.Errorf("%q", a.body)
	}
	for _, bad := range []string{"sep=x", "sep=;;", "decimal=x", "bom=x"} {
		h.want(400, "", "GET", "/api/export?topic=a/num&format=csv&"+strings.ReplaceAll(bad, ";", "%3B"), "")
	}
	h.want(400, "", "GET", "/api/export", "")
	h.want(400, "", "GET", "/api/export?topic=a&format=xlsx", "")
	// What comes of greenhouse/# written as it is.
	h.want(400, `{"error":{"code":400,"msg":"the pattern \"greenhouse/\" ends in an empty level: # is written %23 in a URL"}}`, "GET", "/api/export?topic=greenhouse/#", "")
	h.want(400, "", "GET", "/api/topics?match=greenhouse/#", "")
}

// A long export comes whole.
func TestExportLong(t *testing.T) {
	h := start(t, node.Options{TopicCap: 4 << 20, Rate: -1}, Config{})
	for range 20 {
		h.want(200, "", "POST", "/api/pub/a", strings.Repeat(`{"u":"Cel","v":21.5}`+"\n", 1000), ndjson)
	}
	a := h.want(200, "", "GET", "/api/export?topic=a", "")
	if n := strings.Count(a.body, "\n"); n != 20_000 {
		t.Error(n)
	}
	b := h.want(200, "", "GET", "/api/export?topic=a&since=19990&format=csv", "")
	if n := strings.Count(b.body, "\n"); n != 11 {
		t.Error(n)
	}
}

// Requests come and go: nobody is told of their presence.
func TestRequestsHaveNoPresence(t *testing.T) {
	h := start(t, node.Options{}, Config{})
	s := h.stream("topic=$sys/presence/%23")
	if e := s.next(); !strings.Contains(e.data, `"dialect":"sse"`) {
		t.Error(e)
	}
	for range 10 {
		h.pub("a", "1")
		h.want(200, "", "GET", "/api/topics?match=$sys/%23", "")
		h.want(200, "", "GET", "/api/export?topic=$sys/%23", "")
	}
	if ts := h.hub.Topics("$sys/presence/#"); len(ts) != 1 {
		t.Errorf("%d clients are shown", len(ts))
	}
}
