package store

import (
	"fmt"
	"path/filepath"
)

// spareName is the file of a segment that was given up and waits to be the next
// one. Its blocks are written already and its end does not move, so an fsync of what
// is written over them has the data to write and no metadata: on ext4 with blocks of
// 4 KiB a reading at 100 a second costs the device half (TestDeviceBytes).
const spareName = "spare"

func (s *Store) sparePath() string { return filepath.Join(s.opt.Dir, spareName) }

// setSpareLocked charges the bound with a spare file of n bytes, 0 = there is none.
func (s *Store) setSpareLocked(n int64) {
	s.used += n - s.spareCharged
	s.spareCharged = n
}

func (s *Store) dropSpare() {
	s.mu.Lock()
	s.setSpareLocked(0)
	s.mu.Unlock()
}

// giveUp takes the file of a segment out of the log: to be written over, or, where
// somebody reads it or there is a spare one, removed.
func (s *Store) giveUp(g *segment) error {
	s.mu.Lock()
	keep := s.spareCharged == 0 && !s.noDirSync && !s.shrink && g.readers == 0 && g.end >= s.opt.segmentSize()*3/4
	if keep {
		g.gone = true
		s.dropLocked(g)
		s.setSpareLocked(charge(int64(g.end)))
	}
	s.mu.Unlock()
	if keep {
		if s.opt.FS.Rename(s.segPath(g.no), s.sparePath()) == nil {
			return nil
		}
		s.dropSpare()
	}
	if err := s.opt.FS.Remove(s.segPath(g.no)); err != nil && !isNotExist(err) {
		if keep { // it is still there, and the log has it again
			s.mu.Lock()
			g.gone = false
			s.segs = append([]*segment{g}, s.segs...)
			s.used += g.charged
			s.mu.Unlock()
		}
		return fmt.Errorf("remove %s: %w", segName(g.no), err)
	}
	s.drop(g)
	return nil
}

// takeSpare makes the spare file the segment no. The name is on disk before
// anything is written over what the file held: after a power cut the old name must
// not lead to the new bytes. taken is what it takes, 0 = there is none.
func (s *Store) takeSpare(no uint64) (taken int64, err error) {
	if s.spareCharged == 0 {
		return 0, nil
	}
	if s.opt.FS.Rename(s.sparePath(), s.segPath(no)) != nil {
		if err := s.opt.FS.Remove(s.sparePath()); err != nil && !isNotExist(err) {
			return 0, err
		}
	} else if err = s.syncDir(s.opt.Dir); err != nil {
		if gone := s.opt.FS.Remove(s.segPath(no)); gone != nil && !isNotExist(gone) {
			return 0, gone // charged on: the next start finds it
		}
	} else {
		taken = s.spareCharged
	}
	s.dropSpare()
	return taken, err
}
