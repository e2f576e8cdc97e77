package answer

import (
	"net/http"
	"testing"
)

func TestTakesGzip(t *testing.T) {
	for accept, want := range map[string]bool{
		"": false, "gzip": true, "gzip, deflate, br, zstd": true, "br;q=1.0, gzip;q=0.8, *;q=0.1": true, "*": true, "GZIP": true,
		"gzip;q=0": false, "gzip; q=0.0": false, "identity": false, "deflate": false, "gzip;q=0.001": false,
	} {
		r := &http.Request{Header: http.Header{}}
		if accept != "" {
			r.Header.Set("Accept-Encoding", accept)
		}
		if got := TakesGzip(r); got != want {
			t.Errorf("%q: %v", accept, got)
		}
	}
}
