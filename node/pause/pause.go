// Package pause lets time pass for who may be told to end meanwhile.
package pause

import (
	"context"
	"time"
)

// For reports whether d passed before ctx ended.
func For(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}
