package native

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"topicd/codec"
	"topicd/node"
	"topicd/node/dialect/dialecttest"
)

// page is an ok with rows.
type page struct {
	Op   string
	ID   uint64
	Data []json.RawMessage
	Opts struct{ More bool }
}

// rows puts the pages of one answer together.
func rowsOf(t *testing.T, p *dialecttest.Peer, id uint64) (rows []json.RawMessage, pages int) {
	t.Helper()
	more := true
	for _, f := range p.All() {
		if n := len(f); n > 3*pageSize {
			t.Errorf("page %d has %d bytes", pages, n)
		}
		_, js, _ := strings.Cut(f, " ")
		var g page
		if err := json.Unmarshal([]byte(js), &g); err != nil || g.Op != "ok" || g.ID != id || !more {
			t.Fatalf("page %d, %.100s: %v", pages, f, err)
		}
		more = g.Opts.More
		rows = append(rows, g.Data...)
		pages++
	}
	if more {
		t.Fatal("the last page promises more")
	}
	return rows, pages
}

// TestPages: thousands of rows come complete, in order, in frames that fit.
func TestPages(t *testing.T) {
	const topics, each = 1500, 3
	for _, enc := range []codec.Encoding{codec.JSON, codec.CBOR} {
		s := newTranscript(t, node.Options{Rate: -1})
		p := s.Peer("p")
		for i := range topics {
			for k := range each {
				js := fmt.Appendf(nil, `{"op":"pub","topic":"t/%04d","data":{"n":%d,"pad":"%s"}}`, i, k+1, strings.Repeat("x", i%200))
				if k == 1 { // in the other encoding
					b, err := codec.Transcode(nil, codec.CBOR, codec.JSON, js)
					if err != nil {
						t.Fatal(err)
					}
					p.Say(false, b)
				} else {
					p.Say(true, js)
				}
			}
		}
		ask := func(js string) {
			b, err := codec.Transcode(nil, enc, codec.JSON, []byte(js))
			if err != nil {
				t.Fatal(err)
			}
			p.Say(enc == codec.JSON, b)
		}
		ask(`{"op":"get","id":5,"topic":"t/#","opts":{"last":3}}`)
		rows, pages := rowsOf(t, p, 5)
		if len(rows) != topics*each || pages < 10 {
			t.Fatalf("%s: %d readings on %d pages", enc, len(rows), pages)
		}
		for i, r := range rows {
			want := fmt.Sprintf(`{"topic":"t/%04d","seq":%d,"ts":%d,"data":{"n":%d,"pad":"%s"}}`, i/each, i%each+1, dialecttest.Begin, i%each+1, strings.Repeat("x", i/each%200))
			if string(r) != want {
				t.Fatalf("%s: row %d is %s, want %s", enc, i, r, want)
			}
		}
		ask(`{"op":"list","id":6,"opts":{"what":"topics","match":"t/#"}}`)
		rows, pages = rowsOf(t, p, 6)
		if len(rows) != topics || pages < 5 {
			t.Fatalf("%s: %d topics on %d pages", enc, len(rows), pages)
		}
		for i, r := range rows {
			if want := fmt.Sprintf(`{"topic":"t/%04d","static":false,"seq":3,`, i); !strings.HasPrefix(string(r), want) {
				t.Fatalf("%s: row %d is %s", enc, i, r)
			}
		}
		for i := range 400 {
			s.Open(fmt.Sprint("n", i), "")
		}
		ask(`{"op":"list","id":7,"opts":{"what":"clients"}}`)
		rows, pages = rowsOf(t, p, 7)
		if len(rows) != 401 || pages < 2 {
			t.Errorf("%s: %d clients on %d pages", enc, len(rows), pages)
		}
	}
}

// TestLargeRows: a reading of the largest size is a page of its own.
func TestLargeRows(t *testing.T) {
	s := newTranscript(t, node.Options{TopicCap: 1 << 20})
	p := s.Peer("p")
	big := strings.Repeat("x", 60_000)
	for i := range 4 {
		p.Say(true, fmt.Appendf(nil, `{"op":"pub","topic":"t","data":"%d%s"}`, i, big))
	}
	p.Say(true, []byte(`{"op":"get","id":1,"topic":"t","opts":{"last":10}}`))
	if f := p.All(); len(f) != 4 {
		t.Errorf("%d pages for four large readings", len(f))
	}
}

