package web

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/fxamacker/cbor/v2"

	"topicd/node"
)

// History of a topic in steps, of what is stored still and what has left it.
func TestSteps(t *testing.T) {
	now := int64(1_800_000_000_000)
	h := start(t, node.Options{Clock: func() (int64, int64) { return now, now }, Epoch: 7, TopicCap: 4096}, Config{})
	for i := range 300 {
		h.want(200, "", "POST", "/api/pub/a", fmt.Sprint(i), ofJSON)
		h.want(200, "", "POST", "/api/pub/b", fmt.Sprintf(`{"t":%d.5,"=h":-1}`, i), ofJSON)
		now += 10_000
	}
	type history struct {
		Topic    string
		Ep, Step int64
		Buckets  [][]any
	}
	count := func(path string, header ...string) (v history, n float64) {
		a := h.want(200, "", "GET", path, "", header...)
		var err error
		if len(header) > 0 {
			var c struct {
				Topic    string
				Ep, Step int64
				Buckets  []cbor.RawMessage
			}
			err = cbor.Unmarshal([]byte(a.body), &c)
			v.Topic, v.Step = c.Topic, c.Step
			for _, raw := range c.Buckets {
				var b []any
				if err := cbor.Unmarshal(raw, &b); err != nil {
					t.Fatal(err)
				}
				v.Buckets = append(v.Buckets, []any{b[0], b[1], b[2], b[3], float64(b[4].(uint64))})
			}
		} else {
			err = json.Unmarshal([]byte(a.body), &v)
		}
		if err != nil {
			t.Fatalf("%v: %.300s", err, a.body)
		}
		for _, b := range v.Buckets {
			n += b[4].(float64)
		}
		return v, n
	}
	var stored struct{ Readings []struct{ Seq int } }
	h.get("/api/topics/a?since=0", &stored)
	if len(stored.Readings) > 200 {
		t.Fatalf("%d readings are stored still", len(stored.Readings))
	}
	for path, want := range map[string]string{
		"/api/topics/a?step=60000": "300 50 60000", "/api/topics/a?step=1m": "300 50 60000", "/api/topics/a?step=1h&since=0": "300 1 3600000",
		"/api/topics/a?step=1d": "300 2 86400000", "/api/topics/a?step=90s": "300 25 120000", "/api/topics/a?step=1m&since=-600": "60 10 60000", "/api/topics/a?step=1m&last=3": "18 3 60000",
	} {
		if path == "/api/topics/a?step=1d" {
			want = "300 1 86400000"
		}
		if v, n := count(path); fmt.Sprint(n, len(v.Buckets), v.Step) != want || v.Topic != "a" || v.Ep != 7 {
			t.Errorf("%s: %v readings in %d steps of %d, want %s", path, n, len(v.Buckets), v.Step, want)
		}
	}
	if v, n := count("/api/topics/a?step=1m", "Accept: application/cbor"); n != 300 || v.Step != 60_000 {
		t.Errorf("CBOR: %v readings", n)
	}
	for _, bad := range []string{"0", "-1", "1y", "xm", "400d", "1e9", "106751991167301d", ""} {
		status := 400
		if bad == "" {
			status = 200
		}
		h.want(status, "", "GET", "/api/topics/a?step="+bad, "")
	}
	h.want(400, "", "GET", "/api/topics/a?step=1m&since=17", "")
	csv := h.want(200, "", "GET", "/api/export?topic=%23&step=1h&format=csv", "").body
	if want := "time,ts,topic,field,min,mean,max,count\r\n2027-01-15T08:00:00.000Z,1800000000000,a,,0,149.5,299,300\r\n2027-01-15T08:00:00.000Z,1800000000000,b,t,0.5,150,299.5,300\r\n2027-01-15T08:00:00.000Z,1800000000000,b,'=h,-1,-1,-1,300\r\n"; !sameCSV(csv, want) {
		t.Errorf("CSV is\n%s", csv)
	}
	lines := strings.Split(strings.TrimSpace(h.want(200, "", "GET", "/api/export?topic=b&step=1h", "").body), "\n")
	if len(lines) != 2 || !strings.HasPrefix(lines[0], `{"topic":"b","ts":1800000000000,"data":[1800000000000,0.5,`) || !strings.HasSuffix(lines[1], `-1,300,"=h"]}`) {
		t.Errorf("NDJSON is %q", lines)
	}
}

// sameCSV compares but for the mean's last digits.
func sameCSV(got, want string) bool {
	g, w := strings.FieldsFunc(got, comma), strings.FieldsFunc(want, comma)
	for i := range min(len(g), len(w)) {
		var x, y float64
		if _, err := fmt.Sscan(w[i], &y); err == nil {
			if _, err := fmt.Sscan(g[i], &x); err != nil || x-y > 0.01 || y-x > 0.01 {
				return false
			}
		} else if g[i] != w[i] && g[i] != `"`+w[i]+`"` {
			return false
		}
	}
	return len(g) == len(w)
}

func comma(r rune) bool { return r == ',' || r == '\r' || r == '\n' }
