//go:build !lean

package web

import "embed"

//go:embed static specs
var embedded embed.FS

// read is the file of that name, in static or specs. It is read when it is asked for:
// a hub that nobody looks at has none of them in memory.
func read(name string) (f file, ok bool) {
	b, err := embedded.ReadFile(name)
	return file{text: string(b)}, err == nil
}
