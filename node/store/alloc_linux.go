package store

import (
	"errors"

	"golang.org/x/sys/unix"
)

// Allocate: with the blocks of a segment taken at once an fsync on ext4 has but
// the inode to write besides the data (TestDeviceBytes has the figures).
func (f osFile) Allocate(size int64) error {
	err := unix.Fallocate(int(f.Fd()), unix.FALLOC_FL_KEEP_SIZE, 0, size)
	if errors.Is(err, unix.ENOSPC) || errors.Is(err, unix.EDQUOT) || errors.Is(err, unix.EIO) {
		return err
	}
	return nil
}
