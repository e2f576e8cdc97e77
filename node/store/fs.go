package store

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"syscall"
)

// FS is what the store asks of a file system. Tests put one in its place that
// forgets, tears and reorders what was not synced.
type FS interface {
	// Open opens a file for reading, and with create for writing, made if need be.
	Open(name string, create bool) (File, error)
	Remove(name string) error
	Rename(from, to string) error
	ReadDir(name string) ([]Entry, error)
	MkdirAll(name string) error
	// SyncDir makes the entries of a directory durable.
	SyncDir(name string) error
	// Lock takes the directory for this process, or says ErrLocked.
	Lock(dir string) (io.Closer, error)
}

// File is an open file.
type File interface {
	io.ReaderAt
	io.WriterAt
	io.Closer
	Truncate(size int64) error
	Sync() error
	// Allocate takes room for size bytes in advance without moving the end. A
	// file system that cannot says nothing; one that is full says so.
	Allocate(size int64) error
}

// Entry is one entry of a directory.
type Entry struct {
	Name string
	Size int64
	Dir  bool
}

type osFS struct{}

func (osFS) Open(name string, create bool) (File, error) {
	if create {
		return opened(os.OpenFile(name, os.O_RDWR|os.O_CREATE, fileMode))
	}
	return opened(os.Open(name))
}

// opened keeps a nil *os.File from becoming a File that is not nil.
func opened(f *os.File, err error) (File, error) {
	if err != nil {
		return nil, err
	}
	return osFile{f}, nil
}

type osFile struct{ *os.File }

func (osFS) Remove(name string) error   { return os.Remove(name) }
func (osFS) Rename(a, b string) error   { return os.Rename(a, b) }
func (osFS) MkdirAll(name string) error { return os.MkdirAll(name, 0o700) }

func (osFS) ReadDir(name string) ([]Entry, error) {
	list, err := os.ReadDir(name)
	out := make([]Entry, 0, len(list))
	for _, e := range list {
		info, err := e.Info()
		if err != nil {
			continue // gone meanwhile
		}
		out = append(out, Entry{e.Name(), info.Size(), e.IsDir()})
	}
	return out, err
}

func (osFS) SyncDir(name string) error {
	d, err := os.Open(name)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}

func (osFS) Lock(dir string) (io.Closer, error) { return lockDir(filepath.Join(dir, lockName)) }

const lockName = "LOCK"

// ErrLocked: another process has the store open.
var ErrLocked = errors.New("store: the directory is in use")

// noSpace reports whether err means that the device or the quota is full.
func noSpace(err error) bool {
	return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT)
}

// noDirSync reports whether the file system cannot sync directories at all.
func noDirSync(err error) bool {
	return errors.Is(err, syscall.EINVAL) || errors.Is(err, errors.ErrUnsupported)
}
