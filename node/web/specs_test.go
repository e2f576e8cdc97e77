package web

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fxamacker/cbor/v2"

	"topicd/codec"
	"topicd/node"
	"topicd/node/access"
	"topicd/node/front"
	"topicd/node/store"
)

// fakes are what cmd brings, so that every path is there.
type fakes struct{}

func (fakes) Listeners() []front.Listener {
	return []front.Listener{{Addr: "127.0.0.1:22345", Since: 1, Fixed: true}}
}
func (fakes) Listen(addr, dialect string) (front.Listener, *codec.Error) {
	return front.Listener{Addr: addr, Dialect: dialect, Since: 2}, nil
}
func (fakes) Unlisten(addr string) *codec.Error {
	return codec.Errorf(codec.CodeNotFound, "no %s", addr)
}

type fakeAccess struct{}

func (fakeAccess) Mode() string       { return "lan" }
func (fakeAccess) Rows() []access.Row { return []access.Row{{ID: "1", Name: "a"}} }
func (fakeAccess) Make(t access.Row) (access.Row, *codec.Error) {
	t.ID, t.Token = "2", "secret"
	return t, nil
}
func (fakeAccess) End(string) (int, *codec.Error)        { return 3, nil }
func (fakeAccess) JoinLeft() time.Duration               { return time.Second }
func (fakeAccess) OpenJoin(d time.Duration) *codec.Error { return nil }
func (fakeAccess) CloseJoin()                            {}

func everything() Config {
	return Config{Listeners: fakes{}, Access: fakeAccess{}, Origin: func(*http.Request, string) *codec.Error { return nil }}
}

// Each document is valid by its community's own tool, and the protocol's golden
// frames are what the CDDL says.
func TestDocuments(t *testing.T) {
	processes(t)
	needNode(t, "@asyncapi/parser")
	h := start(t, node.Options{Name: `Ann's "hub"`}, everything())
	out := tool(t, goldenFrames(t), "node", "testdata/js/documents.js", h.url)
	if !regexp.MustCompile(`^[1-9]\d\d frames, 0 failed\n$`).MatchString(out) {
		t.Error(out)
	}
}

// goldenFrames are lines for documents.js: the protocol's vectors, and a few
// frames that are none.
func goldenFrames(t *testing.T) string {
	text, err := os.ReadFile("../../firmware-notes/vectors/frames.json")
	if err != nil {
		t.Fatal(err)
	}
	var frames []struct{ Name, JSON, CBOR string } // as they are written; the hub takes more than the documents say
	if err := json.Unmarshal(text, &frames); err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	add := func(rule, name string, ok bool, v any) {
		line, _ := json.Marshal(map[string]any{"rule": rule, "name": name, "ok": ok, "value": v})
		b.Write(append(line, '\n'))
	}
	for _, f := range frames {
		if strings.HasSuffix(f.Name, "not set") { // the hub takes null for it; the documents do not advise that
			continue
		}
		add("frame", f.Name+" in JSON", true, plainJSON(t, f.JSON))
		add("frame", f.Name+" in CBOR", true, plainCBOR(t, f.CBOR))
	}
	for name, j := range map[string]string{
		"no op": `{"topic":"a","data":1}`, "no topic": `{"op":"pub","data":1}`, "a negative id": `{"op":"ping","id":-1}`,
		"an id with a point": `{"op":"ping","id":1.5}`, "an empty name": `{"op":"pub","topic":"","data":1}`, "an op in capitals": `{"op":"PING"}`,
		"opts as a list": `{"op":"sub","topic":"a","opts":[]}`, "last as text": `{"op":"sub","topic":"a","opts":{"last":"1"}}`, "a number": `1`,
		"a name of 129 bytes": `{"op":"pub","topic":"` + strings.Repeat("x", 129) + `","data":1}`, "a batch with a number": `[{"op":"ping"},1]`,
		"two words for topic": `{"op":"ping","id":9007199254740992}`, "err without msg": `{"op":"err","err":{"code":400}}`,
	} {
		add("frame", name, false, plainJSON(t, j))
	}
	for name, c := range map[string]string{
		"topic twice, as 2 and as topic": "a4000202616103016" + "5746f7069636161",
		"a msg without seq":              "a300030261610301",
		"a byte string as topic":         "a300020241610301",
	} {
		add("frame", name, false, plainCBOR(t, c))
	}
	for _, j := range []string{`{"n":"t","u":"Cel","v":21.5}`, `[{"bn":"a/","bt":1700000000},{"n":"t","v":1},{"vb":true}]`} {
		add("senml", j, true, plainJSON(t, j))
	}
	add("senml", "labels", true, plainCBOR(t, "a302f94d60016343656c061a6553f100"))
	add("senml", "a value as text", false, plainJSON(t, `{"n":"t","v":"21.5"}`))
	return b.String()
}

