package native

import (
	"testing"
	"unsafe"
)

// TestSizes: a hub has as many of these as peers; the allocator has no size between
// this one and the next larger.
func TestSizes(t *testing.T) {
	if n := unsafe.Sizeof(native{}); unsafe.Sizeof(uintptr(0)) == 8 && n > 24 {
		t.Errorf("a connection is %d bytes", n)
	}
}
