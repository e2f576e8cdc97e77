//go:build !linux

package arena

func mapRegion(int) []byte { return nil }
func unmapRegion([]byte)   {}