// plainJSON is a JSON text as cddl.js wants it.
func plainJSON(t *testing.T, text string) any {
	d := json.NewDecoder(strings.NewReader(text))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		t.Fatal(text, err)
	}
	return plainValue(v)
}

func plainCBOR(t *testing.T, text string) any {
	raw, err := hex.DecodeString(text)
	var v any
	if err == nil {
		err = cbor.Unmarshal(raw, &v)
	}
	if err != nil {
		t.Fatal(text, err)
	}
	return plainValue(v)
}

func plainValue(v any) any {
	switch v := v.(type) {
	case nil, bool, string:
		return v
	case json.Number:
		if strings.ContainsAny(v.String(), ".eE") {
			return map[string]any{"float": v}
		}
		return map[string]string{"int": v.String()}
	case uint64, int64:
		return map[string]string{"int": fmt.Sprint(v)}
	case float64, float32:
		return map[string]any{"float": 0.5}
	case []byte:
		return map[string]int{"bytes": len(v)}
	case cbor.Tag:
		return plainValue(v.Content)
	case []any:
		list := []any{}
		for _, e := range v {
			list = append(list, plainValue(e))
		}
		return map[string]any{"list": list}
	case map[string]any:
		m := [][2]any{}
		for k, e := range v {
			m = append(m, [2]any{k, plainValue(e)})
		}
		return map[string]any{"map": m}
	case map[any]any:
		m := [][2]any{}
		for k, e := range v {
			m = append(m, [2]any{plainValue(k), plainValue(e)})
		}
		return map[string]any{"map": m}
	}
	return fmt.Sprint(v) // a time
}

// The HTTP API does what its OpenAPI document says: each operation, each way to
// ask, each answer in both encodings.
func TestOpenAPI(t *testing.T) {
	processes(t)
	needNode(t, "ajv")
	c := everything()
	var err error
	if c.Store, err = store.Open(store.Options{Dir: t.TempDir()}); err != nil {
		t.Fatal(err)
	}
	defer c.Store.Close()
	h := start(t, node.Options{}, c)
	out := tool(t, "", "node", "testdata/js/openapi.js", h.url)
	if !regexp.MustCompile(`^[1-9]\d+ calls of [1-9]\d operations, 0 failed\n$`).MatchString(out) {
		t.Error(out)
	}
}

// Every path that is served is documented, with all its methods, and no other.
func TestOpenAPIIsComplete(t *testing.T) {
	h := start(t, node.Options{}, everything())
	var doc struct {
		Paths map[string]map[string]any
	}
	h.get("/api/openapi.json", &doc)
	documented := map[string][]string{}
	for path, item := range doc.Paths {
		for method := range item {
			if method != "parameters" {
				documented[path] = append(documented[path], strings.ToUpper(method))
			}
		}
		slices.Sort(documented[path])
	}
	if !maps.EqualFunc(documented, h.web.paths, slices.Equal) {
		t.Errorf("documented %v\nserved     %v", documented, h.web.paths)
	}
}

func TestThing(t *testing.T) {
	h := start(t, node.Options{Name: `a"b`}, Config{})
	a := h.want(200, "", "GET", "/.well-known/wot", "")
	var td struct {
		Title string
		Links []struct{ Href string }
	}
	if err := json.Unmarshal([]byte(a.body), &td); err != nil || td.Title != `a"b` || td.Links[0].Href != h.url+"/api/openapi.json" {
		t.Error(err, a.body)
	}
}
