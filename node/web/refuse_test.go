package web

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"topicd/codec"
	"topicd/node"
)

// Nothing that the protocol's vectors refuse as a body is stored from HTTP.
func TestRefuseVectors(t *testing.T) {
	text, err := os.ReadFile("../../firmware-notes/vectors/refuse.json")
	if err != nil {
		t.Fatal(err)
	}
	var vectors []struct {
		Name, Enc, Level, Text, Hex string
		Code                        int
	}
	if err := json.Unmarshal(text, &vectors); err != nil || len(vectors) < 200 {
		t.Fatal(err, len(vectors))
	}
	h := start(t, node.Options{}, Config{})
	for _, v := range vectors {
		body, kind := v.Text, ofJSON
		if v.Hex != "" {
			raw, err := hex.DecodeString(v.Hex)
			if err != nil {
				t.Fatal(err)
			}
			body = string(raw)
		}
		if v.Enc == "cbor" {
			kind = ofCBOR
		}
		path := "/api/pub"
		if v.Level == "body" {
			path = "/api/pub/a"
		}
		a := h.do("POST", path, body, kind)
		if a.status != v.Code || !strings.HasPrefix(a.body, `{"error":{"code":`) {
			if v.Level == "frame" && a.status == 200 { // refused for its op, which is implied here
				t.Logf("%s is a reading here: %s", v.Name, body)
				continue
			}
			t.Errorf("%s: %d %s, want %d", v.Name, a.status, a.body, v.Code)
		}
		if kind == ofJSON && v.Level == "body" { // as a line of a batch
			if a := h.do("POST", path, body, ndjson); a.status != v.Code && lineCount(body) == 1 {
				t.Errorf("%s as a line: %d %s, want %d", v.Name, a.status, a.body, v.Code)
			}
		}
	}
	if h.hub.Find([]byte("a")) != nil {
		t.Error("something was stored")
	}
}

func FuzzBatch(f *testing.F) {
	for _, seed := range []string{
		"", "\n\r\n", "1\n2", `{"topic":"a","data":1}`, `[{"topic":"a","data":1},{"topic":"b","data":[]}]` + "\n{", `{"op":"sub","topic":"a"}`,
		`{"topic":1,"data":1}`, strings.Repeat("1", 6000), "\xff", `{"topic":"$sys/stats","data":1}`, `{"topic":"a","topic":"b","data":1}`,
	} {
		f.Add([]byte(seed), true)
		f.Add([]byte(seed), false)
	}
	h := node.New(node.Options{MaxBody: 5000, Rate: -1, Memory: 1 << 20})
	f.Fuzz(func(t *testing.T, body []byte, many bool) {
		sess, err := h.Open(node.Deaf{}, "", "", h.Turn())
		if err != nil {
			t.Fatal(err)
		}
		turn := h.Turn()
		p := &publisher{hub: h, sess: sess, turn: turn, topics: map[string]bool{}, hold: func(int64) *codec.Error { return nil }}
		var topic []byte
		if !many {
			topic = []byte("a/b")
		}
		before := h.Stats.Get(node.Stored)
		bad := p.batch(strings.NewReader(string(body)), topic)
		if n := h.Stats.Get(node.Stored) - before; n != int64(p.n) {
			t.Errorf("%d stored, %d told", n, p.n)
		}
		if bad == nil && !many && p.n != lineCount(string(body)) {
			t.Errorf("%d of %d lines", p.n, lineCount(string(body)))
		}
		if bad != nil && (bad.Code < 400 || bad.Code > 599) {
			t.Error(bad)
		}
		sess.Close(turn)
	})
}

func lineCount(body string) int {
	n := 0
	for l := range strings.SplitSeq(body, "\n") {
		if strings.Trim(l, " \t\r") != "" {
			n++
		}
	}
	return n
}

// What is misspelt is refused and not left out.
func TestMisspelt(t *testing.T) {
	h := start(t, node.Options{}, Config{})
	for _, c := range [][3]string{
		{"POST", "/api/broadcast", `{"txt":"a"}`},
		{"POST", "/api/listeners", `{"adr":":1"}`},
		{"PUT", "/api/topics/a", `{"static":true,"stael":300}`},
	} {
		a := h.do(c[0], c[1], c[2])
		if a.status != 400 || !strings.Contains(a.body, "unknown field") {
			t.Errorf("%s: %d %s", c, a.status, a.body)
		}
	}
	if h.hub.Find([]byte("a")) != nil {
		t.Error("the topic is made")
	}
	h.want(400, `{"error":{"code":400,"msg":"addr cannot hold a value of type number"}}`, "POST", "/api/listeners", `{"addr":1}`)
	h.want(201, "", "PUT", "/api/topics/a", "\xa1\x66static\xf5", ofCBOR)
	h.want(200, "", "PUT", "/api/topics/a", "")
}

// Many large bodies that come slowly are bounded together; small ones go on.
func TestBodiesAreBounded(t *testing.T) {
	h := start(t, node.Options{}, Config{})
	const size, most = 64 << 10, 4 << 20 // of 64 KiB each; answer has the bound
	for range most/size + 1 {
		c, err := net.Dial("tcp", h.url[len("http://"):])
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		fmt.Fprintf(c, "POST /api/pub/a HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n{", size)
	}
	for end := time.Now().Add(20 * time.Second); h.web.desk.Bodies.Held() < most; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal(h.web.desk.Bodies.Held())
		}
	}
	large := `"` + strings.Repeat("x", 10_000) + `"`
	a := h.want(503, "", "POST", "/api/pub/b", large, ofJSON)
	if a.header.Get("Retry-After") != "1" {
		t.Error(a)
	}
	h.want(503, "", "POST", "/api/pub/b", large+"\n", ndjson)
	h.want(200, "", "POST", "/api/pub/b", "1", ofJSON)
	h.want(200, "", "POST", "/api/pub/b", "1\n2\n", ndjson)
	h.http.Close()
	for end := time.Now().Add(20 * time.Second); h.web.desk.Bodies.Held() != 0; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal(h.web.desk.Bodies.Held(), "bytes are held for ever")
		}
	}
}
