// Command performance draws and tabulates what measure.sh has measured: it reads
// the raw rows in its folder and writes the growth curves as SVG beside them,
// and the tables into ../performance.md between its markers.
//
//	go run ./firmware-notes/performance             from the project's root
//	go run ./firmware-notes/performance -machine    describe this machine
package main

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"
)

func main() {
	dir := flag.String("dir", "firmware-notes/performance", "folder of the raw rows")
	machine := flag.Bool("machine", false, "describe this machine on standard output, for machine.txt")
	flag.Parse()
	if *machine {
		fmt.Print(describe())
		return
	}
	if err := render(*dir); err != nil {
		fmt.Fprintln(os.Stderr, "performance:", err)
		os.Exit(1)
	}
}

// render writes everything that is made from the rows in dir.
func render(dir string) error {
	growth, err := readGrowth(filepath.Join(dir, "growth.txt"))
	if err != nil {
		return err
	}
	pinned, err := readPeers(filepath.Join(dir, "peers.jsonl"))
	if err != nil {
		return err
	}
	if err := readDurable(filepath.Join(dir, "durable.txt"), pinned); err != nil {
		return err
	}
	unpinned, err := readPeers(filepath.Join(dir, "peers-unpinned.jsonl"))
	if err != nil {
		return err
	}
	machine, err := os.ReadFile(filepath.Join(dir, "machine.txt"))
	if os.IsNotExist(err) {
		machine, err = []byte(describe()), nil
	}
	if err != nil {
		return err
	}
	for _, c := range curves {
		if points := growth[c.bench]; len(points) > 0 {
			if err := os.WriteFile(filepath.Join(dir, c.file), draw(c, points), 0o644); err != nil {
				return err
			}
		}
	}
	note, err := os.ReadFile(filepath.Join(dir, "note.txt")) // of rows that were not measured by measure.sh
	if err != nil && !os.IsNotExist(err) {
		return err
	}
	page := dir + ".md"
	text, err := os.ReadFile(page)
	if err != nil {
		return err
	}
	for _, part := range []struct{ name, body string }{
		{"goals", string(note) + goalTable(pinned, unpinned)},
		{"machine", string(machine)},
		{"noise", noise(pinned, unpinned)},
		{"growth", string(note) + growthTable(growth, filepath.Base(dir))},
		{"peers", peerTables(pinned, "") + unpinnedTable(unpinned)},
	} {
		if text, err = replace(text, part.name, part.body); err != nil {
			return fmt.Errorf("%s: %w", page, err)
		}
	}
	return os.WriteFile(page, text, 0o644)
}

// replace puts body between <!-- name --> and <!-- /name -->.
func replace(text []byte, name, body string) ([]byte, error) {
	begin, end := []byte("<!-- "+name+" -->\n"), []byte("<!-- /"+name+" -->")
	i := bytes.Index(text, begin)
	j := bytes.Index(text, end)
	if i < 0 || j < i {
		return nil, fmt.Errorf("no marks %sand %s", begin, end)
	}
	var b bytes.Buffer
	b.Write(text[:i+len(begin)])
	b.WriteString(body)
	b.Write(text[j:])
	return b.Bytes(), nil
}
