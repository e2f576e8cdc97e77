//go:build !lean

package web

import (
	"embed"
	"io/fs"
)

//go:embed static specs
var embedded embed.FS

// files are those of a folder, by name: static or specs.
func files(dir string) map[string]file {
	list, _ := fs.ReadDir(embedded, dir) // embedded: it cannot fail
	named := make(map[string]file, len(list))
	for _, e := range list {
		b, _ := embedded.ReadFile(dir + "/" + e.Name())
		named[e.Name()] = file{text: string(b)}
	}
	return named
}
