package main

import (
	"encoding/json"
	"math/big"
	"reflect"
	"strconv"
	"strings"
	"testing"
)

const (
	python = "/usr/bin/python3" // Debian's, with Debian's packages
	pyFile = "testdata/py/client.py"
	jsFile = "testdata/js/client.js"
)

func needPython(t *testing.T) {
	need(t, "/usr/lib/python3/dist-packages/websockets", "python3-websockets: apt-get install python3-websockets")
	need(t, "/usr/lib/python3/dist-packages/cbor2", "python3-cbor2: apt-get install python3-cbor2")
}

func needNode(t *testing.T) {
	need(t, "/usr/bin/node", "Node.js with npm")
	need(t, "testdata/js/node_modules/ws", "npm's ws: npm ci in cmd/topicd/testdata/js")
}

// values are readings as JSON, and what a JSON subscriber gets where that is
// another form of the same value. {"$bytes":"00ff"} is a byte string.
var values = []struct{ cbor, json string }{
	{`0`, `0`},
	{`-1`, `-1`},
	{`21.5`, `21.5`},
	{`0.1`, `0.1`},
	{`-1e-7`, `-1e-7`},
	{`1.7976931348623157e308`, `1.7976931348623157e308`},
	{`9007199254740993`, `9007199254740993`},
	{`18446744073709551615`, `18446744073709551615`},
	{`-18446744073709551616`, `-18446744073709551616`},
	{`true`, `true`},
	{`null`, `null`},
	{`""`, `""`},
	{`"Grüße, 世界 \u0001 \" \\ 𝄞"`, `"Grüße, 世界 \u0001 \" \\ 𝄞"`},
	{`[]`, `[]`},
	{`{}`, `{}`},
	{`[1,[2,[3,{"a":[null]}]]]`, `[1,[2,[3,{"a":[null]}]]]`},
	{`{"u":"Cel","v":21.5,"t":1700000000}`, `{"u":"Cel","v":21.5,"t":1700000000}`},
	{`{"$bytes":"00ff80"}`, `"AP-A"`},
	{`[{"$bytes":""}]`, `[""]`},
}

// same compares JSON texts by value, large integers with all their digits.
func same(t *testing.T, a, b string) bool {
	t.Helper()
	parse := func(s string) any {
		d := json.NewDecoder(strings.NewReader(s))
		d.UseNumber()
		var v any
		if err := d.Decode(&v); err != nil {
			t.Fatalf("%s: %v", s, err)
		}
		return exact(v)
	}
	return reflect.DeepEqual(parse(a), parse(b))
}

func check(t *testing.T, got []string, i int, sent, want string) {
	t.Helper()
	if i >= len(got) {
		t.Errorf("%s did not arrive", sent)
	} else if !same(t, got[i], want) {
		t.Errorf("%s arrived as %s", sent, got[i])
	}
}

// exact makes numbers of the same value equal, however they are written.
func exact(v any) any {
	switch v := v.(type) {
	case json.Number:
		r, _ := new(big.Rat).SetString(v.String())
		return r.String()
	case []any:
		for i := range v {
			v[i] = exact(v[i])
		}
	case map[string]any:
		for k := range v {
			v[k] = exact(v[k])
		}
	}
	return v
}

// readings are the lines of a client's output that are readings.
func readings(lines []string) []string {
	var out []string
	for _, l := range lines {
		if l != "live" && l != "done" {
			out = append(out, l)
		}
	}
	return out
}

// What other people's clients publish reaches other people's clients, value for
// value, both ways.
func TestThirdPartyClients(t *testing.T) {
	processes(t)
	needPython(t)
	needNode(t)
	h := serveProcess(t, nil, binary(t, "amd64"), "--sense=off")
	var fromPython, fromNode strings.Builder
	for _, v := range values {
		fromPython.WriteString(v.cbor + "\n")
		fromNode.WriteString(v.json + "\n")
	}
	n := strconv.Itoa(len(values))
	t.Run("CBOR to JSON", func(t *testing.T) {
		tool(t, fromPython.String(), python, pyFile, h.url, "pub", "third/python")
		got := readings(tool(t, "", "node", jsFile, h.url, "sub", "third/python", n))
		for i, v := range values {
			check(t, got, i, v.cbor, v.json)
		}
	})
	t.Run("JSON to CBOR", func(t *testing.T) {
		tool(t, fromNode.String(), "node", jsFile, h.url, "pub", "third/node")
		got := readings(tool(t, "", python, pyFile, h.url, "sub", "third/node", n))
		for i, v := range values {
			check(t, got, i, v.json, v.json)
		}
	})
	t.Run("CBOR to CBOR", func(t *testing.T) {
		got := readings(tool(t, "", python, pyFile, h.url, "sub", "third/python", n))
		for i, v := range values {
			check(t, got, i, v.cbor, v.cbor)
		}
	})
	t.Run("sizes 83, 39 and 9", func(t *testing.T) {
		tool(t, "", python, pyFile, h.url, "sizes")
	})
	if code, _ := h.stop(t); code != 0 {
		t.Errorf("exit code %d\n%s", code, h.errs.String())
	}
}
