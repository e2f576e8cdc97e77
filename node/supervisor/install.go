package supervisor

import (
	"errors"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// Service is a service manager: how a board shows that it has it, and what it is
// told of the hub.
type Service struct {
	Name, Mark string
	Files      map[string]string // by path; @BIN@, @CONFIG@ and @MEMORY@ are filled in
	Start      string            // what the administrator types then
}

// Board is where a hub is to run.
type Board struct {
	Root   string // of its file system
	Binary string // where the program is to be
	Config string // file, "" = that of the state directory
	Memory int64  // MiB that the service may take
}

// Choose is the service manager of that name, or the one that the board shows.
func (b *Board) Choose(all []Service, name string) (s Service, ok bool) {
	for _, s := range all {
		_, err := os.Stat(filepath.Join(b.Root, s.Mark))
		if name == s.Name || name == "" && err == nil {
			return s, true
		}
	}
	return s, false
}

// Each gives the service's files with this board's names in them, in order.
func (b *Board) Each(s Service, file func(path, text string) error) error {
	config := ""
	if b.Config != "" {
		config = " --config " + b.Config
	}
	fill := strings.NewReplacer("@BIN@", b.Binary, "@CONFIG@", config, "@MEMORY@", strconv.FormatInt(b.Memory, 10))
	for _, path := range slices.Sorted(maps.Keys(s.Files)) {
		if err := file(path, fill.Replace(s.Files[path])); err != nil {
			return err
		}
	}
	return nil
}

// Install writes the service's files, copies this program unless Root is an image's, and
// tells each step.
func (b *Board) Install(s Service, tell func(words ...any)) error {
	here := filepath.Clean(b.Root) == "/"
	if here {
		self, err := b.copySelf()
		if err != nil {
			return err
		}
		if self != "" {
			tell("copied", self, "to", b.Binary)
		}
	}
	err := b.Each(s, func(path, text string) error {
		err := b.write(path, text)
		if err == nil {
			tell("wrote", path)
		}
		return err
	})
	if err == nil && here {
		tell("start it with:", s.Start)
	}
	return err
}

// write writes one of the service's files to the board.
func (b *Board) write(path, text string) error {
	mode := os.FileMode(0o644)
	if strings.HasPrefix(path, "/etc/init.d/") {
		mode = 0o755
	}
	return place(filepath.Join(b.Root, path), strings.NewReader(text), mode)
}

// copySelf copies this program to where it is to be, and says from where; "" = it is
// there.
func (b *Board) copySelf() (from string, err error) {
	self, err := os.Executable()
	if err != nil || self == b.Binary {
		return "", err
	}
	f, err := os.Open(self)
	if err != nil {
		return "", err
	}
	defer f.Close()
	return self, place(b.Binary, f, 0o755)
}

// place writes a file beside its place and moves it there: one that runs is not
// written over.
func place(name string, from io.Reader, mode os.FileMode) error {
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		return err
	}
	f, err := os.OpenFile(name+".new", os.O_WRONLY|os.O_CREATE|os.O_TRUNC, mode)
	if err != nil {
		return err
	}
	_, err = io.Copy(f, from)
	if err := errors.Join(err, f.Chmod(mode), f.Sync(), f.Close()); err != nil {
		return err
	}
	return os.Rename(name+".new", name)
}
