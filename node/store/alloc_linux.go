package store

import (
	"errors"

	"golang.org/x/sys/unix"
)

// Sync writes the data and what is needed to find it (fdatasync): the times of a
// file do not matter, and where its blocks are written already nothing else does.
func (f osFile) Sync() error {
	for {
		if err := unix.Fdatasync(int(f.Fd())); !errors.Is(err, unix.EINTR) {
			return err
		}
	}
}

// Allocate: with the blocks of a segment taken at once an fsync on ext4 has but
// the inode to write besides the data (TestDeviceBytes has the figures).
func (f osFile) Allocate(size int64) error {
	err := unix.Fallocate(int(f.Fd()), unix.FALLOC_FL_KEEP_SIZE, 0, size)
	if errors.Is(err, unix.ENOSPC) || errors.Is(err, unix.EDQUOT) || errors.Is(err, unix.EIO) {
		return err
	}
	return nil
}
