package codec

import (
	"encoding/json"
	"fmt"
	"math"
	"strings"
	"testing"
)

// say is what Numbers found, as one line.
func say(enc Encoding, data []byte) string {
	var into [MaxNumbers]Number
	var parts []string
	for _, f := range into[:Numbers(enc, data, &into)] {
		parts = append(parts, fmt.Sprintf("%s=%g", f.Name, f.Value))
	}
	return strings.Join(parts, " ")
}

// What the dashboard draws is what is kept a minute (node/web/static/reading.js, fields).
func TestNumbersAreWhatTheDashboardDraws(t *testing.T) {
	for body, want := range map[string]string{
		`21.5`: "=21.5", ` -3e2 `: "=-300", `1e-5`: "=1e-05", `true`: "=1", `false`: "=0", `null`: "", `"21.5"`: "", `[]`: "", `{}`: "", `[1,2]`: "",
		`{"n":"temp","u":"Cel","v":21.25,"t":1700000000}`: "=21.25",
		`{"vb":true,"n":"door"}`:                          "=1",
		`{"vs":"open"}`:                                   "",
		`{"temp":21.5,"hum":40,"name":"x","deep":{"v":1,"a":[1,"}"]},"bat":3.7,"on":true,"rssi":-70,"more":1}`:     "temp=21.5 hum=40 bat=3.7 rssi=-70",
		`[{"bn":"a/","bv":20,"n":"t","v":1.5},{"n":"h","u":"%RH","v":-5},{"n":"s","vs":"x"},{"n":"b","vb":false}]`: "t=21.5 h=15 b=20",
		`[{"n":"t","v":1},3]`: "", `{"a\u0062":1,"c":2}`: "c=2", `{"x":null,"y":[[]],"z":9007199254740993}`: "z=9.007199254740992e+15",
		`123456789012345678901234567890`: "=1.2345678901234568e+29", `0.000`: "=0", `-0.1`: "=-0.1", `{"v":"text","a":1}`: "a=1",
	} {
		if got := say(JSON, []byte(body)); got != want {
			t.Errorf("%s: %q, want %q", body, got, want)
		}
		cbor, err := Transcode(nil, CBOR, JSON, []byte(body))
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(body, `\u`) {
			want = "ab=1 c=2"
		}
		if got := say(CBOR, cbor); got != want && !strings.Contains(got, "e+29") {
			t.Errorf("%s as CBOR %x: %q, want %q", body, cbor, got, want)
		}
	}
	for body, want := range map[string]string{
		"\xa2\x01\x63Cel\x02\xf9\x4d\x60": "=21.5", "\xc4\x82\x21\x19\x08\x65": "=21.49", "\xd9\xd9\xf7\x05": "=5", "\xc1\x05": "=5", "\xd8\x40\x42\x01\x02": "",
		"\x9f\xbf\x00\x61t\x02\x01\xff\xff": "t=1", "\xa1\x61a\xd8\x40\x42\x01\x02": "", "\xf5": "=1", "\xf6": "",
	} {
		if err := Validate(CBOR, []byte(body)); err != nil {
			t.Fatalf("%x: %v", body, err)
		}
		if got := say(CBOR, []byte(body)); got != want {
			t.Errorf("%x: %q, want %q", body, got, want)
		}
	}
}

// FuzzNumbers: no valid body makes Numbers fall over, and a bare number is read as
// encoding/json reads it.
func FuzzNumbers(f *testing.F) {
	for _, s := range []string{`{"a":{"b":[1,"\\\"}"]},"v":1e5}`, `[{"n":"t","v":1},{"bv":2}]`, "21.5", "\xa1\x61a\xc4\x82\x21\x19\x08\x65", "\x9f\xbf\xff\xff"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		for _, enc := range []Encoding{JSON, CBOR} {
			if Validate(enc, data) != nil {
				continue
			}
			var into [MaxNumbers]Number
			n := Numbers(enc, data, &into)
			var want float64
			if enc == JSON && json.Unmarshal(data, &want) == nil && string(data) != "null" {
				if n != 1 || math.Abs(into[0].Value-want) > math.Abs(want)*1e-14+1e-300 {
					t.Errorf("%s: %v of %d", data, into[0], n)
				}
			}
		}
	})
}

func BenchmarkNumbers(b *testing.B) {
	for name, body := range map[string]string{
		"number": "21.54", "senml": `{"v":21.5,"u":"Cel","t":1700000000}`, "text": `"open"`,
		"object": `{"sensor":"s000123","t":1700000000000000000,"temp":23.41,"hum":51.20,"bat":3.71,"seq":1000123}`,
	} {
		for _, enc := range []Encoding{JSON, CBOR} {
			data, _ := Transcode(nil, enc, JSON, []byte(body))
			b.Run(name+"/"+enc.String(), func(b *testing.B) {
				b.ReportAllocs()
				var into [MaxNumbers]Number
				for b.Loop() {
					Numbers(enc, data, &into)
				}
			})
		}
	}
}
