package web

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"topicd/codec"
	"topicd/node"
)

const (
	ndjson    = "Content-Type: application/x-ndjson"
	ofJSON    = "Content-Type: application/json"
	ofCBOR    = "Content-Type: application/cbor"
	senmlText = "Content-Type: application/senml+json"
	plain     = "Content-Type: text/plain"
	form      = "Content-Type: application/x-www-form-urlencoded" // curl -d
)

func TestPublish(t *testing.T) {
	h := start(t, node.Options{}, Config{})
	for _, c := range []struct {
		body, kind, stored string
	}{
		{`21.5`, ofJSON, `21.5`},
		{`{"a": [1, 2]}`, ofJSON, `{"a": [1, 2]}`},
		{"21.5", "", `21.5`},
		{"hello", "", `"hello"`},
		{"01", form, `"01"`},
		{"21.5", form, `21.5`},
		{"21.5", plain, `"21.5"`},
		{"21.5\n", plain + "; charset=UTF-8", `"21.5"`},
		{" a b \r\n", plain, `"a b"`},
		{"21.5\r\n", form, `21.5`}, // curl -d $'21.5\r\n'
		{"21.5\r\n", "", `21.5`},
		{"hello\r\n", form, `"hello"`},
		{"\ufeff21.5\r\n", "", `21.5`},
		{"21.5", "Content-Type: application/octet-stream", `21.5`},
		{"\ufeff21.5", plain, `"21.5"`},
		{"\ufeff\n{\"v\":1}\n", ofJSON, `{"v":1}`},
		{"\xd9\xd9\xf7\x15", ofCBOR, "\x15"},
		{"", plain, `""`},
		{"\xa1\x61v\xf9\x4d\x60", ofCBOR, "\xa1\x61v\xf9\x4d\x60"},
	} {
		name := fmt.Sprintf("%q as %s", c.body, c.kind)
		header := []string{}
		if c.kind != "" {
			header = append(header, c.kind)
		}
		h.want(200, "", "POST", "/api/pub/a/b?retain", c.body, header...)
		if got := h.newest("a/b"); got != c.stored {
			t.Errorf("%s: stored %q", name, got)
		}
	}
	h.want(200, `{"topic":"a/b","seq":20}`, "POST", "/api/pub/a%2Fb", `1`, ofJSON)
	h.want(200, `{"topic":"Grüße/x y","seq":1}`, "POST", "/api/pub/Gr%C3%BC%C3%9Fe/x%20y", `1`, ofJSON)
	h.want(200, "\xa2\x65topic\x63a/b\x63seq\x15", "POST", "/api/pub/a/b", `1`, ofJSON, "Accept: application/cbor")
}

// TestByteOrderMark: it is passed over before a batch and a frame too, and a line
// that ends as on Windows is a line.
func TestByteOrderMark(t *testing.T) {
	h := start(t, node.Options{}, Config{})
	h.want(200, `{"published":2,"topics":["a"]}`, "POST", "/api/pub/a", "\ufeff21.5\r\n{\"v\":1}\r\n", ndjson)
	h.want(200, `{"published":1,"topics":["b"]}`, "POST", "/api/pub", "\ufeff{\"topic\":\"b\",\"data\":1}\r\n", ndjson)
	h.want(200, `{"published":1,"topics":["b"]}`, "POST", "/api/pub", "\ufeff{\"topic\":\"b\",\"data\":1}\r\n", ofJSON)
	h.want(200, `{"published":1,"topics":["b"]}`, "POST", "/api/pub", "\xd9\xd9\xf7\xa2\x02\x61b\x03\x02", ofCBOR)
	h.want(200, `{"published":1,"topics":["c/t"]}`, "POST", "/api/pub/c", "\xd9\xd9\xf7\x81\xd9\x01\x03\xa2\x00\x61t\x02\xc4\x82\x20\x18\xd7", "Content-Type: application/senml+cbor")
	h.want(201, "", "PUT", "/api/topics/d", "\ufeff{\"static\":true,\"cap\":65536.0,\"stale\":null}")
	if a, b, c := h.newest("a"), h.newest("b"), h.newest("c/t"); a != `{"v":1}` || b != "\x02" || c != "\xa2\x00at\x02\xf9\x4d\x60" {
		t.Errorf("stored %q, %q, %q", a, b, c)
	}
}

// TestPlainly: a body that is coded is not what its Content-Type says.
func TestPlainly(t *testing.T) {
	h := start(t, node.Options{}, Config{})
	for _, path := range []string{"/api/pub/a", "/api/pub"} {
		a := h.want(415, "", "POST", path, "\x1f\x8b\x08", ofJSON, "Content-Encoding: gzip")
		if a.header.Get("Accept-Encoding") != "identity" || !strings.Contains(a.body, "Content-Encoding: gzip") {
			t.Errorf("%s: %v %s", path, a.header, a.body)
		}
	}
	h.want(415, "", "PUT", "/api/topics/a", "{}", ofJSON, "Content-Encoding: identity, br")
	h.want(200, "", "POST", "/api/pub/a", "1", ofJSON, "Content-Encoding: identity")
	if a := h.want(415, "", "POST", "/api/pub/a", "1", "Content-Type: image/png"); a.header.Get("Accept-Encoding") != "" {
		t.Error("a media type is no coding")
	}
}

