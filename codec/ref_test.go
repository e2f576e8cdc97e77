package codec

import (
	"encoding/json"
	"github.com/fxamacker/cbor/v2"
	"testing"
)

func BenchmarkRefJSONValid(b *testing.B) {
	x := []byte(hotBody)
	for b.Loop() {
		json.Valid(x)
	}
}
func BenchmarkRefCBORWell(b *testing.B) {
	_, x := hotCBOR(b)
	for b.Loop() {
		cbor.Wellformed(x)
	}
}
