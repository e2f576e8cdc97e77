package link

import (
	"testing"
	"unsafe"
)

// TestSizes: a hub has as many of these as peers; the allocator has no size between
// this one and the next larger.
func TestSizes(t *testing.T) {
	if unsafe.Sizeof(uintptr(0)) == 8 && unsafe.Sizeof(conn{}) > 208 {
		t.Errorf("a connection is %d bytes", unsafe.Sizeof(conn{}))
	}
}
