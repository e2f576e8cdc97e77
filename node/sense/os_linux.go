package sense

import "syscall"

// readFile reads a file into buf, which it may replace by a longer one, and
// returns it with the number of bytes: at most limit, the rest is not read. Plain
// system calls: os.File costs five allocations and a registration with the poller.
func readFile(path string, buf []byte, limit int) ([]byte, int, error) {
	fd, err := retry(func() (int, error) { return syscall.Open(path, syscall.O_RDONLY|syscall.O_CLOEXEC, 0) })
	if err != nil {
		return buf, 0, err
	}
	defer syscall.Close(fd)
	n := 0
	for n < limit {
		if n == len(buf) {
			longer := make([]byte, min(2*len(buf), limit))
			copy(longer, buf)
			buf = longer
		}
		m, err := retry(func() (int, error) { return syscall.Read(fd, buf[n:min(len(buf), limit)]) })
		if err != nil {
			return buf, 0, err
		}
		if m <= 0 {
			break
		}
		n += m
	}
	return buf, n, nil
}

// retry calls f until no signal interrupts it: Go's own preemption sends some.
func retry(f func() (int, error)) (int, error) {
	for {
		n, err := f()
		if err != syscall.EINTR {
			return n, err
		}
	}
}

// diskSpace returns the bytes that are in use, and that users may still write.
func diskSpace(path string) (used, free float64, err error) {
	var st syscall.Statfs_t
	if _, err := retry(func() (int, error) { return 0, syscall.Statfs(path, &st) }); err != nil {
		return 0, 0, err
	}
	block := float64(st.Frsize)
	if block == 0 {
		block = float64(st.Bsize)
	}
	return float64(st.Blocks-st.Bfree) * block, float64(st.Bavail) * block, nil
}
