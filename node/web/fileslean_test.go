//go:build lean

package web

import (
	"compress/gzip"
	"io"
	"os"
	"testing"
)

// What make has packed is what stands in the tree, whoever asks for it how.
func TestPackedFiles(t *testing.T) {
	for path, name := range map[string]string{"/static/app.js": "static/app.js", "/static/icon.svg": "static/icon.svg", "/api/openapi.json": "specs/openapi.json"} {
		want, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		plain := getPage(t, path, "h", "*/*")
		if plain.Body.String() != string(want) || plain.Header().Get("Content-Encoding") != "" || plain.Header().Get("Vary") != "Accept-Encoding" {
			t.Errorf("%s: %d bytes of %d, %v", path, plain.Body.Len(), len(want), plain.Header())
		}
		packed := getPage(t, path, "h", "*/*", "Accept-Encoding", "gzip, br")
		r, err := gzip.NewReader(packed.Body)
		if err != nil || packed.Header().Get("Content-Encoding") != "gzip" {
			t.Fatal(path, err, packed.Header())
		}
		if got, _ := io.ReadAll(r); string(got) != string(want) {
			t.Errorf("%s is another when unpacked", path)
		}
		if tag := packed.Header().Get("ETag"); tag != "" && tag == plain.Header().Get("ETag") {
			t.Errorf("%s: two encodings have one tag", path)
		}
	}
}
