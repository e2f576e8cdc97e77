// Package state is what a hub keeps over restarts: one directory, one hub's, of
// small files that only its owner may read.
//
//	admin-token   tokens.json   topics.json   tls-cert.pem, tls-key.pem   id   carried
//
// Each file is replaced whole or not at all. One that is there and cannot be
// made sense of, after a power cut say, is damaged: it is set aside as
// NAME.damaged, which is said once at ERROR with what to do, and the hub starts
// as if there were none. That fails closed: without its file no token is known,
// no static topic is there, the admin token and the certificate are new ones.
// A file that may not be read, or that a newer topicd wrote, is not damaged: it
// is left alone, and the hub does not start.
package state

import (
	"bufio"
	"errors"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// Dir is the directory of a hub that runs. The zero value keeps nothing.
type Dir struct {
	path string
	lock *os.File // nil: the directory takes no files, and needs no lock
}

// Open takes the directory for this process, until Close. Where another hub has
// it the error is a *Taken.
func Open(path string) (*Dir, error) {
	lock, err := takeLock(filepath.Join(path, "lock"))
	if err != nil {
		return nil, err
	}
	if lock != nil { // what a power cut has left of files that were about to be replaced
		list, _ := os.ReadDir(path)
		for _, e := range list {
			if strings.HasPrefix(e.Name(), newFile) {
				_ = os.Remove(filepath.Join(path, e.Name()))
			}
		}
	}
	return &Dir{path: path, lock: lock}, nil
}

// Close gives the directory back; the kernel does when the process ends.
func (d *Dir) Close() {
	if d.lock != nil {
		_ = d.lock.Close()
	}
}

// File is the path of a file of that name.
func (d *Dir) File(name string) string { return filepath.Join(d.path, name) }

// maxFile: more was not written by us.
const maxFile = 64 << 20

// Read reads a file of the state and has it made sense of. ok: it was there, and
// good. What good returns is what is wrong with the text, nil for nothing; a
// *Foreign is handed on, for everything else the file is set aside and hint is
// what the log says about it.
func Read(file string, log *slog.Logger, hint string, good func(text []byte) error) (ok bool, err error) {
	text, err := readSmall(file)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return false, nil
	case errors.Is(err, fs.ErrPermission):
		return false, err
	case err == nil:
		err = good(text)
	}
	if foreign := (*Foreign)(nil); err == nil || errors.As(err, &foreign) {
		return err == nil, err
	}
	SetAside(log, hint, err, file)
	return false, nil
}

func readSmall(file string) ([]byte, error) {
	if i, err := os.Stat(file); err == nil && i.Size() > maxFile {
		return nil, errors.New("it is too large")
	}
	return os.ReadFile(file)
}

// SetAside renames damaged files that belong together, so that somebody can mend
// them, and says so.
func SetAside(log *slog.Logger, hint string, why error, files ...string) {
	var failed error
	for _, file := range files {
		if err := os.Rename(file, file+".damaged"); !errors.Is(err, fs.ErrNotExist) {
			failed = errors.Join(failed, err)
		}
	}
	if failed != nil {
		log.Error("a damaged file cannot even be set aside: "+hint, "file", files[0], "why", why, "err", failed)
		return
	}
	log.Error("a damaged file is set aside: "+hint, "file", files[0], "as", files[0]+".damaged", "why", why)
}

// Foreign is what is wrong with a file that another version of topicd wrote.
type Foreign struct{ Why error }

func (f *Foreign) Error() string { return f.Why.Error() }
func (f *Foreign) Unwrap() error { return f.Why }

// Write replaces a file that only its owner may read, whole or not at all.
func Write(file string, text []byte) error {
	return WriteFrom(file, func(w io.Writer) error {
		_, err := w.Write(text)
		return err
	})
}

// newFile begins the name of a file that is to replace another.
const newFile = ".new-"

// WriteFrom is Write of what from writes.
func WriteFrom(file string, from func(io.Writer) error) error {
	f, err := os.CreateTemp(filepath.Dir(file), newFile) // mode 0600
	if err != nil {
		return err
	}
	w := bufio.NewWriterSize(f, 64<<10)
	err = errors.Join(from(w), w.Flush())
	err = errors.Join(err, f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), file)
	}
	if err != nil {
		_ = os.Remove(f.Name())
		return err
	}
	syncDir(file)
	return nil
}

// syncDir has the names in a file's directory outlive a power cut too.
func syncDir(file string) {
	if d, err := os.Open(filepath.Dir(file)); err == nil {
		_ = d.Sync()
		_ = d.Close()
	}
}

// Take is Read of a file that serves once: it is gone before its text may be used.
func Take(file string, log *slog.Logger, hint string, good func(text []byte) error) bool {
	ok, err := Read(file, log, hint, good)
	if ok {
		if err = os.Remove(file); err == nil {
			syncDir(file)
		}
	}
	if err != nil {
		log.Warn("a file of the last run is left alone: "+hint, "file", file, "err", err)
	}
	return ok && err == nil
}

// Taken says that another hub has the directory.
type Taken struct{ PID int } // 0 = not known

func (t *Taken) Error() string {
	if t.PID == 0 {
		return "another topicd"
	}
	return "another topicd (pid " + strconv.Itoa(t.PID) + ")"
}
