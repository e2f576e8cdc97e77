package store

import (
	"errors"
	"fmt"
	"path/filepath"
	"sort"
)

const damagedDir = "damaged"

// damagedSize is what lies under damaged/, charged in blocks.
func (s *Store) damagedSize() (n int64) {
	list, _ := s.opt.FS.ReadDir(filepath.Join(s.opt.Dir, damagedDir))
	for _, e := range list {
		n += charge(e.Size)
	}
	return n
}

// setAside keeps what could not be read for somebody to look at, within its
// bound: the oldest of it goes first. It is said once, here.
func (s *Store) setAside(g *segment, buf []byte, b span) {
	name := filepath.Join(s.opt.Dir, damagedDir, fmt.Sprintf("%016x-%06x", g.no, b.off))
	s.opt.Log.Error("store: damage was set aside", "file", s.segPath(g.no), "offset", b.off, "bytes", b.end-b.off, "to", name)
	if err := s.keepAside(name, buf[b.off:b.end]); err != nil {
		s.opt.Log.Error("store: damage cannot be set aside", "err", err)
	}
}

func (s *Store) keepAside(name string, b []byte) error {
	size, limit := charge(int64(len(b))), s.opt.damagedBytes()
	if size > limit {
		b, size = b[:limit&^(block-1)], limit&^(block-1)
	}
	dir := filepath.Dir(name)
	if err := s.opt.FS.MkdirAll(dir); err != nil {
		return err
	}
	list, err := s.opt.FS.ReadDir(dir)
	if err != nil {
		return err
	}
	sort.Slice(list, func(i, j int) bool { return list[i].Name < list[j].Name })
	for _, e := range list {
		if s.damaged.Load()+size <= limit {
			break
		}
		if err := s.opt.FS.Remove(filepath.Join(dir, e.Name)); err != nil {
			return err
		}
		s.damaged.Add(-charge(e.Size))
	}
	f, err := s.opt.FS.Open(name, true)
	if err != nil {
		return err
	}
	s.damaged.Add(size)
	_, err = f.WriteAt(b, 0)
	return errors.Join(err, f.Sync(), f.Close())
}
