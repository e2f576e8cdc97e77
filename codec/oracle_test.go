package codec

import (
	"encoding/json"
	"fmt"
	"math"
	"math/big"
	"math/rand/v2"
	"reflect"
	"strconv"
	"strings"
	"testing"

	"github.com/fxamacker/cbor/v2"
)

// plainValue reduces what an oracle decoded to values that compare by value: every
// number becomes its exact decimal text (beyond 64 bits: that of its float64).
func plainValue(v any) any {
	switch v := v.(type) {
	case json.Number:
		if strings.Trim(string(v), "-0123456789") == "" && v != "-0" {
			if n, _ := new(big.Int).SetString(string(v), 10); n.BitLen() <= 64 {
				return n.String()
			}
		}
		f, _ := v.Float64()
		return plainValue(f)
	case float64:
		if f := big.NewFloat(v); f.IsInt() {
			return f.Text('f', 0)
		}
		return strconv.FormatFloat(v, 'g', -1, 64)
	case float32:
		return plainValue(float64(v))
	case uint64, int64:
		return fmt.Sprint(v)
	case big.Int:
		return v.String()
	case []any:
		out := make([]any, len(v))
		for i := range v {
			out[i] = plainValue(v[i])
		}
		return out
	case map[string]any:
		out := map[string]any{}
		for k, x := range v {
			out[k] = plainValue(x)
		}
		return out
	}
	return v
}

func jsonOracle(tb testing.TB, b []byte) any {
	tb.Helper()
	var v any
	d := json.NewDecoder(strings.NewReader(string(b)))
	d.UseNumber()
	if err := d.Decode(&v); err != nil {
		tb.Fatalf("encoding/json refuses %q: %v", b, err)
	}
	return plainValue(v)
}

// cborMode is the oracle's strict mode: what it refuses we must refuse.
var cborMode = func() cbor.DecMode {
	m, err := cbor.DecOptions{
		DupMapKey: cbor.DupMapKeyEnforcedAPF, MaxNestedLevels: 64, UTF8: cbor.UTF8RejectInvalid,
		NaN: cbor.NaNDecodeForbidden, Inf: cbor.InfDecodeForbidden,
		DefaultMapType: reflect.TypeFor[map[string]any](),
	}.DecMode()
	if err != nil {
		panic(err)
	}
	return m
}()

func cborOracle(tb testing.TB, b []byte) any {
	tb.Helper()
	var v any
	if err := cborMode.Unmarshal(b, &v); err != nil {
		tb.Fatalf("fxamacker/cbor refuses %x: %v", b, err)
	}
	return plainValue(v)
}

// randomValue makes a value that both encodings have.
func randomValue(r *rand.Rand, depth int) any {
	n := 10
	if depth > 3 {
		n = 8
	}
	switch r.IntN(n) {
	case 0:
		return nil
	case 1:
		return r.IntN(2) == 0
	case 2:
		return randomText(r)
	case 3:
		return r.Uint64() >> r.IntN(64)
	case 4:
		return -int64(r.Uint64()>>(1+r.IntN(63))) - 1
	case 5:
		return float64(r.IntN(100000)) / 100
	case 6:
		if f := math.Float64frombits(r.Uint64()); !math.IsNaN(f) && !math.IsInf(f, 0) {
			return f
		}
		return 0.5
	case 7:
		return float64(math.Float32frombits(r.Uint32()&^0x7f800000 | uint32(100+r.IntN(50))<<23))
	case 8:
		out := make([]any, r.IntN(12))
		for i := range out {
			out[i] = randomValue(r, depth+1)
		}
		return out
	}
	out := map[string]any{}
	for range r.IntN(12) {
		out[randomText(r)] = randomValue(r, depth+1)
	}
	return out
}

func randomText(r *rand.Rand) string {
	const alphabet = `abcdefghijklmnopqrstuvwxyz0123456789"\/` + "\n\t\x00\x1f\x7füß水🌡\u2028"
	runes := []rune(alphabet)
	out := make([]rune, r.IntN(12))
	for i := range out {
		out[i] = runes[r.IntN(len(runes))]
	}
	return string(out)
}

// TestOracles compares with encoding/json and fxamacker/cbor, value for value.
func TestOracles(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 1000 {
		v := randomValue(r, 0)
		j, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		c, err := cbor.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		for _, in := range []struct {
			enc  Encoding
			data []byte
			want any
		}{{JSON, j, jsonOracle(t, j)}, {CBOR, c, cborOracle(t, c)}} {
			asJSON, err := Transcode(nil, JSON, in.enc, in.data)
			if err != nil {
				t.Fatalf("%s %.2000q: %v", in.enc, in.data, err)
			}
			asCBOR, err := Transcode(nil, CBOR, in.enc, in.data)
			if err != nil {
				t.Fatalf("%s %.2000q: %v", in.enc, in.data, err)
			}
			if got := jsonOracle(t, asJSON); !reflect.DeepEqual(got, in.want) {
				t.Fatalf("%s %.2000q as JSON is %.2000q", in.enc, in.data, asJSON)
			}
			if got := cborOracle(t, asCBOR); !reflect.DeepEqual(got, in.want) {
				t.Fatalf("%s %.2000q as CBOR is %.2000x", in.enc, in.data, asCBOR)
			}
			thereAndBack(t, in.enc, in.data)
		}
	}
}

// TestHalf goes through every float16.
func TestHalf(t *testing.T) {
	for h := range 1 << 16 {
		in := []byte{0xf9, byte(h >> 8), byte(h)}
		var want float64
		if err := cbor.Unmarshal(in, &want); err != nil {
			t.Fatal(err)
		}
		got := half(uint16(h))
		if math.IsNaN(want) || math.IsInf(want, 0) {
			if err := Validate(CBOR, in); err == nil {
				t.Fatalf("%x is accepted", in)
			}
			continue
		}
		if math.Float64bits(got) != math.Float64bits(want) {
			t.Fatalf("%x is %v, want %v", in, got, want)
		}
		if out := appendCBORFloat(nil, got); string(out) != string(in) {
			t.Fatalf("%v is written %x, want %x", got, out, in)
		}
	}
}