func TestPublishRefused(t *testing.T) {
	h := start(t, node.Options{MaxBody: 1000}, Config{})
	for _, c := range []struct {
		status           int
		path, body, kind string
	}{
		{400, "/api/pub/a", `{"a":1`, ofJSON},
		{400, "/api/pub/a", `{"a":1`, form},
		{400, "/api/pub/a", ``, ofJSON},
		{400, "/api/pub/a", ``, form},
		{400, "/api/pub/a", "\xff", plain},
		{400, "/api/pub/a", "\xa1", ofCBOR},
		{400, "/api/pub/a", `{"v":1}`, senmlText}, // no name to split by
		{400, "/api/pub/a//b", `1`, ofJSON},
		{400, "/api/pub/a/%2e%2e/b/", `1`, ofJSON},
		{400, "/api/pub/a%00", `1`, ofJSON},
		{400, "/api/pub/a/+", `1`, ofJSON},
		{400, "/api/pub/" + strings.Repeat("x", 1025), `1`, ofJSON},
		{403, "/api/pub/$sys/stats", `1`, ofJSON},
		{413, "/api/pub/a", `"` + strings.Repeat("x", 1000) + `"`, ofJSON},
		{415, "/api/pub/a", `1`, "Content-Type: image/png"},
		{415, "/api/pub/a", `1`, "Content-Type: text/plain; charset=latin1"},
		{415, "/api/pub", `1`, plain},
		{405, "/api/topics", `1`, ofJSON},
		{404, "/api/nothing", `1`, ofJSON},
	} {
		a := h.want(c.status, "", "POST", c.path, c.body, c.kind)
		if !strings.HasPrefix(a.body, fmt.Sprintf(`{"error":{"code":%d,"msg":"`, c.status)) {
			t.Errorf("%s: %s", c.path, a.body)
		}
		for _, name := range []string{"X-Content-Type-Options", "Content-Security-Policy", "Referrer-Policy"} {
			if a.header.Get(name) == "" {
				t.Errorf("%s: no %s", c.path, name)
			}
		}
	}
	if n := h.hub.Stats.Get(node.Stored); n != 0 {
		t.Errorf("%d readings were stored", n)
	}
	if n := h.hub.Counts().Topics; n != 0 {
		t.Errorf("%d topics were made", n)
	}
}

func TestBatch(t *testing.T) {
	h := start(t, node.Options{MaxBody: 100, Rate: -1}, Config{})
	h.want(200, `{"published":3,"topics":["a/b"]}`, "POST", "/api/pub/a/b", "1\n\n2\r\n3", ndjson)
	h.want(200, `{"published":2,"topics":["x","y/z"]}`, "POST", "/api/pub", `{"topic":"x","data":1}`+"\n"+`{"data":{"a":[]},"topic":"y/z"}`+"\n", ndjson)
	h.want(200, `{"published":2,"topics":["x","y"]}`, "POST", "/api/pub", `[{"topic":"x","data":1},{"topic":"y","data":2}]`, ofJSON)
	h.want(200, `{"published":1,"topics":["x"]}`, "POST", "/api/pub", "\xa2\x65topic\x61x\x64data\x01", ofCBOR)
	h.want(200, `{"published":0,"topics":[]}`, "POST", "/api/pub", "", ndjson)
	h.want(200, `{"published":2,"topics":["s/g/h","s/g/t"]}`, "POST", "/api/pub/s", `[{"bn":"g/","n":"t","u":"Cel","v":1},{"n":"h","v":2}]`, senmlText)
	if got := h.newest("s/g/t"); got != `{"n":"g/t","u":"Cel","v":1}` {
		t.Error(got)
	}
	for _, c := range []struct {
		status int
		want   string
		body   string
	}{
		{400, `{"error":{"code":400,"msg":"line 2: `, `{"topic":"x","data":1}` + "\n{"},
		{400, `{"error":{"code":400,"msg":"line 1: pub needs data`, `{"topic":"x"}`},
		{400, `{"error":{"code":400,"msg":"line 1: a reading is`, `{"op":"sub","topic":"x"}`},
		{413, `{"error":{"code":413,"msg":"line 1: `, `{"topic":"x","data":"` + strings.Repeat("x", 200) + `"}`},
		{413, `{"error":{"code":413,"msg":"line 11916: a batch has at most 1 MiB`, strings.Repeat(`{"topic":"x","data":"`+strings.Repeat("x", 64)+`"}`+"\n", 13000)},
	} {
		a := h.want(c.status, "", "POST", "/api/pub", c.body, ndjson)
		if !strings.HasPrefix(a.body, c.want) || !strings.Contains(a.body, `"published":`) {
			t.Errorf("%.60s: %s", c.body, a.body)
		}
	}
}

