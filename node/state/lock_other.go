//go:build !unix

package state

import "os"

func takeLock(string) (*os.File, error) { return nil, nil }
