//go:build !linux

package main

import "errors"

// keysOf: other systems show JSON.
func keysOf(any) (restore func(), err error) { return nil, errors.ErrUnsupported }

func sizeOf(any) (width, height int) { return 80, 24 }

func freeBytes(string) (int64, error) { return 0, errors.ErrUnsupported }

func synchronized() bool { return true }
