//go:build !linux

package store

func (f osFile) Allocate(int64) error { return nil }
