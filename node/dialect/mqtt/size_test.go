package mqtt

import (
	"testing"
	"unsafe"
)

// TestSizes: a hub has as many of these as clients; the allocator has no size between
// these and the next larger.
func TestSizes(t *testing.T) {
	if unsafe.Sizeof(uintptr(0)) == 4 {
		t.Skip("sizes of 64 bit")
	}
	if n := unsafe.Sizeof(client{}); n > 128 {
		t.Errorf("a client is %d bytes", n)
	}
	if n := unsafe.Sizeof(conn{}); n > 48 {
		t.Errorf("a connection is %d bytes", n)
	}
}
