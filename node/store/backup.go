package store

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"topicd/node/ustar"
)

// Backup writes the store as a tar file: all that was synced when it ends, from
// a running store without holding it up. What is restored from it goes on like
// after an unclean end, above the numbers of the store that ran on.
func (s *Store) Backup(w io.Writer) error {
	if err := s.Sync(); err != nil {
		return err
	}
	tw := ustar.NewWriter(w)
	for last := uint64(0); ; {
		g, end, head := s.after(last)
		if g == nil {
			return tw.Close()
		}
		err := s.backupSeg(tw, g, end)
		if err != nil && !errors.Is(err, errGone) { // what was carried from it comes later
			return err
		}
		last = g.no
		if head {
			return tw.Close()
		}
	}
}

// after is the first segment behind the number no. The head is taken last and
// at one moment, so what was carried into it before is there.
func (s *Store) after(no uint64) (g *segment, end int, head bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, g := range s.segs {
		if g.no > no {
			return g, g.end, i == len(s.segs)-1
		}
	}
	return nil, 0, false
}

func (s *Store) backupSeg(tw *ustar.Writer, g *segment, end int) error {
	if end == 0 {
		return nil // nothing of it is synced
	}
	r, err := s.openSeg(g)
	if err != nil {
		return err
	}
	defer r.close()
	b := make([]byte, end)
	if n, err := r.f.ReadAt(b, 0); n < end {
		return fmt.Errorf("store: read %s: %w", segName(g.no), err)
	}
	err = tw.WriteHeader(&ustar.Header{Name: segName(g.no), Mode: int64(fileMode), Size: int64(end), ModTime: time.UnixMilli(s.opt.Wall())})
	if err != nil {
		return err
	}
	_, err = tw.Write(b)
	return err
}

// ErrNotEmpty: Restore would mix two stores.
var ErrNotEmpty = errors.New("store: the directory already holds a store")

// Restore puts what Backup wrote into dir, which no running hub may use and
// which must not hold a store yet. After an error dir holds none.
func Restore(dir string, r io.Reader) (err error) {
	s := &Store{opt: Options{Dir: dir}.withDefaults()}
	if err := s.take(); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.lock.Close()) }()
	list, err := s.opt.FS.ReadDir(dir)
	if err != nil {
		return fmt.Errorf("store: %w", err)
	}
	for _, e := range list {
		if _, ok := parseSegName(e.Name); ok {
			return ErrNotEmpty
		}
	}
	var made []string
	if made, err = s.unpack(r); err != nil {
		for _, name := range made {
			err = errors.Join(err, os.Remove(name))
		}
		return fmt.Errorf("store: restore: %w", err)
	}
	return s.syncDir(dir)
}

// unpack writes the segments of a tar file; other members are skipped.
func (s *Store) unpack(r io.Reader) (made []string, err error) {
	sound := false
	tr := ustar.NewReader(r)
	for {
		h, err := tr.Next()
		if errors.Is(err, io.EOF) {
			if !sound {
				return made, errors.New("no segment in it")
			}
			return made, nil
		}
		if err != nil {
			return made, err
		}
		no, ok := parseSegName(filepath.Base(h.Name))
		if !ok || !h.Plain {
			continue
		}
		if h.Size > maxSegment {
			return made, fmt.Errorf("%s is too large", h.Name)
		}
		b := make([]byte, h.Size)
		if _, err := io.ReadFull(tr, b); err != nil {
			return made, err
		}
		if _, ok := segSalt(b, no); ok {
			sound = true // one whose header is damaged is mended at open
		}
		made = append(made, s.segPath(no))
		if err := writeFile(s.segPath(no), b); err != nil {
			return made, err
		}
	}
}

func writeFile(name string, b []byte) error {
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, fileMode)
	if err != nil {
		return err
	}
	_, err = f.Write(b)
	return errors.Join(err, f.Sync(), f.Close())
}
