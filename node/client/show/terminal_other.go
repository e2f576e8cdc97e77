//go:build !linux

package show

import "errors"

// keysOf: other systems show JSON.
func keysOf(any) (restore func(), err error) { return nil, errors.ErrUnsupported }

func sizeOf(any) (width, height int) { return 80, 24 }
