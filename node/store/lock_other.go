//go:build !unix

package store

import (
	"io"
	"os"
)

// lockDir opens the lock file; other systems keep two processes apart by their
// own rules or not at all.
func lockDir(name string) (io.Closer, error) {
	return os.OpenFile(name, os.O_RDWR|os.O_CREATE, fileMode)
}