// TestSnapshot: 12,500 retained topics reach one subscriber of # completely,
// then comes live.
func TestSnapshot(t *testing.T) {
	const topics = 12_500
	for _, enc := range []codec.Encoding{codec.JSON, codec.CBOR} {
		s := newTranscript(t, node.Options{Rate: -1})
		p := s.Peer("p")
		for i := range topics {
			p.Say(true, fmt.Appendf(nil, `{"op":"pub","topic":"t/%d/%d","data":%d}`, i%100, i, i))
		}
		sub, _ := codec.Transcode(nil, enc, codec.JSON, []byte(`{"op":"sub","id":1,"topic":"#"}`))
		q := s.Peer("q")
		q.Say(enc == codec.JSON, sub)
		p.Say(true, []byte(`{"op":"pub","topic":"t/0/0","data":"new"}`)) // while it reads
		f := q.All()
		seen := make(map[string]bool)
		live := -1
		for i, l := range f {
			_, js, _ := strings.Cut(l, " ")
			var m struct {
				Op    string
				Topic any
				Data  json.RawMessage
			}
			if err := json.Unmarshal([]byte(js), &m); err != nil {
				t.Fatal(err)
			}
			switch m.Op {
			case "msg":
				seen[m.Topic.(string)] = true
			case "live":
				live = i
				if want := fmt.Sprintf(`{"count":%d}`, live); string(m.Data) != want || live < topics {
					t.Errorf("%s: live says %s behind %d readings", enc, m.Data, live)
				}
			}
		}
		if len(seen) != topics || live < 0 {
			t.Errorf("%s: %d topics of %d, live %d", enc, len(seen), topics, live)
		}
		if err := s.Hub.CheckInvariants(); err != nil {
			t.Error(err)
		}
	}
}

// TestGap: readings asked for that are gone are counted in the answer.
func TestGap(t *testing.T) {
	s := newTranscript(t, node.Options{TopicCap: 2048})
	p := s.Peer("p")
	for i := range 100 {
		p.Say(true, fmt.Appendf(nil, `{"op":"pub","topic":"t","data":"%03d %s"}`, i+1, strings.Repeat("x", 96)))
	}
	q := s.Peer("q")
	q.Say(true, []byte(`{"op":"sub","id":1,"topic":"t","opts":{"since":10}}`))
	f := q.All()
	first := strings.Count(strings.Join(f, "\n"), `"op":"msg"`)
	gap := 100 - 10 - first
	want := fmt.Sprintf(`< {"op":"ok","id":1,"topic":1,"data":{"topics":1,"from":%d,"gap":%d},"ep":7}`, 100-first+1, gap)
	if last := f[len(f)-1]; last != want || gap < 50 {
		t.Errorf("got %s, want %s", last, want)
	}
	if strings.Contains(strings.Join(f, "\n"), `"drop"`) {
		t.Error("what is told as a gap is told as dropped as well")
	}
}

// TestPace: opts.pace reaches the transport.
func TestPace(t *testing.T) {
	p := newTranscript(t, node.Options{}).Peer("a")
	for _, tt := range []struct {
		opt  string
		want int
	}{{"{}", -1}, {`{"pace":50}`, 50}, {`{}`, 50}, {`{"pace":0}`, 0}, {`{"pace":9007199254740991}`, 1<<31 - 1}} {
		p.Say(true, fmt.Appendf(nil, `{"op":"sub","topic":"t","opts":%s}`, tt.opt))
		if p.All(); p.Pace != tt.want {
			t.Errorf("%s makes the pace %d, want %d", tt.opt, p.Pace, tt.want)
		}
	}
}

// TestSteps: a get with step answers the history of each topic in buckets, in pages.
func TestSteps(t *testing.T) {
	for _, enc := range []codec.Encoding{codec.JSON, codec.CBOR} {
		s := newTranscript(t, node.Options{Rate: -1, TopicCap: 16 << 10})
		p := s.Peer("p")
		for i := range 6000 {
			p.Say(true, fmt.Appendf(nil, `[{"op":"pub","topic":"t/a","data":%d},{"op":"pub","topic":"t/b","data":{"x":%d,"y":0.5}}]`, i, -i))
			s.Now += 5000
		}
		ask := func(opts string) {
			b, err := codec.Transcode(nil, enc, codec.JSON, []byte(`{"op":"get","id":5,"topic":"t/#","opts":`+opts+`}`))
			if err != nil {
				t.Fatal(err)
			}
			p.Say(enc == codec.JSON, b)
		}
		for opts, least := range map[string]int{`{"step":60000}`: 400, `{"step":600000,"last":6}`: 6, `{"step":60000,"since":-3600}`: 60} {
			ask(opts)
			rows, pages := rowsOf(t, p, 5)
			n := map[string]int{}
			for _, raw := range rows {
				var r struct {
					Topic string
					TS    float64
					Data  []any
				}
				if err := json.Unmarshal(raw, &r); err != nil || len(r.Data) < 5 || r.Data[0] != r.TS || r.Data[1].(float64) > r.Data[3].(float64) {
					t.Fatalf("%s: %v", raw, err)
				}
				if len(r.Data) > 5 {
					r.Topic += " " + r.Data[5].(string)
				}
				n[r.Topic]++
			}
			if len(n) != 3 || n["t/a"] < least || n["t/b x"] < least*3/4 || n["t/b x"] != n["t/b y"] || least == 400 && pages < 3 || least < 400 && n["t/a"] > least+1 {
				t.Errorf("%s %s: %d pages, rows of %v", enc, opts, pages, n)
			}
		}
		for _, bad := range []string{`{"step":0}`, `{"step":40000000000}`, `{"step":60000,"since":3}`} {
			ask(bad)
			if got := p.All(); len(got) != 1 || !strings.Contains(got[0], "400") {
				t.Errorf("%s: %q", bad, got)
			}
		}
	}
}
