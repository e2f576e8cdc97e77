package node

import (
	"testing"
	"unsafe"
)

// TestSizes: a hub has as many of these as peers, and the allocator aligns them to
// lines of cache only in these sizes.
func TestSizes(t *testing.T) {
	if unsafe.Sizeof(uintptr(0)) == 4 {
		t.Skip("sizes of 64 bit")
	}
	if n := unsafe.Sizeof(Session{}); n > 256 {
		t.Errorf("a session is %d bytes", n)
	}
	if n := unsafe.Sizeof(Subscription{}); n != 128 {
		t.Errorf("a subscription is %d bytes", n)
	}
	if n := unsafe.Sizeof(Topic{}); n > 112 {
		t.Errorf("a topic is %d bytes", n)
	}
}
