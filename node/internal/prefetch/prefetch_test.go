package prefetch

import (
	"testing"
	"unsafe"
)

// Asking for what is not there is no fault: the last of a page, nothing at all.
func TestLines(t *testing.T) {
	for _, p := range []uintptr{0, 1, 4095, ^uintptr(0)} {
		Lines(*(*unsafe.Pointer)(unsafe.Pointer(&p)))
	}
	b := make([]byte, 1)
	Lines(unsafe.Pointer(&b[0]))
}

func BenchmarkLines(b *testing.B) {
	var x [2 * Line]byte
	for b.Loop() {
		Lines(unsafe.Pointer(&x))
	}
}