// What is refused in the middle of a batch tells how much was taken before.
func TestBatchRate(t *testing.T) {
	h := start(t, node.Options{Rate: 10, Clock: newClock(1000).clock}, Config{}) // in no time
	a := h.want(429, "", "POST", "/api/pub/x", strings.Repeat("1\n", 1000), ndjson)
	n := h.hub.Stats.Get(node.Stored)
	if want := fmt.Sprintf(`"published":%d}`, n); !strings.Contains(a.body, want) || n < 10 || n > 20 || a.header.Get("Retry-After") != "1" {
		t.Errorf("%d stored, %v, %s", n, a.header, a.body)
	}
	if n := h.hub.Stats.Get(node.RefusedRate); n != 1 {
		t.Error(n)
	}
}

func TestSessionsAreBounded(t *testing.T) {
	h := start(t, node.Options{Sessions: 1}, Config{})
	res, err := http.Get(h.url + "/api/stream?topic=%23")
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	a := h.want(507, "", "POST", "/api/pub/x", "1", ofJSON)
	if a.header.Get("Retry-After") == "" {
		t.Error(a)
	}
	h.want(503, "", "GET", "/readyz", "")
	h.want(200, "", "GET", "/healthz", "")
}

// A batch that comes slowly is heard line by line, each with its time.
func TestSlowBatchIsLive(t *testing.T) {
	c := newClock(1000)
	h := start(t, node.Options{Clock: c.clock, Epoch: 7}, Config{})
	s := h.stream("topic=a&last=0")
	s.want(`live||{"topic":"a","count":0}`)
	body, w := io.Pipe()
	done := make(chan error, 1)
	go func() {
		res, err := http.Post(h.url+"/api/pub/a", "application/x-ndjson", body)
		if err == nil {
			res.Body.Close()
		}
		done <- err
	}()
	for i := range 3 {
		fmt.Fprintf(w, "%d\n", i)
		s.want(fmt.Sprintf(`|7-%d|{"topic":"a","seq":%d,"ts":%d,"data":%d}`, i+1, i+1, c.now.Load(), i))
		c.now.Add(5000)
	}
	w.Close()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// A batch that stops in the middle of a line holds nothing back from those who hear the
// lines before, or others' readings from them.
func TestHalfALineHoldsUpNobody(t *testing.T) {
	h := start(t, node.Options{Clock: newClock(1000).clock, Epoch: 7}, Config{})
	s := h.stream("topic=a&last=0")
	s.want(`live||{"topic":"a","count":0}`)
	body, w := io.Pipe()
	defer w.Close()
	done := make(chan error, 1)
	go func() {
		res, err := http.Post(h.url+"/api/pub/a", "application/x-ndjson", body)
		if err == nil {
			res.Body.Close()
		}
		done <- err
	}()
	fmt.Fprint(w, "1\n\"the rest comes la")
	s.want(`|7-1|{"topic":"a","seq":1,"ts":1000,"data":1}`)
	h.pub("a", "2")
	s.want(`|7-2|{"topic":"a","seq":2,"ts":1000,"data":2}`)
	fmt.Fprint(w, "ter\"\n")
	w.Close()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// until are rights to publish that end when there is a reading.
type until struct {
	rights
	hub *node.Hub
}

func (u until) MayPublish([]byte) *codec.Error {
	if u.hub.Stats.Get(node.Stored) > 0 {
		return &codec.Error{Code: codec.CodeUnauthorized, Msg: "revoked"}
	}
	return nil
}

// A batch that comes slowly ends with the rights that it began with.
func TestBatchEndsWithRights(t *testing.T) {
	h := start(t, node.Options{}, Config{})
	r := httptest.NewRequest("POST", "/api/pub/a", strings.NewReader("1\n2\n3\n"))
	r.Header.Set("Content-Type", "application/x-ndjson")
	w := httptest.NewRecorder()
	h.web.ServeHTTP(w, r.WithContext(node.WithRights(r.Context(), until{rights{"a"}, h.hub})))
	if n := h.hub.Stats.Get(node.Stored); w.Code != 401 || n != 1 {
		t.Errorf("%d readings are stored: %d %s", n, w.Code, w.Body)
	}
}

// HTTP leaves most sessions to others.
func TestRequestsAreBounded(t *testing.T) {
	h := start(t, node.Options{Sessions: 80}, Config{})
	for range 20 {
		h.stream("topic=a").want(`live||{"topic":"a","count":0}`)
	}
	a := h.want(507, "", "POST", "/api/pub/x", "1", ofJSON)
	if a.header.Get("Retry-After") != "1" || h.hub.Stats.Get(node.RefusedSessions) != 1 {
		t.Error(a)
	}
	h.want(507, "", "GET", "/api/stream?topic=a", "")
	h.want(200, "", "GET", "/readyz", "")
	for _, c := range h.hub.Clients() {
		h.hub.Cut(c.ID, errCut)
	}
	for end := time.Now().Add(20 * time.Second); h.web.under.Load() > 0; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal(h.web.under.Load())
		}
	}
	h.want(200, "", "POST", "/api/pub/x", "1", ofJSON)
}
