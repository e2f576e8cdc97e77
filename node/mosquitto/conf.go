// Package mosquitto reads a mosquitto.conf and the files that it names, and says what
// of it topicd can take over: settings, and tokens in place of users.
//
//	mosquitto.conf ── Read ──► Plan{Settings, Users, Notes}
//	password_file, acl_file ──┘
//
// Nothing is taken that would let somebody in whom Mosquitto kept out: where a rule
// has no counterpart, the user or the listener that it restricts is left out, and a
// note says so. The formats are those of mosquitto.conf(5) and mosquitto_passwd(1) of
// Mosquitto 2.0.
package mosquitto

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Limits of what is read.
const (
	maxFile  = 4 << 20
	maxFiles = 256
	maxLines = 200_000
)

// directive is one line.
type directive struct {
	file string
	line int
	key  string
	rest string
}

// lines are the lines of a file that say something.
func lines(name string) ([]directive, error) {
	if i, err := os.Stat(name); err == nil && !i.Mode().IsRegular() {
		return nil, fmt.Errorf("%s: not a file", name)
	}
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return nil, err
	}
	if len(b) > maxFile {
		return nil, fmt.Errorf("%s: larger than %d bytes", name, maxFile)
	}
	var out []directive
	sc := bufio.NewScanner(bytes.NewReader(b))
	sc.Buffer(nil, maxFile+1)
	for n := 1; sc.Scan(); n++ {
		text := strings.TrimSpace(strings.TrimPrefix(sc.Text(), "\ufeff"))
		if text == "" || text[0] == '#' {
			continue
		}
		if len(out) >= maxLines {
			return nil, fmt.Errorf("%s: more than %d lines", name, maxLines)
		}
		key, rest, _ := strings.Cut(strings.ReplaceAll(text, "\t", " "), " ")
		out = append(out, directive{name, n, key, strings.TrimSpace(rest)})
	}
	return out, sc.Err()
}

// reader reads a configuration with what it includes.
type reader struct {
	dir   string // of the first file
	out   []directive
	files int
	notes []Note
}

func (r *reader) read(name string) error {
	if r.files++; r.files > maxFiles {
		return fmt.Errorf("%s: more than %d files", name, maxFiles)
	}
	list, err := lines(name)
	if err != nil {
		return err
	}
	for _, d := range list {
		if d.key != "include_dir" {
			r.out = append(r.out, d)
			continue
		}
		if err := r.include(d); err != nil {
			return err
		}
	}
	return nil
}

// include reads the *.conf files of a directory, in the order of their names
// (mosquitto.conf(5), include_dir).
func (r *reader) include(d directive) error {
	if d.rest == "" {
		return nil
	}
	dir := beside(r.dir, d.rest)
	found, err := os.ReadDir(dir)
	if err != nil {
		r.notes = append(r.notes, d.left("the directory cannot be read: "+err.Error()))
		return nil
	}
	var names []string
	for _, e := range found {
		if strings.HasSuffix(e.Name(), ".conf") && !e.IsDir() {
			names = append(names, filepath.Join(dir, e.Name()))
		}
	}
	slices.Sort(names)
	for _, name := range names {
		if err := r.read(name); err != nil {
			return err
		}
	}
	return nil
}

// beside is a path as the configuration has it, or, for one that was copied from
// another machine, the file of that name beside it.
func beside(dir, name string) string {
	if _, err := os.Stat(name); err == nil && filepath.IsAbs(name) {
		return name
	}
	for _, try := range []string{filepath.Join(dir, name), filepath.Join(dir, filepath.Base(name))} {
		if _, err := os.Stat(try); err == nil {
			return try
		}
	}
	return name
}

func (d *directive) note(kind Kind, why string) Note {
	return Note{File: d.file, Line: d.line, Text: strings.TrimSpace(d.key + " " + d.rest), Kind: kind, Why: why}
}

func (d *directive) left(why string) Note { return d.note(Left, why) }

func (d *directive) yes() bool { return d.rest == "true" }
