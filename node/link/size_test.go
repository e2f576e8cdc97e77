package link

import (
	"slices"
	"testing"
	"unsafe"
)

// TestSizes: a hub has as many of these as peers; the allocator has no size between
// this one and the next larger.
func TestSizes(t *testing.T) {
	if unsafe.Sizeof(uintptr(0)) == 8 && unsafe.Sizeof(conn{}) > 128 {
		t.Errorf("a connection is %d bytes", unsafe.Sizeof(conn{}))
	}
}

// TestARushIsOverOnce: what a thousand connections took to come in is given back
// when they are in, not while they come, and not again.
func TestARushIsOverOnce(t *testing.T) {
	var r rush
	var told []int
	for i, moved := range []uint32{100, 100, 700, 1000, 1001, 1001, 1200, 1200, 1300, 1301} {
		if r.over(moved) {
			told = append(told, i)
		}
	}
	if !slices.Equal(told, []int{4, 9}) {
		t.Errorf("told at %v", told)
	}
}
