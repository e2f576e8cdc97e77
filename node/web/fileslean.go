//go:build lean

package web

import "embed"

// make packs the files before it builds: 0.2 MB less of a binary for boards.
//
//go:embed all:packed
var embedded embed.FS

// read is the file of that name, in static or specs. It is read when it is asked for:
// a hub that nobody looks at has none of them in memory.
func read(name string) (f file, ok bool) {
	b, err := embedded.ReadFile("packed/" + name + ".gz")
	return file{string(b), true}, err == nil
}
