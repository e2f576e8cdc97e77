package arena

import "syscall"

// mapRegion maps n bytes of zeroed memory that costs nothing until touched.
// nil when the system refuses: the slabs then come from the heap, one by one.
func mapRegion(n int) []byte {
	b, err := syscall.Mmap(-1, 0, n, syscall.PROT_READ|syscall.PROT_WRITE,
		syscall.MAP_PRIVATE|syscall.MAP_ANON|syscall.MAP_NORESERVE)
	if err != nil {
		return nil
	}
	return b
}

func unmapRegion(b []byte) { _ = syscall.Munmap(b) }
