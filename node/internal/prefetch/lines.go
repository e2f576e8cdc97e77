//go:build amd64 || arm64 || arm

package prefetch

import "unsafe"

// Lines asks for the 128 bytes from p. It reads nothing: any address will do.
//
//go:noescape
func Lines(p unsafe.Pointer)
