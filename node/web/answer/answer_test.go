package answer

import (
	"testing"
)

// TestAccept: the answer is CBOR where that is named and weighs as much as JSON.
func TestAccept(t *testing.T) {
	for accept, want := range map[string]bool{
		"": false, "*/*": false, "application/*": false, "application/json": false, "application/cbor": true, "application/cbor;q=0": false,
		"application/cbor, */*": true, "application/cbor, application/json": true, "application/json, application/cbor;q=0.5": false,
		"text/html,application/cbor;q=0.1,*/*;q=0.8": false, "application/cbor;q=0.5, application/*;q=0.6": false,
		"application/cbor;q=0.5, application/*;q=0.6, application/json;q=0.1": true, "application/cbor;q=0.5, application/json;q=0": true,
		"application/cbor;q=x": false, "application/cbor;q=7": false, "APPLICATION/CBOR": true, "application/cbor;q=0.2, */*;q=0.1": true,
	} {
		if got := wantsCBOR(accept); got != want {
			t.Errorf("%q: CBOR %v", accept, got)
		}
	}
}
