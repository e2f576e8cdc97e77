//go:build !linux

package supervisor

// DropPages does nothing here.
func DropPages() {}

// ShedPages does nothing here.
func ShedPages() {}
