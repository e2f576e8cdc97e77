package sense

import (
	"context"
	"time"

	"topicd/node/pause"
)

// Rounds reads the board once, or until ctx ends, and hands on every reading.
// Rates need two looks: a single round is preceded by one that only looks.
func (b *Board) Rounds(ctx context.Context, watch bool, every time.Duration, emit func(Reading) error) error {
	if !watch {
		b.Read(ctx, func(Reading) {})
		pause.For(ctx, 200*time.Millisecond)
	}
	for {
		var err error
		b.Read(ctx, func(r Reading) {
			if err == nil {
				err = emit(r)
			}
		})
		if err != nil || !watch {
			return err
		}
		if !pause.For(ctx, every) {
			return nil
		}
	}
}
