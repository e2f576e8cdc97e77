package firmware

import (
	"encoding/json"
	"math"
	"reflect"
	"strings"
	"testing"
	"time"
)

// TestCShowsJSON: td_json says of each golden frame what its JSON says.
func TestCShowsJSON(t *testing.T) {
	t.Parallel()
	d := newDriver(t, cc(t, "test_linux.c", "gcc", sanitized...))
	shown := 0
	for _, f := range frames(t) {
		if f.CBOR == "" || f.JSON == "" {
			continue
		}
		var got, want any
		text := d.ask("J %s", f.CBOR)
		if err := json.Unmarshal([]byte(text), &got); err != nil {
			t.Errorf("%s: %v in %s", f.Name, err, text)
			continue
		}
		if err := json.Unmarshal([]byte(f.JSON), &want); err != nil {
			t.Fatal(f.Name, err)
		}
		if strings.HasPrefix(f.Name, "batch") || strings.Contains(f.Name, "bytes") || strings.Contains(f.Name, "typed array") { // no batches in C; hex there, base64 here
			continue
		}
		if !alike(got, want) {
			t.Errorf("%s: %s, want %s", f.Name, text, f.JSON)
		}
		shown++
	}
	if shown < 40 {
		t.Errorf("only %d frames", shown)
	}
}

// alike compares numbers as floats of 32 bits, which is what the client has.
func alike(a, b any) bool {
	switch x := a.(type) {
	case float64:
		y, ok := b.(float64)
		return ok && math.Abs(x-y) <= 1e-6*math.Abs(y)
	case map[string]any:
		y, ok := b.(map[string]any)
		for k := range x {
			ok = ok && alike(x[k], y[k])
		}
		return ok && len(x) == len(y)
	case []any:
		y, ok := b.([]any)
		ok = ok && len(x) == len(y)
		for i := range x {
			ok = ok && alike(x[i], y[i])
		}
		return ok
	}
	return reflect.DeepEqual(a, b)
}

// TestCSpeaksJSON: with td_say the hub speaks JSON to the C client.
func TestCSpeaksJSON(t *testing.T) {
	t.Parallel()
	h := startHub(t, time.Second)
	s := newScriptEnv(t, nil, cc(t, "../testdata/json.c", "gcc", append([]string{"-Ic"}, sanitized...)...), h.port())
	defer s.kill()
	s.hears(`"op":"welcome"`)
	s.hears(`{"op":"ok","id":1,"topic":1,"seq":1}`)
	if r := h.stored(t, "json/temp"); len(r) != 1 || r[0]["data"] != 21.5 || r[0]["from"] != "json-1" {
		t.Errorf("stored %v", r)
	}
}
