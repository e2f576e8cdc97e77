package doctor

import "golang.org/x/sys/unix"

// freeBytes is what a user may still write where dir is.
func freeBytes(dir string) (int64, error) {
	var s unix.Statfs_t
	err := unix.Statfs(dir, &s)
	return int64(s.Bavail) * int64(s.Bsize), err
}

// synchronized tells whether somebody keeps the system's clock (adjtimex(2)).
func synchronized() bool {
	var t unix.Timex
	state, err := unix.Adjtimex(&t)
	return err != nil || state != unix.TIME_ERROR
}
