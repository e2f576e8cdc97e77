//go:build !linux

package node

func mapRegion(int) []byte { return nil }
func unmapRegion([]byte)   {}
