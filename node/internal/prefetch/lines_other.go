//go:build !amd64 && !arm64 && !arm

package prefetch

import "unsafe"

// Lines does nothing here.
func Lines(unsafe.Pointer) {}
